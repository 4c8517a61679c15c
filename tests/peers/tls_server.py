"""TLS servers of Python and Node, with a CA made here, for `fdx connect`: tls_server.py FDX"""

import contextlib
import datetime
import json
import os
import ssl
import sys

import trustme
from websockets.asyncio.server import serve

from programs import path, run, running
from tap import check, main

FDX = sys.argv[1]
CA = trustme.CA()
CA_FILE = path("ca.pem")
CA.cert_pem.write_to_path(CA_FILE)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def server(certificate, client_ca=None, chain=True, version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    if chain:
        certificate.configure_cert(context)
    else:
        cert, key = path("leaf.pem"), path("leaf.key")
        certificate.cert_chain_pems[0].write_to_path(cert)
        certificate.private_key_pem.write_to_path(key)
        context.load_cert_chain(cert, key)
    if client_ca:
        client_ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    async with serve(echo, "127.0.0.1", 0, ssl=context) as s:
        yield f"wss://localhost:{s.sockets[0].getsockname()[1]}/"


async def fdx(url, *options, ca=CA_FILE, **environment):
    trust = ["--ca", ca] if ca else []
    env = {**os.environ, **environment}
    code, out, err = await run(FDX, "connect", url, *trust, *options, stdin="grüße\n".encode(), env=env)
    return code, out.decode(), err


async def refused(url, *says, **options):
    code, out, err = await fdx(url, **options)
    assert (code, out) == (3, ""), (code, out, err)
    for words in says:
        assert words in err, err


@check
async def a_certificate_of_a_known_authority_is_taken():
    async with server(CA.issue_cert("localhost", "127.0.0.1")) as url:
        assert (await fdx(url))[:2] == (0, "grüße\n")
        assert (await fdx(url.replace("localhost", "127.0.0.1")))[:2] == (0, "grüße\n")


@check
async def an_intermediate_authority_is_taken_with_its_certificate_and_not_without():
    intermediate = CA.create_child_ca()
    async with server(intermediate.issue_cert("localhost")) as url:
        assert (await fdx(url))[:2] == (0, "grüße\n")
    async with server(intermediate.issue_cert("localhost"), chain=False) as url:
        await refused(url, "unknown issuer", "intermediate")


@check
async def an_unknown_authority_is_refused():
    async with server(trustme.CA().issue_cert("localhost")) as url:
        await refused(url, "unknown issuer")
        await refused(url, "unknown issuer", ca=None)


@check
async def an_expired_certificate_is_refused():
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=10, hours=1)
    async with server(CA.issue_cert("localhost", not_after=yesterday)) as url:
        await refused(url, "expired 10 days ago")


@check
async def a_certificate_for_another_name_is_refused_with_the_names_it_has():
    async with server(CA.issue_cert("a.example", "*.b.example")) as url:
        await refused(url, "another name: a.example, *.b.example\n")


@check
async def the_certificate_of_an_authority_is_not_a_servers():
    cert, key = path("self.pem"), path("self.key")
    code, _, err = await run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert,
    )
    assert code == 0, err
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    async with serve(echo, "127.0.0.1", 0, ssl=context) as s:
        url = f"wss://localhost:{s.sockets[0].getsockname()[1]}/"
        await refused(url, "authority (CA:TRUE)")
        await refused(url, "authority (CA:TRUE)", ca=cert)


@check
async def insecure_takes_anything_and_says_so():
    async with server(trustme.CA().issue_cert("a.example")) as url:
        code, out, err = await fdx(url, "--insecure")
        assert (code, out) == (0, "grüße\n"), err
        assert "--insecure" in err


@check
async def a_client_certificate_is_shown():
    client = CA.issue_cert("me@example.org")
    cert, key = path("me.pem"), path("me.key")
    with open(cert, "wb") as file:
        for pem in client.cert_chain_pems:
            file.write(pem.bytes())
    client.private_key_pem.write_to_path(key)
    stranger = trustme.CA().issue_cert("me@example.org")
    stranger.cert_chain_pems[0].write_to_path(path("other.pem"))
    stranger.private_key_pem.write_to_path(path("other.key"))
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        async with server(CA.issue_cert("localhost"), client_ca=CA, version=version) as url:
            assert (await fdx(url, "--cert", cert, "--key", key))[:2] == (0, "grüße\n")
            # It hangs up without an alert.
            await refused(url, "client certificate", "--cert, --key")
            # One that is shown, and not taken, is another matter.
            code, _, err = await fdx(url, "--cert", path("other.pem"), "--key", path("other.key"))
            assert code == 3 and "none is set" not in err, (code, err)


@check
async def no_tls_at_all_is_reported():
    async with serve(echo, "127.0.0.1", 0) as s:
        port = s.sockets[0].getsockname()[1]
        await refused(f"wss://localhost:{port}/", "perhaps this port does not use TLS")
    script = """
    const server = require("node:http").createServer();
    server.listen(0, "127.0.0.1", () => console.log(server.address().port));
    """
    async with running("node", "-e", script) as port:
        await refused(f"wss://localhost:{port}/", "does not speak TLS", "ws: URL")


def node(script, certificate=None, **options):
    """A server of Node. The script adds handlers to it."""
    certificate = certificate or CA.issue_cert("localhost")
    cert, key = path("node.pem"), path("node.key")
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    start = """
    const { createServer } = require("node:https"), { readFileSync } = require("node:fs");
    const { WebSocketServer } = require(process.env.PEERS + "/node_modules/ws");
    const [cert, key, options] = process.argv.slice(1);
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key), ...JSON.parse(options) });
    server.listen(0, "127.0.0.1", () => console.log(server.address().port));
    """
    return running("node", "-e", start + script, cert, key, json.dumps(options))


@check
async def nodes_server_too():
    echo = """
    new WebSocketServer({ server }).on("connection", ws => ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary })));
    """
    async with node(echo) as port:
        assert (await fdx(f"wss://localhost:{port}/"))[:2] == (0, "grüße\n")


@check
async def nodes_certificates_are_judged_the_same():
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=3, hours=1)
    for certificate, says in [
        (CA.issue_cert("localhost", not_after=past), "expired 3 days ago"),
        (CA.issue_cert("a.example"), "another name: a.example"),
        (trustme.CA().issue_cert("localhost"), "unknown issuer"),
        (CA.create_child_ca().issue_cert("localhost"), "intermediate"),
    ]:
        async with node("", certificate) as port:
            await refused(f"wss://localhost:{port}/", says)


@check
async def node_wants_a_certificate():
    wants = {"requestCert": True, "rejectUnauthorized": True, "ca": CA.cert_pem.bytes().decode()}
    for version, says in [("TLSv1.2", "client certificate"), ("TLSv1.3", "certificate_required")]:
        async with node("", maxVersion=version, **wants) as port:
            await refused(f"wss://localhost:{port}/", says)


# The same client connects twice: the first connection is redirected to the second.


@check
async def sessions_are_resumed_with_python():
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        reused = []

        def process_request(ws, request):
            tls = ws.transport.get_extra_info("ssl_object")
            reused.append((tls.version().replace(".", "_"), tls.session_reused))
            if request.path == "/":
                response = ws.respond(302, "")
                response.headers["Location"] = "/again"
                return response

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = version
        CA.issue_cert("localhost").configure_cert(context)
        async with serve(echo, "127.0.0.1", 0, ssl=context, process_request=process_request) as s:
            url = f"wss://localhost:{s.sockets[0].getsockname()[1]}/"
            assert (await fdx(url, "--max-redirects", "1"))[:2] == (0, "grüße\n")
        assert reused == [(version.name, False), (version.name, True)], reused


@check
async def sessions_are_resumed_with_node():
    script = """
    const wss = new WebSocketServer({ noServer: true });
    server.on("upgrade", (request, socket, head) => {
      if (request.url == "/") return socket.end("HTTP/1.1 302 Found\\r\\nLocation: /again\\r\\nContent-Length: 0\\r\\n\\r\\n");
      wss.handleUpgrade(request, socket, head, ws => ws.send(`${socket.getProtocol()} ${socket.isSessionReused()}`));
    });
    """
    for version in ["TLSv1.2", "TLSv1.3"]:
        async with node(script, maxVersion=version) as port:
            assert (await fdx(f"wss://localhost:{port}/", "--max-redirects", "1"))[:2] == (0, f"{version} true\n")


# Where the authorities of the system are, SSL_CERT_FILE and SSL_CERT_DIR say.


@check
async def the_authorities_of_the_system_are_trusted():
    async with server(CA.issue_cert("localhost")) as url:
        code, out, err = await fdx(url, ca=None, SSL_CERT_FILE=CA_FILE)
        assert (code, out) == (0, "grüße\n"), err
        other = path("other.pem")
        trustme.CA().cert_pem.write_to_path(other)
        await refused(url, "unknown issuer", ca=None, SSL_CERT_FILE=other)
        # Those that are named come on top.
        code, out, err = await fdx(url, SSL_CERT_FILE=other)
        assert (code, out) == (0, "grüße\n"), err


@check
async def the_folder_of_authorities_of_the_system_is_trusted():
    folder = path("authorities")
    os.mkdir(folder)
    async with server(CA.issue_cert("localhost")) as url:
        await refused(url, ca=None, SSL_CERT_DIR=folder)
        # As `openssl rehash` names them, which is where they are looked for.
        code, name, err = await run("openssl", "x509", "-in", CA_FILE, "-noout", "-hash")
        assert code == 0, err
        CA.cert_pem.write_to_path(os.path.join(folder, name.decode().strip() + ".0"))
        code, out, err = await fdx(url, ca=None, SSL_CERT_DIR=folder)
        assert (code, out) == (0, "grüße\n"), err


main()
