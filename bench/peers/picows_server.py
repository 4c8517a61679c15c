"""picows, as its documentation sets up an echo server: on uvloop, frames as memoryviews
that are sent without another copy."""

import asyncio
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

ROOM = "--room" in sys.argv
DATA = (WSMsgType.TEXT, WSMsgType.BINARY)
members: set[WSTransport] = set()


class Echo(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        members.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        members.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind in DATA:
            payload = frame.get_payload_as_memoryview()
            if ROOM:
                payload = bytes(payload)
                for member in members:
                    member.send(kind, payload)
            else:
                transport.send(kind, payload)
        elif kind == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            transport.disconnect()


async def main() -> None:
    def factory(request: WSUpgradeRequest) -> WSListener:
        return Echo()

    server = await ws_create_server(
        factory, "127.0.0.1", 0, max_frame_size=16 << 20, backlog=4096
    )
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


uvloop.run(main())
