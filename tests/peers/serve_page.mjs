// The page of `fdx serve`, used by keyboard and mouse: serve_page.mjs FDX BROWSER EXECUTABLE
// Screenshots are written to `screenshots` beside Node's packages, `target/peers/screenshots`.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";
import { check, main } from "./tap.mjs";
import { serving } from "./served.mjs";

const require = createRequire(process.env.PEERS + "/");
const { launch } = require("puppeteer-core");
const { WebSocketServer } = require("ws");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [FDX, name, executablePath] = process.argv.slice(2);
const chrome = name === "chrome";
const screenshots = join(process.env.PEERS, "../screenshots");
mkdirSync(screenshots, { recursive: true });
const start = dark => launch({
  browser: name, executablePath, headless: true, acceptInsecureCerts: true,
  args: chrome ? ["--no-sandbox", "--disable-gpu", "--disable-quic"] : [],
  // Firefox tells a page these colours; Chromium is told for each page.
  extraPrefsFirefox: { "layout.css.prefers-color-scheme.content-override": dark ? 0 : 1 },
});
const browser = await start(false);

const SIZES = { desktop: [1280, 800], tablet: [820, 1100], phone: [390, 844] };

// Runs in the page before its scripts: what it saves, copies, and is not allowed.
function observe() {
  window.violations = [];
  document.addEventListener("securitypolicyviolation", event => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; };
  const create = URL.createObjectURL;
  URL.createObjectURL = blob => { window.saved = blob.text(); return create.call(URL, blob); };
  Object.defineProperty(navigator, "clipboard", { value: { writeText: async text => { window.copied = text; } } });
}

class Page {
  static async open(url, { size = "desktop", dark = false, from = browser } = {}) {
    const page = new Page();
    page.tab = await from.newPage();
    const [width, height] = SIZES[size];
    await page.tab.setViewport({ width, height });
    if (chrome) await page.tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
    await page.tab.evaluateOnNewDocument(observe);
    await page.tab.goto(url);
    await page.until("state", "Not connected");
    return page;
  }
  text(id) { return this.tab.$eval(`#${id}`, element => element.textContent); }
  enabled(id) { return this.tab.$eval(`#${id}`, element => !element.disabled && element.checkVisibility()); }
  /** Waits until this element has text like it. */
  async until(id, text) {
    const source = text instanceof RegExp ? text.source : `^${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`;
    await this.tab.waitForFunction((id, source) => new RegExp(source).test(document.getElementById(id).textContent), { timeout: 10000 }, id, source)
      .catch(async () => { throw new Error(`#${id} is “${await this.text(id)}”, not ${text}`); });
  }
  click(id) { return this.tab.click(`#${id}`); }
  async fill(id, text) {
    await this.tab.$eval(`#${id}`, (element, text) => {
      element.value = text;
      element.dispatchEvent(new Event("input", { bubbles: true }));
    }, text);
  }
  choose(name, value) { return this.tab.$eval(`[name=${name}][value=${value}]`, element => element.click()); }
  async connect(path) {
    await this.tab.click(`[data-path=${path}]`);
    await this.until("state", "Open");
  }
  async send(text) {
    await this.fill("message", text);
    await this.click("send");
  }
  /** The rows that are in the document, as direction, kind, size and text. */
  async rows() {
    // The next frame draws what came. A tab that is not in front has none.
    await this.tab.bringToFront();
    await this.tab.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
    return this.tab.$$eval("[role=option]", rows => rows.filter(row => row.checkVisibility()).map(row =>
      [row.dataset.direction, ...["kind", "number", "text"].map(cell => row.querySelector(`.${cell}`).textContent)].filter(Boolean).join(" ")));
  }
  /** Waits for a row like it. */
  async row(like) {
    for (let tries = 0; tries < 100; tries++) {
      const found = (await this.rows()).findLast(row => like.test(row));
      if (found) return found;
      await new Promise(done => setTimeout(done, 50));
    }
    throw new Error(`no row like ${like} in ${JSON.stringify(await this.rows())}`);
  }
  async press(...keys) {
    for (const key of keys) {
      const [last, ...held] = key.split("+").reverse();
      for (const one of held) await this.tab.keyboard.down(one);
      await this.tab.keyboard.press(last);
      for (const one of held) await this.tab.keyboard.up(one);
    }
  }
  focused() { return this.tab.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim()); }
  async findings() {
    if (!await this.tab.evaluate(() => "axe" in window)) await this.tab.evaluate(axe);
    const found = await this.tab.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
    return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => `${node.html} ${node.failureSummary}`).join("; ")}`);
  }
  async screenshot(name) { await this.tab.screenshot({ path: join(screenshots, `${name}.png`) }); }
  async end() {
    assert.deepEqual(await this.tab.evaluate(() => violations), [], "the page's Content-Security-Policy");
    await this.tab.close();
  }
}
const on = (what, run, options = []) =>
  check(`${name}: page of fdx serve: ${what}`, () => serving(FDX, options, async server => {
    const page = await Page.open(server.url);
    await run(page, server);
    await page.end();
  }));
/** Listens with `ws`, or without any answer. */
async function peer(accept, run) {
  const server = accept ? new WebSocketServer({ port: 0, host: "127.0.0.1" }) : createServer(() => {}).listen(0, "127.0.0.1");
  await new Promise(done => server.once("listening", done));
  if (accept) server.on("connection", accept);
  try {
    await run(`ws://127.0.0.1:${server.address().port}/`);
  } finally {
    for (const client of server.clients ?? []) client.terminate();
    server.close();
  }
}

on("echoes are logged, counted and timed", async (page, server) => {
  assert.match(await page.text("empty-text"), /^Press Connect/);
  assert.equal(await page.enabled("send"), false);
  await page.click("connect");
  await page.until("state", "Open");
  assert.match(await page.text("empty-text") + await page.text("agreed"), /no subprotocol, no extension$/);
  await page.send("grüße");
  assert.equal(await page.row(/^in text/), "in text 7 B grüße");
  assert.deepEqual((await page.rows()).map(row => row.split(" ")[1]), ["opened", "text", "text"]);
  assert.equal(await page.text("sent"), "1 · 7 B");
  assert.equal(await page.text("received"), "1 · 7 B");
  assert.match(await page.text("round-trip"), /^[\d.]+ ms$/);
  assert.match(await page.text("times"), /^local, UTC/);
  await page.click("measure");
  await page.row(/^event measured 20 round trips: least [\d.]+ ms, median [\d.]+ ms, most [\d.]+ ms$/);
  await page.click("close");
  await page.until("notice", "Closed with 1000 normal closure");
  await page.row(/^event closed 1000 normal closure$/);
  await server.said("/echo HTTP/1.1", "closed by the peer with 1000");
  // They start anew.
  await page.connect("whoami");
  await page.row(/^in text .* \{"/);
  assert.deepEqual([await page.text("sent"), await page.text("round-trip")], ["0", "–"]);
});

on("it is the same over TLS on HTTP/2, compressed", async page => {
  assert.match(await page.tab.$eval("#url", field => field.value), /^wss:.*\/echo$/);
  await page.click("connect");
  await page.until("state", "Open");
  await page.until("agreed", /^permessage-deflate/);
  await page.send("hello ".repeat(1000));
  await page.row(/^in text 5.9 KiB hello /);
  await page.tab.click("#save-menu summary");
  await page.click("copy-command");
  await page.until("hint", "Command copied");
  assert.match(await page.tab.evaluate(() => window.copied), /^fdx connect wss:\S+\/echo --deflate$/);
}, ["--tls-self-signed", "--h2", "--deflate"]);

on("a long message is held in part", async page => {
  await page.connect("echo");
  await page.tab.$eval("#message", field => { field.value = "ü".repeat(9 << 20).slice(0, 8388609); });
  await page.tab.evaluate(() => document.getElementById("message").form.requestSubmit());
  // It is longer than the server takes, but was sent.
  await page.row(/^out text 16\.0 MiB ü/);
  await page.tab.$$eval("[role=option]", rows => rows.find(row => row.dataset.direction === "out").click());
  assert.match(await page.text("part"), /^Only the first 64\.0 KiB of 16\.0 MiB are held\.$/);
  assert.equal(await page.enabled("resend"), false);
});

on("a round trip is not told where it is not measured", async (page, server) => {
  await page.connect("broadcast");
  const other = await Page.open(server.url);
  await other.connect("broadcast");
  await other.send("from another");
  await page.row(/^in text 12 B from another$/);
  await page.send("mine");
  await other.row(/^in text 4 B mine$/);
  await page.row(/^in text 4 B mine$/);
  assert.equal(await page.text("round-trip"), "–");
  await page.click("measure");
  await page.row(/^event measured Not on \/broadcast/);
  await other.end();
});

on("a message is shown as JSON, text and hex, copied, edited and sent again", async page => {
  await page.connect("echo");
  await page.send('{"big":12345678901234567890,"a":[],"b":[true,{"c":"ü"}]}');
  await page.row(/^in text/);
  await page.tab.$$eval("[role=option]", rows => rows.at(-1).click());
  assert.equal(await page.text("content"), '{\n  "big": 12345678901234567890,\n  "a": [],\n  "b": [\n    true,\n    {\n      "c": "ü"\n    }\n  ]\n}');
  await page.screenshot(`${name}-json`);
  await page.choose("form", "Hex");
  assert.match(await page.text("content"), /^000000 {2}7b 22 62 69 67 22 3a 31 {2}32 33/);
  await page.choose("form", "Text");
  await page.click("copy");
  const text = await page.text("content");
  assert.equal(await page.tab.evaluate(() => window.copied), text);
  await page.click("save-one");
  assert.equal(await page.tab.evaluate(() => saved), text);
  await page.click("resend");
  await page.until("received", /^2 /);
  await page.send("");
  await page.click("edit");
  assert.equal(await page.tab.$eval("#message", field => field.value), text);
  await page.press("Escape");
  assert.equal(await page.tab.$eval("#detail", detail => detail.hidden), true);
  // Control characters and those that turn text are seen.
  await page.send("a\u001b[31m\u202eb\nc");
  assert.equal(await page.row(/^in text 1[0-9] B/), "in text 12 B a␛[31m\\u{202e}b↵c");
});

on("hex digits are sent as bytes, and errors in them are told", async page => {
  await page.connect("echo");
  await page.choose("mode", "hex");
  for (const [digits, error] of [["0xzz", "“z” is not a hex digit"], ["abc", "3 hex digits are not whole bytes"]]) {
    await page.send(digits);
    assert.equal(await page.text("hint"), error);
    assert.equal(await page.tab.$eval("#message", field => field.ariaInvalid), "true");
  }
  assert.equal(await page.text("sent"), "0");
  await page.send("0x00 ff:01,AB");
  assert.equal(await page.row(/^in binary/), "in binary 4 B 00 ff 01 ab");
  const file = await page.tab.$("#file");
  await file.uploadFile(new URL("tap.mjs", import.meta.url).pathname);
  await page.row(/^in binary [\d.]+ (B|KiB) 2f 2f/);
});

on("the log is filtered by direction and by words", async page => {
  await page.connect("echo");
  for (const text of ["an apple", "a pear", "Apple pie"]) await page.send(text);
  await page.until("received", /^3 /);
  await page.fill("filter", "apple");
  await page.until("matches", "4 of 7");
  await page.choose("direction", "in");
  await page.until("matches", "2 of 7");
  assert.deepEqual(await page.rows(), ["in text 8 B an apple", "in text 9 B Apple pie"]);
  await page.fill("filter", "plum");
  await page.until("empty-title", "No message matches the filter");
  await page.click("show-all");
  await page.until("matches", "");
  await page.click("clear");
  assert.deepEqual(await page.rows(), []);
});

on("what was sent is in the history, also after a reload", async (page, server) => {
  await page.connect("echo");
  for (const text of ["first", "second", "first"]) await page.send(text);
  await page.until("received", /^3 /);
  const value = () => page.tab.$eval("#message", field => field.value);
  await page.fill("message", "draft");
  await page.tab.focus("#message");
  const walked = [];
  for (const key of ["ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "ArrowDown"]) {
    await page.press(key);
    walked.push(await value());
  }
  assert.deepEqual(walked, ["first", "second", "second", "first", "draft"]);
  await page.tab.goto(server.url);
  await page.tab.click("#history-menu summary");
  await page.tab.$$eval("#history button", buttons => buttons[1].click());
  assert.equal(await value(), "second");
});

on("the log is saved as HAR and as JSON lines", async page => {
  await page.fill("url", `${await page.tab.$eval("#url", field => field.value)}?a=b`);
  await page.click("connect");
  await page.until("state", "Open");
  await page.send("text");
  await page.choose("mode", "hex");
  await page.send("fffe");
  await page.until("received", /^2 /);
  await page.tab.click("#save-menu summary");
  await page.click("save-har");
  const har = JSON.parse(await page.tab.evaluate(() => saved));
  assert.equal(har.log.version, "1.2");
  const [entry] = har.log.entries;
  assert.match(entry.request.url, /^ws:.*\/echo\?a=b$/);
  assert.deepEqual([entry.request.queryString, entry.response.status, entry._resourceType], [[{ name: "a", value: "b" }], 101, "websocket"]);
  assert.deepEqual(entry._webSocketMessages.map(({ type, opcode, data }) => [type, opcode, data]),
    [["send", 1, "text"], ["receive", 1, "text"], ["send", 2, "//4="], ["receive", 2, "//4="]]);
  assert.ok(entry._webSocketMessages.every(({ time }) => Math.abs(time - Date.now() / 1000) < 60));
  await page.tab.click("#save-menu summary");
  await page.click("save-lines");
  assert.match(await page.tab.evaluate(() => savedAs), /^websocket-[\dT-]+\.jsonl$/);
  const lines = (await page.tab.evaluate(() => saved)).trimEnd().split("\n").map(line => JSON.parse(line));
  assert.deepEqual(lines.map(({ direction, type, data }) => [direction, type, data]).slice(1),
    [["sent", "text", "text"], ["received", "text", "text"], ["sent", "binary", "//4="], ["received", "binary", "//4="]]);
});

on("the command that connects likewise is copied, and does", async page => {
  await page.fill("url", "/whoami?it's");
  await page.fill("protocols", "a, b");
  await page.click("connect");
  // The server chooses none of them.
  await page.until("state", /Open|Failed/);
  await page.fill("protocols", "");
  await page.tab.click("#save-menu summary");
  await page.click("copy-command");
  await page.until("hint", "Command copied");
  const command = await page.tab.evaluate(() => window.copied);
  assert.match(command, /^fdx connect 'ws:\/\/127\.0\.0\.1:\d+\/whoami\?it('\\''|%27)s'$|^fdx connect [^ ]*$/);
  const said = execFileSync("sh", ["-c", `"$0" ${command.slice(4)} --messages 1 </dev/null`, FDX], { encoding: "utf8", timeout: 20000 });
  assert.match(said, /"path":|"peer":|\{/);
});

on("it closes with a code and a reason", async (page, server) => {
  await page.connect("echo");
  await page.tab.click("#close-menu summary");
  for (const [code, reason, error] of [["2000", "", /1000 and 3000 to 4999/], ["4001", "ü".repeat(62), /124 bytes; 123 fit/]]) {
    await page.fill("close-code", code);
    await page.fill("close-reason", reason);
    await page.click("close-reason");
    await page.press("Enter");
    await page.until("close-error", error);
  }
  await page.fill("close-reason", "enough");
  await page.press("Enter");
  await page.until("notice", "Closed with 4001 private code: enough");
  assert.deepEqual((await page.rows()).slice(1), ["out close 4001 private code: enough", "event closed 4001 private code: enough"]);
  await server.said("/echo HTTP/1.1", "closed by the peer with 4001");
});

on("a failed connection says why", async (page, server) => {
  const fails = async (url, why) => {
    await page.fill("url", url);
    await page.click("connect");
    await page.until("notice", why);
    assert.equal(await page.text("state"), "Failed");
    assert.match(await page.row(/^event failed/), new RegExp(why.source.slice(1)));
  };
  await fails("/nothing", /^404: there is nothing at this path/);
  await fails("/fdx", /^200: the path is for documents/);
  await fails("ws://127.0.0.1:9/", /^No connection\. A browser does not tell/);
  await page.fill("url", "ws://");
  await page.click("connect");
  await page.until("state", "Failed");
  await page.connect("echo");
  // Too long a message, with the option that allows it.
  await page.tab.$eval("#message", field => { field.value = "x".repeat(17 << 20); });
  await page.click("send");
  await page.until("notice", /^Closed with 1009 message too big.*--max-message-size$/);
  await page.connect("echo");
  server.signal("SIGKILL");
  await page.until("notice", /^Lost with 1006 no Close frame arrived$/);
  await page.click("connect");
  await page.until("notice", /^The server does not answer/);
});

on("a peer that does not answer can be left", async page => {
  await peer(null, async url => {
    await page.fill("url", url);
    await page.click("connect");
    await page.until("state", "Connecting");
    await page.click("abort");
    await page.until("notice", "Aborted before it was open");
  });
  // It reads no more once it is open, so it never answers a Close.
  const mute = socket => socket._socket.pause();
  await peer(mute, async url => {
    await page.fill("url", url);
    for (const leave of ["abort", "connect"]) {
      await page.click("connect");
      await page.until("state", "Open");
      await page.click("close");
      await page.until("state", "Closing");
      assert.ok(await page.enabled("connect") && await page.enabled("abort"));
      await page.click(leave);
      await page.until("state", leave === "abort" ? "Closed" : "Open");
    }
    await page.connect("echo");
  });
});

on("5,000 messages a second stay smooth, and the log bounded", async page => {
  let sending, burst = 50;
  const flood = socket => {
    let sent = 0;
    sending = setInterval(() => {
      for (let i = 0; i < burst; i++) socket.send(`message ${sent++}`);
    }, 10);
  };
  await peer(flood, async url => {
    await page.fill("url", url);
    await page.click("connect");
    await page.until("state", "Open");
    const { frames, rows } = await page.tab.evaluate(() => new Promise(done => {
      const begun = performance.now();
      let frames = 0, rows = 0;
      requestAnimationFrame(function next() {
        frames++;
        rows = Math.max(rows, document.querySelectorAll("[role=option]").length);
        if (performance.now() - begun < 4000) requestAnimationFrame(next); else done({ frames, rows });
      });
    }));
    assert.ok(rows < 100, `${rows} rows`);
    assert.ok(frames > 40, `${frames} frames in 4 s`);
    await page.until("matches", "newest 10,000");
    // Read in the middle of it: what is seen stays in its place, while the oldest are dropped.
    burst = 5;
    await page.tab.$eval("#list", list => { list.scrollTop = list.scrollHeight / 2; });
    await page.until("newest", /^↓ [\d,]+ new$/);
    const before = (await page.rows())[5];
    await new Promise(done => setTimeout(done, 200));
    assert.ok((await page.rows()).includes(before), before);
    await page.click("newest");
    clearInterval(sending);
    await page.click("close");
    await page.until("state", "Closed");
    const last = Number((await page.text("received")).split(" ")[0].replaceAll(",", "")) - 1;
    await page.row(new RegExp(`^in text \\d+ B message ${last}$`));
  });
});

on("it is used by the keyboard alone", async page => {
  const order = [];
  for (let i = 0; i < 8; i++) {
    await page.press("Tab");
    order.push(await page.focused());
  }
  assert.deepEqual(order, ["url", "Options", "connect", "help-open", "/echo back to you", "/broadcast to everyone", "/whoami about you", "filter"]);
  await page.tab.focus("#url");
  await page.press("Enter");
  await page.until("state", "Open");
  await page.tab.focus("#message");
  for (const text of ["one", "two"]) {
    await page.fill("message", text);
    await page.press("Control+Enter");
  }
  await page.until("received", /^2 /);
  await page.tab.focus("#list");
  await page.press("End", "ArrowUp");
  const active = () => page.tab.$eval("#list", list => document.getElementById(list.getAttribute("aria-activedescendant"))?.innerText.replace(/\s+/g, " "));
  assert.match(await page.row(/./) && await active(), /(sent|received) text 3 B/);
  await page.press("c");
  await page.until("announcement", "Message copied");
  await page.press("Home", "Enter");
  assert.match(await page.text("detail-title"), /^Event opened, \d\d:\d\d:\d\d\.\d{3}$/);
  await page.press("ArrowDown");
  await page.until("content", "one");
  await page.press("r");
  await page.until("received", /^3 /);
  await page.press("Escape");
  assert.equal(await page.focused(), "list");
  await page.press("Control+k");
  assert.equal(await page.focused(), "filter");
  // A menu: opened, left with Esc.
  await page.tab.focus("#save-menu summary");
  await page.press("Enter");
  assert.ok(await page.enabled("save-har"));
  await page.press("Escape");
  assert.deepEqual([await page.enabled("save-har"), await page.focused()], [false, "Save"]);
  await page.tab.focus("#close");
  await page.press("Enter");
  await page.until("state", "Closed");
  // The focus is not lost with the button that had it.
  assert.equal(await page.focused(), "connect");
});

on("a short status is announced, not the log", async page => {
  assert.deepEqual(await page.tab.$$eval("[aria-live], [role=status], [role=log]", all => all.map(element => element.id)), ["announcement"]);
  await page.connect("echo");
  await page.until("announcement", "Open");
  await page.send("hello");
  await page.until("announcement", "Received: hello");
  for (let i = 0; i < 5; i++) await page.send("again");
  await page.until("announcement", "5 messages received");
  await page.click("close");
  await page.until("announcement", "Closed: Closed with 1000 normal closure");
});

const openMenu = (page, menu) => page.tab.click(`#${menu} summary`);
/** Whether the panel of an open menu is within the window. */
const inside = (page, menu) => page.tab.$eval(`#${menu} .panel`, panel => {
  const { left, right, top, bottom } = panel.getBoundingClientRect();
  return left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight;
});
for (const dark of [false, true]) {
  const colours = dark ? "dark" : "light";
  check(`${name}: page of fdx serve: accessible and in its place, ${colours}`, () => serving(FDX, [], async server => {
    const from = chrome || !dark ? browser : await start(true);
    for (const size of Object.keys(SIZES)) {
      const page = await Page.open(server.url, { size, dark, from });
      const look = async what => {
        if (size !== "tablet") assert.deepEqual(await page.findings(), [], `${size}, ${what}`);
        await page.screenshot(`${name}-${size}-${colours}-${what}`);
        const wide = await page.tab.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${wide} px too wide: ${size}, ${what}`);
      };
      await look("empty");
      await page.connect("whoami");
      for (const text of ["hello", '{"type":"subscribe","channels":["prices","trades"],"since":1700000000}', "grüße 🌍"]) await page.send(text);
      await page.choose("mode", "hex");
      await page.send("89 50 4e 47 0d 0a 1a 0a 00 00 00 0d 49 48 44 52");
      await page.choose("mode", "text");
      await page.fill("message", '{"type":"ping"}');
      await page.until("received", /^5 /);
      await look("open");
      await page.tab.$$eval("[role=option]", rows => rows.find(row => /subscribe/.test(row.textContent)).click());
      await page.rows();
      await look("message");
      const together = await page.tab.$$eval(".actions > :is(fieldset, button)", all => {
        const boxes = all.map(element => element.getBoundingClientRect());
        return boxes.some((one, i) => boxes.slice(i + 1).some(other =>
          one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom));
      });
      assert.ok(!together && await page.tab.$eval("#forms", forms => forms.scrollWidth <= forms.clientWidth), `controls overlap: ${size}`);
      await page.press("Escape");
      for (const menu of ["close-menu", "save-menu", "history-menu", "options"]) {
        await openMenu(page, menu);
        assert.ok(await inside(page, menu), `${menu} is outside of the window: ${size}`);
        if (size !== "tablet") await look(menu);
        await page.press("Escape");
      }
      await page.click("help-open");
      await look("help");
      await page.press("Escape");
      await page.fill("url", "/nothing");
      await page.click("close");
      await page.until("state", "Closed");
      await page.click("connect");
      await page.until("notice", /^404/);
      await look("failed");
      await page.end();
    }
    if (from !== browser) await from.close();
  }));
}

await main();
