"""Python's websockets as client of `fdx serve`: python_client.py ws://HOST:PORT"""

import asyncio
import os
import sys

import websockets

from tap import check, main

URL = sys.argv[1]


def connect(path="/echo", **options):
    return websockets.connect(URL + path, compression=None, max_size=None, **options)


@check
async def text_and_binary():
    async with connect() as ws:
        for message in ["", "grüße, 世界 🌍", "x" * 126, "x" * 65535, b"", b"\x00\xff", os.urandom(65536)]:
            await ws.send(message)
            assert await ws.recv() == message


@check
async def a_message_of_1_mib():
    message = os.urandom(1 << 20)
    async with connect() as ws:
        await ws.send(message)
        assert await ws.recv() == message


@check
async def a_message_over_the_limit_is_refused_with_1009():
    async with connect() as ws:
        await ws.send(b"x" * ((1 << 20) + 1))
        await ws.wait_closed()
        assert ws.close_code == 1009, ws.close_code
        assert "max_message_size" in ws.close_reason, ws.close_reason


@check
async def fragments():
    pieces = ["eins", "", "zwei ✓", "drei"]
    async with connect() as ws:
        await ws.send(iter(pieces))
        assert await ws.recv() == "".join(pieces)


@check
async def many_messages_in_flight_keep_their_order():
    async with connect() as ws:
        send = asyncio.create_task(send_all(ws, 2000))
        for i in range(2000):
            assert await ws.recv() == f"message {i}"
        await send


async def send_all(ws, count):
    for i in range(count):
        await ws.send(f"message {i}")


@check
async def pings_are_answered():
    async with connect() as ws:
        for payload in [b"", b"x" * 125]:
            await asyncio.wait_for(await ws.ping(payload), 5)


@check
async def closes_are_echoed():
    for code, reason in [(1000, ""), (1001, "going"), (3000, "registered"), (4999, "ü" * 61)]:
        async with connect() as ws:
            await ws.close(code, reason)
            assert (ws.close_code, ws.close_reason) == (code, reason)


@check
async def broadcast_reaches_every_member():
    async with connect("/broadcast") as a, connect("/broadcast") as b:
        await a.send("from a")
        assert await a.recv() == "from a"
        assert await b.recv() == "from a"


@check
async def fifty_clients_at_once():
    async def one(i):
        async with connect() as ws:
            for j in range(20):
                message = f"{i}.{j} " + "y" * (i * 97)
                await ws.send(message)
                assert await ws.recv() == message

    await asyncio.gather(*(one(i) for i in range(50)))


@check
async def a_foreign_origin_is_refused_with_403():
    try:
        await connect(origin="http://evil.example")
        assert False, "it was accepted"
    except websockets.InvalidStatus as refused:
        assert refused.response.status_code == 403, refused.response
        assert b"Origin" in refused.response.body, refused.response.body


@check
async def an_unknown_path_is_refused_with_404():
    try:
        await connect("/nothing")
        assert False, "it was accepted"
    except websockets.InvalidStatus as refused:
        assert refused.response.status_code == 404


main()
