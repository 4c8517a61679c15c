"""HTTP/2 servers for `fdx connect --http 2` and the test program `many`: http2_servers.py FDX MANY

Node's http2, hypercorn, apache2, and haproxy in front of `fdx serve`, from HTTP/2 to HTTP/1.1 and to HTTP/2."""

import contextlib
import os
import sys
import time

import trustme

import asgi
from programs import DIR, free_port, path, run, running, write
from served import serving
from tap import check, main

FDX, MANY = sys.argv[1:]
CA = trustme.CA()
PATHS = {name: path(name) for name in ["ca.pem", "cert.pem", "key.pem", "both.pem"]}
CERTIFICATE = CA.issue_cert("localhost")
CA.cert_pem.write_to_path(PATHS["ca.pem"])
CERTIFICATE.cert_chain_pems[0].write_to_path(PATHS["cert.pem"])
CERTIFICATE.private_key_pem.write_to_path(PATHS["key.pem"])
CERTIFICATE.private_key_and_cert_chain_pem.write_to_path(PATHS["both.pem"])

# haproxy 2.6 reads nothing more from a connection, not even what frees its other way, while one stream's buffer of
# 16 KiB is full. What is on its way at once has to find room in our window for a stream, or both ways stand still.
IN_WINDOW = 190_000

NODE = """
const http2 = require("node:http2"), { readFileSync } = require("node:fs");
const WebSocket = require(process.env.PEERS + "/node_modules/ws");
const [cert, key, settings] = process.argv.slice(1);
const server = http2.createSecureServer({ cert: readFileSync(cert), key: readFileSync(key), allowHTTP1: true, settings: JSON.parse(settings) });
const echo = ws => ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  if (headers[":protocol"] !== "websocket") return stream.respond({ ":status": 404 }, { endStream: true });
  if (headers[":path"] === "/501") return stream.respond({ ":status": 501 }, { endStream: true });
  stream.respond({ ":status": 200 });
  const ws = new WebSocket(null, undefined, { autoPong: true });
  ws.setSocket(stream, Buffer.alloc(0), { maxPayload: 0, skipUTF8Validation: false, allowSynchronousEvents: true });
  echo(ws);
});
server.on("upgrade", (request, socket, head) => {
  const wss = new WebSocket.WebSocketServer({ noServer: true });
  wss.handleUpgrade(request, socket, head, ws => { echo(ws); ws.send("over HTTP/1.1"); });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""

HANDSHAKE = """
    assert scope["type"] == "websocket" and scope["http_version"] == "2", scope
    await receive()
    await send({"type": "websocket.accept"})
"""


def node(settings='{"enableConnectProtocol": true}'):
    return running("node", "-e", NODE, PATHS["cert.pem"], PATHS["key.pem"], settings)


def hypercorn(*options):
    return asgi.hypercorn(HANDSHAKE, PATHS["cert.pem"], PATHS["key.pem"], *options)


@contextlib.asynccontextmanager
async def haproxy(to="", version="HTTP/1.1"):
    """Takes one connection at a time, so a client that needs another one waits for ever."""
    async with serving(FDX, "--h2", "--max-message-size", "16777216") as server:
        port = free_port()
        config = write(
            f"haproxy-{port}.cfg",
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  timeout tunnel 60s\n"
            f"frontend f\n  bind 127.0.0.1:{port} maxconn 1 ssl crt {PATHS['both.pem']} alpn h2,http/1.1\n  default_backend b\n"
            f"backend b\n  server s {server.address} {to}\n",
        )
        async with running("haproxy", "-f", config, "-db", port=port):
            yield port
            await server.said("/", version)


@contextlib.asynccontextmanager
async def apache():
    async with serving(FDX) as server:
        port = free_port()
        modules = ["mpm_event", "authz_core", "http2", "proxy", "proxy_http", "proxy_wstunnel", "socache_shmcb", "ssl"]
        load = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules)
        config = write(
            f"apache-{port}.conf",
            f"ServerRoot {DIR}\nServerName localhost\nDefaultRuntimeDir {DIR}\nPidFile {path(f'apache-{port}.pid')}\nMutex file:{DIR}\n"
            f"ErrorLog /dev/stderr\nListen 127.0.0.1:{port}\nUser www-data\nGroup www-data\n{load}"
            f"SSLEngine on\nSSLCertificateFile {PATHS['both.pem']}\nProtocols h2\nH2WebSockets on\n"
            f"ProxyPass / http://{server.address}/ upgrade=websocket\n",
        )
        async with running("apache2", "-DFOREGROUND", "-f", config, port=port):
            yield port


def haproxy_to_http2():
    return haproxy("proto h2 ws h2", "HTTP/2")


async def fdx(port, *options, path="/", stdin="grüße\nund mehr\n".encode()):
    return await run(FDX, "connect", f"wss://localhost:{port}{path}", "--linger", "3", "--ca", PATHS["ca.pem"], *options, stdin=stdin)


async def echoes(port, *options, size=3_000_000):
    text = "grüße\nund mehr\n".encode()
    code, out, err = await fdx(port, *options)
    assert (code, out) == (0, text), (code, out, err)
    data = os.urandom(size)
    code, out, err = await fdx(port, "--binary", *options, stdin=data)
    assert (code, out == data) == (0, True), (code, len(out), err)


async def closes_at_once(port, *options):
    """Whether or not the server ends its side of the stream."""
    begun = time.monotonic()
    address = f"wss://localhost:{port}/"
    code, _, err = await run(FDX, "connect", address, "--linger", "0", "--ca", PATHS["ca.pem"], *options)
    took = time.monotonic() - begun
    assert code == 0 and took < 2, (took, code, err)


@check
async def nodes_http2_echoes():
    async with node() as port:
        await echoes(port, "--http", "2")
        await echoes(port, "--http", "auto")


@check
async def without_the_setting_auto_falls_back_and_2_says_why():
    async with node("{}") as port:
        code, out, err = await fdx(port, "--http", "auto")
        assert code == 0 and out.startswith(b"over HTTP/1.1\n"), (code, out, err)
        code, out, err = await fdx(port, "--http", "2")
        assert code == 4 and "SETTINGS_ENABLE_CONNECT_PROTOCOL" in err, (code, err)


@check
async def a_501_falls_back_too():
    async with node() as port:
        code, out, err = await fdx(port, "--http", "auto", path="/501")
        assert code == 0 and out.startswith(b"over HTTP/1.1\n"), (code, out, err)


@check
async def hypercorn_echoes():
    async with hypercorn() as port:
        await echoes(port, "--http", "2")
        await closes_at_once(port, "--http", "2")


@check
async def apache_echoes():
    async with apache() as port:
        await echoes(port, "--http", "2")
        await closes_at_once(port, "--http", "2")


@check
async def hypercorn_wants_a_certificate():
    async with hypercorn("--ca-certs", PATHS["ca.pem"], "--verify-mode", "CERT_REQUIRED") as port:
        for version in ("2", "1", "auto"):
            code, _, err = await fdx(port, "--http", version)
            assert code == 3 and "--cert, --key" in err, (version, code, err)


@check
async def haproxy_carries_it_to_either_version():
    for proxy, size in ((haproxy, 3_000_000), (haproxy_to_http2, IN_WINDOW)):
        async with proxy() as port:
            await echoes(port, "--http", "2", size=size)
            await echoes(port, "--http", "1", size=size)
            code, _, err = await fdx(port, "--http", "2", path="/nothing")
            assert code == 4 and "404" in err, (code, err)


@check
async def a_hundred_on_one_connection_and_one_that_does_not_read():
    for server, size in ((node, 1_000_000), (haproxy, IN_WINDOW), (haproxy_to_http2, IN_WINDOW)):
        async with server() as port:
            code, out, err = await run(MANY, f"wss://localhost:{port}/", PATHS["ca.pem"], "100", str(size), "2")
            assert code == 0, (server.__name__, out, err)


main()
