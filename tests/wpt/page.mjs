// Runs one page of the web-platform tests in this process, and writes a line of JSON: the page's
// status and each test's.
//
//   node page.mjs URL AUTHORITIES [ADDON]
//
// Without the addon, the WebSocket is that of the npm package undici in the folder PEERS.
import { createRequire } from "node:module";
import { runInThisContext } from "node:vm";

const [, , address, authorities, addon] = process.argv;
const page = new URL(address);
const own = { fetch: globalThis.fetch };

async function classes() {
  if (addon) {
    const { load } = await import("../../crates/node-addon/websocket.mjs");
    return load(addon, { baseURL: page.href, authorities });
  }
  const undici = createRequire(`${process.env.PEERS}/`)("undici");
  undici.setGlobalOrigin(page);
  return { WebSocket: undici.WebSocket, CloseEvent: undici.CloseEvent };
}

/// An event that is made before it has a type.
class CreatedEvent extends Event {
  #type = "";

  constructor() { super(""); }
  get type() { return this.#type; }
  initEvent(type) { this.#type = type; }
  initUIEvent(type, bubbles, isCancelable, view, detail) {
    this.#type = type;
    this.detail = detail;
  }
}

/// As much of a document as tests use that need none. `testharness.js` must not see it, as it would
/// show its results there.
const document = {
  title: "",
  body: { [Symbol.toStringTag]: "HTMLBodyElement" },
  createEvent: () => new CreatedEvent(),
  getElementsByTagName: () => [],
};

/// What a page has and Node has not.
function prepare(interfaces) {
  const global = new EventTarget();
  const additions = {
    ...interfaces,
    self: globalThis,
    window: globalThis,
    location: page,
    fetch: (url, options) => own.fetch(new URL(url, page), options),
    addEventListener: global.addEventListener.bind(global),
    removeEventListener: global.removeEventListener.bind(global),
    dispatchEvent: global.dispatchEvent.bind(global),
    Window: Object.getPrototypeOf(globalThis).constructor,
  };
  for (const [name, value] of Object.entries(additions)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}

/// The sources of a page's scripts, in their order.
async function scripts() {
  const bytes = await (await own.fetch(page)).arrayBuffer();
  const charset = /<meta\s+charset=["']?([\w-]+)/i.exec(new TextDecoder("latin1").decode(bytes));
  const html = new TextDecoder(charset?.[1]).decode(bytes);
  const found = html.matchAll(/<script\b([^>]*)>([\s\S]*?)<\/script>/g);
  return Promise.all(Array.from(found, async ([, attributes, text]) => {
    const src = /\bsrc\s*=\s*["']?([^"'\s>]+)/.exec(attributes)?.[1];
    if (src === undefined) return { name: "inline", text };
    const url = new URL(src.replaceAll("&amp;", "&"), page);
    const response = await own.fetch(url);
    return { name: url.pathname, text: response.ok ? await response.text() : "" };
  }));
}

function report(outcome) {
  process.stdout.write(`\n@@${JSON.stringify(outcome)}\n`, () => process.exit(0));
}

prepare(await classes());
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => process.stderr.write(`${event}: ${error?.stack ?? error}\n`));
}
const sources = await scripts();
// Without a wait in between, as in a page nothing happens before all scripts have run.
for (const { name, text } of sources) {
  try {
    runInThisContext(text, { filename: name });
  } catch (error) {
    process.stderr.write(`${name}: ${error.stack}\n`);
  }
  if (name !== "/resources/testharness.js") continue;
  globalThis.document = document;
  const tests = [];
  globalThis.add_result_callback(({ name, status, message }) => tests.push({ name, status, message }));
  globalThis.add_completion_callback((_, { status, message }) => report({ status, message, tests }));
}
globalThis.dispatchEvent(new Event("load"));
