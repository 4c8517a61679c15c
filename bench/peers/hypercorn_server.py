"""hypercorn on HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220), which it serves with aioquic, with an echo as its
application; `--http 3` for the latter."""

import asyncio
import socket
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config


def value(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


async def main() -> None:
    port = free_port()
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    if value("--http") == "3":
        config.quic_bind = [f"127.0.0.1:{port}"]
    folder = value("--tls")
    config.certfile, config.keyfile = f"{folder}/cert.pem", f"{folder}/key.pem"
    config.websocket_max_message_size = 16 << 20
    config.errorlog = None
    serving = asyncio.create_task(serve(app, config))
    while not serving.done():
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            break
        except OSError:
            await asyncio.sleep(0.05)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await serving


asyncio.run(main())
