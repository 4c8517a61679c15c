"""curl gets the page and files of `fdx serve` on both versions of HTTP: curl.py FDX"""

import asyncio
import os
import re
import sys

from programs import free_port, path, run, write
from served import serving
from tap import check, main

FDX = sys.argv[1]
ROOT = path("root")
DATA = os.urandom(3_000_000)
os.makedirs(os.path.join(ROOT, "empty"))
os.makedirs(os.path.join(ROOT, ".git"))
for name, data in [("index.html", b"<title>ours</title>"), ("data.bin", DATA), ("a.css", b"b{}"), (".env", b"x"), (".git/config", b"x")]:
    with open(os.path.join(ROOT, name), "wb") as file:
        file.write(data)
POSTED = write("posted", "x" * 4_000_000)

# curl's option for the version, whether over TLS, and the version that results.
WAYS = [
    ("--http1.1", False, "1.1"),
    ("--http1.1", True, "1.1"),
    # Without TLS it offers an upgrade to HTTP/2, which RFC 9113 §3.1 has done away with.
    ("--http2", False, "1.1"),
    ("--http2", True, "2"),
    ("--http2-prior-knowledge", False, "2"),
]


async def curl(server, way, resource, *options):
    version, tls, expected = way
    url = f"{'https' if tls else 'http'}://{server.address}{resource}"
    trust = ["--cacert", server.ca] if tls else []
    code, out, err = await run("curl", "-sS", "--noproxy", "*", "-i", "--path-as-is", version, *trust, *options, url)
    assert code == 0, (way, resource, err)
    head, _, body = out.partition(b"\r\n\r\n")
    if b" 100 " in head.splitlines()[0]:
        head, _, body = body.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    found, status = re.match(r"HTTP/([\d.]+) (\d+)", first).groups()
    assert found == expected, (way, first)
    return int(status), {k.lower(): v for k, v in (field.split(": ", 1) for field in fields)}, body


def every_way(*options):
    def decorate(function):
        async def run_all():
            for tls in [False, True]:
                async with serving(FDX, "--h2", *options, *(["--tls-self-signed"] if tls else [])) as server:
                    for way in WAYS:
                        if way[1] == tls:
                            await function(server, way)

        run_all.__name__ = function.__name__
        return check(run_all)

    return decorate


@every_way()
async def the_page(server, way):
    status, fields, body = await curl(server, way, "/")
    assert status == 200 and b"<title>" in body and fields["content-type"] == "text/html; charset=utf-8", fields
    status, fields, body = await curl(server, way, "/", "--head")
    assert (status, body) == (200, b"") and "content-security-policy" in fields, (fields, body)
    assert (await curl(server, way, "/nothing"))[0] == 404
    status, fields, _ = await curl(server, way, "/", "-X", "DELETE")
    assert status == 405 and fields["allow"] == "GET, HEAD", fields
    # It is answered before it is all there.
    status, fields, _ = await curl(server, way, "/", "--data-binary", f"@{POSTED}")
    assert status == 405 and fields["allow"] == "GET, HEAD", fields
    status, fields, _ = await curl(server, way, "/echo")
    assert status == 426 and ("upgrade" in fields) == (way[2] == "1.1"), fields


@every_way("--metrics")
async def figures(server, way):
    status, fields, body = await curl(server, way, "/metrics")
    assert status == 200 and fields["content-type"].startswith("text/plain; version=0.0.4"), fields
    figures = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
    assert int(figures["fullduplex_connections_accepted_total"]) >= 1, figures
    assert figures["fullduplex_connections"] == "1", figures


@check
async def figures_on_a_port_of_their_own():
    own = f"127.0.0.1:{free_port()}"
    async with serving(FDX, f"--metrics={own}") as server:
        assert (await curl(server, WAYS[0], "/metrics"))[0] == 404
        server.address = own
        assert b"fullduplex_websockets 0" in (await curl(server, WAYS[0], "/metrics"))[2]
        assert (await curl(server, WAYS[0], "/"))[0] == 404
        # Few have a place there, as they take open files of the WebSockets.
        all = [await asyncio.open_connection(*own.split(":")) for _ in range(32)]
        answers = asyncio.as_completed([asyncio.ensure_future(reader.readline()) for reader, _ in all])
        for answer in [next(answers) for _ in range(16)]:
            assert b" 503 " in await answer
        for _, writer in all:
            writer.close()


@every_way("--root", ROOT)
async def files(server, way):
    status, fields, body = await curl(server, way, "/")
    assert (status, body, fields["content-type"]) == (200, b"<title>ours</title>", "text/html; charset=utf-8"), fields
    assert (await curl(server, way, "/a.css"))[1]["content-type"] == "text/css; charset=utf-8"
    status, fields, body = await curl(server, way, "/data.bin")
    assert status == 200 and body == DATA and fields["content-length"] == str(len(DATA)), fields
    status, fields, body = await curl(server, way, "/data.bin", "-r", "1000-1999")
    assert (status, body, fields["content-range"]) == (206, DATA[1000:2000], f"bytes 1000-1999/{len(DATA)}")
    status, fields, body = await curl(server, way, "/data.bin", "--head")
    assert (status, body, fields["content-length"]) == (200, b"", str(len(DATA))), fields


@every_way("--root", ROOT)
async def what_is_not_served(server, way):
    outside = os.path.relpath("/etc/passwd", ROOT)
    for resource in [
        "/nothing", "/empty/", "/.env", "/%2eenv", "/.git/config", "/%2Egit%2fconfig", "/empty%2f..%2f.env",
        f"/{outside}", f"/{outside.replace('/', '%2f')}", "/etc/passwd", "//etc/passwd",
    ]:
        status, _, body = await curl(server, way, resource)
        assert status == 404 and b"root:" not in body, (resource, status, body)


main()
