// One WebSocket from its opening to its end, and why it failed.

import { closeText, utf8Length } from "./format.js";

/** Messages whose echo is awaited, to time it; older ones are forgotten. */
const MAX_AWAITED = 64;
/** A longer message is not timed. */
const MAX_TIMED = 65536;
const ASK_TIMEOUT = 3000;

/** Returns the address that was meant by "/echo", ":9001", "localhost:9001" or "https://…". */
export function addressOf(text) {
  const page = new URL(location.href);
  const scheme = page.protocol === "https:" ? "wss:" : "ws:";
  const meant = text.trim();
  if (!meant) throw new Error("There is no address.");
  if (/^wss?:\/\//i.test(meant)) return meant;
  if (/^https?:\/\//i.test(meant)) return meant.replace(/^http/i, "ws");
  if (meant.startsWith("/")) return `${scheme}//${page.host}${meant}`;
  if (meant.startsWith(":")) return `${scheme}//${page.hostname}${meant}`;
  return `${scheme}//${meant}`;
}

let connections = 0;

/**
 * Calls `on.state(name, text)` with the states connecting, open, closing, closed and failed,
 * `on.event(direction, kind, text)` for the log, and `on.message(data, bytes, roundTrip)`.
 * The constructor throws what `WebSocket` throws.
 */
export class Connection {
  id = ++connections;
  startedAt = Date.now();
  openedAt = null;
  closedAt = null;
  protocol = "";
  extensions = "";
  sent = { messages: 0, bytes: 0 };
  received = { messages: 0, bytes: 0 };
  state = "connecting";
  #awaited = [];
  #closed = false;

  constructor(url, protocols, on) {
    this.socket = new WebSocket(url, protocols);
    this.url = this.socket.url;
    this.protocols = protocols;
    this.on = on;
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.#opened();
    this.socket.onmessage = event => this.#message(event.data);
    this.socket.onclose = event => this.#ended(event);
    this.#become("connecting", `Connecting to ${this.url}`);
  }

  get path() { return new URL(this.url).pathname; }

  send(data) {
    const bytes = typeof data === "string" ? utf8Length(data) : data.length;
    this.socket.send(data);
    count(this.sent, bytes);
    if (bytes <= MAX_TIMED) this.#awaited.push({ data, at: performance.now() });
    if (this.#awaited.length > MAX_AWAITED) this.#awaited.shift();
    return bytes;
  }

  /** Throws if the code or the reason can't be sent. */
  close(code, reason) {
    if (code === undefined) this.socket.close(); else this.socket.close(code, reason);
    this.#closed = true;
    this.on.event("out", "close", closeText(code ?? 1005, reason));
    this.#become("closing", "Waiting for the peer's Close frame");
  }

  /** Takes no notice of the WebSocket any more. A page can't end it sooner than the browser does. */
  abort() {
    const before = this.state;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.closedAt = Date.now();
    const text = before === "connecting" ? "Aborted before it was open" : "Aborted without the peer's Close frame";
    this.on.event("event", "aborted", text);
    this.#become("closed", text);
  }

  #become(state, text) {
    this.state = state;
    this.on.state(state, text);
  }

  #opened() {
    this.openedAt = Date.now();
    this.protocol = this.socket.protocol;
    this.extensions = this.socket.extensions;
    this.on.event("event", "opened", `${this.url}${this.agreed ? `, ${this.agreed}` : ""}`);
    this.#become("open", `Open after ${this.openedAt - this.startedAt} ms`);
  }

  /** What both ends agreed on, or "". */
  get agreed() {
    return [this.protocol && `subprotocol ${this.protocol}`, this.extensions].filter(Boolean).join(", ");
  }

  #message(data) {
    if (typeof data !== "string") data = new Uint8Array(data);
    const bytes = typeof data === "string" ? utf8Length(data) : data.length;
    count(this.received, bytes);
    this.on.message(data, bytes, this.#roundTrip(data));
  }

  /** Returns how long ago this message was sent, if it is an echo of one that was. */
  #roundTrip(data) {
    // On /broadcast it may be another member's.
    if (this.path.endsWith("/broadcast")) return undefined;
    const at = this.#awaited.findIndex(sent => same(sent.data, data));
    if (at < 0) return undefined;
    return performance.now() - this.#awaited.splice(0, at + 1)[at].at;
  }

  async #ended({ code, reason, wasClean }) {
    this.closedAt = Date.now();
    if (this.openedAt === null) {
      this.#become("failed", "The connection failed");
      const why = await whyFailed(this.url);
      this.on.event("event", "failed", why);
      // Another one may have begun since.
      if (this.state === "failed") this.on.state("failed", why);
      return;
    }
    const text = closeText(code, reason);
    if (code === 1006) this.on.event("event", "lost", text);
    else if (this.#closed) this.on.event("event", "closed", `${text}${wasClean ? "" : ", not clean"}`);
    else this.on.event("in", "close", text);
    const hint = code === 1009 ? "; fdx serve takes longer ones with --max-message-size" : "";
    this.#become(code === 1006 ? "failed" : "closed", `${code === 1006 ? "Lost" : "Closed"} with ${text}${hint}`);
  }
}

function count(total, bytes) {
  total.messages++;
  total.bytes += bytes;
}

function same(one, other) {
  if (typeof one === "string" || typeof other === "string") return one === other;
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** Asks this server with an ordinary request; of other servers a browser tells a page nothing. */
async function whyFailed(url) {
  const ordinary = new URL(url);
  ordinary.protocol = ordinary.protocol.replace("ws", "http");
  if (ordinary.origin !== location.origin) {
    return "No connection. A browser does not tell a page why: fdx connect does, in a terminal";
  }
  try {
    const response = await fetch(ordinary, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(ASK_TIMEOUT) });
    if (response.type === "opaqueredirect") return "The path is redirected to another address";
    if (response.status === 426) return "The path is for WebSockets, but this one was rejected: fdx serve --log says why";
    if (response.ok) return `${response.status}: the path is for documents, not for WebSockets`;
    return `${response.status}: ${(await response.text()).trim().slice(0, 200)}`;
  } catch {
    return "The server does not answer: it may have ended";
  }
}
