// Chromium sends a long message and closes at once, its Close in what ends the stream:
// close_browser.mjs FDX EXECUTABLE

import assert from "node:assert/strict";
import { X509Certificate, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { check, main } from "./tap.mjs";
import { serving } from "./served.mjs";

const { launch } = createRequire(process.env.PEERS + "/")("puppeteer-core");
const [FDX, executablePath] = process.argv.slice(2);
const TIMES = 20;

// Runs in the page: how each of the WebSockets was closed.
async function closes(url, times) {
  const bytes = new Uint8Array(8 << 20);
  for (let i = 0; i < bytes.length; i += 65536) crypto.getRandomValues(bytes.subarray(i, i + 65536));
  const outcomes = [];
  for (let i = 0; i < times; i++) {
    const socket = new WebSocket(url);
    await new Promise((open, fail) => { socket.onopen = open; socket.onerror = () => fail(new Error("no connection")); });
    const closed = new Promise(done => { socket.onclose = done; });
    socket.send(bytes);
    socket.close(3000, "bye");
    const { code, reason, wasClean } = await closed;
    outcomes.push(`${code} ${reason} ${wasClean ? "clean" : "not clean"}`);
  }
  return outcomes;
}

// QUIC takes a certificate of no authority only by the hash of its key.
function trusting({ url, ca }) {
  const key = new X509Certificate(readFileSync(ca)).publicKey.export({ type: "spki", format: "der" });
  const hash = createHash("sha256").update(key).digest("base64");
  return [
    "--enable-features=EnableWebsocketsOverHttp3",
    `--ignore-certificate-errors-spki-list=${hash}`,
    `--origin-to-force-quic-on=${new URL(url).host}`,
  ];
}

for (const [options, version] of [
  [[], "HTTP/1.1"],
  [["--tls-self-signed", "--h2"], "HTTP/2.0"],
  [["--tls-self-signed", "--h2", "--h3"], "HTTP/3.0"],
]) {
  check(`chrome: a close right after 8 MiB is clean on ${version}`, () =>
    serving(FDX, ["--max-message-size", "16777216", ...options], async server => {
      const quic = version === "HTTP/3.0" ? trusting(server) : ["--disable-quic"];
      const args = ["--no-sandbox", "--disable-gpu", ...quic];
      const browser = await launch({ executablePath, headless: true, args, acceptInsecureCerts: true });
      try {
        const tab = await browser.newPage();
        await tab.goto(server.url);
        const outcomes = await tab.evaluate(closes, server.url.replace(/^http/, "ws") + "echo", TIMES);
        assert.deepEqual(outcomes, Array(TIMES).fill("3000 bye clean"));
        for (let i = 0; i < TIMES; i++) await server.said(`/echo ${version}`, "closed by the peer with 3000");
      } finally {
        await browser.close();
      }
    }));
}

await main();
