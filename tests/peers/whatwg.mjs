// The native client with the interface of the WHATWG's WebSocket: whatwg.mjs FDX ADDON
//
// What the web-platform tests check at length (tests/wpt), in short and against servers of our own.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createRequire } from "node:module";
import { createServer as createTcpServer } from "node:net";
import { check, main } from "./tap.mjs";
import { serving } from "./served.mjs";
import { load } from "../../crates/node-addon/websocket.mjs";

const { WebSocketServer } = createRequire(process.env.PEERS + "/")("ws");
const [FDX, ADDON] = process.argv.slice(2);
const SERVE = ["--any-origin", "--subprotocol", "chat", "--deflate"];

/** `fdx serve`, whose page has this WebSocket. */
const withFdx = (options, run) => serving(FDX, [...SERVE, ...options], ({ url, ca }) => {
  const { WebSocket } = load(ADDON, { baseURL: `${url}page/`, authorities: ca ?? undefined });
  return run(WebSocket, url.replace("http", "ws"));
});

/** A server that does this with each connection of Node's ws. */
async function withNode(options, serve, run) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
  await once(server, "listening");
  const url = `ws://127.0.0.1:${server.address().port}/`;
  const { WebSocket } = load(ADDON, { baseURL: url.replace("ws", "http") });
  server.on("connection", serve);
  try {
    return await run(WebSocket, url);
  } finally {
    for (const client of server.clients) client.terminate();
    server.close();
  }
}

/** A server that does this with each TCP connection. */
async function withTcp(serve, run) {
  const server = createTcpServer(socket => serve(socket.on("error", () => {})));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { WebSocket } = load(ADDON);
  try {
    return await run(WebSocket, `ws://127.0.0.1:${server.address().port}/`);
  } finally {
    server.close();
  }
}

/** The next event of this type; another end of the connection fails. */
const next = (websocket, type) => new Promise((done, fail) => {
  const listeners = new AbortController();
  const on = (type, act) => websocket.addEventListener(type, event => { listeners.abort(); act(event); }, { signal: listeners.signal });
  on(type, done);
  if (type !== "close") on("close", ({ code }) => fail(new Error(`closed with ${code}`)));
});

/** The types of all events from now on, with the event of the end. */
async function untilClosed(websocket) {
  const types = [];
  for (const type of ["open", "message", "error"]) websocket.addEventListener(type, () => types.push(type));
  const { code, reason, wasClean } = await next(websocket, "close");
  assert.equal(websocket.readyState, 3);
  return { types: types.join(), code, reason, wasClean };
}

const syntaxError = { name: "SyntaxError" }, accessError = { name: "InvalidAccessError" };

check("whatwg_urls_are_those_of_the_standard", () => withFdx([], async (WebSocket, url) => {
  const host = new URL(url).host;
  for (const [given, expected] of [
    [url, url],
    ["/echo", `ws://${host}/echo`],
    ["echo?a b", `ws://${host}/page/echo?a%20b`],
    [`http://${host}/x`, `ws://${host}/x`],
    [`HTTPS://${host}/`, `wss://${host}/`],
    [`//${host}/y`, `ws://${host}/y`],
  ]) {
    const websocket = new WebSocket(given);
    assert.equal(websocket.url, expected);
    websocket.close();
  }
  for (const given of ["ftp://h/", "about:blank", "ws://h/#", "ws://h/#x", "ws://h:99999/", "ws://", "mailto:x"])
    assert.throws(() => new WebSocket(given), syntaxError, given);
  assert.throws(() => new WebSocket(), TypeError);
  assert.throws(() => WebSocket(url), TypeError);
}));

check("whatwg_subprotocols_are_checked_and_negotiated", () => withFdx([], async (WebSocket, url) => {
  for (const protocols of ["", "a b", "a,b", "é", ["x", "x"], ["x", "X"], [""], {}, null + " "])
    assert.throws(() => new WebSocket(url, protocols), syntaxError, String(protocols));
  for (const [protocols, expected] of [[undefined, ""], [[], ""], ["chat", "chat"], [["v9", "chat"], "chat"], [new Set(["chat"]), "chat"]]) {
    const websocket = new WebSocket(url, protocols);
    assert.equal(websocket.protocol, "");
    await next(websocket, "open");
    assert.equal(websocket.protocol, expected);
    websocket.close();
  }
}));

check("whatwg_subprotocol_that_is_not_selected_fails_the_connection", () =>
  withNode({ handleProtocols: () => false }, () => {}, async (WebSocket, url) => {
    const end = await untilClosed(new WebSocket(url, "chat"));
    assert.deepEqual(end, { types: "error", code: 1006, reason: "", wasClean: false });
  }));

check("whatwg_messages_are_echoed", () => withFdx([], async (WebSocket, url) => {
  const websocket = new WebSocket(`${url}echo`);
  assert.equal(websocket.readyState, WebSocket.CONNECTING);
  assert.throws(() => websocket.send("early"), { name: "InvalidStateError" });
  await next(websocket, "open");
  assert.equal(websocket.readyState, websocket.OPEN);
  assert.match(websocket.extensions, /^permessage-deflate/);
  const answer = async data => {
    const received = next(websocket, "message");
    websocket.send(data);
    return received;
  };
  const event = await answer("grüße");
  assert.deepEqual([event.data, event.origin, event.lastEventId], ["grüße", new URL(url).origin, ""]);
  for (const [sent, text] of [["", ""], [null, "null"], [undefined, "undefined"], [7, "7"], ["\ud800x", "\ufffdx"], [{}, "[object Object]"]])
    assert.equal((await answer(sent)).data, text);
  assert.equal(websocket.binaryType, "blob");
  const blob = (await answer(new Uint8Array([1, 2, 3]))).data;
  assert.ok(blob instanceof Blob);
  assert.deepEqual([...new Uint8Array(await blob.arrayBuffer())], [1, 2, 3]);
  websocket.binaryType = "arraybuffer";
  websocket.binaryType = "text";
  assert.equal(websocket.binaryType, "arraybuffer");
  const bytes = new Uint8Array(70000).fill(5);
  for (const [sent, length] of [[bytes, 70000], [bytes.buffer, 70000], [new DataView(bytes.buffer, 3, 4), 4], [new Uint16Array(bytes.buffer, 2, 8), 16], [new ArrayBuffer(0), 0], [new Blob(["bl", "ob"]), 4]]) {
    const { data } = await answer(sent);
    assert.ok(data instanceof ArrayBuffer);
    assert.equal(data.byteLength, length);
  }
  websocket.close();
  assert.equal((await untilClosed(websocket)).wasClean, true);
}));

check("whatwg_blob_keeps_its_place_among_messages", () => withFdx([], async (WebSocket, url) => {
  const websocket = new WebSocket(`${url}echo`);
  websocket.binaryType = "arraybuffer";
  const received = [];
  websocket.onmessage = ({ data }) => received.push(typeof data === "string" ? data : data.byteLength);
  await next(websocket, "open");
  websocket.send("1");
  websocket.send(new Blob([new Uint8Array(100000)]));
  const bytes = new Uint8Array(3);
  websocket.send(bytes);
  websocket.send("2");
  websocket.close(1000);
  // A server's answers may come after close(), when they are not reported any more.
  const end = await untilClosed(websocket);
  assert.equal(end.code, 1000);
  assert.deepEqual(received, ["1", 100000, 3, "2"].slice(0, received.length));
}));

check("whatwg_buffered_amount_counts_messages", () => withFdx([], async (WebSocket, url) => {
  const websocket = new WebSocket(`${url}echo`);
  await next(websocket, "open");
  websocket.send("é");
  websocket.send(new ArrayBuffer(10));
  websocket.send(new Blob(["abc"]));
  assert.equal(websocket.bufferedAmount, 15);
  for (let count = 0; count < 3; count++) await next(websocket, "message");
  while (websocket.bufferedAmount > 0) await new Promise(done => setTimeout(done, 1));
  websocket.close();
  websocket.send("late");
  assert.equal(websocket.bufferedAmount, 4);
  await untilClosed(websocket);
  websocket.send("later");
  assert.equal(websocket.bufferedAmount, 9);
}));

check("whatwg_buffered_amount_waits_for_a_peer_that_does_not_read", () =>
  withNode({}, websocket => websocket.pause(), async (WebSocket, url) => {
    const websocket = new WebSocket(url);
    await next(websocket, "open");
    const size = 32 << 20;
    websocket.send(new Uint8Array(size));
    await new Promise(done => setTimeout(done, 300));
    assert.ok(websocket.bufferedAmount > size / 2, `${websocket.bufferedAmount}`);
  }));

check("whatwg_close_arguments_are_checked", () => withFdx([], async (WebSocket, url) => {
  const websocket = new WebSocket(`${url}echo`);
  for (const code of [0, 999, 1001, 1005, 1006, 2999, 5000, 65536, -1, NaN, "x", null])
    assert.throws(() => websocket.close(code), accessError, String(code));
  assert.throws(() => websocket.close(1000, "é".repeat(62)), syntaxError);
  assert.throws(() => websocket.close(1000, "x".repeat(124)), syntaxError);
  assert.equal(websocket.readyState, 0);
  await next(websocket, "open");
  websocket.close("3000.2", "x".repeat(123));
  assert.equal(websocket.readyState, 2);
  const end = await untilClosed(websocket);
  assert.deepEqual(end, { types: "", code: 3000, reason: "x".repeat(123), wasClean: true });
}));

check("whatwg_close_codes_reach_the_peer", async () => {
  const ends = [];
  await withNode({}, websocket => websocket.on("close", (code, reason) => ends.push([code, String(reason)])), async (WebSocket, url) => {
    for (const words of [[], [undefined, undefined], [1000], [4999, "né\ud800"], [undefined, "why"]]) {
      const websocket = new WebSocket(url);
      await next(websocket, "open");
      websocket.close(...words);
      assert.equal((await untilClosed(websocket)).wasClean, true);
    }
    while (ends.length < 5) await new Promise(done => setTimeout(done, 1));
  });
  assert.deepEqual(ends, [[1005, ""], [1005, ""], [1000, ""], [4999, "né\ufffd"], [1000, "why"]]);
});

check("whatwg_close_by_the_peer_is_reported", () =>
  withNode({}, (websocket, { url }) => {
    const code = Number(url.slice(1));
    if (code) websocket.close(code, "bye"); else websocket.close();
  }, async (WebSocket, url) => {
    for (const code of [1000, 1001, 1011, 3000, 4999]) {
      const end = await untilClosed(new WebSocket(`${url}${code}`));
      assert.deepEqual(end, { types: "open", code, reason: "bye", wasClean: true });
    }
    assert.deepEqual(await untilClosed(new WebSocket(url)), { types: "open", code: 1005, reason: "", wasClean: true });
  }));

check("whatwg_close_while_connecting_fails_the_connection", () => withTcp(() => {}, async (WebSocket, url) => {
  const websocket = new WebSocket(url);
  const ended = untilClosed(websocket);
  websocket.close(1000, "not needed");
  assert.equal(websocket.readyState, 2);
  assert.deepEqual(await ended, { types: "error", code: 1006, reason: "", wasClean: false });
}));

check("whatwg_failures_tell_nothing", async () => {
  const failed = { types: "error", code: 1006, reason: "", wasClean: false };
  // Refused, not HTTP, rejected, redirected.
  const { WebSocket } = load(ADDON);
  assert.deepEqual(await untilClosed(new WebSocket("ws://127.0.0.1:1/")), failed);
  assert.deepEqual(await untilClosed(new WebSocket("ws://unknown.invalid/")), failed);
  await withTcp(socket => socket.end("SSH-2.0-x\r\n"), async (WebSocket, url) => {
    assert.deepEqual(await untilClosed(new WebSocket(url)), failed);
  });
  const http = createHttpServer().on("upgrade", (request, socket) => {
    const status = request.url.slice(1);
    socket.end(`HTTP/1.1 ${status} No\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n`);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  for (const status of [200, 302, 401, 404, 500])
    assert.deepEqual(await untilClosed(new WebSocket(`ws://127.0.0.1:${http.address().port}/${status}`)), failed);
  http.close();
});

check("whatwg_lost_connection_is_an_error", () =>
  withNode({}, websocket => websocket.terminate(), async (WebSocket, url) => {
    const end = await untilClosed(new WebSocket(url));
    assert.deepEqual(end, { types: "open,error", code: 1006, reason: "", wasClean: false });
  }));

check("whatwg_broken_rule_is_an_error", () =>
  // A frame with an opcode that is reserved.
  withNode({}, websocket => websocket._socket.write(Buffer.from([0x83, 0])), async (WebSocket, url) => {
    const end = await untilClosed(new WebSocket(url));
    assert.deepEqual([end.types, end.wasClean], ["open,error", false]);
  }));

check("whatwg_handlers_keep_their_place", () => withFdx([], async (WebSocket, url) => {
  const websocket = new WebSocket(`${url}echo`);
  const calls = [];
  websocket.onopen = 7;
  assert.equal(websocket.onopen, null);
  websocket.onopen = () => calls.push("replaced");
  websocket.addEventListener("open", () => calls.push("listener"));
  websocket.onopen = function (event) { calls.push(this === websocket && event.target === websocket && "handler"); };
  websocket.onmessage = () => calls.push("removed");
  websocket.onmessage = null;
  websocket.addEventListener("message", { handleEvent: () => calls.push("object") });
  await next(websocket, "open");
  websocket.send("x");
  await next(websocket, "message");
  assert.deepEqual(calls, ["handler", "listener", "object"]);
  websocket.close();
}));

check("whatwg_interface_is_that_of_its_idl", () => {
  const { WebSocket, CloseEvent } = load(ADDON);
  assert.equal(WebSocket.name, "WebSocket");
  assert.equal(WebSocket.length, 1);
  assert.ok(WebSocket.prototype instanceof EventTarget);
  assert.equal(Object.prototype.toString.call(WebSocket.prototype), "[object WebSocket]");
  for (const [name, value] of Object.entries({ CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 }))
    for (const object of [WebSocket, WebSocket.prototype])
      assert.deepEqual(Object.getOwnPropertyDescriptor(object, name), { value, writable: false, enumerable: true, configurable: false });
  for (const name of ["url", "readyState", "bufferedAmount", "extensions", "protocol", "binaryType"])
    assert.throws(() => WebSocket.prototype[name], TypeError);
  const event = new CloseEvent("close", { code: 65537, reason: "\ud800", wasClean: 1 });
  assert.deepEqual([event.code, event.reason, event.wasClean], [1, "\ufffd", true]);
  assert.deepEqual([new CloseEvent("x").code, new CloseEvent("x").reason], [0, ""]);
});

check("whatwg_handshakes_with_one_server_follow_each_other", async () => {
  let connecting = 0, most = 0;
  const verifyClient = (_, answer) => {
    most = Math.max(most, ++connecting);
    setTimeout(() => { connecting--; answer(true); }, 50);
  };
  await withNode({ verifyClient }, () => {}, async (WebSocket, url) => {
    await Promise.all([1, 2, 3].map(() => next(new WebSocket(url), "open")));
  });
  assert.equal(most, 1);
});

check("whatwg_websocket_on_http2_over_tls", () => withFdx(["--h2", "--tls-self-signed"], async (WebSocket, url) => {
  assert.match(url, /^wss:/);
  const websocket = new WebSocket(`${url}echo`, "chat");
  await next(websocket, "open");
  const text = "x".repeat(300000);
  websocket.send(text);
  assert.equal((await next(websocket, "message")).data, text);
  websocket.close(4000, "done");
  assert.deepEqual(await untilClosed(websocket), { types: "", code: 4000, reason: "done", wasClean: true });
}));

await main();
