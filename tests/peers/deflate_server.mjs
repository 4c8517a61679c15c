// Node's ws, compressing, as server of `fdx connect --deflate`: deflate_server.mjs FDX

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";
import { check, main } from "./tap.mjs";

const { WebSocketServer } = createRequire(process.env.PEERS + "/")("ws");
const FDX = process.argv[2];

async function exchange(settings, perMessageDeflate) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: { threshold: 0, ...perMessageDeflate } });
  const agreed = [];
  server.on("connection", ws => {
    agreed.push(ws.extensions);
    ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
  });
  await once(server, "listening");
  const url = `ws://127.0.0.1:${server.address().port}/`;
  const lines = Array.from({ length: 200 }, (_, i) => `line ${i} ${"again and again ".repeat(i % 50)}`).join("\n") + "\n";
  assert.equal((await fdx(url, lines, `--deflate=${settings}`)).toString(), lines);
  const data = Buffer.concat([randomBytes(200000), Buffer.from("the same and the same ".repeat(20000))]);
  assert.ok(data.equals(await fdx(url, data, `--deflate=${settings}`, "--binary")));
  server.close();
  for (const extensions of agreed) assert.match(extensions, /permessage-deflate/);
}
async function fdx(url, input, ...options) {
  const child = spawn(FDX, ["connect", url, ...options]);
  const out = [], err = [];
  child.stdout.on("data", chunk => out.push(chunk));
  child.stderr.on("data", chunk => err.push(chunk));
  child.stdin.end(input);
  const [code] = await once(child, "close");
  assert.equal(code, 0, Buffer.concat(err).toString());
  return Buffer.concat(out);
}

check("windows of 9 to 15 with and without takeover", async () => {
  const windows = [9, 10, 11, 12, 13, 14, 15].flatMap(bits => [[bits, false], [bits, true]]);
  // `fdx connect` lingers for an answer, so each takes seconds, of which none is work.
  await Promise.all(windows.map(([bits, forgets]) => exchange("smallest", {
    serverMaxWindowBits: bits, clientMaxWindowBits: bits,
    serverNoContextTakeover: forgets, clientNoContextTakeover: forgets,
  })));
});
check("every preset", async () => {
  const every = ["small", "balanced", "smallest", "window=9", "level=1,min=0"];
  await Promise.all(every.map(settings => exchange(settings, {})));
});

await main();
