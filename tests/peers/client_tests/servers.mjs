// The servers that the tests of the client talk to: Node's ws, which does what the path says, one
// that never answers, and `fdx serve` behind nginx. A test can have one of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { OwnServers } from "./own_servers.mjs";

const { WebSocketServer } = createRequire(process.env.PEERS + "/")("ws");
const listen = async server => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
};

/** What is known of a connection once it is: how it ended, say. */
class Records {
  #known = new Map();
  #waiting = new Map();
  set(id, value) {
    this.#known.set(id, value);
    this.#waiting.get(id)?.(value);
  }
  get(id) {
    return this.#known.has(id) ? this.#known.get(id) : new Promise(done => this.#waiting.set(id, done));
  }
}

const CHUNK = Buffer.alloc(65536, 7);
const ends = new Records();
const floods = new Map();

/** What each path does with a connection. */
const paths = {
  echo: ws => ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary })),
  unoffered: () => {},
  send: (ws, query) => {
    for (const size of query.get("sizes").split(",")) {
      const text = "x".repeat(Number(size));
      ws.send(query.get("kind") === "text" ? text : Buffer.from(text));
    }
    if (query.has("close")) ws.close(Number(query.get("close")));
  },
  close: (ws, query) => query.has("code") ? ws.close(Number(query.get("code")), query.get("reason")) : ws.close(),
  cut: ws => ws.send("cut", () => setTimeout(() => ws.terminate(), 50)),
  stall: ws => ws.pause(),
  // Sends one message after another, each when the last has gone to the socket.
  flood: (ws, query) => {
    const flood = { taken: 0 };
    floods.set(query.get("id"), flood);
    const next = error => {
      if (error || ws.readyState !== 1) return;
      flood.taken += CHUNK.length;
      ws.send(CHUNK, next);
    };
    next();
  },
  taken: (ws, query) => ws.send(String(floods.get(query.get("id")).taken)),
  end: async (ws, query) => ws.send(await ends.get(query.get("id"))),
  start: async (ws, query, own) => ws.send(await own.start(query.get("id"))),
  stop: async (ws, query, own) => ws.send(await own.stop(query.get("id"), query.get("signal"))),
};
/** Those that answer a question about what has this name. */
const QUESTIONS = ["taken", "end", "start", "stop"];

const choose = names => (names.has("chat") ? "chat" : false);

/** Serves these folders and the paths above; returns the address. */
async function serveNode(folders, own) {
  const types = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
  const http = createServer((request, response) => {
    const path = new URL(request.url, "http://127.0.0.1").pathname.slice(1) || "page.html";
    for (const folder of folders) {
      try {
        const bytes = readFileSync(join(folder, path.replace(/[^\w.]/g, "_")));
        response.writeHead(200, { "content-type": types[extname(path)] ?? "text/plain" }).end(bytes);
        return;
      } catch {}
    }
    response.writeHead(404).end();
  });
  const options = { noServer: true, maxPayload: 32 << 20, perMessageDeflate: false };
  const server = new WebSocketServer({ ...options, handleProtocols: choose });
  const unoffered = new WebSocketServer({ ...options, handleProtocols: () => "other" });
  http.on("upgrade", (request, socket, head) => {
    const url = new URL(request.url, "http://127.0.0.1");
    const path = url.pathname.slice(1), query = url.searchParams;
    if (path === "status") {
      socket.end(`HTTP/1.1 ${query.get("code")} Refused\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    (path === "unoffered" ? unoffered : server).handleUpgrade(request, socket, head, ws => {
      ws.on("error", () => {});
      if (query.has("id") && !QUESTIONS.includes(path))
        ws.on("close", (code, reason) => ends.set(query.get("id"), `${code} ${reason}`));
      (paths[path] ?? (ws => ws.close(1008, "no such path")))(ws, query, own);
    });
  });
  return `127.0.0.1:${await listen(http)}`;
}

/** Runs nginx in front of this address, and gives its own. */
async function withNginx(address, run) {
  const folder = mkdtempSync(join(tmpdir(), "client-tests-"));
  const port = await (async () => {
    const taken = createTcpServer();
    const port = await listen(taken);
    taken.close();
    return port;
  })();
  const temp = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"].map(kind => `${kind}_temp_path ${folder}/${kind};`);
  writeFileSync(join(folder, "nginx.conf"), `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off; ${temp.join(" ")}
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://${address}; proxy_http_version 1.1; proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }
  }
}
`);
  const nginx = spawn("nginx", ["-e", "stderr", "-c", join(folder, "nginx.conf"), "-p", folder], { stdio: ["ignore", "inherit", "inherit"] });
  try {
    for (let tries = 0; ; tries++) {
      const socket = connect(port, "127.0.0.1");
      const isUp = await Promise.race([once(socket, "connect").then(() => true, () => false)]);
      socket.destroy();
      if (isUp) break;
      if (tries === 100) throw new Error("nginx does not start");
      await new Promise(done => setTimeout(done, 50));
    }
    return await run(`127.0.0.1:${port}`);
  } finally {
    nginx.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the servers, and gives the words that tell a test where they are, and the page's address. */
export async function withServers(program, fdx, folders, run) {
  const own = new OwnServers(program);
  const page = await serveNode(folders, own);
  const silent = createTcpServer(() => {});
  const silentPort = await listen(silent);
  const closed = createTcpServer();
  const closedPort = await listen(closed);
  closed.close();
  try {
    return await withNginx(fdx, nginx => run(page, `fdx=ws://${fdx} node=ws://${page} nginx=ws://${nginx} silent=ws://127.0.0.1:${silentPort} refusing=ws://127.0.0.1:${closedPort}`));
  } finally {
    own.stopAll();
  }
}
