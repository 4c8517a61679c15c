// The page of `fdx serve --socketio` with the client that it loads, and socket.io-client of npm:
// socketio_page.mjs FDX BROWSER EXECUTABLE

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { check, main } from "./tap.mjs";
import { serving } from "./served.mjs";

const require = createRequire(process.env.PEERS + "/");
const { io } = require("socket.io-client");
const { launch } = require("puppeteer-core");
const [FDX, name, executablePath] = process.argv.slice(2);
const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [];
const browser = await launch({ browser: name, executablePath, headless: true, args });

check(`${name}: the page of --socketio chats with a client of npm`, () => serving(FDX, ["--socketio"], async ({ url, said }) => {
  const socket = io(`${url}chat`, { auth: { name: "Bob" }, forceNew: true });
  await new Promise(done => socket.on("connect", done));
  const heard = new Promise(done => socket.on("message", done));
  const tab = await browser.newPage();
  const failures = [];
  tab.on("pageerror", error => failures.push(error.message));
  await tab.goto(`${url}fdx/socketio`);
  await tab.select("#namespace", "/chat");
  await tab.click("#connect");
  const shows = text => tab.waitForFunction(
    text => document.body.textContent.includes(text), { timeout: 10000 }, text);
  await shows("by websocket");
  await said("Socket.IO", "/chat: connected by polling");
  await said("Socket.IO", "/chat: upgraded to websocket");
  await tab.click("#ack");
  await tab.click("#event button");
  assert.deepEqual(await heard, { from: "Ann", text: "hello" });
  await shows("← acknowledgement 2");
  await shows('← message [{"from":"Ann","text":"hello"}');
  assert.deepEqual(failures, []);
  socket.disconnect();
}));

await main();
