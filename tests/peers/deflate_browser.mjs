// A browser, compressing, against `fdx serve --deflate`:
// deflate_browser.mjs BROWSER EXECUTABLE http://HOST:PORT/...

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { check, main } from "./tap.mjs";

const { launch } = createRequire(process.env.PEERS + "/")("puppeteer-core");
const [name, executablePath, ...urls] = process.argv.slice(2);
const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [];
const browser = await launch({ browser: name, executablePath, headless: true, args });

// Runs in the page: echoes of text, bytes and many in flight.
async function echoes(url) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const waiting = [], came = [];
  socket.onmessage = event => (waiting.length ? waiting.shift()(event.data) : came.push(event.data));
  const next = () => new Promise(done => (came.length ? done(came.shift()) : waiting.push(done)));
  await new Promise((open, fail) => { socket.onopen = open; socket.onerror = () => fail(new Error("no connection")); });
  for (const size of [0, 10, 300, 5000, 200000]) {
    const text = Array.from({ length: size / 8 + 1 }, (_, i) => `item ${i % 97} ü`).join(",").slice(0, size);
    socket.send(text);
    if (await next() !== text) throw new Error(`text of ${size}`);
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i += 65536) crypto.getRandomValues(bytes.subarray(i, i + 65536));
    socket.send(bytes);
    const back = new Uint8Array(await next());
    if (back.length !== size || back.some((byte, i) => byte !== bytes[i])) throw new Error(`bytes of ${size}`);
  }
  for (let i = 0; i < 200; i++) socket.send(`message ${i} of many in flight`);
  for (let i = 0; i < 200; i++) if (await next() !== `message ${i} of many in flight`) throw new Error(`message ${i}`);
  const closed = new Promise(done => { socket.onclose = done; });
  socket.close(1000);
  const { code, wasClean } = await closed;
  return { extensions: socket.extensions, code, wasClean };
}

for (const url of urls) {
  check(`${name}: ${url} echoes compressed messages`, async () => {
    const page = await browser.newPage();
    await page.goto(url);
    const result = await page.evaluate(echoes, url.replace(/^http/, "ws") + "echo");
    assert.match(result.extensions, /^permessage-deflate/);
    assert.deepEqual([result.code, result.wasClean], [1000, true]);
    await page.close();
  });
}
check(`${name}: the page shows what was negotiated`, async () => {
  const page = await browser.newPage();
  await page.goto(urls[0]);
  await page.click("#connect");
  await page.waitForFunction(() => document.getElementById("agreed").textContent.includes("permessage-deflate"));
  await page.close();
});

await main();
