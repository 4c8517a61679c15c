// A browser on the page of `fdx serve`, plain, over TLS and on HTTP/2, and on the page of
// another server: serve_browser.mjs FDX BROWSER EXECUTABLE

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { check, main } from "./tap.mjs";
import { serving } from "./served.mjs";

const { launch } = createRequire(process.env.PEERS + "/")("puppeteer-core");
const [FDX, name, executablePath] = process.argv.slice(2);
const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu", "--disable-quic"] : [];
const browser = await launch({ browser: name, executablePath, headless: true, args, acceptInsecureCerts: true });

// Runs in the page: how it came, and text and bytes, there and back.
async function echoes(url) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  await new Promise((open, fail) => { socket.onopen = open; socket.onerror = () => fail(new Error("no connection")); });
  const echo = data => new Promise(done => { socket.onmessage = event => done(event.data); socket.send(data); });
  for (const size of [0, 10, 70000, 1 << 20]) {
    const text = "grüße 🌍 ".repeat(size).slice(0, size / 3);
    if (await echo(text) !== text) throw new Error(`text of ${size}`);
    const bytes = new Uint8Array(size);
    for (let i = 0; i < size; i += 65536) crypto.getRandomValues(bytes.subarray(i, i + 65536));
    const back = new Uint8Array(await echo(bytes));
    if (back.length !== size || back.some((byte, i) => byte !== bytes[i])) throw new Error(`bytes of ${size}`);
  }
  const closed = new Promise(done => { socket.onclose = done; });
  socket.close(4000, "enough");
  const { code, reason, wasClean } = await closed;
  return { code, reason, wasClean, page: performance.getEntriesByType("navigation")[0].nextHopProtocol };
}
// Runs in the page: the events of a WebSocket that is rejected.
const refusal = url => new Promise(done => {
  const events = [], socket = new WebSocket(url);
  socket.onopen = socket.onerror = event => events.push(event.type);
  socket.onclose = event => done([...events, event.code]);
});
const toWs = (url, path) => url.replace(/^http/, "ws") + path;

for (const [how, options, version, page] of [
  ["plain", [], "HTTP/1.1", "http/1.1"],
  ["over TLS", ["--tls-self-signed"], "HTTP/1.1 TLSv1.3", "http/1.1"],
  ["over TLS on HTTP/2", ["--tls-self-signed", "--h2"], "HTTP/2.0 TLSv1.3", "h2"],
  ["over TLS on HTTP/2, compressed", ["--tls-self-signed", "--h2", "--deflate"], "HTTP/2.0 TLSv1.3, permessage-deflate", "h2"],
]) {
  check(`${name}: page and WebSocket on one port, ${how}`, () => serving(FDX, options, async server => {
    const tab = await browser.newPage();
    await tab.goto(server.url);
    const result = await tab.evaluate(echoes, toWs(server.url, "echo"));
    assert.deepEqual(result, { code: 4000, reason: "enough", wasClean: true, page });
    await server.said(`/echo ${version}`, "closed by the peer with 4000");
    // A page is left.
    await tab.evaluate(url => new Promise(done => { new WebSocket(url).onopen = done; }), toWs(server.url, "broadcast"));
    await tab.goto("about:blank");
    // Chromium resets the stream of HTTP/2, and its Close with it, before that has left.
    const end = name === "chrome" && page === "h2" ? "the transport failed" : "closed by the peer with 1001";
    await server.said(`/broadcast ${version}`, end);
    await tab.close();
  }));
  check(`${name}: a page of another origin is refused, ${how}`, () =>
    serving(FDX, options, server => serving(FDX, options, async other => {
      const tab = await browser.newPage();
      const console = [];
      tab.on("console", message => console.push(message.text()));
      // Chromium has WebSockets on HTTP/2 only where there is a connection already.
      await tab.goto(server.url);
      await tab.goto(other.url);
      assert.deepEqual(await tab.evaluate(refusal, toWs(server.url, "echo")), ["error", 1006]);
      await server.said(`/echo ${version.split(",")[0]}`, `rejected: 403: Origin ${other.url.slice(0, -1)} is not allowed`);
      // Chromium tells the developer what the server answered.
      if (name === "chrome") assert.ok(console.some(line => /403/.test(line)), String(console));
      await tab.close();
    })));
}

await main();
