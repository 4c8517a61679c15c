// The interface of the WHATWG's WebSocket on the addon: what a browser generates from Web IDL, and
// the steps of the standard that don't concern the wire.
//
//   const { WebSocket, CloseEvent } = load('libfullduplex_node_addon.so', { baseURL: 'http://h/' });
//
// `baseURL` is that of the page; without it, a URL has to be absolute and no Origin is sent.
// `authorities` is a file with certificates to trust.
import { constants } from "node:os";

const CONNECTING = 0, OPEN = 1, CLOSING = 2, CLOSED = 3;
const STATES = { CONNECTING, OPEN, CLOSING, CLOSED };
const NO_STATUS = 1005, NORMAL = 1000;
const MAX_REASON = 123;

const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const bytesOf = (text) => encoder.encode(text);
const usvString = (value) => decoder.decode(bytesOf(`${value}`));
const fault = (message, name) => new DOMException(message, name);

/// Loads the shared library, and returns the classes for a page.
export function load(path, { baseURL, authorities } = {}) {
  const addon = { exports: {} };
  process.dlopen(addon, path, constants.dlopen.RTLD_NOW);
  const origin = baseURL === undefined ? undefined : new URL(baseURL).origin;
  const settings = { origin, authorities };
  const connect = (url, protocols, onEvent) =>
    new addon.exports.Connection(url, protocols, settings, onEvent);
  return { WebSocket: webSocketClass(connect, baseURL), CloseEvent };
}

/// The URL of a constructor's argument, with the scheme ws or wss.
function parseUrl(text, baseURL) {
  if (!URL.canParse(text, baseURL)) throw fault(`${text} is not a URL`, "SyntaxError");
  const url = new URL(text, baseURL);
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw fault(`The scheme of ${text} is not ws, wss, http or https`, "SyntaxError");
  }
  // A fragment may be empty.
  if (url.href.includes("#")) throw fault(`${text} has a fragment`, "SyntaxError");
  return url;
}

/// `(DOMString or sequence<DOMString>)`.
function protocolList(value) {
  const isObject = value !== null && ["object", "function"].includes(typeof value);
  if (!isObject) return [`${value}`];
  const method = value[Symbol.iterator];
  if (method === undefined || method === null) return [`${value}`];
  return Array.from(value, (item) => `${item}`);
}

/// `[Clamp] unsigned short`.
function clamped(value) {
  const number = Number(value);
  if (Number.isNaN(number)) return 0;
  const within = Math.min(Math.max(number, 0), 0xffff);
  const floor = Math.floor(within), rest = within - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 === 1);
  return up ? floor + 1 : floor;
}

class CloseEvent extends Event {
  #wasClean;
  #code;
  #reason;

  constructor(type, init = {}) {
    if (arguments.length === 0) throw new TypeError("CloseEvent needs a type");
    super(type, init);
    this.#code = Number(init?.code ?? 0) & 0xffff;
    this.#reason = usvString(init?.reason ?? "");
    this.#wasClean = Boolean(init?.wasClean);
  }
  get wasClean() { return this.#wasClean; }
  get code() { return this.#code; }
  get reason() { return this.#reason; }
}
finish(CloseEvent, ["wasClean", "code", "reason"]);

/// Makes a class what Web IDL makes of an interface.
function finish(cls, members) {
  const own = Object.getOwnPropertyDescriptors(cls.prototype);
  for (const name of members) {
    Object.defineProperty(cls.prototype, name, { ...own[name], enumerable: true });
  }
  const tag = { value: cls.name, configurable: true };
  Object.defineProperty(cls.prototype, Symbol.toStringTag, tag);
}

/// An event handler IDL attribute: a listener whose callback can be changed. It keeps its place
/// among the listeners until it is set to null.
class Handler {
  callback = null;

  constructor(target, type) {
    this.target = target;
    this.type = type;
    this.listener = (event) => {
      if (typeof this.callback === "function") this.callback.call(target, event);
    };
  }

  set(value) {
    const isObject = value !== null && ["object", "function"].includes(typeof value);
    const callback = isObject ? value : null;
    if (callback === null) {
      this.target.removeEventListener(this.type, this.listener);
    } else if (this.callback === null) {
      this.target.addEventListener(this.type, this.listener);
    }
    this.callback = callback;
  }
}

function webSocketClass(connect, baseURL) {
  class WebSocket extends EventTarget {
    #url;
    #connection;
    #readyState = CONNECTING;
    #bufferedAmount = 0;
    #extensions = "";
    #protocol = "";
    #binaryType = "blob";
    /// What waits for a Blob to be read, in its order.
    #reading = null;
    #handlers = {
      open: new Handler(this, "open"),
      error: new Handler(this, "error"),
      close: new Handler(this, "close"),
      message: new Handler(this, "message"),
    };

    constructor(url, protocols = []) {
      if (arguments.length === 0) throw new TypeError("WebSocket needs a URL");
      super();
      this.#url = parseUrl(usvString(url), baseURL);
      const list = protocolList(protocols);
      // RFC 6455 tells names apart by case; the web-platform tests don't.
      if (new Set(list.map((name) => name.toLowerCase())).size < list.length) {
        throw fault("A subprotocol occurs more than once", "SyntaxError");
      }
      try {
        this.#connection = connect(this.#url.href, list, (event) => this.#on(event));
      } catch (error) {
        throw fault(error.message, "SyntaxError");
      }
    }

    get url() { return this.#url.href; }
    get readyState() { return this.#readyState; }
    get bufferedAmount() { return this.#bufferedAmount; }
    get extensions() { return this.#extensions; }
    get protocol() { return this.#protocol; }

    get onopen() { return this.#handlers.open.callback; }
    set onopen(value) { this.#handlers.open.set(value); }
    get onerror() { return this.#handlers.error.callback; }
    set onerror(value) { this.#handlers.error.set(value); }
    get onclose() { return this.#handlers.close.callback; }
    set onclose(value) { this.#handlers.close.set(value); }
    get onmessage() { return this.#handlers.message.callback; }
    set onmessage(value) { this.#handlers.message.set(value); }

    get binaryType() { return this.#binaryType; }
    set binaryType(value) {
      void this.#binaryType;
      const type = `${value}`;
      // A value that an enumeration does not have is ignored.
      if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
    }

    close(code = undefined, reason = undefined) {
      const state = this.#readyState;
      const number = code === undefined ? undefined : clamped(code);
      const text = reason === undefined ? undefined : usvString(reason);
      if (number !== undefined && number !== NORMAL && !(number >= 3000 && number <= 4999)) {
        throw fault(`${number} is neither 1000 nor from 3000 to 4999`, "InvalidAccessError");
      }
      if (text !== undefined && bytesOf(text).length > MAX_REASON) {
        throw fault(`The reason has more than ${MAX_REASON} bytes`, "SyntaxError");
      }
      if (state === CLOSING || state === CLOSED) return;
      this.#readyState = CLOSING;
      const without = text === undefined ? NO_STATUS : NORMAL;
      this.#inOrder(() => this.#connection.close(number ?? without, text ?? ""));
    }

    send(data) {
      void this.#readyState;
      if (arguments.length === 0) throw new TypeError("send needs data");
      const message = outgoing(data);
      if (this.#readyState === CONNECTING) {
        throw fault("The connection is not established", "InvalidStateError");
      }
      this.#bufferedAmount += message.size;
      if (this.#readyState !== OPEN) return;
      if (message.blob) {
        this.#inOrder(async () => {
          this.#connection.sendBinary(new Uint8Array(await message.blob.arrayBuffer()));
        });
      } else if (message.bytes) {
        // The caller may change its buffer afterwards.
        const bytes = this.#reading ? message.bytes.slice() : message.bytes;
        this.#inOrder(() => this.#connection.sendBinary(bytes));
      } else {
        this.#inOrder(() => this.#connection.sendText(message.text));
      }
    }

    /// Runs an action at once, unless a Blob that is sent before is being read.
    #inOrder(action) {
      if (this.#reading === null) {
        const reading = action();
        if (reading === undefined) return;
        this.#wait(reading);
      } else {
        this.#wait(this.#reading.then(action));
      }
    }

    #wait(reading) {
      const last = reading.catch(() => this.#connection.close(NO_STATUS, "")).then(() => {
        if (this.#reading === last) this.#reading = null;
      });
      this.#reading = last;
    }

    /// What the connection reports, each time in a task of its own.
    #on(event) {
      switch (event.type) {
        case "Open":
          // It may have been closed meanwhile.
          if (this.#readyState !== CONNECTING) return;
          this.#readyState = OPEN;
          this.#extensions = event.extensions;
          this.#protocol = event.protocol;
          this.dispatchEvent(new Event("open"));
          break;
        case "Text":
          this.#message(() => event.data);
          break;
        case "Binary":
          this.#message(() =>
            this.#binaryType === "blob" ? new Blob([event.data]) : event.data.slice().buffer);
          break;
        case "Sent":
          this.#bufferedAmount -= event.bytes;
          break;
        case "Closing":
          this.#readyState = CLOSING;
          break;
        case "Closed": {
          this.#readyState = CLOSED;
          if (event.hasFailed) this.dispatchEvent(new Event("error"));
          const { wasClean, code, reason } = event;
          this.dispatchEvent(new CloseEvent("close", { wasClean, code, reason }));
        }
      }
    }

    #message(data) {
      if (this.#readyState !== OPEN) return;
      const { origin } = this.#url;
      this.dispatchEvent(new MessageEvent("message", { data: data(), origin }));
    }
  }

  finish(WebSocket, ["url", "readyState", "bufferedAmount", "onopen", "onerror", "onclose",
    "extensions", "protocol", "close", "onmessage", "binaryType", "send"]);
  for (const [name, value] of Object.entries(STATES)) {
    Object.defineProperty(WebSocket, name, { value, enumerable: true });
    Object.defineProperty(WebSocket.prototype, name, { value, enumerable: true });
  }
  return WebSocket;
}

/// `(BufferSource or Blob or USVString)`, with its number of bytes.
function outgoing(data) {
  if (data instanceof Blob) return { blob: data, size: data.size };
  if (data instanceof ArrayBuffer) return { bytes: new Uint8Array(data), size: data.byteLength };
  if (ArrayBuffer.isView(data)) {
    if (!(data.buffer instanceof ArrayBuffer)) throw new TypeError("The buffer is shared");
    const { buffer, byteOffset, byteLength } = data;
    return { bytes: new Uint8Array(buffer, byteOffset, byteLength), size: byteLength };
  }
  const text = usvString(data);
  return { text, size: bytesOf(text).length };
}
