// A page's WebSocket, recorded by `fdx inspect`: its messages are those of Chromium's own events, and `fdx replay`
// feeds the page again: inspect_replay.mjs FDX CHROMIUM
//
// npm's chrome-har 1.3.1 ignores the events of WebSockets, so the messages are taken from the events themselves.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { check, main } from "./tap.mjs";

const require = createRequire(process.env.PEERS + "/");
const { launch } = require("puppeteer-core");
const WebSocket = require("ws");
const [FDX, executablePath] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "fdx-replay-"));
const file = name => join(folder, name);
const browser = await launch({ browser: "chrome", executablePath, headless: true, args: ["--no-sandbox", "--disable-gpu"] });

/** A page that asks for prices, answers the server's question, and shows all that comes. */
const PAGE = `<!doctype html><title>prices</title><ol id=log></ol><p id=state></p><script>
  const socket = new WebSocket(new URLSearchParams(location.search).get("to"), ["prices.v1"]);
  socket.binaryType = "arraybuffer";
  const show = text => { const item = document.createElement("li"); item.textContent = text; log.append(item); };
  socket.onopen = () => { show("open " + socket.protocol); socket.send(JSON.stringify({ subscribe: ["€/$", "¥"], note: "x".repeat(3000) })); };
  socket.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) { show("bytes " + new Uint8Array(data).join(" ")); socket.send(new Uint8Array([3, 0, 255, 254])); return; }
    show(data.slice(0, 100) + " of " + data.length);
    if (data === "who?") socket.send("it is me: ü 🎉");
    if (data === "bye?") socket.close(4000, "bye");
  };
  socket.onclose = ({ code, reason }) => { state.textContent = "closed " + code + " " + reason; };
</script>`;

async function pages(run) {
  const server = createServer((_, response) => response.setHeader("content-type", "text/html; charset=utf-8").end(PAGE));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try { return await run(`http://127.0.0.1:${server.address().port}/`); } finally { server.closeAllConnections(); server.close(); }
}

/** Runs fdx until `run` ends, or it ends itself. Has its exit code and its lines. */
async function fdx(args, ready, run) {
  const child = spawn(FDX, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = [], exit = once(child, "exit");
  const started = new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", line => { lines.push(line); if (line.includes(ready)) resolve(); });
    exit.then(() => reject(new Error(`fdx ${args.join(" ")} ended: ${lines.join("\n")}`)));
  });
  try {
    await started;
    const port = Number(lines.find(line => line.includes("listening on")).match(/:(\d+)\//)[1]);
    await run(port, exit);
  } finally { child.kill(); }
  const [code] = await exit;
  return { code, lines };
}

/** Opens the page until its WebSocket has closed. Has what it shows, and the messages of Chromium's own events. */
async function visit(url) {
  const tab = await browser.newPage();
  const messages = [], events = await tab.createCDPSession();
  const keep = type => ({ response: { opcode, payloadData } }) => { if (opcode <= 2) messages.push({ type, opcode, data: payloadData }); };
  events.on("Network.webSocketFrameSent", keep("send"));
  events.on("Network.webSocketFrameReceived", keep("receive"));
  await events.send("Network.enable");
  await tab.goto(url);
  await tab.waitForFunction(() => document.getElementById("state").textContent !== "", { timeout: 10000 });
  const shown = await tab.evaluate(() => [...document.querySelectorAll("li, #state")].map(element => element.textContent));
  await tab.close();
  return { shown, messages };
}

async function serverOfPrices() {
  const server = new WebSocket.WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 0 } });
  server.on("connection", socket => {
    socket.on("message", (data, isBinary) => {
      if (isBinary) { socket.send("bye?"); return; }
      if (String(data).startsWith("it is me")) { socket.ping("hi"); socket.send(Buffer.from([0, 1, 2, 255])); return; }
      for (let price = 0; price < 300; price++) socket.send(JSON.stringify({ price, of: "€/$", more: "the same ".repeat(price % 9) }));
      socket.send("who?");
    });
  });
  await once(server, "listening");
  return server;
}

let port, first;

check("inspect: a HAR file has the messages of Chromium's own events", () => pages(async page => {
  const server = await serverOfPrices();
  const args = ["inspect", "--listen", "127.0.0.1:0", "--to", `ws://127.0.0.1:${server.address().port}/`, "--record", file("a.fdxr"), "--har", file("a.har")];
  await fdx(args, "relaying to", async at => {
    port = at;
    first = await visit(`${page}?to=ws://127.0.0.1:${port}/prices?to=eur`);
  });
  for (const client of server.clients) client.terminate();
  server.close();
  assert.equal(first.shown.length, 305, first.shown.join("\n"));
  assert.deepEqual(first.shown.slice(-3), ["bytes 0 1 2 255", "bye? of 4", "closed 4000 bye"]);
  const { entries } = JSON.parse(readFileSync(file("a.har"))).log;
  const ours = entries[0]._webSocketMessages.map(({ type, opcode, data }) => ({ type, opcode, data }));
  assert.equal(first.messages.length, 306);
  // The order between both directions is that in which each observer sees them.
  for (const type of ["send", "receive"]) {
    const of = messages => messages.filter(message => message.type === type);
    assert.deepEqual(of(ours), of(first.messages), type);
  }
}));

for (const recorded of ["a.fdxr", "a.har"]) {
  check(`replay: as a server, of ${recorded}, feeds the page that was recorded`, () => pages(async page => {
    const args = ["replay", file(recorded), "--as", "server", "--listen", `127.0.0.1:${port}`, "--once", "--diff"];
    const { code, lines } = await fdx(args, "answering for", async (_, exit) => {
      const again = await visit(`${page}?to=ws://127.0.0.1:${port}/prices?to=eur`);
      assert.deepEqual(again.shown, first.shown);
      await exit;
    });
    assert.equal(code, 0, lines.join("\n"));
    assert.match(lines.at(-1), /sent 303; received [34] of [34]; nothing differs$/);
  }));
}

check("replay: as a client, to the server that was recorded, finds no difference", async () => {
  const server = await serverOfPrices();
  const child = spawn(FDX, ["replay", file("a.fdxr"), "--as", "client", `ws://127.0.0.1:${server.address().port}`, "--diff"]);
  const lines = [];
  createInterface({ input: child.stdout }).on("line", line => lines.push(line));
  const [code] = await once(child, "close");
  server.close();
  assert.equal(code, 0, lines.join("\n"));
});

process.on("exit", () => {
  browser.process().kill();
  rmSync(folder, { recursive: true });
});
await main();
