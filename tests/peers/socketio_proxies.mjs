// socket.io-client of npm and fullduplex-socketio, with nginx, haproxy, caddy, and a proxy that holds
// bodies back and knows no Upgrade between them: socketio_proxies.mjs SOCKETIO_SERVER

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { socketioServer } from "./socketio_server.mjs";
import { check, main } from "./tap.mjs";

const require = createRequire(process.env.PEERS + "/");
const { io } = require("socket.io-client");
const server = new URL(await socketioServer(process.argv[2], [])).host;
const folder = mkdtempSync(join(tmpdir(), "socketio-proxies-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const freePort = () => new Promise((done) => {
  const listener = net.createServer().listen(0, "127.0.0.1", () => {
    const { port } = listener.address();
    listener.close(() => done(port));
  });
});

// Starts a proxy, and waits until it accepts connections.
async function running(name, config, command, port) {
  const file = join(folder, name);
  writeFileSync(file, config);
  const child = spawn(command[0], command.slice(1).map((word) => (word === "CONFIG" ? file : word)), {
    stdio: "ignore", env: { ...process.env, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  });
  process.on("exit", () => child.kill("SIGKILL"));
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise((done) => {
      const socket = net.connect(port, "127.0.0.1", () => { socket.destroy(); done(true); });
      socket.on("error", () => done(false));
    });
    if (open) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${name} does not start`);
}

const proxies = {
  // As in the book, with all folders of its own.
  async nginx(port) {
    const temp = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`);
    await running("nginx.conf", `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr;
      events {} http { access_log off; ${temp.join(" ")}
      map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
      server { listen 127.0.0.1:${port}; location / {
        proxy_pass http://${server}; proxy_http_version 1.1; proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; } } }`,
    ["nginx", "-e", "stderr", "-p", folder, "-c", "CONFIG"], port);
  },
  async haproxy(port) {
    await running("haproxy.cfg", `defaults
 mode http
 timeout connect 5s
 timeout client 60s
 timeout server 60s
 timeout tunnel 60s
frontend f
 bind 127.0.0.1:${port}
 default_backend b
backend b
 server s ${server}
`, ["haproxy", "-db", "-f", "CONFIG"], port);
  },
  async caddy(port) {
    await running("Caddyfile", `{
    admin off
}
http://127.0.0.1:${port} {
    reverse_proxy ${server}
}
`, ["caddy", "run", "--adapter", "caddyfile", "--config", "CONFIG"], port);
  },
  // Sends a response when all of it is there, and refuses every Upgrade.
  async "a holding proxy"(port) {
    const [hostname, to] = server.split(":");
    const proxy = http.createServer((request, response) => {
      const onward = http.request({
        hostname, port: to, path: request.url, method: request.method,
        headers: { ...request.headers, connection: "close" },
      }, (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => {
          response.writeHead(answer.statusCode, answer.headers);
          response.end(Buffer.concat(chunks));
        });
      });
      onward.on("error", () => response.destroy());
      response.on("close", () => onward.destroy());
      request.pipe(onward);
    });
    proxy.on("upgrade", (_, socket) => socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"));
    await new Promise((done) => proxy.listen(port, "127.0.0.1", done));
  },
};

const once = (emitter, event) => new Promise((done) => emitter.once(event, (...args) => done(args)));

async function connect(port, options) {
  const begin = Date.now();
  const socket = io(`http://127.0.0.1:${port}/`, { forceNew: true, ...options });
  await once(socket, "connect");
  assert.ok(Date.now() - begin < 3000, `connected after ${Date.now() - begin} ms`);
  return socket;
}

for (const [name, start] of Object.entries(proxies)) {
  const holds = name === "a holding proxy";
  check(`through ${name}: connected within 3 s, with all that a client does`, async () => {
    const port = await freePort();
    await start(port);
    const kinds = [{ transports: ["polling"] }, {}];
    // A client that begins with a WebSocket has to be told that it may try another transport.
    kinds.push(holds ? { transports: ["websocket", "polling"], tryAllTransports: true } : { transports: ["websocket"] });
    const sockets = [];
    for (const options of kinds) {
      const socket = await connect(port, options);
      const { engine } = socket.io;
      if (!options.transports && !holds && engine.transport.name === "polling") await once(engine, "upgrade");
      const bytes = Buffer.from([1, 2, 3]);
      const values = [1, "grüße", { a: [null, bytes] }, bytes, "x".repeat(100000)];
      const back = once(socket, "message-back");
      socket.emit("message", ...values);
      assert.deepEqual(await back, values);
      const all = await Promise.all(Array.from({ length: 100 }, (_, number) =>
        socket.timeout(5000).emitWithAck("message-with-ack", number)));
      assert.deepEqual(all, Array.from({ length: 100 }, (_, number) => number));
      assert.equal(await socket.timeout(5000).emitWithAck("join", "room"), true);
      sockets.push(socket);
    }
    const names = sockets.map((socket) => socket.io.engine.transport.name);
    assert.deepEqual(names, holds ? ["polling", "polling", "polling"] : ["polling", "websocket", "websocket"]);
    const value = { text: "to all", bytes: Buffer.from([9]) };
    const said = sockets.slice(1).map((socket) => once(socket, "said"));
    assert.equal(await sockets[0].timeout(5000).emitWithAck("say", "room", value), 2);
    assert.deepEqual(await Promise.all(said), [[value], [value]]);
    for (const socket of sockets) socket.disconnect();
  });
}

await main();
