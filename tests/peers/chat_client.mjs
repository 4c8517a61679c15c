// The example of a chat, in a terminal and in a page: chat_client.mjs FDX NATIVE FOLDER-OF-THE-PAGE CHROMIUM

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { check, main } from "./tap.mjs";
import { serving } from "./served.mjs";

const { launch } = createRequire(process.env.PEERS + "/")("puppeteer-core");
const [FDX, NATIVE, FOLDER, CHROMIUM] = process.argv.slice(2);

/** Runs the client in a terminal: what it has printed, what it prints next, and how to type. */
function terminal(url, name) {
  const child = spawn(NATIVE, [url, name], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    type: line => child.stdin.write(`${line}\n`),
    next: async () => (await lines.next()).value,
    end: async () => {
      child.stdin.end();
      const [code] = await once(child, "exit");
      return code;
    },
  };
}

check("chat_client_of_terminal_and_page_talk", () => serving(FDX, ["--root", FOLDER], async ({ url }) => {
  const ann = terminal(`${url}broadcast`.replace("http", "ws"), "ann");
  assert.equal(await ann.next(), "* connected");
  const browser = await launch({ executablePath: CHROMIUM, headless: true, args: ["--no-sandbox", "--disable-gpu", "--disable-quic"] });
  try {
    const page = await browser.newPage();
    await page.goto(url.replace("ws", "http"), { waitUntil: "networkidle0" });
    const shown = count => page.waitForFunction(count => {
      const items = [...document.querySelectorAll("#lines li")].map(item => item.textContent);
      return items.length >= count && items;
    }, {}, count).then(handle => handle.jsonValue());
    await page.locator("#name").fill("bob");
    await page.locator("#message").fill("hi");
    await page.locator("button").click();
    assert.equal(await ann.next(), "bob: hi");
    ann.type("hello, bob");
    assert.equal(await ann.next(), "ann: hello, bob");
    assert.deepEqual(await shown(3), ["* connected", "bob: hi", "ann: hello, bob"]);
    assert.equal(await ann.end(), 0);
  } finally {
    await browser.close();
  }
}));

await main();
