"""The static `fdx` in an otherwise empty root folder, in a network of its own: static_binary.py FDX

It resolves names by asking 127.0.0.1, as resolvers do without /etc/resolv.conf; a small DNS server answers there."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import socket
import struct
import sys
import threading

import trustme

from programs import DIR, path, run
from tap import check, main

FDX = sys.argv[1]
NAME = "server.fdx.test"
ROOT = path("root")


def enter_namespaces():
    """Starts this script again as root of a new network, in which it may listen on port 53."""
    if "FDX_NAMESPACE" in os.environ:
        return
    os.environ["FDX_NAMESPACE"] = "yes"
    options = ["--net"] if os.geteuid() == 0 else ["--net", "--user", "--map-root-user"]
    os.execvp("unshare", ["unshare", *options, sys.executable, *sys.argv])


def bring_loopback_up():
    """Sets the flag IFF_UP (1) of the interface, by SIOCSIFFLAGS (0x8914)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 1))


def answer(query):
    """The answer of a DNS server (RFC 1035) that knows one name: its address is 127.0.0.1."""
    end = 12
    labels = []
    while query[end]:
        labels.append(query[end + 1 : end + 1 + query[end]].decode())
        end += 1 + query[end]
    question = query[12 : end + 5]
    kind = struct.unpack(">H", query[end + 1 : end + 3])[0]
    known = ".".join(labels).lower() == NAME
    found = known and kind == 1
    head = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, found, 0, 0)
    address = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton("127.0.0.1")
    return head + question + (address if found else b"")


def serve_names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def serve():
        while True:
            query, peer = server.recvfrom(1500)
            server.sendto(answer(query), peer)

    threading.Thread(target=serve, daemon=True).start()


@contextlib.asynccontextmanager
async def serving(*options):
    process = await asyncio.create_subprocess_exec(
        "chroot", ROOT, "/fdx", "serve", "--listen", "127.0.0.1:0", "--host", NAME, *options, stdout=asyncio.subprocess.PIPE
    )
    try:
        line = (await process.stdout.readline()).decode()
        yield line.strip().rstrip("/").rsplit(":", 1)[1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await asyncio.wait_for(process.wait(), 20)


async def connect(url, *options):
    return await run("chroot", ROOT, "/fdx", "connect", url, "--connect-timeout", "10", *options, stdin=b"hello\n")


@check
async def binary_needs_no_library():
    code, out, errors = await run("ldd", FDX)
    said = (out + errors.encode() if isinstance(errors, str) else out + errors).decode()
    assert "statically linked" in said or "not a dynamic executable" in said, said


@check
async def binary_is_at_most_12_megabytes():
    size = os.path.getsize(FDX)
    assert 1_000_000 < size <= 12_000_000, size


@check
async def binary_resolves_names_in_an_empty_root():
    async with serving() as port:
        code, out, errors = await connect(f"ws://{NAME}:{port}/echo")
    assert (code, out) == (0, b"hello\n"), (code, out, errors)


@check
async def binary_says_that_a_name_does_not_exist():
    code, out, errors = await connect("ws://nothing.fdx.test:9/")
    assert code == 3 and "nothing.fdx.test" in errors, (code, out, errors)


@check
async def binary_speaks_tls_with_certificates_alone():
    ca = trustme.CA()
    certificate = ca.issue_cert(NAME)
    ca.cert_pem.write_to_path(os.path.join(ROOT, "ca.pem"))
    certificate.cert_chain_pems[0].write_to_path(os.path.join(ROOT, "cert.pem"))
    certificate.private_key_pem.write_to_path(os.path.join(ROOT, "key.pem"))
    async with serving("--tls-cert", "/cert.pem", "--tls-key", "/key.pem", "--h2") as port:
        for version in ["1", "2"]:
            code, out, errors = await connect(f"wss://{NAME}:{port}/echo", "--ca", "/ca.pem", "--http", version)
            assert (code, out) == (0, b"hello\n"), (version, code, out, errors)


enter_namespaces()
bring_loopback_up()
os.mkdir(ROOT)
shutil.copy(FDX, os.path.join(ROOT, "fdx"))
serve_names()
main()
