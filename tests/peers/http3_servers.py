"""HTTP/3 servers for `fdx connect --http 3` and the test program `many`: http3_servers.py FDX MANY

hypercorn, and a server made of aioquic and wsproto, which shows what hypercorn hides."""

import asyncio
import contextlib
import functools
import os
import signal
import ssl
import sys
import time

import trustme
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3_ALPN, H3Connection, Setting
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated, StreamReset
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

import asgi
from programs import path, run
from tap import check, main

FDX, MANY = sys.argv[1:]
CA = trustme.CA()
PATHS = {name: path(name) for name in ["ca.pem", "cert.pem", "key.pem", "other.pem", "other-key.pem"]}
CA.cert_pem.write_to_path(PATHS["ca.pem"])
for name, cert, key in [("localhost", "cert.pem", "key.pem"), ("other.example", "other.pem", "other-key.pem")]:
    certificate = CA.issue_cert(name)
    certificate.cert_chain_pems[0].write_to_path(PATHS[cert])
    certificate.private_key_pem.write_to_path(PATHS[key])

HANDSHAKE = """
    if scope["path"] == "/nothing":
        await receive()
        return await send({"type": "websocket.close"})
    await receive()
    version = scope["http_version"]
    names = scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": names[0] if names else None})
    if scope["path"] == "/version":
        await send({"type": "websocket.send", "text": version})
    if scope["path"] == "/close":
        return await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
"""


class Server(QuicConnectionProtocol):
    """A WebSocket on each stream, which echoes. It keeps count of what happens."""

    connections = 0
    tokens = True
    ends = []
    h3 = H3Connection

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http, self.streams = None, {}

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            Server.connections += 1
            self.http = Server.h3(self._quic)
        if isinstance(event, StreamReset):
            Server.ends.append(("reset", event.error_code))
        if isinstance(event, ConnectionTerminated):
            Server.ends.append(("connection", event.error_code))
        for http in self.http.handle_event(event) if self.http else []:
            if isinstance(http, HeadersReceived):
                self.begin(http.stream_id, dict(http.headers))
            elif isinstance(http, DataReceived):
                self.data(http.stream_id, http.data, http.stream_ended)
        self.transmit()

    def begin(self, stream, headers):
        path = headers[b":path"]
        if headers.get(b":protocol") != b"websocket" or path == b"/501":
            return self.http.send_headers(stream, [(b":status", b"501")], end_stream=True)
        if path == b"/403":
            self.http.send_headers(stream, [(b":status", b"403"), (b"x-why", b"not you")])
            return self.http.send_data(stream, b"go away", end_stream=True)
        if path == b"/reset":
            return self._quic.reset_stream(stream, 0x10B)
        if path == b"/silent":
            return
        response = [(b":status", b"200")]
        if names := headers.get(b"sec-websocket-protocol"):
            response.append((b"sec-websocket-protocol", names.split(b",")[0].strip()))
        self.http.send_headers(stream, [(b":status", b"103"), (b"link", b"</x>")])
        self.http.send_headers(stream, response)
        self.streams[stream] = ws = Connection(ConnectionType.SERVER)
        if path == b"/cut":
            self.http.send_data(stream, b"", end_stream=True)
        if path == b"/broken":
            asyncio.get_running_loop().call_later(0.2, self.reset, stream)
        if path == b"/fault":
            # A type of frame of HTTP/2.
            self._quic.send_stream_data(stream, b"\x06\x00")

    def reset(self, stream):
        self._quic.reset_stream(stream, 0x10C)
        self.transmit()

    def data(self, stream, data, ended):
        ws = self.streams.get(stream)
        if ws is None:
            return
        ws.receive_data(data)
        for event in ws.events():
            if isinstance(event, Ping | CloseConnection):
                answer = event.response()
            else:
                answer = type(event)(data=event.data, frame_finished=event.frame_finished, message_finished=event.message_finished)
            is_end = isinstance(event, CloseConnection)
            if is_end:
                Server.ends.append(("close", event.code))
            self.http.send_data(stream, ws.send(answer), end_stream=is_end)
        if ended:
            Server.ends.append(("end", stream))


class Without(H3Connection):
    def _get_local_settings(self):
        settings = super()._get_local_settings()
        settings.pop(Setting.ENABLE_CONNECT_PROTOCOL, None)
        return settings


@contextlib.asynccontextmanager
async def aioquic(cert="cert", h3=H3Connection, alpn=H3_ALPN, ca=None):
    Server.connections, Server.ends, Server.h3 = 0, [], h3
    configuration = QuicConfiguration(is_client=False, alpn_protocols=alpn, max_datagram_frame_size=65536)
    key = "key.pem" if cert == "cert" else f"{cert}-key.pem"
    configuration.load_cert_chain(PATHS[f"{cert}.pem"], PATHS[key])
    if ca:
        configuration.verify_mode = ssl.CERT_REQUIRED
        configuration.load_verify_locations(cafile=ca)
    server = await serve("127.0.0.1", 0, configuration=configuration, create_protocol=Server)
    try:
        yield server._transport.get_extra_info("sockname")[1]
    finally:
        server.close()


def hypercorn():
    """On TCP and UDP, with the same number."""
    key = PATHS["key.pem"]
    return asgi.hypercorn(HANDSHAKE, PATHS["cert.pem"], key, has_udp=True, stop=signal.SIGKILL)


async def fdx(port, *options, http="3", path="/", stdin="grüße\nund mehr\n".encode()):
    url = f"wss://localhost:{port}{path}"
    return await run(FDX, "connect", url, "--http", http, "--linger", "3", "--ca", PATHS["ca.pem"], *options, stdin=stdin)


async def echoes(ask):
    text = "grüße\nund mehr\n".encode()
    code, out, err = await ask()
    assert (code, out) == (0, text), (code, out, err)
    # fdx reads 64 KiB at a time; a long line is one message.
    for size in (1 << 20, 5_000_000):
        line = os.urandom(size // 2).hex().encode() + b"\n"
        code, out, err = await ask(stdin=line)
        assert (code, out == line) == (0, True), (code, len(out), err)
    data = os.urandom(3_000_000)
    code, out, err = await ask("--binary", stdin=data)
    assert (code, out == data) == (0, True), (code, len(out), err)


@check
async def aioquic_echoes_and_sees_a_clean_end():
    async with aioquic() as port:
        await echoes(functools.partial(fdx, port))
        # The last end of a connection may be on its way.
        while Server.ends.count(("connection", 0x100)) < 4:
            await asyncio.sleep(0.05)
        assert Server.ends.count(("close", 1000)) == 4, Server.ends
        assert Server.ends.count(("connection", 0x100)) == 4, Server.ends
        assert not [end for end in Server.ends if end[0] == "reset"], Server.ends


async def of_hypercorn(*options, **how):
    """Now and then hypercorn stalls for some 20 s, for any client. So each request has a server
    of its own, and is made again if that does not answer QUIC."""
    for _ in range(3):
        async with hypercorn() as port:
            code, out, err = await fdx(port, *options, **how)
        if "attempt_timeout" not in err:
            break
    return code, out, err


@check
async def hypercorn_echoes():
    await echoes(of_hypercorn)


@check
async def hypercorn_is_left_at_once():
    """Though it does not end its side of the stream."""
    for _ in range(3):
        async with hypercorn() as port:
            begun = time.monotonic()
            url = f"wss://localhost:{port}/"
            code, _, err = await run(FDX, "connect", url, "--http", "3", "--linger", "0", "--ca", PATHS["ca.pem"])
            took = time.monotonic() - begun
        if "attempt_timeout" not in err:
            break
    assert code == 0 and took < 2, (took, code, err)


@check
async def hypercorns_answers():
    code, out, err = await of_hypercorn(path="/version", stdin=b"")
    assert (code, out) == (0, b"3\n"), (code, out, err)
    code, _, err = await of_hypercorn(path="/close", stdin=b"")
    assert code == 6 and "4001" in err and "enough" in err, (code, err)
    # It says no with a field that has no place in HTTP/3, and aioquic says nothing to that.
    code, _, err = await of_hypercorn(path="/nothing")
    assert code == 3 and "the field connection" in err and "status 403" in err, (code, err)
    code, out, err = await of_hypercorn("--subprotocol", "chat", "--subprotocol", "other")
    assert (code, out) == (0, "grüße\nund mehr\n".encode()), (code, out, err)


@check
async def fifty_on_one_connection_and_one_that_does_not_read():
    async with aioquic() as port:
        code, out, err = await run(MANY, f"wss://localhost:{port}/", PATHS["ca.pem"], "50", "1000000", "3")
        assert code == 0, (out, err)
        assert Server.connections == 1, Server.connections


@check
async def without_the_setting_it_is_said():
    async with aioquic(h3=Without) as port:
        code, _, err = await fdx(port)
        assert code == 4 and "SETTINGS_ENABLE_CONNECT_PROTOCOL" in err, (code, err)


@check
async def tls_is_reported_in_words():
    async with aioquic(cert="other") as port:
        code, _, err = await fdx(port)
        assert code == 3 and "is for another name" in err and "other.example" in err, (code, err)
        code, out, err = await fdx(port, "--insecure")
        assert code == 0 and out, (code, err)
    async with aioquic() as port:
        code, _, err = await run(FDX, "connect", f"wss://localhost:{port}/", "--http", "3")
        assert code == 3 and "not signed by a trusted authority" in err, (code, err)
    async with aioquic(alpn=["hq-interop"]) as port:
        code, _, err = await fdx(port)
        assert code == 3 and "TLS with localhost" in err, (code, err)


@check
async def refusals_and_resets():
    async with aioquic() as port:
        code, _, err = await fdx(port, path="/403")
        assert code == 4 and "403" in err and "go away" in err, (code, err)
        code, _, err = await fdx(port, path="/501")
        assert code == 4 and "501" in err, (code, err)
        code, _, err = await fdx(port, path="/reset")
        assert code == 3 and "H3_REQUEST_REJECTED" in err, (code, err)
        code, _, err = await fdx(port, path="/broken", stdin=b"")
        assert code == 5, (code, err)
        code, _, err = await fdx(port, path="/cut", stdin=b"")
        assert code == 5, (code, err)
        code, _, err = await fdx(port, path="/fault", stdin=b"")
        await asyncio.sleep(0.2)
        assert code == 5 and ("connection", 0x105) in Server.ends, (code, err, Server.ends)


main()
