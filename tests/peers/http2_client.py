"""HTTP/2 by hand, with Python's h2 and wsproto, to `fdx serve --h2`: http2_client.py FDX"""

import asyncio
import os
import ssl
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from served import serving
from tap import check, main

FDX = sys.argv[1]


class Client:
    """One connection; each stream has a queue of what comes on it."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.reading.cancel()
        self.writer.close()

    @classmethod
    async def connect(cls, server, tls):
        self = cls()
        host, port = server.address.rsplit(":", 1)
        self.authority, self.scheme = server.address, "https" if tls else "http"
        context = None
        if tls:
            context = ssl.create_default_context(cafile=server.ca)
            context.set_alpn_protocols(["h2"])
        self.reader, self.writer = await asyncio.open_connection(host, int(port), ssl=context)
        if tls:
            assert self.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.streams, self.settled, self.window = {}, asyncio.Event(), asyncio.Event()
        self.flush()
        self.reading = asyncio.create_task(self.read())
        await self.settled.wait()
        # RFC 8441 §3
        assert self.h2.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL) == 1
        return self

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    async def read(self):
        while data := await self.reader.read(65536):
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.RemoteSettingsChanged):
                    self.settled.set()
                elif isinstance(event, h2.events.WindowUpdated):
                    self.window.set()
                elif isinstance(event, h2.events.DataReceived):
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if getattr(event, "stream_id", 0) in self.streams:
                    self.streams[event.stream_id].put_nowait(event)
            self.flush()

    async def request(self, headers, end=False):
        stream = self.h2.get_next_available_stream_id()
        self.streams[stream] = asyncio.Queue()
        self.h2.send_headers(stream, headers, end_stream=end)
        self.flush()
        while not isinstance(event := await self.streams[stream].get(), (h2.events.ResponseReceived, h2.events.StreamReset)):
            pass
        return stream, dict(event.headers) if isinstance(event, h2.events.ResponseReceived) else event

    async def get(self, path):
        head = [(":method", "GET"), (":scheme", self.scheme), (":authority", self.authority), (":path", path)]
        stream, headers = await self.request(head, end=True)
        body = b""
        while not isinstance(event := await self.streams[stream].get(), h2.events.StreamEnded):
            body += getattr(event, "data", b"")
        return headers, body

    def extended(self, path, *more, protocol="websocket"):
        return [
            (":method", "CONNECT"), (":protocol", protocol), (":scheme", self.scheme), (":authority", self.authority),
            (":path", path), ("sec-websocket-version", "13"), *more,
        ]

    async def websocket(self, path="/echo"):
        stream, headers = await self.request(self.extended(path))
        assert headers[":status"] == "200" and "sec-websocket-accept" not in headers, headers
        return WebSocket(self, stream)

    async def send(self, stream, data):
        while data:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room == 0:
                self.window.clear()
                await self.window.wait()
                continue
            self.h2.send_data(stream, data[:room])
            data = data[room:]
            self.flush()


class WebSocket:
    def __init__(self, client, stream):
        self.client, self.stream, self.ws, self.ended = client, stream, Connection(ConnectionType.CLIENT), None

    async def send(self, event):
        await self.client.send(self.stream, self.ws.send(event))

    async def next(self):
        """The next event; the fragments of a message in one."""
        parts = []
        while True:
            for event in self.ws.events():
                if not isinstance(event, (TextMessage, BytesMessage)):
                    return event
                parts.append(event.data)
                if event.message_finished:
                    return (b"" if isinstance(event, BytesMessage) else "").join(parts)
            event = await self.client.streams[self.stream].get()
            if isinstance(event, h2.events.DataReceived) and event.data:
                self.ws.receive_data(event.data)
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                self.ended = event
                return event

    async def close(self, code, reason):
        await self.send(CloseConnection(code, reason))
        event = await self.next()
        assert (event.code, event.reason) == (code, reason), event
        # RFC 8441 §5: the end of TCP is END_STREAM.
        assert isinstance(await self.next(), h2.events.StreamEnded)


def both(function):
    """By prior knowledge, and over TLS."""
    for tls in [False, True]:
        async def run(tls=tls):
            async with serving(FDX, "--h2", *(["--tls-self-signed"] if tls else [])) as server:
                async with await Client.connect(server, tls) as client:
                    await function(client, server)

        run.__name__ = function.__name__ + ("_over_TLS" if tls else "_with_prior_knowledge")
        check(run)


@both
async def echoes_and_closes(client, server):
    ws = await client.websocket()
    for message in ["grüße 🌍", b"", os.urandom(70000), os.urandom(1 << 20)]:
        sending = asyncio.create_task(ws.send((TextMessage if isinstance(message, str) else BytesMessage)(message)))
        assert await ws.next() == message
        await sending
    await ws.send(Ping(b"between"))
    pong = await ws.next()
    assert isinstance(pong, Pong) and pong.payload == b"between", pong
    await ws.close(4001, "enough")
    await server.said("/echo HTTP/2.0", "closed by the peer with 4001")


@both
async def many_streams_and_pages_on_one_connection(client, server):
    all = [await client.websocket() for _ in range(50)]
    stopped = all.pop()
    # A stream that is not read does not block the others.
    await stopped.send(BytesMessage(bytes(1 << 16)))
    for i, ws in enumerate(all):
        await ws.send(TextMessage(f"{i}"))
        headers, body = await client.get("/")
        assert headers[":status"] == "200" and b"<title>" in body, headers
        assert await ws.next() == f"{i}"
    for ws in all:
        await ws.close(1000, "")


@both
async def refusals(client, server):
    for headers, status in [
        (client.extended("/nothing"), "404"),
        (client.extended("/echo", ("origin", "https://evil.example")), "403"),
        (client.extended("/echo", protocol="chat"), "501"),
        ([(":method", "CONNECT"), (":authority", "localhost:443")], "400"),
        ([(":method", "CONNECT"), (":authority", "example.com:443")], "421"),
    ]:
        stream, answer = await client.request(headers)
        assert answer[":status"] == status, (headers, answer)
    await server.said("/echo HTTP/2.0", "rejected: 403: Origin https://evil.example is not allowed")
    # The connection goes on.
    await (await client.websocket()).close(1000, "")


@both
async def a_stream_that_is_reset_ends_one_websocket(client, server):
    ws, other = await client.websocket(), await client.websocket()
    client.h2.reset_stream(ws.stream, 8)
    client.flush()
    await server.said("/echo HTTP/2.0", "the transport failed")
    await other.send(TextMessage("still here"))
    assert await other.next() == "still here"
    # As Chromium leaves a page: a Close, and with it the end of the stream.
    client.h2.send_data(other.stream, other.ws.send(CloseConnection(1001)), end_stream=True)
    client.h2.reset_stream(other.stream, 8)
    client.flush()
    await server.said("/echo HTTP/2.0", "closed by the peer with 1001")


main()
