"""HTTP/2 by `fdx inspect`: browsers with TLS to hypercorn, and peers that do harm: inspect_http2.py FDX CHROMIUM FIREFOX"""

import asyncio
import base64
import contextlib
import json
import os
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings
import trustme

import asgi
from inspecting import inspecting
from programs import DIR, path, write
from served import serving
from tap import check, main

FDX, CHROMIUM, FIREFOX = sys.argv[1:4]
HERE = os.path.dirname(__file__)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

HANDSHAKE = """
    assert scope["http_version"] == "2", scope
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        return await send({"type": "http.response.body", "body": b"<title>a page</title>"})
    await receive()
    await send({"type": "websocket.accept"})
"""


def hypercorn():
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(path("inspect.pem"))
    return asgi.hypercorn(HANDSHAKE, path("inspect.pem"), path("inspect.pem"))


def recorded(name):
    """The bytes of each side of each WebSocket of a recording."""
    sockets = {}
    with open(path(name)) as file:
        for record in map(json.loads, file):
            if "open" in record:
                sockets[record["connection"]] = {"open": record["open"], "client": "", "server": ""}
            elif "bytes" in record:
                sockets[record["connection"]][record["from"]] += base64.b64decode(record["bytes"]).hex()
    return list(sockets.values())


@check
async def chromium_and_firefox_open_websockets_on_http2_which_pass_and_are_shown():
    # What the first relay receives from one side, the second one receives from it.
    async with (
        hypercorn() as port,
        inspecting(FDX, f"wss://localhost:{port}/", "-k", "--tls-self-signed", "--record", path("behind")) as behind,
        inspecting(FDX, f"wss://localhost:{behind.port}/", "-k", "--tls-self-signed", "--record", path("front")) as front,
    ):
        address = f"localhost:{front.port}"
        process = await asyncio.create_subprocess_exec(
            "node", os.path.join(HERE, "inspect_clients.mjs"), f"wss://{address}/ws", CHROMIUM, FIREFOX, f"https://{address}/",
        )
        assert await asyncio.wait_for(process.wait(), 90) == 0
        opened = front.events("open")
        assert len(opened) == 2, opened
        for each, agent in zip(opened, ["Chrome", "Firefox"]):
            number = each["connection"]
            [request] = [request for request in front.events("request") if request["connection"] == number]
            fields = dict(request["fields"])
            assert request["start_line"] == "CONNECT /ws HTTP/2.0", request
            assert (fields[":protocol"], fields[":authority"]) == ("websocket", f"localhost:{behind.port}"), fields
            assert [":authority", address] in request["changed_from"], request
            assert agent in fields["user-agent"], fields
            assert front.messages("client", number) == front.messages("server", number)
            assert len(front.messages("client", number)) == 201
            closes = [frame for frame in front.events("frame") if frame["connection"] == number and "code" in frame]
            assert [(frame["from"], frame["code"]) for frame in closes] == [("client", 4321), ("server", 4321)], closes
        assert not any("violation" in frame for frame in front.events("frame"))
        await asyncio.sleep(0.6)  # so long what is recorded waits at most
        before, after = recorded("front"), recorded("behind")
        assert len(before) == len(after) == 2
        for one, other in zip(before, after):
            assert one["open"]["version"] == "HTTP/2.0", one["open"]
            assert (one["client"], one["server"]) == (other["client"], other["server"])
            changed = {"host", "origin"}
            own = [[field for field in each["open"]["request"] if field[0] not in changed] for each in (one, other)]
            assert own[0] == own[1], own
            assert one["open"]["response"] == other["open"]["response"]


@contextlib.asynccontextmanager
async def client(relay):
    """An HTTP/2 connection by hand, after its preface."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    try:
        yield connection, reader, writer
    finally:
        writer.close()


def head(path, method="GET"):
    return [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)]


async def answered(relay):
    """Whether it still passes an ordinary request."""
    async with client(relay) as (connection, reader, writer):
        connection.send_headers(1, head("/"), end_stream=True)
        writer.write(connection.data_to_send())
        async with asyncio.timeout(10):
            while data := await reader.read(65536):
                events = connection.receive_data(data)
                if any(isinstance(event, h2.events.ResponseReceived) for event in events):
                    return True
    return False


async def ended(reader):
    """Waits until the relay has ended a connection."""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(20):
            while await reader.read(1 << 16):
                pass


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@check
async def floods_of_resets_and_headers_end_their_connection_only():
    async with serving(FDX, "--h2") as server, inspecting(FDX, f"ws://{server.address}/") as relay:
        async with client(relay) as (connection, reader, writer):
            connection.send_headers(1, head("/"), end_stream=True)
            block = connection.data_to_send()
            with contextlib.suppress(ConnectionError):
                for stream in range(1, 20_001, 2):
                    writer.write(frame(1, 5, stream, block[9:]) + frame(3, 0, stream, b"\0\0\0\x08"))
                    await writer.drain()
            await ended(reader)
        # CONTINUATION without an end.
        async with client(relay) as (_, reader, writer):
            writer.write(frame(1, 0, 1, b"\x82\x84\x86"))
            with contextlib.suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(frame(9, 0, 1, b"\x00\x01a\x7f\x88\x01" + b"x" * 263))
                    await writer.drain()
            await ended(reader)
        # A field of 4,000 bytes, to which one byte refers again and again.
        async with client(relay) as (_, reader, writer):
            field = b"\x40\x01a\x7f\xa1\x1e" + b"y" * 4000
            writer.write(frame(1, 0, 1, b"\x82\x84\x86\x41\x01a" + field + b"\xbe" * 12_000) + frame(9, 4, 1, b"\xbe" * 16_000))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            async with asyncio.timeout(10):
                await reader.read(65536)
        assert await answered(relay)
        print(f"# {relay.peak()} MiB", flush=True)
        assert relay.peak() < 64, relay.peak()
        ends = [end["how"] for end in relay.events("end") if "by the relay" in end["how"]]
        assert ends == ["GOAWAY with ENHANCE_YOUR_CALM by the relay"] * 3, ends


@check
async def a_target_without_settings_ends_its_clients():
    async def silent(reader, writer):
        with contextlib.suppress(ConnectionError):
            while await reader.read(1024):
                pass
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, inspecting(FDX, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as relay:
        async with client(relay) as (_, reader, _):
            await ended(reader)
        await relay.noted("sends no SETTINGS of HTTP/2 within 10 s")


@check
async def a_client_that_reads_nothing_takes_little_memory():
    write("large.bin", "x" * (8 << 20))
    async with serving(FDX, "--h2", "--root", DIR) as server, inspecting(FDX, f"ws://{server.address}/") as relay:
        async with client(relay) as (connection, reader, writer):
            connection.increment_flow_control_window((1 << 31) - 1 - 65535)
            connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: (1 << 31) - 1})
            for stream in range(1, 200, 2):
                connection.send_headers(stream, head("/large.bin"), end_stream=True)
            writer.write(connection.data_to_send())
            await asyncio.sleep(3)
            print(f"# {relay.peak()} MiB", flush=True)
            assert relay.peak() < 64, relay.peak()
        await relay.ended(1)


main()
