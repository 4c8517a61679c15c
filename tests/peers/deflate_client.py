"""Python's websockets, compressing, as client of `fdx serve --deflate`:
deflate_client.py ws://HOST:PORT...

Each server has other settings; each client other parameters."""

import asyncio
import json
import os
import random
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate

from tap import check, main

URLS = sys.argv[1:]
rng = random.Random(1)


def messages():
    words = "deflate window takeover context message frame fragment".split()
    yield ""
    yield b""
    for size in [1, 20, 300, 5000, 40000, 300000]:
        text = " ".join(rng.choice(words) for _ in range(size // 8 + 1))
        yield text[:size]
        yield json.dumps({"text": text, "n": rng.random()})[: size * 2]
        yield os.urandom(size)
        yield text.encode()[:size]


async def echoes(url, **parameters):
    factory = ClientPerMessageDeflateFactory(**parameters)
    async with websockets.connect(url + "/echo", compression=None, extensions=[factory], max_size=None) as ws:
        [extension] = ws.protocol.extensions
        assert isinstance(extension, PerMessageDeflate)
        for message in messages():
            await ws.send(message)
            assert await ws.recv() == message
        # In fragments.
        text = "fragments of one message " * 400
        await ws.send(text[i : i + 999] for i in range(0, len(text), 999))
        assert await ws.recv() == text
        # Many in flight.
        texts = [f"message {i} of many in flight" for i in range(300)]
        for text in texts:
            await ws.send(text)
        for text in texts:
            assert await ws.recv() == text
        await ws.close()
        return extension


@check
async def windows_of_9_to_15_with_takeover():
    for url in URLS:
        for bits in range(9, 16):
            extension = await echoes(url, server_max_window_bits=bits, client_max_window_bits=bits)
            assert extension.remote_max_window_bits <= bits
            assert extension.local_max_window_bits <= bits


@check
async def windows_of_9_to_15_without_takeover():
    for url in URLS:
        for bits in range(9, 16):
            extension = await echoes(
                url,
                server_max_window_bits=bits,
                client_max_window_bits=bits,
                server_no_context_takeover=True,
                client_no_context_takeover=True,
            )
            assert extension.remote_no_context_takeover
            assert extension.local_no_context_takeover


@check
async def the_smallest_window_and_no_parameters_at_all():
    for url in URLS:
        extension = await echoes(url, server_max_window_bits=8, client_max_window_bits=True)
        assert extension.remote_max_window_bits == 8
        await echoes(url)


@check
async def a_bomb_is_refused_with_1009():
    for url in URLS:
        async with websockets.connect(url, compression="deflate", max_size=None) as ws:
            try:
                await ws.send(b"\0" * (64 << 20))
                await ws.wait_closed()
            except websockets.ConnectionClosed:
                pass
            assert ws.close_code == 1009, ws.close_code


main()
