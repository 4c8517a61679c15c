// The page of `fdx inspect`, used by keyboard and mouse: inspect_page.mjs FDX BROWSER EXECUTABLE
// Screenshots are written to `screenshots` beside Node's packages, `target/peers/screenshots`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { check, main } from "./tap.mjs";

const require = createRequire(process.env.PEERS + "/");
const { launch } = require("puppeteer-core");
const WebSocket = require("ws");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [FDX, name, executablePath] = process.argv.slice(2);
const screenshots = join(process.env.PEERS, "../screenshots");
mkdirSync(screenshots, { recursive: true });
const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [];
const browser = await launch({ browser: name, executablePath, headless: true, args });

/** An echo, a relay to it, and the page. */
async function inspecting(run) {
  const server = new WebSocket.WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 0 }, handleProtocols: names => [...names][0], verifyClient: ({ req }) => req.url !== "/no" });
  server.on("connection", ws => {
    ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
    ws.on("ping", () => ws.send("pinged"));
  });
  await once(server, "listening");
  const relay = spawn(FDX, ["inspect", "--page", "--listen", "127.0.0.1:0", "--to", `ws://127.0.0.1:${server.address().port}/`], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const found = {};
    for await (const line of createInterface({ input: relay.stdout })) {
      const [, what, url] = line.match(/^(listening on|page at|relaying to) (\S+)$/) ?? [];
      if (what === "relaying to") break;
      found[what] = url;
    }
    relay.stdout.resume();
    await run(found["listening on"], found["page at"]);
  } finally {
    relay.kill();
    for (const client of server.clients) client.terminate();
    server.close();
  }
}

async function client(url, ...options) {
  const socket = new WebSocket(url, ...options);
  await once(socket, "open");
  const echo = async message => {
    const answer = once(socket, "message");
    socket.send(message);
    await answer;
  };
  return { socket, echo };
}

class Page {
  static async open(url) {
    const page = new Page();
    page.tab = await browser.newPage();
    await page.tab.setViewport({ width: 1280, height: 760 });
    await page.tab.evaluateOnNewDocument(() => {
      window.violations = [];
      document.addEventListener("securitypolicyviolation", event => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
      Object.defineProperty(navigator, "clipboard", { value: { writeText: async text => { window.copied = text; } } });
    });
    await page.tab.goto(url);
    await page.until(() => document.getElementById("state").textContent === "Live");
    return page;
  }
  until(test, ...values) { return this.tab.waitForFunction(test, { timeout: 10000 }, ...values); }
  text(id) { return this.tab.$eval(`#${id}`, element => element.textContent); }
  rows() { return this.tab.$$eval("[role=option]", rows => rows.map(row => [...row.querySelectorAll(".way, .kind, .size, .text")].map(cell => cell.textContent).join(" "))); }
  counts(count) { return this.until(count => document.getElementById("row-count").textContent === String(count), count); }
  async filter(text, count) {
    await this.tab.$eval("#filter", (field, text) => { field.value = text; field.dispatchEvent(new Event("input")); }, text);
    await this.counts(count);
  }
  async end() {
    assert.deepEqual(await this.tab.evaluate(() => violations), [], "the page's Content-Security-Policy");
    await this.tab.close();
  }
}

const on = (what, run) => check(`${name}: page of fdx inspect: ${what}`, () => inspecting(run));

on("frames come live, are filtered, searched and shown whole", async (relay, url) => {
  const { socket, echo } = await client(`${relay}chat?room=1`, ["chat.v1"]);
  await echo('{"type":"price","value":12345678901234567890,"list":[]}');
  const page = await Page.open(url);
  await page.counts(2);
  await echo("a".repeat(5000));
  await echo(Buffer.from([0, 1, 2, 255]));
  await echo("\u001b[31m\u202e<b>no markup</b>");
  const pinged = once(socket, "message");
  socket.ping("hi");
  await pinged;
  await page.counts(11);
  const rows = await page.rows();
  assert.match(rows[0], /^↑ text \d+ B→55 B \{"type":"price"/);
  assert.match(rows[6], /^↑ text .*\\u\{1b\}\[31m\\u\{202e\}<b>no markup<\/b>$/);
  assert.equal(rows.filter(row => /^↓ pong .*[\d.]+ ms after the ping +hi$/.test(row)).length, 1, rows.join("\n"));
  // The whole of a message, in three forms.
  await page.tab.$$eval("[role=option]", rows => rows[1].click());
  await page.until(() => document.getElementById("content")?.textContent.includes("12345678901234567890"));
  assert.equal(await page.text("content"), '{\n  "type": "price",\n  "value": 12345678901234567890,\n  "list": []\n}');
  await page.tab.screenshot({ path: join(screenshots, `${name}-inspect.png`) });
  await page.tab.click("#form-hex");
  assert.match(await page.text("content"), /^000000 {2}7b 22 74 79 70 65/);
  // 55 bytes that were compressed by a server: fin, rsv1, not masked.
  assert.match(await page.text("header"), /^c1 +1 100 0001 +fin, rsv1; opcode 0x1, text\n[0-7][0-9a-f] +0 [01]{7} +not masked; length \d+$/);
  await page.tab.focus("#list");
  for (let i = 0; i < 3; i++) await page.tab.keyboard.press("ArrowDown");
  await page.until(() => /^000000 {2}00 01 02 ff/.test(document.getElementById("content").textContent));
  // The filter is that of the crate, with its errors.
  await page.filter('dir:in json.type="price"', 1);
  await page.filter("dir:in size>1k", 1);
  await page.tab.$eval("#filter", field => { field.value = "dir:up"; field.dispatchEvent(new Event("input")); });
  await page.until(() => /is not a direction/.test(document.getElementById("error").textContent));
  await page.filter("", 11);
  await page.tab.type("#search", "PRICE\n");
  await page.until(() => document.querySelector("[aria-selected=true] .text")?.textContent.includes("price"));
  socket.close(4321, "why");
  await page.until(() => /closed with 4321 by the client/.test(document.getElementById("sockets").textContent));
  await page.end();
});

on("WebSockets are listed, also refused ones, copied and saved", async (relay, url) => {
  const { socket, echo } = await client(`${relay}a`, ["chat.v1"], { headers: { "X-Key": "it's" } });
  await echo("one");
  const other = await client(`${relay}b`);
  await other.echo("two");
  const refused = new WebSocket(`${relay}no`);
  await once(refused, "error");
  const page = await Page.open(url);
  await page.until(() => document.getElementById("socket-count").textContent === "3");
  await page.filter("kind:message", 4);
  const names = await page.tab.$$eval("#sockets button", all => all.map(each => each.textContent));
  assert.match(names[2], /#3 \/no.*refused with 401/);
  await page.tab.$$eval("#sockets button", all => all[0].click());
  await page.counts(2);
  assert.match(await page.text("detail"), /chat\.v1.*permessage-deflate.*Sec-WebSocket-Accept/s);
  await page.tab.click("#copy-command");
  await page.until(() => window.copied);
  assert.match(await page.tab.evaluate(() => copied), /^fdx connect 'ws:\S+\/a' -s 'chat\.v1' --deflate -H 'X-Key: it'\\''s'$/);
  await page.tab.click("#copy-script");
  await page.until(() => /^const socket = new WebSocket\("ws:\S+\/a", \["chat\.v1"\]\);/.test(window.copied));
  const har = await (await fetch(url.replace("/?", "/har?"))).json();
  assert.deepEqual(har.log.entries.map(entry => entry._webSocketMessages.length), [2, 2, 0]);
  const recording = (await (await fetch(url.replace("/?", "/recording?"))).text()).trim().split("\n").map(line => JSON.parse(line));
  assert.equal(recording[0].made, true);
  const bytes = recording.filter(line => line.bytes).map(line => Buffer.from(line.bytes, "base64").toString("latin1"));
  assert.deepEqual(bytes, ["\x81\x83\0\0\0\0one", "\x81\x03one", "\x81\x83\0\0\0\0two", "\x81\x03two"]);
  assert.equal((await fetch(url.replace(/token=.*/, "token=0"))).status, 403);
  if (!await page.tab.evaluate(() => "axe" in window)) await page.tab.evaluate(axe);
  const found = await page.tab.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa"] }));
  assert.deepEqual(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join("; ")}`), []);
  await page.tab.screenshot({ path: join(screenshots, `${name}-inspect-sockets.png`) });
  socket.close();
  await page.end();
});

on("payloads are decoded, by what they seem to be and as the user wants", async (relay, url) => {
  const { socket, echo } = await client(`${relay}socket.io/?EIO=4&transport=websocket`);
  await echo('42/chat,7["message",{"text":"h\\u001bi"}]');
  const other = await client(`${relay}b`, ["chat.msgpack"]);
  await other.echo(Buffer.from([0x82, 0xa1, 0x62, 0x92, 1, 0xc4, 1, 0xff, 0xa1, 0x61, 0x80]));
  for (let i = 0; i < 5; i++) {
    const pong = once(other.socket, "pong");
    other.socket.ping(String(i));
    await pong;
  }
  const page = await Page.open(url);
  await page.filter("kind:message dir:in not ~/pinged/", 2);
  await page.tab.$$eval("[role=option]", rows => rows[0].click());
  await page.until(() => document.getElementById("summary")?.textContent.startsWith('event /chat 7 "message"'));
  assert.equal(await page.tab.$eval("#format", choice => choice.selectedOptions[0].text), "Decoded as socket.io");
  assert.match(await page.text("content"), /"text": "h\\u001bi"/);
  await page.tab.$$eval("[role=option]", rows => rows[1].click());
  await page.until(() => document.getElementById("content")?.textContent.includes("h'ff'"));
  assert.equal(await page.text("content"), "{\n  \"b\": [\n    1,\n    h'ff'\n  ],\n  \"a\": {}\n}");
  await page.tab.screenshot({ path: join(screenshots, `${name}-inspect-decoded.png`) });
  await page.tab.select("#format", "cbor");
  await page.until(() => document.querySelector("#detail .bad")?.textContent.startsWith("byte "));
  await page.tab.select("#format", "");
  await page.until(() => document.getElementById("content")?.textContent.includes("h'ff'"));
  await page.tab.click("#form-hex");
  assert.match(await page.text("content"), /^000000 {2}82 a1 62 92/);
  await page.filter("", 2 + 2 + 5 * 3);
  await page.until(() => document.querySelector(".trips")?.ariaLabel.startsWith("5 round trips"));
  await page.tab.screenshot({ path: join(screenshots, `${name}-inspect-hex.png`) });
  socket.close();
  await page.end();
});

on("messages are held, edited, dropped and sent as either side", async (relay, url) => {
  const { socket, echo } = await client(`${relay}acted`);
  const received = [];
  socket.on("message", data => received.push(data.toString()));
  const reads = async text => {
    const ended = Date.now() + 10000;
    while (!received.includes(text)) {
      assert.ok(Date.now() < ended, `${text} is not among ${received}`);
      await new Promise(done => setTimeout(done, 10));
    }
  };
  await echo("before");
  const page = await Page.open(url);
  await page.counts(2);
  const press = id => page.tab.waitForSelector(`#${id}`, { timeout: 10000 }).then(() => page.tab.$eval(`#${id}`, button => button.click()));
  const held = async (count, text) => {
    await page.until((count, text) => {
      const all = [...document.querySelectorAll("#held .held")];
      return all.length === count && (!text || all.some(each => each.textContent.includes(text)));
    }, count, text);
    return page.tab.$$eval("#held .held button", buttons => buttons.map(button => button.id));
  };
  const write = async text => {
    await page.tab.$eval("#content-new", field => { field.value = ""; });
    await page.tab.type("#content-new", text);
  };
  // A breakpoint on the filter: what matches is edited on its way back.
  await page.tab.$eval("#filter", field => { field.value = "dir:in ~/price/"; field.dispatchEvent(new Event("input")); });
  await press("breakpoint");
  await page.until(() => document.getElementById("breakpoint").ariaPressed === "true");
  socket.send('{"price":1}');
  const [, edit] = await held(1, '{"price":1}');
  await press(edit);
  await page.until(() => document.getElementById("content-new").value === '{"price":1}');
  await page.tab.screenshot({ path: join(screenshots, `${name}-inspect-held.png`) });
  if (!await page.tab.evaluate(() => "axe" in window)) await page.tab.evaluate(axe);
  const found = await page.tab.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa"] }));
  assert.deepEqual(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join("; ")}`), []);
  await write('{"price":2}');
  await press("send");
  await reads('{"price":2}');
  await held(0);
  await press("breakpoint");
  await page.until(() => document.getElementById("breakpoint").ariaPressed === "false");
  await page.filter("", 5);
  // Paused: each frame waits, in both directions.
  await press("pause");
  await page.until(() => document.getElementById("pause").textContent === "Resume all");
  socket.send("one");
  const [, , drop] = await held(1, "one");
  await press(drop);
  await held(0);
  socket.send("two");
  const [pass] = await held(1, "two");
  await press(pass);
  await held(1, "two");
  await press("pause");
  await reads("two");
  assert.ok(!received.includes("one"));
  // A message as the server, one as the client, and one again.
  await page.tab.$eval("#sockets button", button => button.click());
  await press("compose");
  await write("from the page");
  await press("send");
  await reads("from the page");
  await page.tab.select("#as", "client");
  await write("to the server");
  await press("send");
  await reads("to the server");
  await page.tab.$$eval("[role=option]", rows => rows[0].click());
  await press("resend");
  await page.until(() => document.getElementById("content-new").value === "before");
  await write("before, again");
  await press("send");
  await reads("before, again");
  await page.until(() => document.querySelectorAll(".row.injected").length === 4);
  const rows = await page.rows();
  for (const row of [/\[dropped\] *one/, /\[replaced\] *\{"price":1\}/, /\[injected\] *\{"price":2\}/]) {
    assert.ok(rows.some(text => row.test(text)), `${row} in ${rows.join("\n")}`);
  }
  await page.tab.screenshot({ path: join(screenshots, `${name}-inspect-acted.png`) });
  // The end, and what is said after it.
  const closed = once(socket, "close");
  await page.tab.$eval("#sockets button", button => button.click());
  await page.tab.$eval("#sockets button", button => button.click());
  await press("compose");
  await page.tab.select("#kind", "close");
  await page.tab.$eval("#code", field => { field.value = "4001"; });
  await write("by the page");
  await press("send");
  const [code, reason] = await closed;
  assert.deepEqual([code, reason.toString()], [4001, "by the page"]);
  await page.until(() => /ended|closed/.test(document.querySelector("#sockets small").textContent));
  await press("cut-rst").catch(() => {});
  await page.tab.select("#kind", "text");
  await press("send");
  await page.until(() => /ended|Close has passed/.test(document.getElementById("said").textContent));
  await page.end();
});

on("20,000 messages are a list of what is in sight", async (relay, url) => {
  const { socket } = await client(relay);
  const page = await Page.open(url);
  const done = new Promise(done => { let seen = 0; socket.on("message", () => { if (++seen === 10000) done(); }); });
  for (let i = 0; i < 10000; i++) socket.send(`message ${i}`);
  await done;
  await page.counts(20000);
  assert.ok((await page.rows()).length < 80);
  await page.until(() => [...document.querySelectorAll(".text")].some(cell => cell.textContent === "message 9999"));
  const frames = await page.tab.evaluate(async () => {
    const list = document.getElementById("list"), times = [];
    document.getElementById("follow").ariaPressed = "false";
    let last = performance.now();
    for (let i = 0; i < 60; i++) {
      list.scrollTop = i * 5000;
      await new Promise(done => requestAnimationFrame(done));
      times.push(performance.now() - last);
      last = performance.now();
    }
    return times.sort((a, b) => a - b);
  });
  console.log(`# ${name}: time of a frame while scrolling: median ${frames[30].toFixed(1)} ms, p95 ${frames[57].toFixed(1)} ms`);
  await page.end();
});

await main();
