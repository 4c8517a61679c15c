#!/usr/bin/env python3
"""Compares `fdx connect` with websocat and wscat: start-up, lines and bytes in either direction.

    python3 bench/command_line.py [--rounds N] [--only TOOL]... [CASE]...

Builds fdx and websocat by cargo, and installs wscat by npm, in bench's target folder. The server is in this
file: it writes frames that are made before, and reads no more of a frame than it must, so that it is never
what is waited for. Prints a table with the best wall time of the rounds and the CPU time of that round.
"""

import argparse
import base64
import hashlib
import os
import pathlib
import resource
import socket
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", BENCH / "target")).resolve()
WEBSOCAT = "1.14.1"
WSCAT = "6.1.0"
LINES = 1_000_000
BYTES = 1 << 30
DEADLINE = 600

# Each case: the server's path, the input, and the words of each tool; None if it can't do it.
CASES = {
    "start-up": ("echo", "one line", {
        "fdx": ["-n", "1"],
        "websocat": ["-1"],
        "wscat": ["-x", "hello", "-w", "0"],
    }),
    "lines sent": ("take-lines", "lines", {
        "fdx": ["--eof", "ignore"],
        "websocat": ["-n"],
        "wscat": [],
    }),
    "lines received": ("send-lines", "nothing", {"fdx": [], "websocat": ["-E"], "wscat": []}),
    "bytes sent": ("take-bytes", "bytes", {
        "fdx": ["-b", "--eof", "ignore"],
        "websocat": ["-b", "-n"],
        "wscat": None,
    }),
    "bytes received": ("send-bytes", "nothing", {"fdx": ["-b"], "websocat": ["-b", "-E"], "wscat": None}),
}


def install():
    """Returns the command of each tool, built or installed if it is not yet."""
    fdx = TARGET / "release" / "fdx"
    build = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "fullduplex-cli"]
    subprocess.run([*build, "--target-dir", TARGET], cwd=BENCH.parent, check=True)
    websocat = TARGET / "peers" / "websocat" / "bin" / "websocat"
    if not websocat.exists():
        words = ["cargo", "install", "--quiet", "--locked", "--version", WEBSOCAT, "websocat"]
        subprocess.run([*words, "--root", TARGET / "peers" / "websocat"], check=True)
    node = TARGET / "peers" / "wscat"
    wscat = node / "node_modules" / ".bin" / "wscat"
    if not wscat.exists():
        node.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--silent", "--no-save", "--prefix", node]
        subprocess.run([*words, f"wscat@{WSCAT}"], check=True)
    return {
        "fdx": [fdx, "connect"],
        "websocat": [websocat],
        "wscat": [wscat, "-c"],
    }


def serve():
    """Serves the paths of the cases, and prints the port first."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=16)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        try:
            serve_one(connection)
            print("done", flush=True)
        except (OSError, IndexError):
            print("failed", flush=True)
        connection.close()


def serve_one(connection):
    """Serves a connection to its end."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    lines = head.decode().split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    key = fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    connection.sendall(f"{upgrade}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    what = lines[0].split()[1].strip("/")
    if what == "echo":
        payload = read_message(connection)
        connection.sendall(bytes([0x81, len(payload)]) + payload)
    elif what == "take-lines":
        # All are as long as the first, with a newline or without one.
        length = 4 + (connection.recv(2, socket.MSG_WAITALL)[1] & 0x7F)
        take(connection, length + (LINES - 1) * (2 + length))
    elif what == "take-bytes":
        take_payload(connection, BYTES)
    elif what == "send-lines":
        send(connection, b"\x81\x40" + b"x" * 64, LINES)
    elif what == "send-bytes":
        send(connection, b"\x82\x7f" + (65536).to_bytes(8, "big") + bytes(65536), BYTES // 65536)
    connection.sendall(b"\x88\x02\x03\xe8")
    # The answer to the Close, after which a server ends the connection.
    connection.recv(1 << 16)


def read_message(connection):
    """Reads a masked frame of less than 126 bytes, and returns its payload."""
    head = connection.recv(6, socket.MSG_WAITALL)
    masked = connection.recv(head[1] & 0x7F, socket.MSG_WAITALL)
    return bytes(byte ^ head[2 + index % 4] for index, byte in enumerate(masked))


def take(connection, count):
    """Reads as many bytes."""
    buffer = bytearray(1 << 20)
    while count > 0:
        read = connection.recv_into(buffer, min(count, len(buffer)))
        if read == 0:
            raise ConnectionError("the client has ended it")
        count -= read


def take_payload(connection, count):
    """Reads frames until their payloads have as many bytes."""
    while count > 0:
        length = connection.recv(2, socket.MSG_WAITALL)[1] & 0x7F
        if length > 125:
            length = int.from_bytes(connection.recv(2 if length == 126 else 8, socket.MSG_WAITALL), "big")
        take(connection, 4 + length)
        count -= length


def send(connection, frame, count):
    """Sends a frame as often."""
    batch = max(1, (1 << 20) // len(frame))
    frames = frame * batch
    for _ in range(count // batch):
        connection.sendall(frames)
    connection.sendall(frame * (count % batch))


def inputs():
    """Returns the file of each kind of input."""
    folder = TARGET / "peers" / "input"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one line").write_text("hello\n")
    if not (folder / "lines").exists():
        (folder / "lines").write_text(("x" * 64 + "\n") * LINES)
    with open(folder / "bytes", "wb") as file:
        file.truncate(BYTES)
    return folder


def run(command, stdin, server, must_be_done):
    """Runs a command, and returns its wall and CPU time in seconds; None if it fails or takes too long."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    try:
        words = [str(word) for word in command]
        null = subprocess.DEVNULL
        done = subprocess.run(words, stdin=stdin, stdout=null, stderr=null, timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        return None
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    is_done = server.stdout.readline() == "done\n" and done.returncode == 0
    return (wall, cpu) if is_done or not must_be_done else None


def measure(tool, command, server, port, case, rounds, folder):
    """Returns the best of some rounds of a case."""
    path, kind, words = CASES[case]
    if words[tool] is None:
        return None
    url = f"ws://127.0.0.1:{port}/{path}"
    command = [*command, url, *words[tool]] if tool == "wscat" else [*command, *words[tool], url]
    results = []
    # wscat leaves without the answer.
    must_be_done = not (tool == "wscat" and case == "start-up")
    for _ in range(rounds):
        if kind == "nothing":
            # An input that stays open, without a line.
            reader, writer = os.pipe()
            results.append(run(command, reader, server, must_be_done))
            os.close(reader)
            os.close(writer)
        else:
            with open(folder / kind, "rb") as stdin:
                results.append(run(command, stdin, server, must_be_done))
    return min((result for result in results if result), default=None)


def shown(result):
    """Returns the cell of a result."""
    return "–" if result is None else "{:.3f} s, {:.3f} s CPU".format(*result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", metavar="TOOL")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve()
    tools = install()
    folder = inputs()
    chosen = args.only or list(tools)
    print(f"| case | {' | '.join(chosen)} |\n|---|{'---:|' * len(chosen)}", flush=True)
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline())
        for case in args.cases or CASES:
            # A start-up takes milliseconds.
            rounds = args.rounds * 10 if case == "start-up" else args.rounds
            results = [measure(tool, tools[tool], server, port, case, rounds, folder) for tool in chosen]
            print(f"| {case} | {' | '.join(map(shown, results))} |", flush=True)
        server.terminate()


if __name__ == "__main__":
    sys.exit(main())
