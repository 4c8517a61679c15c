"""HTTP/3 by hand, with aioquic and wsproto, to `fdx serve --h3`: http3_client.py FDX"""

import asyncio
import contextlib
import json
import os
import ssl
import sys

from aioquic.asyncio import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection, Setting
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamReset
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from served import serving
from tap import check, main

FDX = sys.argv[1]


class Client(QuicConnectionProtocol):
    """One connection; each stream has a queue of what comes on it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.h3, self.streams = H3Connection(self._quic), {}

    def quic_event_received(self, event):
        if isinstance(event, StreamReset) and event.stream_id in self.streams:
            self.streams[event.stream_id].put_nowait(event)
        for event in self.h3.handle_event(event):
            if getattr(event, "stream_id", None) in self.streams:
                self.streams[event.stream_id].put_nowait(event)

    async def request(self, headers, end=False, content=None):
        stream = self._quic.get_next_available_stream_id()
        self.streams[stream] = asyncio.Queue()
        headers = [(name.encode(), value.encode()) for name, value in headers]
        self.h3.send_headers(stream, headers, end_stream=end and content is None)
        if content is not None:
            self.h3.send_data(stream, content.encode(), end_stream=True)
        self.transmit()
        event = await self.streams[stream].get()
        if not isinstance(event, HeadersReceived):
            return stream, event
        return stream, {name.decode(): value.decode() for name, value in event.headers}

    async def get(self, path, content=None):
        """The answer to a GET, or to a POST of this content."""
        method = "GET" if content is None else "POST"
        head = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", path)]
        stream, headers = await self.request(head, end=True, content=content)
        body = b""
        while True:
            event = await self.streams[stream].get()
            assert isinstance(event, DataReceived), event
            body += event.data
            if event.stream_ended:
                return headers, body

    def extended(self, path, *more, protocol="websocket"):
        return [
            (":method", "CONNECT"), (":protocol", protocol), (":scheme", "https"), (":authority", self.authority),
            (":path", path), ("sec-websocket-version", "13"), *more,
        ]

    async def websocket(self, path="/echo"):
        stream, headers = await self.request(self.extended(path))
        assert headers[":status"] == "200" and "sec-websocket-accept" not in headers, headers
        return WebSocket(self, stream)


class WebSocket:
    def __init__(self, client, stream):
        self.client, self.stream, self.ws = client, stream, Connection(ConnectionType.CLIENT)
        self.ended = False

    def send(self, event):
        self.client.h3.send_data(self.stream, self.ws.send(event), end_stream=False)
        self.client.transmit()

    async def next(self):
        """The next event; the fragments of a message in one; None at the end of the stream."""
        parts = []
        while True:
            for event in self.ws.events():
                if not isinstance(event, (TextMessage, BytesMessage)):
                    return event
                parts.append(event.data)
                if event.message_finished:
                    return (b"" if isinstance(event, BytesMessage) else "").join(parts)
            if self.ended:
                return None
            event = await self.client.streams[self.stream].get()
            if not isinstance(event, DataReceived):
                return event
            self.ended = event.stream_ended
            if event.data:
                self.ws.receive_data(event.data)

    async def close(self, code, reason):
        self.send(CloseConnection(code, reason))
        event = await self.next()
        assert (event.code, event.reason) == (code, reason), event
        # RFC 9220 §3: the end of TCP is the end of the stream.
        assert await self.next() is None


@contextlib.asynccontextmanager
async def connected(*options):
    async with serving(FDX, "--h2", "--h3", "--tls-self-signed", *options) as server:
        host, port = server.address.rsplit(":", 1)
        settings = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost")
        settings.load_verify_locations(server.ca)
        async with connect(host, int(port), configuration=settings, create_protocol=Client) as client:
            client.authority = server.address
            yield client, server


@check
async def echoes_and_closes():
    async with connected() as (client, server):
        ws = await client.websocket()
        # RFC 9220 §3
        assert client.h3.received_settings[Setting.ENABLE_CONNECT_PROTOCOL] == 1
        for message in ["grüße 🌍", b"", os.urandom(70000), os.urandom(1 << 20)]:
            ws.send((TextMessage if isinstance(message, str) else BytesMessage)(message))
            assert await ws.next() == message
        ws.send(Ping(b"between"))
        pong = await ws.next()
        assert isinstance(pong, Pong) and pong.payload == b"between", pong
        await ws.close(4001, "enough")
        await server.said("/echo HTTP/3.0", "closed by the peer with 4001")


@check
async def many_streams_and_pages_on_one_connection():
    async with connected() as (client, _):
        all = [await client.websocket() for _ in range(50)]
        stopped = all.pop()
        stopped.send(BytesMessage(bytes(1 << 16)))
        for i, ws in enumerate(all):
            ws.send(TextMessage(f"{i}"))
            headers, body = await client.get("/")
            assert headers[":status"] == "200" and b"<title>" in body, headers
            assert await ws.next() == f"{i}"
        for ws in all:
            await ws.close(1000, "")


@check
async def refusals():
    async with connected() as (client, _):
        for headers, status in [
            (client.extended("/nothing"), "404"),
            (client.extended("/echo", ("origin", "https://evil.example")), "403"),
            (client.extended("/echo", protocol="chat"), "501"),
        ]:
            _, answer = await client.request(headers)
            assert answer[":status"] == status, (headers, answer)
        # The connection goes on.
        await (await client.websocket()).close(1000, "")


@check
async def socketio_polls_posts_and_upgrades():
    async with connected("--socketio") as (client, _):
        path = "/socket.io/?EIO=4&transport="

        async def exchange(path, content=None):
            headers, body = await client.get(path, content)
            return headers[":status"], body.decode()

        async def begin():
            status, opened = await exchange(path + "polling")
            assert status == "200", opened
            return json.loads(opened[1:])["sid"]

        sid = await begin()
        own = f"{path}polling&sid={sid}"
        assert await exchange(own, "40") == ("200", "ok")
        _, body = await exchange(own)
        assert body.startswith('40{"sid":'), body
        event = '451-["bytes",{"_placeholder":true,"num":0}'
        echoed = asyncio.create_task(exchange(own))
        assert await exchange(own, f"{event}]\x1ebAQID") == ("200", "ok")
        text, binary = (await echoed)[1].split("\x1e")
        assert text.startswith(event) and binary == "bAQID", (text, binary)
        left = asyncio.create_task(exchange(own))
        ws = await client.websocket(f"{path}websocket&sid={sid}")
        ws.send(TextMessage("2probe"))
        assert await ws.next() == "3probe"
        assert (await left)[1] == "6"
        for message in ["5", f"{event}]", b"\1\2\3"]:
            ws.send((TextMessage if isinstance(message, str) else BytesMessage)(message))
        assert (await ws.next()).startswith(event)
        assert await ws.next() == b"\1\2\3"
        assert (await exchange(own))[0] == "400"
        await ws.close(1000, "")
        other = f"{path}polling&sid={await begin()}"
        noop = asyncio.create_task(exchange(other))
        assert await exchange(other, "1") == ("200", "ok")
        assert (await noop)[1] == "6"
        assert (await exchange(other))[0] == "400"


@check
async def a_drain_tells_who_is_there():
    async with connected("--drain", "3") as (client, server):
        ws = await client.websocket()
        server.signal()
        event = await ws.next()
        assert isinstance(event, CloseConnection) and event.code == 1001, event
        ws.send(event.response())
        assert await ws.next() is None
        assert await server.process.wait() == 0


@check
async def clients_of_tcp_learn_of_it():
    async with serving(FDX, "--h3", "--tls-self-signed") as server:
        host, port = server.address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=server.ca)
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head = (await reader.read()).decode().split("\r\n\r\n")[0].lower()
        assert f'alt-svc: h3=":{port}"; ma=3600' in head, head
        writer.close()


main()
