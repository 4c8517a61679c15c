"""Real proxies between `fdx connect` and a server: proxies.py FDX

squid and tinyproxy (CONNECT, with and without password), microsocks (SOCKS5, with and
without password), stunnel before tinyproxy (an HTTPS proxy)."""

import contextlib
import os
import ssl
import sys

import trustme
from websockets.asyncio.server import serve

from programs import DIR, free_port, path, run, running, write
from tap import check, main

FDX = sys.argv[1]
CA = trustme.CA()
CA_FILE = path("ca.pem")
CA.cert_pem.write_to_path(CA_FILE)


@contextlib.asynccontextmanager
async def tinyproxy(password=False):
    port = free_port()
    auth = "BasicAuth user pass.word\n" if password else ""
    config = write(f"tinyproxy-{port}.conf", f"Port {port}\nListen 127.0.0.1\nTimeout 30\nLogLevel Info\nMaxClients 20\n{auth}")
    async with running("tinyproxy", "-d", "-c", config, port=port):
        yield port


@contextlib.asynccontextmanager
async def squid(password=False):
    port = free_port()
    helper = write("auth.sh", '#!/bin/sh\nwhile read user password; do case "$user $password" in "user pass.word") echo OK;; *) echo ERR;; esac; done\n')
    os.chmod(helper, 0o755)
    auth = (
        f"auth_param basic program {helper}\nauth_param basic realm fullduplex\nacl known proxy_auth REQUIRED\nhttp_access allow known\n"
        if password
        else "http_access allow all\n"
    )
    config = write(
        f"squid-{port}.conf",
        f"http_port 127.0.0.1:{port}\nacl all_ports port 1-65535\n{auth}http_access deny all\n"
        f"pid_filename none\naccess_log none\ncache_log /dev/null\ncache deny all\nnetdb_filename none\n"
        f"coredump_dir {DIR}\nshutdown_lifetime 0 seconds\n",
    )
    async with running("squid", "-N", "-f", config, port=port):
        yield port


@contextlib.asynccontextmanager
async def microsocks(password=False):
    port = free_port()
    auth = ["-u", "user", "-P", "pass.word"] if password else []
    async with running("microsocks", "-i", "127.0.0.1", "-p", str(port), *auth, port=port):
        yield port


@contextlib.asynccontextmanager
async def https_proxy():
    pem = path("proxy.pem")
    CA.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(pem)
    async with tinyproxy() as inner:
        port = free_port()
        config = write(
            f"stunnel-{port}.conf",
            f"foreground = yes\npid =\n[proxy]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{inner}\ncert = {pem}\n",
        )
        async with running("stunnel4", config, port=port):
            yield port


seen = []


async def echo(ws):
    seen.append(ws.remote_address)
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def targets():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("localhost").configure_cert(context)
    async with serve(echo, "127.0.0.1", 0) as plain, serve(echo, "127.0.0.1", 0, ssl=context) as tls:
        ports = [s.sockets[0].getsockname()[1] for s in (plain, tls)]
        yield [f"ws://localhost:{ports[0]}/", f"wss://localhost:{ports[1]}/"]


async def fdx(url, *options, **environment):
    code, out, err = await run(
        FDX, "connect", url, "--ca", CA_FILE, *options, stdin=b"through\n", env={"PATH": os.environ["PATH"], **environment}
    )
    return code, out.decode(), err


async def passes(proxy, **environment):
    async with targets() as urls:
        for url in urls:
            options = ["--proxy", proxy] if proxy else []
            code, out, err = await fdx(url, *options, **environment)
            assert (code, out) == (0, "through\n"), (url, code, out, err)


async def refused(proxy, *says):
    async with targets() as urls:
        for url in urls:
            code, out, err = await fdx(url, "--proxy", proxy)
            assert (code, out) == (3, ""), (code, out, err)
            for words in says:
                assert words in err, err
            assert "pass.word" not in err


GOOD, BAD = "user:pass%2Eword@", "user:wrong@"


@check
async def tinyproxy_tunnels():
    async with tinyproxy() as port:
        await passes(f"http://127.0.0.1:{port}")


@check
async def verbose_tells_the_proxy_and_what_is_behind_it():
    async with tinyproxy(password=True) as port, targets() as urls:
        for url, words in [
            (urls[0], ["* HTTP/1.1, subprotocol none"]),
            (urls[1], ["* TLSv1.3 with localhost", "no ALPN", "* certificate for localhost, valid for "]),
        ]:
            code, _, err = await fdx(url, "-v", "--proxy", f"http://{GOOD}127.0.0.1:{port}")
            assert code == 0, err
            target = url.split("//")[1].rstrip("/")
            way = [f"* through the proxy http://***@127.0.0.1:{port}", f"* connected to 127.0.0.1:{port} from ", f"* the proxy is connected to {target}"]
            assert "pass.word" not in err
            for line in way + words:
                assert line in err, (line, err)


@check
async def tinyproxy_wants_a_password():
    async with tinyproxy(password=True) as port:
        await passes(f"http://{GOOD}127.0.0.1:{port}")
        await refused(f"http://127.0.0.1:{port}", "user and password", "407", "Basic")
        await refused(f"http://{BAD}127.0.0.1:{port}", "does not accept", "401")


@check
async def squid_tunnels():
    async with squid() as port:
        await passes(f"http://127.0.0.1:{port}")


@check
async def squid_wants_a_password():
    async with squid(password=True) as port:
        await passes(f"http://{GOOD}127.0.0.1:{port}")
        await refused(f"http://127.0.0.1:{port}", "user and password", "407", "fullduplex")
        await refused(f"http://{BAD}127.0.0.1:{port}", "does not accept", "407")


@check
async def socks5_with_names_resolved_here_and_there():
    async with microsocks() as port:
        await passes(f"socks5://127.0.0.1:{port}")
        await passes(f"socks5h://127.0.0.1:{port}")


@check
async def socks5_wants_a_password():
    async with microsocks(password=True) as port:
        await passes(f"socks5h://{GOOD}127.0.0.1:{port}")
        await refused(f"socks5h://127.0.0.1:{port}", "user and password")
        await refused(f"socks5h://{BAD}127.0.0.1:{port}", "does not accept")


@check
async def a_proxy_over_tls():
    async with https_proxy() as port:
        await passes(f"https://localhost:{port}")
        await refused(f"https://127.0.0.1:{port}", "another name", "localhost")


@check
async def the_environment_names_it():
    async with tinyproxy() as port, targets() as urls:
        proxy, nowhere = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        for environment, works in [
            ({"ALL_PROXY": proxy}, True),
            ({"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}, True),
            ({"ALL_PROXY": nowhere, "WS_PROXY": proxy, "WSS_PROXY": proxy}, True),
            ({"ALL_PROXY": nowhere}, False),
            ({"ALL_PROXY": nowhere, "NO_PROXY": "localhost"}, True),
            ({"ALL_PROXY": nowhere, "NO_PROXY": "a.example,*"}, True),
            ({"ALL_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}, False),
        ]:
            for url in urls:
                code, out, err = await fdx(url, **environment)
                assert (code == 0) == works, (environment, code, err)
        assert (await fdx(urls[0], "--proxy", "none", ALL_PROXY=nowhere))[0] == 0


@check
async def a_tunnel_to_nowhere_is_reported():
    async with tinyproxy() as port:
        code, _, err = await fdx(f"ws://127.0.0.1:{free_port()}/", "--proxy", f"http://127.0.0.1:{port}")
        assert code == 3 and "rejected the tunnel" in err, err
    async with microsocks() as port:
        code, _, err = await fdx(f"ws://127.0.0.1:{free_port()}/", "--proxy", f"socks5://127.0.0.1:{port}")
        assert code == 3 and "refused" in err, err


main()
