// The bundle of socket.io-client in a browser: socketio_browser.mjs SOCKETIO_SERVER BROWSER EXECUTABLE

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { socketioServer } from "./socketio_server.mjs";
import { check, main } from "./tap.mjs";

const require = createRequire(process.env.PEERS + "/");
const { launch } = require("puppeteer-core");
const bundle = process.env.PEERS + "/node_modules/socket.io-client/dist/socket.io.min.js";
const [PROGRAM, name, executablePath] = process.argv.slice(2);
const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [];
const browser = await launch({ browser: name, executablePath, headless: true, args });
const url = await socketioServer(PROGRAM, ["--recovery"]);
const other = await socketioServer(PROGRAM, []);

// Runs in the page: events there and back, then cuts under load.
async function talk(url, options) {
  const once = (emitter, event) => new Promise(done => emitter.once(event, (...args) => done(args)));
  const socket = io(url, { reconnectionDelay: 20, reconnectionDelayMax: 50, ...options });
  await once(socket, "connect");
  const engine = socket.io.engine;
  if (!options.transports && engine.transport.name === "polling") await once(engine, "upgrade");
  const transport = engine.transport.name;
  const back = once(socket, "message-back");
  socket.emit("message", "grüße 🌍", new Uint8Array([1, 2, 3]));
  const [text, bytes] = await back;
  const sum = await socket.timeout(5000).emitWithAck("message-with-ack", 3);
  const result = { transport, text, bytes: [...new Uint8Array(bytes)], sum };
  if (!options.recovers) return result;
  await socket.timeout(5000).emitWithAck("join", socket.id + " room");
  const numbers = [];
  let recovered = 0;
  socket.on("connect", () => { recovered += socket.recovered; });
  const done = new Promise(done => socket.on("number", number => {
    numbers.push(number);
    if (number === 200) done();
  }));
  socket.emit("count", socket.id + " room", 200);
  const cut = () => { if (socket.connected) socket.io.engine.close(); };
  const cutting = setInterval(cut, 80);
  await done;
  clearInterval(cutting);
  socket.disconnect();
  return { ...result, numbers, recovers: recovered > 1 };
}

for (const [how, options, transport] of [
  ["polling", { transports: ["polling"] }, "polling"],
  ["polling with an upgrade", {}, "websocket"],
  ["WebSocket", { transports: ["websocket"] }, "websocket"],
]) {
  check(`${name}: ${how}, and recovery`, async () => {
    const tab = await browser.newPage();
    await tab.goto(url);
    await tab.addScriptTag({ path: bundle });
    const { numbers, ...result } = await tab.evaluate(talk, url, { ...options, recovers: true });
    const text = "grüße 🌍";
    assert.deepEqual(result, { transport, text, bytes: [1, 2, 3], sum: 3, recovers: true });
    assert.deepEqual(numbers, Array.from({ length: 200 }, (_, index) => index + 1));
    await tab.close();
  });
}
check(`${name}: a page of another origin`, async () => {
  const tab = await browser.newPage();
  await tab.goto(url);
  await tab.addScriptTag({ path: bundle });
  const result = await tab.evaluate(talk, other.replace("127.0.0.1", "localhost"), {});
  assert.equal(result.transport, "websocket");
  await tab.close();
});

try {
  await main();
} finally {
  await browser.close();
}
