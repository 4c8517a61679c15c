// Runs the web-platform tests for WebSocket on the addon, or on undici. README.md says how.
//
//   node run.mjs WPT ADDON|undici [PART OF A PAGE'S URL]
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [, , checkout, client, filter = ""] = process.argv;
const here = import.meta.dirname;
const origin = "http://web-platform.test:8000";
const certificates = mkdtempSync(join(tmpdir(), "wpt-"));
const authorities = join(certificates, "cacert.pem");
const AT_ONCE = 4;
const DEADLINE = 30_000;
const STATUS = ["PASS", "FAIL", "TIMEOUT", "NOTRUN", "PRECONDITION_FAILED"];

/// Pages that are not run, with the reason.
const LEFT_OUT = [
  [/\.(worker|sharedworker|serviceworker)\.html|-sharedworker|-serviceworker|shadowrealm/,
    "the same tests in a worker"],
  [/\/stream\//, "WebSocketStream, which is not in the standard"],
];

function run(program, words, environment = {}) {
  const child = spawn(program, words, {
    env: { ...process.env, NO_COLOR: "1", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let out = "", err = "";
  child.stdout.on("data", (chunk) => { out += chunk; });
  child.stderr.on("data", (chunk) => { err += chunk; });
  const ended = new Promise((resolve) => child.on("close", () => resolve({ out, err })));
  return { child, ended, written: () => out + err };
}

async function pages() {
  const { out } = await run("python3", [join(here, "serve.py"), "list", checkout]).ended;
  return out.split("\n").filter((url) => url.includes(filter) && url !== "");
}

async function serve() {
  const server = run("python3", [join(here, "serve.py"), "serve", checkout, certificates]);
  // http and https, then the port of HTTP/2, and those of ws and wss.
  const isReady = () => {
    const text = server.written();
    return text.includes("Starting http2") && text.split("Listen on").length > 2;
  };
  for (let attempt = 0; attempt < 300; attempt += 1) {
    await sleep(100);
    if (isReady()) return server;
  }
  process.kill(-server.child.pid, "SIGKILL");
  throw new Error(`the server does not start: ${server.written()}`);
}

/// Runs a page, and returns its results as lines `STATUS page: test | message`.
async function results(path) {
  const words = [join(here, "page.mjs"), new URL(path, pageOrigin(path)).href, authorities];
  if (client !== "undici") words.push(client);
  const node = ["--expose-gc", "--no-warnings", ...words];
  const { child, ended } = run(process.execPath, node, { NODE_EXTRA_CA_CERTS: authorities });
  const timer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), DEADLINE);
  const { out, err } = await ended;
  clearTimeout(timer);
  const line = out.split("\n").find((text) => text.startsWith("@@"));
  const why = err.trim().split("\n").slice(0, 2).join(" ");
  if (line === undefined) return [{ page: path, name: "the page", status: "ERROR", why }];
  const { status, message, tests } = JSON.parse(line.slice(2));
  const found = tests.map((test) =>
    ({ page: path, name: test.name, status: STATUS[test.status], why: test.message ?? "" }));
  if (status !== 0) found.push({ page: path, name: "the page", status: "ERROR", why: message ?? why });
  return found;
}

function pageOrigin(path) {
  // Those of HTTP/2 only want their WebSocket on it, and Node's fetch does not speak it.
  return /\.https\.|wpt_flags=(https|h2)/.test(path) ? "https://web-platform.test:8443" : origin;
}

/// The pages whose failures are known, by how their path begins, with the reasons.
function known() {
  const reasons = [];
  let reason;
  for (const line of readFileSync(join(here, "failures.txt"), "utf8").split("\n")) {
    if (line.startsWith("  ")) reasons.push([`/websockets/${line.trim()}`, reason]);
    else if (line !== "") reason = line;
  }
  return reasons;
}

const all = await pages();
const leftOut = LEFT_OUT.map(([pattern]) => all.filter((page) => pattern.test(page)).length);
const chosen = all.filter((page) => !LEFT_OUT.some(([pattern]) => pattern.test(page)));
const server = await serve();
const found = [];
const queue = [...chosen];
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let page = queue.shift(); page !== undefined; page = queue.shift()) {
    found.push(...await results(page));
  }
}));
process.kill(-server.child.pid, "SIGTERM");

found.sort((a, b) => (`${a.page} ${a.name}` < `${b.page} ${b.name}` ? -1 : 1));
const tests = found.filter(({ status }) => status !== "ERROR");
const failed = found.filter(({ status }) => status !== "PASS");
writeFileSync("results.txt", found.map((r) =>
  `${r.status} ${r.page}: ${r.name}${r.why && ` | ${r.why.replaceAll("\n", " ")}`}\n`).join(""));
const reasons = known();
let unknown = 0;
const counts = new Map();
for (const { page, name, status, why } of failed) {
  const reason = reasons.find(([start]) => page.startsWith(start))?.[1];
  if (reason === undefined) {
    unknown += 1;
    console.log(`not ok ${page}: ${name}: ${status} ${why.slice(0, 200)}`);
  } else {
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
}
for (const [reason, count] of counts) console.log(`${count} failed: ${reason}`);
LEFT_OUT.forEach(([, reason], at) => console.log(`${leftOut[at]} pages not run: ${reason}`));
const passed = tests.length - failed.filter(({ status }) => status !== "ERROR").length;
console.log(`${passed} of ${tests.length} tests passed on ${chosen.length} pages`);
process.exit(unknown > 0 ? 1 : 0);
