"""websockets. Its documentation advises no compression where CPU counts, and
`broadcast` for rooms; `--uvloop` runs it on that loop."""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

ROOM = "--room" in sys.argv
MODE = sys.argv[sys.argv.index("--deflate") + 1] if "--deflate" in sys.argv else "off"
members: set[ServerConnection] = set()


def extensions() -> list[ServerPerMessageDeflateFactory]:
    if MODE == "off":
        return []
    each = MODE == "shared"
    return [
        ServerPerMessageDeflateFactory(
            server_no_context_takeover=each, client_no_context_takeover=each
        )
    ]


async def echo(websocket: ServerConnection) -> None:
    members.add(websocket)
    try:
        async for message in websocket:
            if ROOM:
                broadcast(members, message)
            else:
                await websocket.send(message)
    except ConnectionClosed:
        pass
    finally:
        members.discard(websocket)


async def main() -> None:
    server = await serve(
        echo,
        "127.0.0.1",
        0,
        compression=None,
        extensions=extensions(),
        max_size=16 << 20,
        ping_interval=None,
        backlog=4096,
    )
    async with server:
        print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await server.serve_forever()


if "--uvloop" in sys.argv:
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
