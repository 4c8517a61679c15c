// Node's ws, and Node's own WebSocket where it has one, as clients of `fdx serve`:
// node_client.mjs ws://HOST:PORT

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";
import { check, main } from "./tap.mjs";

const { WebSocket } = createRequire(process.env.PEERS + "/")("ws");
const URL = process.argv[2];

async function connect(path = "/echo", options = {}) {
  const ws = new WebSocket(URL + path, { perMessageDeflate: false, ...options });
  await once(ws, "open");
  return ws;
}
async function received(ws) {
  const [data, isBinary] = await once(ws, "message");
  return isBinary ? data : data.toString();
}
async function closed(ws, code, reason) {
  ws.close(code, reason);
  const [gotCode, gotReason] = await once(ws, "close");
  return [gotCode, gotReason.toString()];
}

check("text and binary", async () => {
  const ws = await connect();
  for (const message of ["", "grüße 🌍", "x".repeat(70000), randomBytes(0), randomBytes(1 << 20)]) {
    ws.send(message);
    assert.deepEqual(await received(ws), message);
  }
  await closed(ws);
});
check("fragments with a ping between", async () => {
  const ws = await connect();
  ws.send("a", { fin: false });
  ws.ping("between");
  const pong = once(ws, "pong");
  ws.send("b", { fin: false });
  ws.send("c", { fin: true });
  assert.equal(await received(ws), "abc");
  assert.equal((await pong)[0].toString(), "between");
  await closed(ws);
});
check("closes are echoed", async () => {
  for (const [code, reason] of [[1000, ""], [1001, "going"], [3000, "registered"], [4999, "private"]])
    assert.deepEqual(await closed(await connect(), code, reason), [code, reason]);
  assert.deepEqual(await closed(await connect()), [1005, ""]);
});
check("broadcast reaches every member", async () => {
  const [a, b] = await Promise.all([connect("/broadcast"), connect("/broadcast")]);
  const both = [received(a), received(b)];
  b.send("from b");
  assert.deepEqual(await Promise.all(both), ["from b", "from b"]);
  await Promise.all([closed(a), closed(b)]);
});
check("a thousand messages keep their order", async () => {
  const ws = await connect();
  const seen = [];
  const all = new Promise(done => ws.on("message", data => {
    if (seen.push(data.toString()) === 1000) done();
  }));
  for (let i = 0; i < 1000; i++) ws.send(`message ${i}`);
  await all;
  assert.deepEqual(seen, Array.from({ length: 1000 }, (_, i) => `message ${i}`));
  await closed(ws);
});

await main();
