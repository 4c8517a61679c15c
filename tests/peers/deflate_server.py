"""Python's websockets, compressing, as server of `fdx connect --deflate`:
deflate_server.py FDX"""

import asyncio
import os
import sys

from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from programs import run
from tap import check, main

FDX = sys.argv[1]


async def exchange(settings, **parameters):
    seen = []

    async def echo(ws):
        [extension] = ws.protocol.extensions
        seen.append(extension)
        async for message in ws:
            await ws.send(message)

    factory = ServerPerMessageDeflateFactory(**parameters)
    async with serve(echo, "127.0.0.1", 0, compression=None, extensions=[factory], max_size=None) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        lines = [f"line {i} " + "again and again " * (i % 50) for i in range(300)]
        assert await fdx(url, "\n".join(lines).encode() + b"\n", settings) == "\n".join(lines).encode() + b"\n"
        data = os.urandom(200_000) + b"the same and the same " * 20_000
        assert await fdx(url, data, settings, "--binary") == data
    return seen[0]


async def fdx(url, stdin, settings, *options):
    process = await asyncio.create_subprocess_exec(
        FDX, "connect", url, f"--deflate={settings}", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 30)
    assert process.returncode == 0, err
    return out


@check
async def windows_of_9_to_15_with_and_without_takeover():
    async def window(bits, forgets):
        extension = await exchange(
            "smallest",
            server_max_window_bits=bits,
            client_max_window_bits=bits,
            server_no_context_takeover=forgets,
            client_no_context_takeover=forgets,
        )
        assert extension.remote_no_context_takeover == forgets
        assert extension.remote_max_window_bits == bits

    # `fdx connect` lingers for an answer, so each takes seconds, of which none is work.
    await asyncio.gather(*(window(bits, forgets) for bits in range(9, 16) for forgets in [False, True]))


@check
async def what_was_negotiated_is_reported():
    async def close(ws):
        await ws.close()

    async with serve(close, "127.0.0.1", 0, subprotocols=["chat"]) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        for options, says in [
            (["--deflate"], "HTTP/1.1, subprotocol chat, compression permessage-deflate; "),
            ([], "HTTP/1.1, subprotocol chat, compression none\n"),
        ]:
            code, _, err = await run(FDX, "connect", url, "--verbose", "-s", "chat", *options)
            assert code == 0 and says in err, (code, err)
        code, _, err = await run(FDX, "connect", "--deflate", "smallest", url)
        assert code == 2 and "--deflate=smallest" in err, (code, err)


@check
async def every_preset():
    every = ["small", "balanced", "smallest", "window=9", "window=8,takeover=no", "level=1,min=0"]
    await asyncio.gather(*(exchange(settings) for settings in every))


main()
