// An echo, asked by ws and in pages of Chromium and Firefox, or only in pages of the server itself, which they load first:
// inspect_clients.mjs URL CHROMIUM FIREFOX [PAGE]

import { createRequire } from "node:module";

const require = createRequire(process.env.PEERS + "/");
const WS = require("ws");
const { launch } = require("puppeteer-core");
const [url, chromium, firefox, ownPage] = process.argv.slice(2);

// Also runs in a page.
async function talk(Socket, url) {
  const socket = new Socket(url);
  socket.binaryType = "arraybuffer";
  await new Promise((open, fail) => { socket.onopen = open; socket.onerror = fail; });
  const echo = message => new Promise(done => {
    socket.onmessage = event => done(event.data);
    socket.send(message);
  });
  for (let i = 0; i < 200; i++) {
    const text = `message ${i}: ${"the same and the same again ".repeat(i % 7)}`;
    if (await echo(text) !== text) throw new Error(`another text than ${text}`);
  }
  const bytes = new Uint8Array(100000).map((_, i) => i * i);
  const back = new Uint8Array(await echo(bytes));
  if (back.length !== bytes.length || back.some((byte, i) => byte !== bytes[i])) throw new Error("other bytes");
  const closed = new Promise(done => { socket.onclose = done; });
  socket.close(4321, "why");
  const { code } = await closed;
  if (code !== 4321) throw new Error(`closed with ${code}`);
}

if (!ownPage) await talk(WS, url);
for (const [name, executablePath] of [["chrome", chromium], ["firefox", firefox]]) {
  const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu", "--disable-quic"] : [];
  const browser = await launch({ browser: name, executablePath, headless: true, args, acceptInsecureCerts: true });
  try {
    const page = await browser.newPage();
    if (ownPage) await page.goto(ownPage);
    await page.evaluate(`(${talk})(WebSocket, ${JSON.stringify(url)})`);
  } finally {
    await browser.close();
  }
}
