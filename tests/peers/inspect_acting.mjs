// Prints what a client receives until the Close, as JSON: inspect_acting.mjs URL ws|chrome|firefox [EXECUTABLE]

import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(process.env.PEERS + "/");
const [url, name, executablePath] = process.argv.slice(2);

async function byWs() {
  const WebSocket = require("ws");
  const socket = new WebSocket(url), received = [];
  socket.on("message", data => received.push(data.toString()));
  await once(socket, "close");
  return received;
}

async function byBrowser() {
  const { launch } = require("puppeteer-core");
  const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [];
  const browser = await launch({ browser: name, executablePath, headless: true, args });
  try {
    const page = await browser.newPage();
    await page.goto(url.replace("ws:", "http:"));
    return await page.evaluate(url => new Promise(done => {
      const socket = new WebSocket(url), received = [];
      socket.onmessage = event => received.push(event.data);
      socket.onclose = () => done(received);
    }), url);
  } finally {
    await browser.close();
  }
}

console.log(JSON.stringify(await (name === "ws" ? byWs() : byBrowser())));
