// engine.io-client, the official client of Engine.IO, against a server of ours that sends back what
// it receives: straight, through nginx, and through a proxy that knows no Upgrade and holds
// responses back. engineio.mjs ENGINEIO

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createRequire } from "node:module";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { check, main } from "./tap.mjs";

const { Socket } = createRequire(process.env.PEERS + "/")("engine.io-client");
const ENGINEIO = process.argv[2];
const FOLDER = mkdtempSync(join(tmpdir(), "engineio-"));
const children = [];
process.on("exit", () => {
  children.forEach(child => child.kill("SIGKILL"));
  rmSync(FOLDER, { recursive: true, force: true });
});

function start(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return child;
}
async function serving(...args) {
  const lines = createInterface(start(ENGINEIO, args).stdout)[Symbol.asyncIterator]();
  return (await lines.next()).value.split("http://")[1];
}
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}
async function nginx(server) {
  const port = await freePort();
  const temp = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"].map(kind => `${kind}_temp_path ${FOLDER}/${kind};`).join(" ");
  const config = join(FOLDER, "nginx.conf");
  writeFileSync(config, `daemon off; master_process off; pid ${FOLDER}/nginx.pid; error_log stderr;
events {}
http { access_log off; ${temp}
map $http_upgrade $connection_upgrade { default upgrade; '' close; }
server { listen 127.0.0.1:${port}; location / {
proxy_pass http://${server}; proxy_http_version 1.1; proxy_set_header Host $http_host;
proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; } } }
`);
  start("nginx", ["-e", "stderr", "-c", config, "-p", FOLDER]);
  const listens = () => new Promise(done => {
    const tcp = connectTcp(port, "127.0.0.1", () => { tcp.destroy(); done(true); });
    tcp.on("error", () => done(false));
  });
  while (!await listens()) await new Promise(done => setTimeout(done, 20));
  return `127.0.0.1:${port}`;
}
// A proxy that sends a response only when it has all of it, and answers an Upgrade with 502.
async function holding(server) {
  const [hostname, port] = server.split(":");
  const proxy = createServer((incoming, outgoing) => {
    const { url: path, method, headers } = incoming;
    const onward = request({ hostname, port, path, method, headers: { ...headers, connection: "close" } }, response => {
      const held = [];
      response.on("data", data => held.push(data));
      response.on("end", () => {
        outgoing.writeHead(response.statusCode, response.headers);
        outgoing.end(Buffer.concat(held));
      });
    });
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    incoming.pipe(onward);
  });
  proxy.on("upgrade", (_, socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"));
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return `127.0.0.1:${proxy.address().port}`;
}

const got = (socket, event) => new Promise(done => socket.once(event, (...args) => done(args)));

async function open(address, options) {
  const begun = Date.now();
  const socket = new Socket(`http://${address}`, options);
  const [event, error] = await Promise.race([
    got(socket, "open").then(() => ["open"]),
    got(socket, "error").then(([error]) => ["error", error]),
  ]);
  assert.equal(event, "open", error?.message);
  assert.ok(Date.now() - begun < 3000, `open after ${Date.now() - begun} ms`);
  return socket;
}
async function echoed(socket, messages) {
  const received = [];
  const all = new Promise((done, fail) => {
    socket.on("message", message => {
      if (received.push(message) === messages.length) done();
    });
    socket.once("close", reason => fail(new Error(`closed: ${reason}`)));
  });
  for (const message of messages) socket.send(message);
  await all;
  socket.removeAllListeners("message");
  socket.removeAllListeners("close");
  assert.deepEqual(received, messages);
}
// The client makes "undefined" of an empty text.
const MESSAGES = ["a", "grüße 🌍", randomBytes(1000), "x".repeat(70000), randomBytes(300000), randomBytes(0)];

async function closed(socket) {
  const end = got(socket, "close");
  socket.close();
  assert.deepEqual((await end)[0], "forced close");
}

const server = await serving();
const proxies = { straight: server, nginx: await nginx(server), holding: await holding(server) };
for (const [by, address] of Object.entries(proxies)) {
  check(`${by}: polling, text and binary`, async () => {
    const socket = await open(address, { transports: ["polling"] });
    await echoed(socket, MESSAGES);
    await echoed(socket, Array.from({ length: 1000 }, (_, i) => `message ${i}`));
    assert.equal(socket.transport.name, "polling");
    await closed(socket);
  });
}
for (const by of ["straight", "nginx"]) {
  check(`${by}: WebSocket only, text and binary`, async () => {
    const socket = await open(proxies[by], { transports: ["websocket"] });
    await echoed(socket, MESSAGES);
    assert.equal(socket.transport.name, "websocket");
    await closed(socket);
  });
  check(`${by}: nothing is lost or doubled while the transport changes`, async () => {
    const socket = await open(proxies[by]);
    const upgraded = got(socket, "upgrade");
    await echoed(socket, Array.from({ length: 2000 }, (_, i) => i % 7 ? `message ${i}` : Buffer.from([i & 255])));
    await upgraded;
    assert.equal(socket.transport.name, "websocket");
    await echoed(socket, MESSAGES);
    await closed(socket);
  });
}
check("holding: an upgrade that fails leaves polling whole", async () => {
  const socket = await open(proxies.holding);
  const failed = got(socket, "upgradeError");
  await echoed(socket, Array.from({ length: 1000 }, (_, i) => `message ${i}`));
  await failed;
  await echoed(socket, MESSAGES);
  assert.equal(socket.transport.name, "polling");
  await closed(socket);
});
check("holding: a client that begins with a WebSocket falls back to polling", async () => {
  const socket = await open(proxies.holding, { transports: ["websocket", "polling"], tryAllTransports: true });
  await echoed(socket, ["hello"]);
  assert.equal(socket.transport.name, "polling");
  await closed(socket);
});
check("a session is pinged, and outlives the ping timeout", async () => {
  const quick = await serving("100", "150");
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    const socket = await open(quick, { transports });
    let pings = 0;
    socket.on("ping", () => pings++);
    await new Promise(done => setTimeout(done, 600));
    assert.ok(pings >= 3, `${pings} pings`);
    await echoed(socket, ["still here"]);
    await closed(socket);
  }
});
check("two hundred upgrades at once keep every message", async () => {
  await Promise.all(Array.from({ length: 200 }, async (_, n) => {
    const socket = await open(server);
    await echoed(socket, Array.from({ length: 20 }, (_, i) => `${n} ${i}`));
    await closed(socket);
  }));
});

await main();
