"""What `fdx inspect` decompresses beside tshark: 1,000 compressed messages with context takeover:
inspect_tshark.py FDX

tshark reads a capture that is made of the relay's recording: its bytes in TCP segments of their time and direction. So
the test needs no rights to capture."""

import asyncio
import base64
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from tap import check, main

FDX = sys.argv[1]
COUNT = 1000
RANDOM = random.Random(7)
WORDS = "the price of a thing is what one gives for it, and its name is what one says of it".split()


def message(number):
    """A message that has much of those before it; each third is binary."""
    text = f"{number} " + " ".join(RANDOM.choice(WORDS) for _ in range(number % 40))
    return text.encode() + bytes([0, 255, number % 256]) if number % 3 == 0 else text


MESSAGES = [message(number) for number in range(COUNT)]


class Capture:
    """A pcap file of one TCP connection, from port 50000 to 80."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101))
        self.next = {"client": 1000, "server": 5000}
        for sender, flags in (("client", 0x02), ("server", 0x12), ("client", 0x10)):
            self.packet(sender, b"", 0, flags)
            self.next[sender] += flags & 0x02 > 0

    def packet(self, sender, data, at, flags=0x18):
        other = "server" if sender == "client" else "client"
        ports = (50000, 80) if sender == "client" else (80, 50000)
        acknowledged = self.next[other] if flags & 0x10 else 0
        tcp = struct.pack(">HHIIBBHHH", *ports, self.next[sender], acknowledged, 0x50, flags, 65535, 0, 0) + data
        ends = [bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])]
        ends = ends if sender == "client" else ends[::-1]
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, *ends) + tcp
        self.file.write(struct.pack("<IIII", at // 1_000_000, at % 1_000_000, len(ip), len(ip)) + ip)

    def bytes(self, sender, data, at):
        for start in range(0, len(data), 1400):
            piece = data[start:start + 1400]
            self.packet(sender, piece, at)
            self.next[sender] += len(piece)


def head(start_line, fields):
    return "".join([start_line, "\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n"]).encode()


def to_capture(recording, path):
    """Makes a capture of a recording with one WebSocket."""
    capture = Capture(path)
    with open(recording) as lines:
        for record in map(json.loads, lines):
            if opening := record.get("open"):
                target = "/" + opening["url"].split("/", 3)[3]
                capture.bytes("client", head(f"GET {target} HTTP/1.1", opening["request"]), 0)
                capture.bytes("server", head("HTTP/1.1 101 Switching Protocols", opening["response"]), record["at"])
            elif "bytes" in record:
                capture.bytes(record["from"], base64.b64decode(record["bytes"]), record["at"])
    capture.file.close()


def of_tshark(path):
    """The texts and the other messages that tshark finds, by their sender."""
    fields = [word for name in ("tcp.srcport", "websocket.payload.text", "data.data") for word in ("-e", name)]
    command = ["tshark", "-r", path, "-Y", "websocket", "-T", "fields", "-E", "aggregator=|", *fields]
    lines = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout.decode().splitlines()
    found = {("client", "text"): [], ("client", "binary"): [], ("server", "text"): [], ("server", "binary"): []}
    for line in lines:
        port, texts, others = line.split("\t")
        sender = "client" if port == "50000" else "server"
        # A packet may have several messages.
        found[sender, "text"] += texts.split("|") if texts else []
        found[sender, "binary"] += [bytes.fromhex(data) for data in others.split("|")] if others else []
    return found


async def talk(recording):
    """Sends all messages to an echo through a relay. Has what the relay shows of them."""
    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        pipe = asyncio.subprocess.PIPE
        relay = await asyncio.create_subprocess_exec(
            FDX, "inspect", "--json", "--record", recording, "--listen", "127.0.0.1:0", "--to", f"ws://127.0.0.1:{port}",
            stdout=pipe, limit=16 << 20)
        try:
            address = json.loads(await relay.stdout.readline())["text"].split()[-1]
            async with connect(f"{address}echo", proxy=None) as ws:
                sending = asyncio.create_task(send_all(ws))
                for message in MESSAGES:
                    assert await ws.recv() == message
                await sending
            shown = {("client", "text"): [], ("client", "binary"): [], ("server", "text"): [], ("server", "binary"): []}
            while (line := json.loads(await relay.stdout.readline()))["event"] != "closed":
                if message := line.get("message"):
                    assert message["compressed"]
                    content = message["text"] if "text" in message else base64.b64decode(message["base64"])
                    shown[line["from"], message["kind"]].append(content)
            relay.terminate()
            await relay.wait()
            return shown
        finally:
            if relay.returncode is None:
                relay.kill()
                await relay.wait()


async def send_all(ws):
    for message in MESSAGES:
        await ws.send(message)


@check
async def inspect_decompresses_1000_messages_with_context_takeover_as_tshark_does():
    with tempfile.TemporaryDirectory() as folder:
        recording, capture = os.path.join(folder, "a.fdxr"), os.path.join(folder, "a.pcap")
        shown = await talk(recording)
        to_capture(recording, capture)
        found = of_tshark(capture)
        for sender, kind in shown:
            sent = [message for message in MESSAGES if isinstance(message, str) == (kind == "text")]
            assert shown[sender, kind] == sent, (sender, kind, len(shown[sender, kind]))
            assert found[sender, kind] == sent, (sender, kind, len(found[sender, kind]))


main()
