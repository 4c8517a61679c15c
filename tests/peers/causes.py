"""What `fdx connect` and `fdx explain` say of each cause, with the real program that causes it: causes.py FDX

Each row of crates/cli/src/causes/causes.toml whose `peer` is a program has a case here. What they say, and the exit code,
are in causes.txt; with UPDATE=1 in the environment that file is written."""

import asyncio
import contextlib
import datetime
import json
import os
import re
import socket
import ssl
import sys
import tomllib

import h2.config
import h2.connection
import trustme

from programs import DIR, free_port, path, run, running, write
from served import serving
from tap import check, main

FDX = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
SNAPSHOTS = os.path.join(HERE, "causes.txt")
TABLE = os.path.join(HERE, "../../crates/cli/src/causes/causes.toml")
TRAEFIK = os.path.join(os.path.dirname(sys.executable), "traefik")
with open(TABLE, "rb") as file:
    ROWS = {row["id"]: row for row in tomllib.load(file)["cause"]}

CA = trustme.CA()
CA.cert_pem.write_to_path(path("ca.pem"))
TRUST = ["--ca", path("ca.pem")]
PEM = path("both.pem")
CA.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(PEM)

seen = {}
reserved = []


def closed_port():
    """A port on which nothing will listen: it is taken, until this program ends."""
    reserved.append(socket.socket())
    reserved[-1].bind(("127.0.0.1", 0))
    return reserved[-1].getsockname()[1]


async def says(row, url, *options):
    """Runs `fdx connect` and `fdx explain`; the errors must have the sentence of this row, the explanation its cause."""
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    (code, _, said), explained = await asyncio.gather(
        run(FDX, "connect", url, *options, env=env), run(FDX, "explain", "--json", url, *options, env=env)
    )
    sentence = re.split(r"\{[a-z-]+\}", ROWS[row]["cause"])
    assert f"likely cause: {sentence[0]}" in said and all(part in said for part in sentence), f"{row}: {code}\n{said}"
    said += explanation(row, code, *explained)
    said = re.sub(r"127\.0\.0\.1:\d+|localhost:\d+", lambda found: found[0].split(":")[0] + ":PORT", said)
    said = re.sub(r"(nginx|Apache|Caddy|squid|tinyproxy)/[\w.]+", r"\1/VERSION", said)
    said = re.sub(r"\d+ days ago", "SOME days ago", said)
    said = re.sub(r"Generated .* by ", "Generated SOME TIME by ", said).replace(socket.gethostname(), "HERE")
    seen[row] = f"{code}\n{said}"


def explanation(row, connect_code, code, out, errors):
    """The line of what `fdx explain` has found, which must be this row first."""
    assert code == connect_code, f"{row}: fdx explain has exit code {code}, fdx connect {connect_code}: {errors}"
    report = json.loads(out)
    causes = [cause["id"] for cause in report["causes"]]
    assert causes and causes[0] == row, f"{row}: fdx explain found {causes}"
    found = [f"fails at {report['failed_step']}", f"answered by {report['answered_by'] or 'nobody by name'}"]
    found += [f"works with {', '.join(report['deciding'])}"] if report["deciding"] else []
    return f"explain: {'; '.join(found)}; causes: {', '.join(causes)}\n"


@contextlib.asynccontextmanager
async def listening(handle, **options):
    async def guarded(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await handle(reader, writer)
        writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, **options)
    async with server:
        yield server.sockets[0].getsockname()[1]


def responding(responses):
    """A server with a response for each path."""

    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(responses[head.split()[1].decode()])
        await writer.drain()

    return listening(handle)


def greeting(banner, after_request=False):
    async def handle(reader, writer):
        if after_request:
            await reader.readuntil(b"\r\n")
        writer.write(banner)
        await writer.drain()
        await reader.read()

    return listening(handle)


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def answer_nothing(reader, _):
    await reader.read()


@check
async def ports_that_are_closed_silent_or_of_another_program():
    closed = closed_port()
    await says("port-closed", f"ws://127.0.0.1:{closed}/")
    await says("proxy-refused", "ws://chat.example/", "--proxy", f"http://127.0.0.1:{closed}")
    for row, banner, after_request in [
        ("wrong-port-ssh", b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", False),
        ("wrong-port-mail", b"220 mail.example ESMTP Postfix\r\n", False),
        ("wrong-port-redis", b"-ERR wrong number of arguments for 'get' command\r\n", True),
        ("wrong-port-mysql", b"J\0\0\0\n8.0.33\0\x08\0\0\0", False),
        ("not-http", b"hello, who are you?\r\n", False),
    ]:
        async with greeting(banner, after_request) as port:
            await says(row, f"ws://127.0.0.1:{port}/")
    h2_config = h2.config.H2Configuration(client_side=False)
    server = h2.connection.H2Connection(h2_config)
    server.initiate_connection()
    async with greeting(server.data_to_send()) as port:
        await says("http2-only", f"ws://127.0.0.1:{port}/")


@check
async def tls_where_none_is_and_the_reverse():
    async with serving(FDX, "--tls-self-signed") as server:
        await says("tls-wanted", f"ws://{server.address}/echo")
        await says("alpn", f"wss://{server.address}/echo", "--ca", server.ca, "--http", "2")
    async with listening(answer_nothing, ssl=tls(CA.issue_cert("localhost"))) as port:
        await says("ended-at-once", f"ws://127.0.0.1:{port}/")
    async with serving(FDX) as server:
        await says("no-tls-here", f"wss://{server.address}/echo")
        await says("http2-frames", f"ws://{server.address}/echo", "--http", "2")
        await says("status-404", f"ws://{server.address}/nothing")


@check
async def certificates_that_are_not_valid():
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    expired = CA.issue_cert("localhost", not_before=now - 9 * day, not_after=now - 3 * day)
    early = CA.issue_cert("localhost", not_before=now + 3 * day, not_after=now + 9 * day)
    for row, certificate, options in [
        ("certificate-expired", expired, TRUST),
        ("certificate-not-yet-valid", early, TRUST),
        ("certificate-name", CA.issue_cert("other.example"), TRUST),
        ("certificate-issuer", CA.issue_cert("localhost"), []),
    ]:
        async with listening(answer_nothing, ssl=tls(certificate)) as port:
            await says(row, f"wss://localhost:{port}/", *options)
    own = path("own.pem")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    code, _, error = await run(*command.split(), "-keyout", path("own.key"), "-out", own)
    assert code == 0, error
    port = free_port()
    async with running("openssl", "s_server", "-accept", str(port), "-cert", own, "-key", path("own.key"), "-www", port=port):
        await says("certificate-of-authority", f"wss://localhost:{port}/", "--ca", own)
    port = free_port()
    old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
    async with running("openssl", "s_server", "-accept", str(port), "-cert", PEM, "-www", *old, port=port):
        await says("tls-version", f"wss://localhost:{port}/", *TRUST)


@check
async def nginx_without_upgrade_location_or_server():
    port, with_tls, closed = free_port(), free_port(), closed_port()
    temp = " ".join(f"{kind}_temp_path {path(kind)};" for kind in ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"])
    async with serving(FDX) as server:
        config = write(
            "causes-nginx.conf",
            f"daemon off; master_process off; pid {path('causes-nginx.pid')}; error_log stderr;\nevents {{}}\n"
            f"http {{ access_log off; {temp}\n"
            f"server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{with_tls} ssl;\n"
            f"ssl_certificate {PEM}; ssl_certificate_key {PEM}; root {DIR};\n"
            f"location /echo {{ proxy_pass http://{server.address}; }}\n"
            f"location /down {{ proxy_pass http://127.0.0.1:{closed}; }}\n"
            "location /denied { deny all; }\n"
            "} }\n",
        )
        async with running("nginx", "-e", "stderr", "-c", config, "-p", DIR, port=port):
            url = f"ws://127.0.0.1:{port}"
            await says("nginx-no-upgrade", f"{url}/echo")
            await says("nginx-no-location", f"{url}/nothing")
            await says("nginx-403", f"{url}/denied")
            await says("nginx-upstream-down", f"{url}/down")
            await says("big-head", f"{url}/echo", "-H", "Cookie: " + "x" * 9000)
            await says("tls-wanted-nginx", f"ws://127.0.0.1:{with_tls}/echo")


@check
async def apache_without_upgrade_or_server():
    port, closed = free_port(), closed_port()
    modules = ["mpm_event", "authz_core", "proxy", "proxy_http"]
    load = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules)
    async with serving(FDX) as server:
        config = write(
            "causes-apache.conf",
            f"ServerRoot {DIR}\nServerName localhost\nDefaultRuntimeDir {DIR}\nPidFile {path('causes-apache.pid')}\nMutex file:{DIR}\n"
            f"ErrorLog /dev/stderr\nListen 127.0.0.1:{port}\nUser www-data\nGroup www-data\n{load}"
            f"ProxyPass /down http://127.0.0.1:{closed}/\nProxyPass / http://{server.address}/\n",
        )
        async with running("apache2", "-DFOREGROUND", "-f", config, port=port):
            await says("apache-no-upgrade", f"ws://127.0.0.1:{port}/echo")
            await says("apache-upstream-down", f"ws://127.0.0.1:{port}/down")


@check
async def haproxy_without_a_server_or_with_a_rule():
    port, closed = free_port(), closed_port()
    config = write(
        "causes-haproxy.cfg",
        "defaults\n mode http\n retries 0\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
        f"frontend f\n bind 127.0.0.1:{port}\n http-request deny if {{ path /denied }}\n default_backend b\n"
        f"backend b\n server s 127.0.0.1:{closed}\n",
    )
    async with running("haproxy", "-db", "-f", config, port=port):
        await says("haproxy-no-server", f"ws://127.0.0.1:{port}/")
        await says("haproxy-bad", f"ws://127.0.0.1:{port}/denied")


@check
async def caddy_without_a_route_or_server():
    port, with_tls, closed = free_port(), free_port(), closed_port()
    config = write(
        "causes-Caddyfile",
        f"{{\n admin off\n auto_https disable_redirects\n storage file_system {path('caddy')}\n}}\n"
        f"http://127.0.0.1:{port} {{\n reverse_proxy /down 127.0.0.1:{closed}\n redir /secure https://127.0.0.1/secure 308\n}}\n"
        f"https://localhost:{with_tls} {{\n bind 127.0.0.1\n tls {PEM} {PEM}\n}}\n",
    )
    async with running("caddy", "run", "--adapter", "caddyfile", "--config", config, port=port):
        await says("caddy-no-route", f"ws://127.0.0.1:{port}/ws")
        await says("caddy-upstream-down", f"ws://127.0.0.1:{port}/down")
        await says("https-redirect", f"ws://127.0.0.1:{port}/secure")
        await says("tls-wanted-text", f"ws://localhost:{with_tls}/")
        await says("sni-unknown", f"wss://127.0.0.1:{with_tls}/", *TRUST)


@check
async def traefik_without_a_router_or_server():
    port, with_tls, closed = free_port(), free_port(), closed_port()
    async with serving(FDX) as server:
        dynamic = write(
            "causes-traefik-dynamic.toml",
            '[http.routers.ws]\nrule = "PathPrefix(`/echo`)"\nservice = "fdx"\n'
            '[http.routers.tls]\nrule = "PathPrefix(`/echo`)"\nservice = "fdx"\n[http.routers.tls.tls]\n'
            '[http.routers.down]\nrule = "PathPrefix(`/down`)"\nservice = "down"\n'
            f'[[http.services.fdx.loadBalancer.servers]]\nurl = "http://{server.address}"\n'
            f'[[http.services.down.loadBalancer.servers]]\nurl = "http://127.0.0.1:{closed}"\n'
            f'[[tls.certificates]]\ncertFile = "{PEM}"\nkeyFile = "{PEM}"\n',
        )
        static = write(
            "causes-traefik.toml",
            f'[entryPoints.web]\naddress = "127.0.0.1:{port}"\n[entryPoints.tls]\naddress = "127.0.0.1:{with_tls}"\n'
            f'[providers.file]\nfilename = "{dynamic}"\n[global]\ncheckNewVersion = false\nsendAnonymousUsage = false\n',
        )
        async with running(TRAEFIK, f"--configFile={static}", port=port):
            # It reads its routers after it listens.
            while (await run(FDX, "connect", "--send", "x", "-n", "1", f"ws://127.0.0.1:{port}/echo"))[0] != 0:
                await asyncio.sleep(0.1)
            await says("traefik-404", f"ws://127.0.0.1:{port}/nothing")
            await says("traefik-502", f"ws://127.0.0.1:{port}/down")
            await says("http-version-decides", f"wss://localhost:{with_tls}/echo", *TRUST, "--http", "2")


@check
async def proxies_that_refuse_or_are_of_another_kind():
    closed = closed_port()
    ports = {name: free_port() for name in ["tinyproxy", "squid", "microsocks"]}
    tiny = write("causes-tinyproxy.conf", f"Port {ports['tinyproxy']}\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\nConnectPort 443\n")
    helper = write("causes-auth.sh", "#!/bin/sh\nwhile read line; do echo ERR; done\n")
    os.chmod(helper, 0o755)
    squid = write(
        "causes-squid.conf",
        f"http_port 127.0.0.1:{ports['squid']}\nacl all_ports port 1-65535\nacl denied port 22\nhttp_access deny denied\n"
        f"auth_param basic program {helper}\nauth_param basic realm fullduplex\nacl private dstdomain private.example\n"
        "acl known proxy_auth REQUIRED\nhttp_access deny private !known\nhttp_access allow all\n"
        f"pid_filename none\naccess_log none\ncache_log /dev/null\ncache deny all\nnetdb_filename none\n"
        f"coredump_dir {DIR}\nshutdown_lifetime 0 seconds\n",
    )
    async with contextlib.AsyncExitStack() as stack:
        for command in [
            ["tinyproxy", "-d", "-c", tiny],
            ["squid", "-N", "-f", squid],
            ["microsocks", "-i", "127.0.0.1", "-p", str(ports["microsocks"])],
        ]:
            await stack.enter_async_context(running(*command, port=ports[command[0]]))
        target, proxy = f"ws://127.0.0.1:{closed}/", "127.0.0.1:{}".format
        await says("proxy-refuses-port", "ws://127.0.0.1:22/", "--proxy", f"http://{proxy(ports['squid'])}")
        await says("proxy-can-not-reach", target, "--proxy", f"http://{proxy(ports['squid'])}")
        await says("proxy-authentication", "ws://private.example:1/", "--proxy", f"http://{proxy(ports['squid'])}")
        await says("proxy-refuses-port", target, "--proxy", f"http://{proxy(ports['tinyproxy'])}")
        await says("proxy-without-tls", target, "--proxy", f"https://{proxy(ports['squid'])}")
        await says("http-proxy-is-socks", target, "--proxy", f"http://{proxy(ports['microsocks'])}")


@check
async def login_walls_and_statuses():
    def response(status, *fields, body=""):
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
        return ("\r\n".join(head) + f"\r\n\r\n{body}").encode()

    responses = {
        "/app": response("302 Found", "Location: /login?next=%2Fapp"),
        "/moved": response("308 Permanent Redirect", "Location: /moved/"),
        "/basic": response("401 Unauthorized", 'WWW-Authenticate: Basic realm="api"'),
        "/token": response("401 Unauthorized", body='{"error":"no token"}'),
        "/forbidden": response("403 Forbidden", body="no"),
        "/bad": response("400 Bad Request", body="bad"),
        "/page": response("200 OK", "Content-Type: text/html", body="<html><title>Chat</title><p>Welcome</p></html>"),
        "/failing": response("500 Internal Server Error", "Content-Type: text/html", body="<html><h1>Oops</h1></html>"),
    }
    async with responding(responses) as port:
        for row, resource in [
            ("login-wall", "/app"),
            ("redirected", "/moved"),
            ("credentials-basic", "/basic"),
            ("credentials-token", "/token"),
            ("status-403", "/forbidden"),
            ("status-400", "/bad"),
            ("status-200", "/page"),
            ("status-500", "/failing"),
        ]:
            await says(row, f"ws://127.0.0.1:{port}{resource}")


@check
async def origins_hosts_and_limits_of_fdx_serve():
    async with serving(FDX, "--host", "chat.example", "--host", "127.0.0.1") as server:
        url = f"ws://{server.address}/echo"
        await says("origin-needed", url, "-H", "Origin: https://foreign.example")
        await says("host-refused", url, "-H", "Host: other.example")
    async with serving(FDX, "--max-connections", "1") as server:
        url = f"ws://{server.address}/echo"
        _, writer = await asyncio.open_connection(*server.address.split(":"))
        await says("status-429", url)
        writer.close()


@check
async def silent_ports_end_with_the_step():
    async with listening(answer_nothing) as port:
        await asyncio.gather(
            says("timeout-response", f"ws://127.0.0.1:{port}/"),
            says("timeout-quic", f"wss://localhost:{port}/", "--http", "3"),
        )


@check
async def every_row_of_the_table_that_has_a_program_was_seen():
    missing = {id for id, row in ROWS.items() if row["peer"] not in ("fixture", "constructed")} - seen.keys()
    assert not missing, missing


@check
async def what_fdx_says_is_as_committed():
    text = "".join(f"=== {row}: exit code {said}\n" for row, said in sorted(seen.items()))
    if os.environ.get("UPDATE"):
        with open(SNAPSHOTS, "w") as file:
            file.write(text)
    with open(SNAPSHOTS) as file:
        expected = file.read()
    for was, now in zip(expected.split("=== "), text.split("=== ")):
        assert was == now, f"was:\n{was}\nis:\n{now}"
    assert text == expected


main()
