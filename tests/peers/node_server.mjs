// Node's ws as server of `fdx connect`: node_server.mjs FDX

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";
import { check, main } from "./tap.mjs";

const { WebSocketServer } = createRequire(process.env.PEERS + "/")("ws");
const FDX = process.argv[2];

async function serving(onConnection, run, options = {}) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
  server.on("connection", onConnection);
  await once(server, "listening");
  try {
    return await run(`ws://127.0.0.1:${server.address().port}/`);
  } finally {
    for (const client of server.clients) client.terminate();
    server.close();
  }
}
async function fdx(url, input, ...options) {
  const child = spawn(FDX, ["connect", url, ...options]);
  const out = [], err = [];
  child.stdout.on("data", chunk => out.push(chunk));
  child.stderr.on("data", chunk => err.push(chunk));
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code] = await once(child, "close");
  return { code, out: Buffer.concat(out), err: Buffer.concat(err).toString() };
}
const echo = ws => ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));

check("lines are text messages", () => serving(echo, async url => {
  const { code, out } = await fdx(url, "eins\nzwei 🌍\n");
  assert.deepEqual([code, out.toString()], [0, "eins\nzwei 🌍\n"]);
}));
check("binary input comes back as it was", () => serving(echo, async url => {
  const data = randomBytes(2 << 20);
  const { code, out, err } = await fdx(url, data, "--binary");
  assert.equal(code, 0, err);
  assert.ok(out.equals(data));
}));
check("fragments and a ping between", () => serving(ws => {
  ws.send("a", { fin: false });
  ws.ping("x");
  ws.on("pong", () => { ws.send("b", { fin: true }); ws.close(); });
}, async url => {
  const { code, out } = await fdx(url, "", "--linger", "5");
  assert.deepEqual([code, out.toString()], [0, "ab\n"]);
}));
check("the server's close is reported", () => serving(ws => ws.close(4002, "no more"), async url => {
  const { code, err } = await fdx(url, "", "--linger", "5");
  assert.equal(code, 6);
  assert.match(err, /4002.*no more/);
}));
check("a terminated connection is reported", () => serving(ws => ws.terminate(), async url => {
  const { code, err } = await fdx(url, "", "--linger", "5");
  assert.equal(code, 5, err);
}));

await main();
