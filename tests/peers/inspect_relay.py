"""Clients and servers in other languages with `fdx inspect` between them, and all bytes on both of its sides:
inspect_relay.py FDX CHROMIUM FIREFOX"""

import asyncio
import contextlib
import os
import sys
import zlib

import aiohttp
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from inspecting import inspecting as inspecting_url
from served import serving
from tap import check, main

FDX, CHROMIUM, FIREFOX = sys.argv[1:4]
HERE = os.path.dirname(__file__)


class Tee:
    """Passes connections on to a port, and keeps the bytes of each: those of the client, those of the server."""

    def __init__(self, port):
        self.to, self.connections = port, []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def accept(self, reader, writer):
        kept = [bytearray(), bytearray()]
        self.connections.append(kept)
        up, down = await asyncio.open_connection("127.0.0.1", self.to)
        await asyncio.gather(self.copy(reader, down, kept[0]), self.copy(up, writer, kept[1]))
        writer.close()
        down.close()

    async def copy(self, reader, writer, kept):
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                kept += piece
                writer.write(piece)
                await writer.drain()
            writer.write_eof()


def inspecting(port, *options):
    return inspecting_url(FDX, f"ws://127.0.0.1:{port}/", *options)


@contextlib.asynccontextmanager
async def between(port):
    """A relay to this port, with a tee on each side."""
    async with Tee(port) as behind, inspecting(behind.port) as relay, Tee(relay.port) as front:
        yield front, relay, behind


async def same_bytes(front, relay, behind):
    await relay.ended(len(front.connections))
    assert len(front.connections) == len(behind.connections) > 0
    # They are accepted in the order in which they were opened.
    for (asked, answered), (asked_behind, answered_behind) in zip(front.connections, behind.connections):
        own = asked.replace(f"Host: {front.address}\r\n".encode(), f"Host: {behind.address}\r\n".encode())
        assert own == asked_behind, (own[:600], asked_behind[:600])
        assert answered == answered_behind, (answered[:600], answered_behind[:600])
    assert not any("violation" in frame for frame in relay.events("frame"))


TEXTS = [f"message {i}: " + "the same and the same again " * (i % 7) for i in range(1000)]


async def talk_by_websockets(url):
    data = os.urandom(200_000)
    async with connect(url, proxy=None, max_size=None) as ws:
        await ws.send(["frag", "ment", ""])
        assert await ws.recv() == "fragment"
        await (await ws.ping(b"hi"))
        await ws.send(data)
        assert await ws.recv() == data
        for text in TEXTS:
            await ws.send(text)
        for text in TEXTS:
            assert await ws.recv() == text
        await ws.close(4321, "why")
    return ["fragment", data[:65536], *TEXTS]


async def talk_by_aiohttp(url):
    async with aiohttp.ClientSession() as session:
        async with session.get(url.replace("ws:", "http:")) as response:
            await response.read()
        async with session.ws_connect(url, compress=15, max_msg_size=0) as ws:
            for text in TEXTS[:100]:
                await ws.send_str(text)
                assert (await ws.receive_str()) == text
            await ws.send_bytes(bytes(100_000))
            assert await ws.receive_bytes() == bytes(100_000)
            await ws.close(code=4000)


async def talk_by_node(url):
    """By ws, and in pages of Chromium and Firefox."""
    process = await asyncio.create_subprocess_exec(
        "node", os.path.join(HERE, "inspect_clients.mjs"), url, CHROMIUM, FIREFOX,
    )
    assert await asyncio.wait_for(process.wait(), 90) == 0


async def echo(ws):
    with contextlib.suppress(ConnectionClosed):
        async for message in ws:
            await ws.send(message)


@check
async def a_server_of_websockets_sees_and_is_seen_as_without_the_relay():
    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        async with between(server.sockets[0].getsockname()[1]) as (front, relay, behind):
            sent = await talk_by_websockets(f"ws://{front.address}/x")
            await relay.ended(1)
            # Also those that refer to earlier ones (context takeover).
            assert relay.messages("client") == sent
            assert relay.messages("server") == sent
            [opened] = relay.events("open")
            assert opened["deflate"] and "no_context_takeover" not in opened["deflate"], opened
            [closed] = relay.events("closed")
            assert (closed["closed_first"], closed["code"], closed["reason"]) == ("client", 4321, "why")
            await talk_by_aiohttp(f"ws://{front.address}/")
            await same_bytes(front, relay, behind)


@check
async def a_server_of_ws_and_browsers_see_each_other_as_without_the_relay():
    script = """
        import { createRequire } from "node:module";
        const { WebSocketServer } = createRequire(process.env.PEERS + "/")("ws");
        const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 0 } });
        server.on("connection", ws => ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary })));
        server.on("listening", () => console.log(server.address().port));
    """
    process = await asyncio.create_subprocess_exec(
        "node", "--input-type=module", "-e", script, stdout=asyncio.subprocess.PIPE,
    )
    try:
        port = int(await process.stdout.readline())
        async with between(port) as (front, relay, behind):
            await talk_by_node(f"ws://{front.address}/")
            await same_bytes(front, relay, behind)
            agents = [value for request in relay.events("request") for name, value in request["fields"] if name == "User-Agent"]
            assert {"Chrome", "Firefox"} <= {word for agent in agents for word in ("Chrome", "Firefox") if word in agent}, agents
    finally:
        process.kill()
        await process.wait()


@check
async def fdx_serve_is_the_same_behind_the_relay():
    async with serving(FDX, "--deflate") as server:
        async with between(int(server.address.rsplit(":", 1)[1])) as (front, relay, behind):
            await talk_by_websockets(f"ws://{front.address}/echo")
            await talk_by_aiohttp(f"ws://{front.address}/echo")
            await same_bytes(front, relay, behind)


@check
async def a_bomb_passes_and_is_not_held():
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(1 << 20)
    bomb = b"".join([deflater.compress(zeros) for _ in range(300)] + [deflater.flush(zlib.Z_SYNC_FLUSH)])[:-4]
    received = asyncio.get_running_loop().create_future()

    async def take(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        )
        received.set_result((head, await reader.readexactly(14 + len(bomb))))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, limit=4 << 20)
    async with server, inspecting(server.sockets[0].getsockname()[1]) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        frame = b"\xc2\xff" + len(bomb).to_bytes(8, "big") + bytes(4) + bomb
        writer.write(frame)
        _, passed = await asyncio.wait_for(received, 30)
        assert passed == frame
        writer.close()
        await relay.ended(1)
        [shown] = relay.events("frame")
        assert shown["message"]["not_decompressed"] == "too long", shown["message"].keys()
        assert relay.peak() < 64, relay.peak()


@check
async def many_sockets_take_little_memory():
    async def take(reader, writer):
        while await reader.read(100):
            pass
        writer.close()

    sockets = int(os.environ.get("SOCKETS", "1000"))
    server = await asyncio.start_server(take, "127.0.0.1", 0, backlog=1000)
    async with server, inspecting(server.sockets[0].getsockname()[1], f"--max-connections={sockets}") as relay:
        first = relay.peak()
        opened = []
        for _ in range(sockets + 50):
            opened.append(await asyncio.open_connection("127.0.0.1", relay.port))
        async with asyncio.timeout(60):
            while len(relay.events("connection")) < sockets:
                await asyncio.sleep(0.05)
        # Those beyond the limit wait.
        assert len(relay.events("connection")) == sockets
        each = (relay.peak() - first) * 1024 / sockets
        print(f"# {sockets} connections take {each:.1f} KiB each", flush=True)
        assert each < 32, each
        for _, writer in opened:
            writer.close()
        await relay.ended(sockets + 50)


main()
