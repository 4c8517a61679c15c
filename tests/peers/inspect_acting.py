"""Messages that `fdx inspect` edits, drops and injects live, in six clients with context takeover:
inspect_acting.py FDX CHROMIUM FIREFOX"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import sys
import zlib

import aiohttp
from websockets.asyncio.client import connect

from tap import check, main

FDX, CHROMIUM, FIREFOX = sys.argv[1:4]
HERE = os.path.dirname(__file__)
# The server compresses all in one context: each message refers to those before.
TEXTS = [json.dumps({"n": n, "symbol": "EURUSD", "side": "buy", "again": "the same side: buy"}) for n in range(40)]
EXPECTED = [
    *TEXTS[:10],
    "injected live",
    *TEXTS[10:20],
    *(text.replace("buy", "sell") for text in TEXTS[20:30]),
    "edited live",
    *(text.replace("buy", "sell") for n, text in enumerate(TEXTS) if n > 30 and n != 35),
]
OPTIONS = ["--replace", "dir:in json.n>=20", "s/buy/sell/g", "--drop", "dir:in json.n=35", "--break", "dir:in json.n=30"]


def frame(opcode, payload, rsv1=0):
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return bytes([0x80 | rsv1 << 6 | opcode]) + length + payload


class Server:
    """Sends the texts: ten of them, and the others when it is told to go on."""

    def __init__(self):
        self.go_on = asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def accept(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict((name.lower(), value) for name, value in (line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2]))
        if b"sec-websocket-key" not in fields:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage")
            return writer.close()
        assert b"permessage-deflate" in fields[b"sec-websocket-extensions"], head
        self.go_on.clear()
        key = fields[b"sec-websocket-key"] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        deflater = zlib.compressobj(wbits=-15)
        for n, text in enumerate(TEXTS):
            if n == 10:
                await asyncio.wait_for(self.go_on.wait(), 30)
            compressed = deflater.compress(text.encode()) + deflater.flush(zlib.Z_SYNC_FLUSH)
            writer.write(frame(1, compressed[:-4], 1))
        writer.write(frame(8, b"\x03\xe8"))
        await writer.drain()
        with contextlib.suppress(OSError):
            while await reader.read(1000):
                pass
        writer.close()


class Page:
    """What the page of the relay does, by its own WebSocket."""

    def __init__(self, socket):
        self.socket, self.commands = socket, 0

    async def until(self, found):
        async with asyncio.timeout(30):
            while (result := found(json.loads(await self.socket.recv()))) is None:
                pass
            return result

    async def command(self, **words):
        self.commands += 1
        await self.socket.send(json.dumps({**words, "to": self.commands}))
        answer = await self.until(lambda told: told["answer"] if told.get("answer", {}).get("to") == self.commands else None)
        assert answer["error"] is None, answer

    async def act(self, server):
        """Injects a message after the first ten, and edits the one that is held."""
        seen = 0

        def socket_of(told):
            nonlocal seen
            rows = told.get("rows", [])
            seen += sum(row.get("len", 0) > 0 and row["d"] == "in" for row in rows)
            return rows[-1]["s"] if seen >= 10 else None

        socket = await self.until(socket_of)
        await self.command(act="send", socket=socket, **{"as": "server"}, kind="text", text="injected live")
        server.go_on.set()
        held = await self.until(lambda told: next(iter(told.get("acts", {}).get("held", [])), None))
        assert json.loads(held["text"])["n"] == 30, held
        await self.command(act="release", held=held["held"], decision="replace", kind="text", text="edited live")


@contextlib.asynccontextmanager
async def relaying(port):
    process = await asyncio.create_subprocess_exec(
        FDX, "inspect", "--json", "--page", "--listen", "127.0.0.1:0", "--to", f"ws://127.0.0.1:{port}/", *OPTIONS,
        stdout=asyncio.subprocess.PIPE, limit=64 << 20,
    )
    found = {}
    while "relaying" not in found:
        words = json.loads(await process.stdout.readline())["text"].split()
        found[words[0]] = words[-1]

    async def discard():
        while await process.stdout.read(65536):
            pass

    reading = asyncio.create_task(discard())
    try:
        yield found["listening"], found["page"].replace("http:", "ws:").replace("/?", "/live?")
    finally:
        process.kill()
        await reading
        await process.wait()


async def by_websockets(url):
    async with connect(url, proxy=None) as ws:
        return [message async for message in ws]


async def by_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=15) as ws:
        return [message.data async for message in ws]


async def output_of(*command):
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, process.returncode
    return output.decode()


async def by_fdx(url):
    return (await output_of(FDX, "connect", "--deflate", "--proxy", "none", url)).splitlines()


def by_node(*which):
    async def run(url):
        return json.loads(await output_of("node", os.path.join(HERE, "inspect_acting.mjs"), url, *which))

    return run


async def reads_what_was_made(read):
    async with Server() as server, relaying(server.port) as (url, live):
        async with connect(live, proxy=None, max_size=None) as socket:
            received, _ = await asyncio.gather(read(url), Page(socket).act(server))
    assert received == EXPECTED, (received, EXPECTED)


for name, read in [
    ("websockets", by_websockets),
    ("aiohttp", by_aiohttp),
    ("fdx", by_fdx),
    ("ws", by_node("ws")),
    ("chromium", by_node("chrome", CHROMIUM)),
    ("firefox", by_node("firefox", FIREFOX)),
]:
    async def run(read=read):
        await reads_what_was_made(read)

    run.__name__ = f"{name}_reads_what_is_edited_dropped_and_injected_with_context_takeover"
    check(run)

main()
