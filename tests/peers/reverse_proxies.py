"""`fdx serve` behind nginx, haproxy, apache2 and caddy: reverse_proxies.py FDX

The proxies connect from 127.0.0.3, which is trusted; the client is at 127.0.0.2."""

import asyncio
import contextlib
import json
import os
import re
import ssl
import sys

import trustme
import websockets

from programs import DIR, free_port, path, running, write
from served import serving
from tap import check, main

FDX = sys.argv[1]
CLIENT, PROXY = "127.0.0.2", "127.0.0.3"
X_FORWARDED_FOR = ["--trusted-proxies", f"{PROXY},unix", "--forwarded", "x-forwarded-for"]
FORWARDED = ["--trusted-proxies", PROXY, "--forwarded", "forwarded"]
CA = trustme.CA()
CA.cert_pem.write_to_path(path("ca.pem"))
CA.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(path("both.pem"))
TLS = {"ssl": ssl.create_default_context(cafile=path("ca.pem")), "server_hostname": "localhost"}
HOW_TO = os.path.join(os.path.dirname(__file__), "../../docs/src/how-to")


@contextlib.asynccontextmanager
async def nginx(server, field="X-Forwarded-For $proxy_add_x_forwarded_for", read_timeout="60s", source=f"proxy_bind {PROXY};"):
    port = free_port()
    temp = " ".join(f"{kind}_temp_path {path(kind)};" for kind in ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"])
    config = write(
        f"nginx-{port}.conf",
        f"daemon off; master_process off; pid {path('nginx.pid')}; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; {temp}\n"
        "map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{\n"
        f"proxy_pass http://{server}; proxy_http_version 1.1; proxy_set_header Host $http_host; {source}\n"
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;\n"
        f"proxy_set_header {field}; proxy_read_timeout {read_timeout};\n}} }} }}\n",
    )
    async with running("nginx", "-e", "stderr", "-c", config, "-p", DIR, port=port):
        yield port


@contextlib.asynccontextmanager
async def haproxy(server, bind="", to="", field="option forwardfor"):
    port = free_port()
    config = write(
        f"haproxy-{port}.cfg",
        "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n timeout tunnel 60s\n"
        f"frontend f\n bind 127.0.0.1:{port} {bind}\n default_backend b\n"
        f"backend b\n {field}\n server s {server} source {PROXY} {to}\n",
    )
    async with running("haproxy", "-db", "-f", config, port=port):
        yield port


@contextlib.asynccontextmanager
async def apache(server, by):
    port = free_port()
    modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "proxy_wstunnel"]
    load = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules)
    to = f"ws://{server}/" if by == "wstunnel" else f"http://{server}/ upgrade=websocket"
    config = write(
        f"apache-{port}.conf",
        f"ServerRoot {DIR}\nServerName localhost\nDefaultRuntimeDir {DIR}\nPidFile {path(f'apache-{port}.pid')}\nMutex file:{DIR}\n"
        f"ErrorLog /dev/stderr\nListen 127.0.0.1:{port}\nUser www-data\nGroup www-data\n{load}"
        f"ProxySourceAddress {PROXY}\nProxyPreserveHost On\nProxyPass / {to}\n",
    )
    async with running("apache2", "-DFOREGROUND", "-f", config, port=port):
        yield port


def connect(port, resource="/echo", **options):
    scheme = "wss" if "ssl" in options else "ws"
    return websockets.connect(
        f"{scheme}://127.0.0.1:{port}{resource}", max_size=None, proxy=None, local_addr=(CLIENT, 0), **options
    )


async def carries(port, server, version="HTTP/1.1", **options):
    """Echo, long messages, Closes of both ends, and who the client is."""
    async with connect(port, **options) as ws:
        for message in ["grüße", b"", os.urandom(70000), os.urandom(1 << 20)]:
            await ws.send(message)
            assert await ws.recv() == message
        await (await ws.ping(b"between"))
        await ws.close(4001, "enough")
        assert (ws.close_code, ws.close_reason) == (4001, "enough"), ws.close_code
    await server.said(CLIENT, "/echo", version, "closed by the peer with 4001", "enough")
    async with connect(port, **options) as ws:
        await ws.send(b"x" * ((1 << 20) + 1))
        await ws.wait_closed()
        assert ws.close_code == 1009 and "max_message_size" in ws.close_reason, (ws.close_code, ws.close_reason)
    await server.said(CLIENT, version, "1009")
    # What the client says itself is not believed.
    forged = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
    async with connect(port, "/whoami", additional_headers=forged, **options) as ws:
        who = json.loads(await ws.recv())
        assert (who["address"], who["http"]) == (CLIENT, version.replace("2", "2.0")), who
        assert who["known_by"] == "reported by a trusted proxy", who
    try:
        await connect(port, "/nothing", **options)
        assert False, "it was accepted"
    except websockets.InvalidStatus as refused:
        assert refused.response.status_code == 404
    # Alive until the end, which the proxy passes on.
    async with connect(port, **options) as ws:
        await ws.send("here")
        assert await ws.recv() == "here"
        server.signal()
        await ws.wait_closed()
        assert ws.close_code == 1001, ws.close_code
    await server.said("ended: 1 WebSockets notified, 0 cut off")


@check
async def nginx_carries_it():
    for deflate in [None, "deflate"]:
        async with serving(FDX, *X_FORWARDED_FOR, "--deflate") as server, nginx(server.address) as port:
            await carries(port, server, compression=deflate)


@check
async def nginx_with_forwarded():
    field = 'Forwarded "for=$remote_addr;host=$http_host"'
    async with serving(FDX, *FORWARDED) as server, nginx(server.address, field) as port:
        await carries(port, server)


@check
async def nginx_by_a_unix_socket():
    socket = path("fdx.sock")
    async with serving(FDX, *X_FORWARDED_FOR, listen=[f"unix:{socket}"]) as server:
        os.chmod(socket, 0o777)
        async with nginx(f"unix:{socket}:", source="") as port:
            await carries(port, server)


@check
async def nginx_cuts_what_is_idle_and_both_ends_say_so():
    async with serving(FDX, *X_FORWARDED_FOR) as server, nginx(server.address, read_timeout="1s") as port:
        pipe = asyncio.subprocess.PIPE
        url = f"ws://127.0.0.1:{port}/echo"
        fdx = await asyncio.create_subprocess_exec(FDX, "connect", url, stdin=pipe, stdout=pipe, stderr=pipe)
        error = (await fdx.stderr.read()).decode()
        assert await fdx.wait() == 5, error
        assert "ended the transport without a Close frame" in error, error
        await server.said("/echo", "the peer ended the transport without a Close frame")


@check
async def a_proxy_that_is_not_trusted_is_the_client_itself():
    for options in [[], ["--trusted-proxies", "127.0.0.9", "--forwarded", "x-forwarded-for"]]:
        async with serving(FDX, *options) as server, nginx(server.address) as port:
            async with connect(port, "/whoami") as ws:
                who = json.loads(await ws.recv())
                assert who["address"] == PROXY and who["known_by"].startswith("the peer"), who


@check
async def haproxy_carries_it_on_every_pair_of_versions():
    for bind, tls in [("", False), (f"ssl crt {path('both.pem')} alpn h2", True)]:
        for to, version in [("", "HTTP/1.1"), ("proto h2 ws h2", "HTTP/2")]:
            async with serving(FDX, *X_FORWARDED_FOR, "--h2") as server, haproxy(server.address, bind, to) as port:
                if tls:
                    await carries_http2(port, server, version)
                else:
                    await carries(port, server, version)


async def carries_http2(port, server, version):
    """The same by our own client, as Python's has no HTTP/2."""
    pipe = asyncio.subprocess.PIPE

    async def fdx(resource, stdin, *options):
        command = [FDX, "connect", f"wss://localhost:{port}{resource}", "--http", "2", "--linger", "3", "--ca", path("ca.pem"), *options]
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        out, error = await process.communicate(stdin)
        return process.returncode, out, error.decode()

    # More than our window for a stream may stop haproxy 2.6 for good, where both sides are HTTP/2: it reads nothing
    # more from a connection, not even what frees its other way, while one stream's buffer is full.
    data = os.urandom(190_000 if version == "HTTP/2" else 3 << 20)
    code, out, error = await fdx("/echo", data, "--binary")
    assert (code, out == data) == (0, True), (code, len(out), error)
    await server.said("/echo", version, "closed by the peer with 1000")
    code, out, error = await fdx("/whoami", b"", "-H", "X-Forwarded-For: 6.6.6.6")
    who = json.loads(out)
    assert (who["address"], who["known_by"]) == ("127.0.0.1", "reported by a trusted proxy"), who
    code, out, error = await fdx("/echo", b"x" * ((1 << 20) + 1) + b"\n")
    assert code == 6 and "1009" in error, (code, error)
    code, out, error = await fdx("/nothing", b"")
    assert code == 4 and "404" in error, (code, error)


@check
async def haproxy_with_forwarded():
    field = "http-request set-header Forwarded for=%[src]"
    async with serving(FDX, *FORWARDED) as server, haproxy(server.address, field=field) as port:
        await carries(port, server)


@check
async def apache_carries_it():
    for by in ["wstunnel", "upgrade=websocket"]:
        async with serving(FDX, *X_FORWARDED_FOR) as server, apache(server.address, by) as port:
            await carries(port, server)


def of_the_book(page, changes):
    """The first configuration on a page of the book, with each change made at least once."""
    with open(os.path.join(HOW_TO, f"{page}.md")) as file:
        text = re.search(r"```(?:nginx|haproxy|apache|caddyfile)\n(.*?)```", file.read(), re.DOTALL)[1]
    for old, new in changes.items():
        assert old in text, f"{page}.md has no {old}"
        text = text.replace(old, new)
    return text


async def carries_as_in_the_book(page, changes, start):
    """Runs the proxy with TLS in front of `fdx serve`; `start` gives its command, and its configuration around that
    of the book."""
    port, certificate = free_port(), path("both.pem")
    trusted = ["--trusted-proxies", "127.0.0.1", "--forwarded", "x-forwarded-for"]
    async with serving(FDX, *trusted) as server:
        changes = {old: new.format(port=port, certificate=certificate, server=server.address) for old, new in changes.items()}
        command, text = start(of_the_book(page, changes))
        config = write(f"book-{page}.conf", text)
        async with running(*[config if word == "CONFIG" else word for word in command], port=port):
            await carries(port, server, **TLS)


@check
async def nginx_as_in_the_book():
    temp = " ".join(f"{kind}_temp_path {path(kind)};" for kind in ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"])
    main = f"daemon off; master_process off; pid {path('book-nginx.pid')}; error_log stderr; events {{}}"
    await carries_as_in_the_book(
        "nginx",
        {
            "listen 443 ssl": "listen 127.0.0.1:{port} ssl",
            "/etc/ssl/chat.example.pem": "{certificate}",
            "/etc/ssl/chat.example.key": "{certificate}",
            "http://127.0.0.1:9001": "http://{server}",
        },
        lambda text: (
            ["nginx", "-e", "stderr", "-c", "CONFIG", "-p", DIR],
            f"{main}\nhttp {{ access_log off; {temp}\n{text}}}\n",
        ),
    )


@check
async def haproxy_as_in_the_book():
    await carries_as_in_the_book(
        "haproxy",
        {
            "bind :443 ssl crt /etc/haproxy/chat.example.pem": "bind 127.0.0.1:{port} ssl crt {certificate}",
            "server a 10.0.0.11:9001": "server a {server}",
            "    server b 10.0.0.12:9001\n": "",
        },
        lambda text: (["haproxy", "-db", "-f", "CONFIG"], text),
    )


@check
async def apache_as_in_the_book():
    load = "".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in ["mpm_event", "authz_core", "ssl"]
    )
    await carries_as_in_the_book(
        "apache",
        {
            "modules/": "/usr/lib/apache2/modules/",
            "<VirtualHost *:443>": "Listen 127.0.0.1:{port}\n<VirtualHost *:{port}>",
            "/etc/ssl/chat.example.pem": "{certificate}",
            "/etc/ssl/chat.example.key": "{certificate}",
            "http://127.0.0.1:9001/": "http://{server}/",
        },
        lambda text: (
            ["apache2", "-DFOREGROUND", "-f", "CONFIG"],
            f"ServerRoot {DIR}\nServerName localhost\nDefaultRuntimeDir {DIR}\nPidFile {path('book-apache.pid')}\n"
            f"Mutex file:{DIR}\nErrorLog /dev/stderr\nUser www-data\nGroup www-data\n{load}{text}",
        ),
    )


@check
async def caddy_as_in_the_book():
    await carries_as_in_the_book(
        "caddy",
        {
            "chat.example {": "https://localhost:{port}, https://127.0.0.1:{port} {{\n    tls {certificate} {certificate}",
            "127.0.0.1:9001": "{server}",
        },
        lambda text: (
            ["caddy", "run", "--adapter", "caddyfile", "--config", "CONFIG"],
            f"{{\n    admin off\n    auto_https disable_redirects\n    storage file_system {path('caddy')}\n}}\n{text}",
        ),
    )


main()
