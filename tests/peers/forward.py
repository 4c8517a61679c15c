"""`fdx forward` and `fdx serve --forward` with Python's websockets and TCP at the other end: forward.py FDX"""

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import struct
import sys

import websockets

from programs import running
from served import serving
from tap import check, main

FDX = sys.argv[1]
SIZE = 64 << 20
BLOCK = os.urandom(1 << 20)
# A WebSocket server of its own process, to be killed: it echoes, and prints its port first.
PEER = """
import asyncio, websockets
async def echo(ws):
    async for message in ws:
        await ws.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()
asyncio.run(main())
"""


def connect(url, **options):
    return websockets.connect(url, compression=None, max_size=None, proxy=None, **options)


def forwarding(*args):
    """Gives the address on which `fdx forward` listens, as `host:port`."""
    return address_of(running(FDX, "forward", "127.0.0.1:0", *args))


@contextlib.asynccontextmanager
async def address_of(program):
    async with program as word:
        yield word.removeprefix("tcp:")


def tcp(address):
    return asyncio.open_connection(*address.rsplit(":", 1))


@contextlib.asynccontextmanager
async def tcp_server(handle):
    async def guarded(reader, writer):
        with contextlib.suppress(OSError):
            await handle(reader, writer)
        writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0)
    async with server:
        yield "tcp:127.0.0.1:{}".format(server.sockets[0].getsockname()[1])


async def echo(reader, writer):
    while block := await reader.read(1 << 16):
        writer.write(block)
        await writer.drain()
    writer.write_eof()


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, 50)


async def is_reset(reader):
    """Whether a connection ends by a reset; what comes before does not count."""
    try:
        while await soon(reader.read(1 << 16)):
            pass
    except ConnectionResetError:
        return True
    return False


async def exchange(reader, writer, sends_fin=True):
    """Sends the blocks, and FIN, and returns the digest and the size of what comes back."""

    async def send():
        for _ in range(SIZE // len(BLOCK)):
            writer.write(BLOCK)
            await writer.drain()
        if sends_fin:
            writer.write_eof()

    sending = asyncio.create_task(send())
    digest, size = hashlib.sha256(), 0
    while block := await reader.read(1 << 18):
        digest.update(block)
        size += len(block)
    await sending
    return digest.hexdigest(), size


EXPECTED = hashlib.sha256()
for _ in range(SIZE // len(BLOCK)):
    EXPECTED.update(BLOCK)


@check
async def forward_carries_64_mib_both_ways_between_two_of_fdx():
    async with tcp_server(echo) as target, serving(FDX, "--forward", f"/db={target}") as server:
        async with forwarding(f"ws://{server.address}/db") as address:
            reader, writer = await tcp(address)
            assert await soon(exchange(reader, writer)) == (EXPECTED.hexdigest(), SIZE)
            writer.close()
        await server.said("closed", f"({SIZE} bytes)", "1000")


@check
async def forward_carries_64_mib_both_ways_with_a_websocket_server_of_python():
    async def echo_all(ws):
        """Echoes, and closes when all has come."""
        size = 0
        async for message in ws:
            assert isinstance(message, bytes) and ws.subprotocol == "binary"
            size += len(message)
            await ws.send(message)
            if size == SIZE:
                return

    async with websockets.serve(echo_all, "127.0.0.1", 0, compression=None, subprotocols=["binary"]) as server:
        port = server.sockets[0].getsockname()[1]
        async with forwarding(f"ws://127.0.0.1:{port}/", "--subprotocol", "binary") as address:
            reader, writer = await tcp(address)
            assert await soon(exchange(reader, writer, sends_fin=False)) == (EXPECTED.hexdigest(), SIZE)
            writer.close()


@check
async def forward_carries_64_mib_both_ways_with_a_websocket_client_of_python():
    async with tcp_server(echo) as target, serving(FDX, "--forward", target) as server:
        async with connect(f"ws://{server.address}/any/path") as ws:

            async def send():
                for _ in range(SIZE // len(BLOCK)):
                    await ws.send(BLOCK)

            sending = asyncio.create_task(send())
            digest, size = hashlib.sha256(), 0
            while size < SIZE:
                block = await soon(ws.recv())
                digest.update(block)
                size += len(block)
            await sending
            assert digest.hexdigest() == EXPECTED.hexdigest()
        assert ws.close_code == 1000


@check
async def forward_of_a_target_that_ends_closes_with_1000_and_one_that_is_reset_with_1011():
    async def say(reader, writer):
        word = await reader.read(5)
        writer.write(word)
        if word == b"reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with tcp_server(say) as target, serving(FDX, "--forward", target) as server:
        for word, code in [(b"ended", 1000), (b"reset", 1011)]:
            async with connect(f"ws://{server.address}/") as ws:
                await ws.send(word)
                await soon(ws.wait_closed())
                assert ws.close_code == code, (word, ws.close_code, ws.close_reason)


@check
async def forward_lets_a_target_see_the_end_of_the_websocket_client_as_it_was():
    ends = asyncio.Queue()

    async def tell(reader, writer):
        try:
            while await reader.read(100):
                pass
            ends.put_nowait("FIN")
        except ConnectionResetError:
            ends.put_nowait("reset")

    async with tcp_server(tell) as target, serving(FDX, "--forward", target) as server:
        for code, end in [(1000, "FIN"), (1001, "reset"), (3000, "reset"), (None, "reset")]:
            ws = await connect(f"ws://{server.address}/")
            await ws.send(b"x")
            if code:
                await ws.close(code)
            else:
                ws.transport.abort()
            assert await soon(ends.get()) == end, code


@check
async def forward_to_a_server_that_is_killed_resets_the_connections():
    pipe = asyncio.subprocess.PIPE
    peer = await asyncio.create_subprocess_exec(sys.executable, "-c", PEER, stdout=pipe)
    port = int(await soon(peer.stdout.readline()))
    async with forwarding(f"ws://127.0.0.1:{port}/") as address:
        reader, writer = await tcp(address)
        writer.write(b"x")
        assert await soon(reader.readexactly(1)) == b"x"
        peer.send_signal(signal.SIGKILL)
        await peer.wait()
        assert await is_reset(reader)
        # No WebSocket is opened for the next connection, which may be reset before it is seen as open.
        with contextlib.suppress(ConnectionResetError):
            reader, writer = await tcp(address)
            assert await is_reset(reader)


main()
