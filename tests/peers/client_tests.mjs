// One set of tests of the client, natively and as WebAssembly in browsers, Node, Deno and Bun:
// client_tests.mjs FDX NATIVE FOLDER-OF-THE-WASM CHROMIUM FIREFOX NODE DENO BUN

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { serving } from "./served.mjs";
import { withServers } from "./client_tests/servers.mjs";

const { launch } = createRequire(process.env.PEERS + "/")("puppeteer-core");
const [FDX, NATIVE, WASM, CHROMIUM, FIREFOX, NODE, DENO, BUN] = process.argv.slice(2);
const HERE = fileURLToPath(new URL("client_tests", import.meta.url));
const MINUTES = 60000;
// What a page loads for a WebSocket.
const WASM_LIMIT = 30000, WHOLE_LIMIT = 38000;

/** Prints the lines of one place, with its name. */
function print(place, lines) {
  for (const line of lines) {
    const told = line.match(/^(ok|not ok) (.*)$/);
    if (told) console.log(`${told[1]} ${place}: ${told[2]}`);
    else if (line) console.error(`${place}: ${line}`);
    if (told?.[1] === "not ok") process.exitCode = 1;
  }
  if (!lines.some(line => line.startsWith("ok "))) {
    process.exitCode = 1;
    console.log(`not ok ${place}: no test passed`);
  }
}

/** Runs a program that prints the lines. */
async function program(place, command, args) {
  const { out, err } = await new Promise(done => {
    execFile(command, args, { timeout: 2 * MINUTES, maxBuffer: 16 << 20 }, (error, out, err) => done({ out, err: error ? `${err}${error.message}` : "" }));
  });
  print(place, [...out.split("\n"), ...err.split("\n")]);
}

/** Runs the tests in a window or a worker of a browser. */
async function inBrowser(browserName, place, executablePath, page, peers) {
  const name = `${browserName} ${place}`;
  const args = browserName === "chrome" ? ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"] : [];
  const browser = await launch({ browser: browserName, executablePath, headless: true, args });
  try {
    const tab = await browser.newPage();
    await tab.goto(`http://${page}/`);
    await tab.waitForFunction("globalThis.ready", { timeout: MINUTES });
    const run = { window: "inWindow", worker: "inWorker", serviceworker: "inServiceWorker" }[place];
    await tab.evaluate((run, peers) => { globalThis[run](peers); }, run, `${peers} run=${name.replace(" ", "-")}`);
    await tab.waitForFunction("globalThis.done", { timeout: 2 * MINUTES, polling: 100 })
      .catch(error => console.error(`${name}: ${error.message}`));
    print(name, await tab.evaluate(() => lines));
    if (place === "window") print(name, [await hello(tab)]);
  } finally {
    await browser.close();
  }
}

/** Runs the smallest client, `hello`, in a window of a browser. */
async function hello(tab) {
  const said = await tab.evaluate(async url => {
    const program = await import("./hello.js");
    await program.default();
    return program.hello(url);
  }, `ws://${server}/echo`).catch(error => error.message);
  return said.startsWith("hello; 1000") ? "ok hello_is_echoed" : `not ok hello_is_echoed: ${said}`;
}

/** Holds the smallest client, `hello`, to these bytes after gzip, and with its JavaScript. */
function checkSize(wasmLimit, wholeLimit) {
  const size = file => gzipSync(readFileSync(join(WASM, file)), { level: 9 }).length;
  const wasm = size("hello_bg.wasm"), whole = wasm + size("hello.js");
  const told = `size of hello: ${wasm} of ${wasmLimit} bytes, with JavaScript ${whole} of ${wholeLimit}`;
  print("gzip", [`${wasm <= wasmLimit && whole <= wholeLimit ? "ok" : "not ok"} ${told}`]);
}

checkSize(WASM_LIMIT, WHOLE_LIMIT);
let server;
await serving(FDX, ["--any-origin", "--subprotocol", "chat", "--max-message-size", "16777216"], ({ url }) => {
  server = new URL(url).host;
  return withServers(FDX, server, [HERE, WASM], async (page, peers) => {
    const web = [`${HERE}/program.mjs`, WASM];
    // Two at once: most of them wait most of the time.
    const first = async () => {
      await program("native", NATIVE, [`${peers} run=native`]);
      await program("node", NODE, [...web, `${peers} run=node`]);
      await program("deno", DENO, ["run", "--quiet", "--allow-all", ...web, `${peers} run=deno`]);
      await program("bun", BUN, [...web, `${peers} run=bun`]);
    };
    const second = async () => {
      // Firefox of Debian has no modules in service workers.
      await inBrowser("chrome", "serviceworker", CHROMIUM, page, peers);
      for (const place of ["window", "worker"]) {
        await inBrowser("chrome", place, CHROMIUM, page, peers);
        // Firefox waits longer and longer before it connects where it has failed: another one.
        await inBrowser("firefox", place, FIREFOX, page, peers);
      }
    };
    const outcomes = await Promise.allSettled([first(), second()]);
    for (const { reason } of outcomes.filter(({ status }) => status === "rejected")) {
      console.error(reason);
      console.log(`not ok client tests: ${String(reason.message).split("\n")[0]}`);
      process.exitCode = 1;
    }
  });
});
process.exit();
