"""`fdx inspect --json` in the background, with what it says."""

import asyncio
import base64
import contextlib
import json


class Relay:
    """What `fdx inspect --json` says."""

    def __init__(self, process, lines):
        self.process, self.lines = process, lines

    def events(self, event):
        return [line for line in self.lines if line["event"] == event]

    async def ended(self, count):
        async with asyncio.timeout(20):
            while len(self.events("closed")) < count:
                await asyncio.sleep(0.02)

    async def noted(self, words):
        async with asyncio.timeout(20):
            while not any(words in line["text"] for line in self.events("note")):
                await asyncio.sleep(0.02)

    def peak(self):
        """The most memory that it has had, in MiB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024

    def messages(self, sender, connection=None):
        """The messages that it shows, all or those of a connection."""
        frames = [frame for frame in self.events("frame") if frame["from"] == sender and "message" in frame]
        shown = [frame["message"] for frame in frames if connection in (None, frame["connection"])]
        return [message["text"] if "text" in message else base64.b64decode(message["base64"]) for message in shown]


@contextlib.asynccontextmanager
async def inspecting(fdx, url, *options):
    lines = []
    process = await asyncio.create_subprocess_exec(
        fdx, "inspect", "--json", "--listen", "127.0.0.1:0", "--to", url, *options,
        stdout=asyncio.subprocess.PIPE, limit=64 << 20,
    )
    relay = Relay(process, lines)

    async def read():
        while line := await process.stdout.readline():
            lines.append(json.loads(line))

    first = json.loads(await process.stdout.readline())["text"]
    relay.port = int(first.rsplit(":", 1)[1].rstrip("/"))
    reading = asyncio.create_task(read())
    try:
        yield relay
    finally:
        process.kill()
        await reading
        await process.wait()
