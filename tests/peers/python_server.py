"""Python's websockets as server of `fdx connect`: python_server.py FDX"""

import asyncio
import contextlib
import http
import os
import sys

from websockets.asyncio.server import serve

from tap import check, main

FDX = sys.argv[1]


@contextlib.asynccontextmanager
async def server(handler, **options):
    async with serve(handler, "127.0.0.1", 0, compression=None, max_size=None, **options) as s:
        yield f"ws://127.0.0.1:{s.sockets[0].getsockname()[1]}/"


async def fdx(url, stdin, *options):
    process = await asyncio.create_subprocess_exec(
        FDX, "connect", url, *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(stdin), 30)
    return process.returncode, out, err.decode()


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@check
async def lines_are_text_messages():
    async with server(echo) as url:
        assert (await fdx(url, "eins\nzwei ✓\r\n\ndrei".encode()))[:2] == (0, "eins\nzwei ✓\r\n\ndrei\n".encode())


@check
async def binary_input_comes_back_as_it_was():
    data = os.urandom(3 << 20)
    async with server(echo) as url:
        code, out, err = await fdx(url, data, "--binary")
        assert code == 0, err
        assert out == data


@check
async def messages_in_fragments_arrive_whole():
    async def handler(ws):
        await ws.send(iter(["a", "b", "c"]))
        await ws.send(iter([b"d" * (1 << 20), b"e"]))
        await ws.close()

    async with server(handler) as url:
        code, out, err = await fdx(url, b"", "--linger", "5")
        assert code == 0, err
        assert out == b"abc\n" + b"d" * (1 << 20) + b"e\n"


@check
async def the_servers_close_is_reported():
    async def handler(ws):
        await ws.close(4001, "enough of it")

    async with server(handler) as url:
        code, _, err = await fdx(url, b"", "--linger", "5")
        assert code == 6, code
        assert "4001" in err and "enough of it" in err, err


@check
async def our_close_is_received():
    seen = asyncio.get_running_loop().create_future()

    async def handler(ws):
        await ws.wait_closed()
        seen.set_result((ws.close_code, ws.close_reason))

    async with server(handler) as url:
        code, _, err = await fdx(url, b"", "--linger", "0")
        assert code == 0, err
        assert await seen == (1000, "")


@check
async def a_refusal_shows_status_and_body():
    def refuse(connection, request):
        return connection.respond(http.HTTPStatus.FORBIDDEN, "members only\n")

    async with server(echo, process_request=refuse) as url:
        code, _, err = await fdx(url, b"")
        assert code == 4, code
        assert "403" in err and "members only" in err, err


@check
async def a_dropped_connection_is_reported():
    async def handler(ws):
        ws.transport.abort()

    async with server(handler) as url:
        code, _, err = await fdx(url, b"", "--linger", "5")
        assert code == 5, code
        assert err.strip(), "nothing was said"


@check
async def subprotocol_and_headers_are_sent():
    async def handler(ws):
        await ws.send(f"{ws.subprotocol} {ws.request.headers['X-Test']}")
        await ws.close()

    async with server(handler, subprotocols=["b"]) as url:
        options = ["-s", "a", "-s", "b", "-H", "X-Test: yes", "--linger", "5"]
        code, out, err = await fdx(url, b"", *options)
        assert (code, out) == (0, b"b yes\n"), err


main()
