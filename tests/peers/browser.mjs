// A browser on a page that is not of `fdx serve`: browser.mjs http://HOST:PORT/ BROWSER EXECUTABLE

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { check, main } from "./tap.mjs";

const playwright = createRequire(process.env.PEERS + "/")("playwright-core");
const [page0, name, executablePath] = process.argv.slice(2);
const args = name === "chromium" ? [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
] : [];
const browser = await playwright[name].launch({ executablePath, headless: true, args });
const context = await browser.newContext();

check(`${name}: a page of another origin is refused`, async () => {
  const page = await context.newPage();
  await page.goto("about:blank");
  const code = await page.evaluate(url => new Promise(done => {
    new WebSocket(url).onclose = event => done(event.code);
  }), page0.replace(/^http/, "ws") + "echo");
  assert.equal(code, 1006);
  await page.close();
});

await main();
