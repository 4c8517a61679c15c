"""hypercorn in the background, with an application that ends with an echo."""

import contextlib
import sys

from programs import DIR, free_port, running, write

BEGINNING = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
"""

ECHO = """
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
"""


@contextlib.asynccontextmanager
async def hypercorn(handshake, certificate, key, *options, has_udp=False, **how):
    """Gives the port, of TCP and with `has_udp` of UDP. `handshake` is the part of the application before the echo."""
    port = free_port()
    write(f"app_{port}.py", BEGINNING + handshake + ECHO)
    if has_udp:
        options = ("--quic-bind", f"127.0.0.1:{port}", *options)
    async with running(
        sys.executable, "-m", "hypercorn", f"app_{port}:app", "--bind", f"127.0.0.1:{port}",
        "--certfile", certificate, "--keyfile", key, *options, port=port, cwd=DIR, **how,
    ):
        yield port
