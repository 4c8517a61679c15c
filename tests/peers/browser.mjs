// A browser on the page of `fdx serve`: browser.mjs http://HOST:PORT/ BROWSER EXECUTABLE

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

async function open(path) {
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  await page.goto(page0);
  if (path) await page.fill("#url", page0.replace(/^http/, "ws").replace(/\/$/, path));
  await page.click("#connect");
  await page.waitForFunction(() => document.getElementById("status").textContent === "open");
  return page;
}
const row = (page, direction, kind, text) =>
  page.locator(`.frame[data-direction="${direction}"][data-kind="${kind}"]`, { hasText: text }).first().waitFor();

check(`${name}: text and binary are echoed`, async () => {
  const page = await open();
  await page.fill("#message", "grüße 🌍");
  await page.click("#send");
  await row(page, "out", "text", "grüße 🌍");
  await row(page, "in", "text", "grüße 🌍");
  assert.match(await page.textContent("#latency"), /^[\d.]+ ms$/);
  await page.fill("#message", "0x00ff7f");
  await page.click("#send-binary");
  await row(page, "in", "binary", "00 ff 7f");
  assert.match(await page.textContent("#received"), /^2 · /);
  await page.close();
});
check(`${name}: 20 echoes are measured`, async () => {
  const page = await open();
  await page.click("#measure");
  await page.locator(".frame", { hasText: /20 echoes: least/ }).waitFor();
  await page.close();
});
check(`${name}: a broadcast reaches two tabs`, async () => {
  const a = await open("/broadcast"), b = await open("/broadcast");
  await a.fill("#message", "to all");
  await a.click("#send");
  await row(a, "in", "text", "to all");
  await row(b, "in", "text", "to all");
  await a.close();
  await b.close();
});
check(`${name}: a clean close shows its code`, async () => {
  const page = await open();
  await page.fill("#close-code-input", "4000");
  await page.fill("#close-reason", "enough");
  await page.click("#disconnect");
  await page.waitForFunction(() => document.getElementById("status").textContent === "closed");
  assert.equal(await page.textContent("#close-code"), "4000");
  assert.match(await page.textContent("#close-meaning"), /private code, clean: enough/);
  await page.close();
});
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
