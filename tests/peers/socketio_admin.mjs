// The page of the official Admin UI, of npm's package: socketio_admin.mjs SOCKETIO_SERVER BROWSER EXECUTABLE

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { extname, join, normalize } from "node:path";
import { socketioServer } from "./socketio_server.mjs";
import { check, main } from "./tap.mjs";

const require = createRequire(process.env.PEERS + "/");
const { io } = require("socket.io-client");
const { launch } = require("puppeteer-core");
const [PROGRAM, name, executablePath] = process.argv.slice(2);
const UI = process.env.PEERS + "/node_modules/@socket.io/admin-ui/ui/dist";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const args = name === "chrome" ? ["--no-sandbox", "--disable-gpu"] : [];

// Serves the page from an origin of its own.
const pages = createServer(async ({ url }, response) => {
  const file = normalize(url === "/" ? "/index.html" : url);
  try {
    const content = await readFile(join(UI, file));
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream").end(content);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise(done => pages.listen(0, "127.0.0.1", done));
const page = `http://127.0.0.1:${pages.address().port}`;
const url = await socketioServer(PROGRAM, ["--admin", page]);
const browser = await launch({ browser: name, executablePath, headless: true, args });

async function open() {
  const tab = await browser.newPage();
  await tab.setViewport({ width: 1400, height: 900 });
  tab.failures = [];
  tab.on("pageerror", error => tab.failures.push(error.message));
  // The fonts of the page are elsewhere.
  await tab.setRequestInterception(true);
  tab.on("request", request => {
    const { hostname } = new URL(request.url());
    return hostname === "127.0.0.1" ? request.continue() : request.abort();
  });
  await tab.goto(page, { waitUntil: "domcontentloaded" });
  return tab;
}

const shows = (tab, text) => tab.waitForFunction(
  text => document.body.innerText.includes(text), { timeout: 10000 }, text);
const lacks = (tab, text) => tab.waitForFunction(
  text => !document.body.innerText.includes(text), { timeout: 10000 }, text);
const go = (tab, path) => tab.evaluate(path => { location.hash = path; }, path);

async function write(tab, index, text) {
  const fields = await tab.$$(".v-dialog--active form input:not([type=checkbox])");
  await fields[index].click({ count: 3 });
  await fields[index].type(text);
}

const submit = tab => tab.click(".v-dialog--active form button[type=submit]");

const client = io(url, { forceNew: true, reconnection: false });
await new Promise(done => client.on("connect", done));
await client.emitWithAck("join", "the lobby");

check(`${name}: the Admin UI shows a socket and its room, and disconnects it`, async () => {
  const tab = await open();
  await write(tab, 0, url);
  await write(tab, 1, "admin");
  await write(tab, 2, "wrong");
  await submit(tab);
  await shows(tab, "Invalid credentials");
  await write(tab, 2, "secret");
  await submit(tab);
  await shows(tab, "Dashboard");
  await go(tab, "#/sockets/");
  await shows(tab, client.id);
  await go(tab, "#/rooms/");
  await shows(tab, "the lobby");
  const back = new Promise(done => client.once("message-back", done));
  client.emit("message", { some: "thing" });
  await back;
  await go(tab, "#/events/");
  await shows(tab, "message");
  await go(tab, `#/n/${encodeURIComponent("/")}/sockets/${client.id}`);
  await shows(tab, "user-agent");
  await go(tab, "#/servers/");
  await shows(tab, "HEALTHY");
  // The page logs in again by its session.
  await tab.reload({ waitUntil: "domcontentloaded" });
  await go(tab, "#/sockets/");
  await shows(tab, client.id);
  const gone = new Promise(done => client.on("disconnect", done));
  const { id } = client;
  const rows = await tab.$$("tbody tr");
  const texts = await Promise.all(rows.map(row => row.evaluate(row => row.innerText)));
  const button = await rows[texts.findIndex(text => text.includes(id))].$("button");
  await button.click();
  assert.equal(await gone, "io server disconnect");
  // The click opens the socket's own page as well.
  await shows(tab, "DISCONNECTED");
  await go(tab, "#/sockets/");
  await lacks(tab, id);
  assert.deepEqual(tab.failures, []);
  await tab.close();
});

try {
  await main();
} finally {
  await browser.close();
  pages.close();
  client.close();
}
