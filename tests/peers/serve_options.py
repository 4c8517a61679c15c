"""The options of `fdx serve`, with Python's clients and our own: serve_options.py FDX"""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import ssl
import sys

import trustme
import websockets

from programs import free_port, path, run, write
from served import serving
from tap import check, main

FDX = sys.argv[1]
CA = trustme.CA()
CA.cert_pem.write_to_path(path("ca.pem"))


def pair(name, certificate):
    """Files of a certificate and its key."""
    cert, key = path(f"{name}.pem"), path(f"{name}.key")
    with open(cert, "wb") as file:
        for pem in certificate.cert_chain_pems:
            file.write(pem.bytes())
    certificate.private_key_pem.write_to_path(key)
    return cert, key


def connect(server, resource="/echo", tls=None, **options):
    url = f"{'wss' if tls else 'ws'}://{server.address}{resource}"
    return websockets.connect(url, ssl=tls, proxy=None, **options)


async def fails(*options, code, says):
    # The port that it has by itself may be another's.
    where = [] if {"--listen", "--config"} & set(options) else ["--listen", "127.0.0.1:0"]
    got, out, err = await run(FDX, "serve", *where, *options)
    assert (got, out) == (code, b""), (got, out, err)
    for words in says:
        assert words in err, err


async def shown(server, name):
    """The certificate that a client sees that asks for this name."""
    context = ssl.create_default_context(cafile=path("ca.pem"))
    host, port = server.address.split(":")
    _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    certificate = writer.get_extra_info("ssl_object").getpeercert()
    writer.close()
    return [value for _, value in certificate["subjectAltName"]], certificate["serialNumber"]


@check
async def it_says_who_you_are():
    async with serving(FDX, "--tls-self-signed", "--deflate", "--subprotocol", "chat") as server:
        context = ssl.create_default_context(cafile=server.ca)
        with open(server.ca) as file:
            der = ssl.PEM_cert_to_DER_cert(file.read())
        assert server.fingerprint.replace(":", "").lower() == hashlib.sha256(der).hexdigest()
        async with connect(server, "/whoami", context, subprotocols=["other", "chat"]) as ws:
            who = json.loads(await ws.recv())
            assert who.pop("compression").startswith("permessage-deflate"), who
            headers = who.pop("headers")
            assert headers["sec-websocket-protocol"] == "other, chat", headers
            assert who == {
                "address": "127.0.0.1", "port": ws.local_address[1], "known_by": "the peer",
                "path": "/whoami", "query": None, "origin": None,
                "http": "HTTP/1.1", "tls": "TLSv1.3", "subprotocol": "chat",
            }, who
        await server.said("127.0.0.1", "/whoami HTTP/1.1 TLSv1.3, subprotocol chat, permessage-deflate", "closed by the peer with 1000")
        server.signal()
        await server.said("ended")
        await server.process.wait()
        assert not os.path.exists(server.ca)


@check
async def the_log_has_no_query_and_no_line_of_a_strangers():
    async with serving(FDX) as server:
        async with connect(server, "/echo?token=secret") as ws:
            await ws.close(4000, "a\nb")
        assert "secret" not in await server.said("/echo", ": open")
        line = await server.said("/echo", "4000")
        assert "secret" not in line and "a" in line.split("4000")[1], line
        with contextlib.suppress(websockets.InvalidStatus):
            await connect(server, "/%0Anothing?secret")
        assert "secret" not in await server.said("nothing HTTP/1.1: rejected: 404")


@check
async def names_have_their_certificates_and_sighup_reads_them_again():
    a, b = pair("a", CA.issue_cert("a.example")), pair("b", CA.issue_cert("b.example"))
    options = ["--tls-cert", a[0], "--tls-key", a[1], "--tls-cert", b[0], "--tls-key", b[1]]
    async with serving(FDX, *options) as server:
        (names, first), (others, _) = await shown(server, "a.example"), await shown(server, "b.example")
        assert (names, others) == (["a.example"], ["b.example"])
        pair("a", CA.issue_cert("a.example"))
        server.signal(signal.SIGHUP)
        await server.said("reloaded")
        names, second = await shown(server, "a.example")
        assert names == ["a.example"] and first != second
        write("a.key", "no key")
        server.signal(signal.SIGHUP)
        await server.said("reload failed", "a.key")
        assert await shown(server, "a.example") == (names, second)


@check
async def sighup_without_tls_ends_nothing():
    async with serving(FDX) as server:
        async with connect(server) as ws:
            for _ in range(2):
                server.signal(signal.SIGHUP)
                await server.said("SIGHUP: there is nothing to reload")
            await ws.send("x")
            assert await ws.recv() == "x"
            server.signal()
            await ws.wait_closed()
            assert ws.close_code == 1001, ws.close_code
        assert await server.process.wait() == 0


@check
async def client_certificates_are_required():
    cert, key = pair("server", CA.issue_cert("localhost", "127.0.0.1"))
    mine = pair("client", CA.issue_cert("me@example.org"))
    async with serving(FDX, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", path("ca.pem")) as server:
        context = ssl.create_default_context(cafile=path("ca.pem"))
        try:
            async with connect(server, tls=context) as ws:
                await ws.send("x")
                await ws.recv()
            assert False, "it was accepted"
        except (ssl.SSLError, OSError, websockets.WebSocketException):
            pass
        context.load_cert_chain(*mine)
        async with connect(server, tls=context) as ws:
            await ws.send("x")
            assert await ws.recv() == "x"


@check
async def what_cannot_be_served_is_said():
    a, b = pair("a", CA.issue_cert("a.example")), pair("b", CA.issue_cert("b.example"))
    await fails("--tls-cert", a[0], "--tls-key", b[1], code=1, says=["a.pem", "b.key", "does not match the certificate"])
    await fails("--tls-cert", "/nothing", "--tls-key", b[1], code=1, says=["/nothing", "No such file"])
    await fails("--tls-cert", a[0], code=2, says=["--tls-key"])
    await fails("--tls-cert", a[0], "--tls-cert", b[0], "--tls-key", a[1], code=1, says=["each --tls-cert"])
    await fails("--root", "/nothing", code=1, says=["/nothing", "No such file"])
    await fails("--trusted-proxies", "localhost", "--forwarded", "forwarded", code=2, says=["localhost"])
    async with serving(FDX) as server:
        await fails("--listen", server.address, code=1, says=[server.address, "another program listens there"])
    config = write("bad.toml", "h2 = true\nlisten = 9001\n")
    await fails("--config", config, code=2, says=["bad.toml, line 2: listen"])
    await fails("--config", "/nothing", code=1, says=["/nothing", "No such file"])


@check
async def a_file_has_the_options_and_the_command_line_wins():
    port = free_port()
    config = write("good.toml", f'listen = ["127.0.0.1:{port}"]\nany-origin = true\nmax-message-size = 10\nhandshake-timeout = 0.5\n')
    async with serving(FDX, "--config", config, "--max-message-size", "20") as server:
        # The port of the file is not taken.
        assert server.address != f"127.0.0.1:{port}"
        async with connect(server, origin="https://any.example") as ws:
            await ws.send("x" * 20)
            assert await ws.recv() == "x" * 20
            await ws.send("x" * 21)
            await ws.wait_closed()
            assert ws.close_code == 1009
        reader, _ = await asyncio.open_connection(*server.address.split(":"))
        assert b" 408 " in await reader.read()


@check
async def origins_and_hosts():
    async def status(server, **options):
        try:
            async with connect(server, **options):
                return 101
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    async with serving(FDX, "--origin", "https://a.example") as server:
        own = f"http://{server.address}"
        for origin, expected in [("https://a.example", 101), ("https://b.example", 403), (own, 101), (None, 101)]:
            assert await status(server, origin=origin) == expected, origin
    async with serving(FDX, "--host", "a.example") as server:
        port = server.address.split(":")[1]
        for host, expected in [("a.example", 101), ("b.example", 421), ("127.0.0.1", 101), ("localhost", 101)]:
            url = f"ws://{host}:{port}/echo"
            try:
                async with websockets.connect(url, proxy=None, host="127.0.0.1", port=int(port)):
                    got = 101
            except websockets.InvalidStatus as refused:
                got = refused.response.status_code
            assert got == expected, (host, got)


@check
async def limits_on_connections():
    async with serving(FDX, "--max-connections", "3", "--max-per-address", "1", "--trusted-proxies", "127.0.0.1", "--forwarded", "x-forwarded-for") as server:
        def of(client):
            return connect(server, additional_headers={"X-Forwarded-For": client})

        async def refused(client, expected):
            try:
                await of(client)
                assert False, "it was accepted"
            except websockets.InvalidStatus as refusal:
                assert refusal.response.status_code == expected, refusal

        async with of("192.0.2.1"):
            await refused("192.0.2.1", 429)
            async with of("192.0.2.2"), of("192.0.2.3"):
                await refused("192.0.2.4", 503)


@check
async def one_address_has_a_quarter_of_all():
    trusted = ["--trusted-proxies", "127.0.0.1", "--forwarded", "x-forwarded-for"]
    for options, room in [(["--max-connections", "8"], 2), (["--max-connections", "8", "--max-per-address", "3"], 3)]:
        async with serving(FDX, *options, *trusted) as server:
            def of(client):
                return connect(server, additional_headers={"X-Forwarded-For": client})

            all = [await of("192.0.2.1") for _ in range(room)]
            try:
                await of("192.0.2.1")
                assert False, "it was accepted"
            except websockets.InvalidStatus as refusal:
                assert refusal.response.status_code == 429, refusal
            all.append(await of("192.0.2.2"))
            for ws in all:
                await ws.close()


@check
async def several_addresses_and_a_unix_socket():
    socket = path("serve.sock")
    async with serving(FDX, listen=["127.0.0.1:0", "127.0.0.1:0", f"unix:{socket}"]) as server:
        assert len(set(server.addresses)) == 3, server.addresses
        for address in server.addresses[:2]:
            async with websockets.connect(f"ws://{address}/echo", proxy=None) as ws:
                await ws.send("x")
                assert await ws.recv() == "x"
        code, out, err = await run(FDX, "connect", f"ws+unix:{socket}:/whoami")
        assert code == 0 and json.loads(out)["address"] is None, (code, out, err)
        # It is in use, and not taken away by another server.
        await fails("--listen", f"unix:{socket}", code=1, says=["another program listens there"])
        server.process.kill()
        await server.process.wait()
    # The socket file of a killed server is replaced, and a server that ends removes its own.
    async with serving(FDX, listen=[f"unix:{socket}"]) as server:
        server.signal()
        assert await server.process.wait() == 0
    assert not os.path.exists(socket)


@check
async def a_signal_drains():
    async with serving(FDX, "--drain", "10") as server:
        all = [await connect(server) for _ in range(20)]
        server.signal()
        for ws in all:
            await ws.wait_closed()
            assert ws.close_code == 1001, ws.close_code
        assert await server.process.wait() == 0
        for _ in all:
            await server.said("/echo", "closed by this end with 1001")
        await server.said("ended: 20 WebSockets notified, 0 cut off; 0 HTTP connections cut off")


@check
async def who_does_not_go_is_cut_or_a_second_signal_ends_it():
    request = "GET /echo HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    for seconds, signals, code, says in [("0.5", 1, 0, "1 WebSockets notified, 1 cut off"), ("60", 2, 3, "at once")]:
        async with serving(FDX, "--drain", seconds) as server:
            reader, writer = await asyncio.open_connection(*server.address.split(":"))
            writer.write(request.format(server.address).encode())
            await reader.readuntil(b"\r\n\r\n")
            server.signal()
            if signals == 2:
                # It got the Close, and does not answer.
                assert (await reader.readexactly(4))[2:] == b"\x03\xe9"
                server.signal(signal.SIGINT)
            assert await server.process.wait() == code
            await server.said("ended", says)
            writer.close()


main()
