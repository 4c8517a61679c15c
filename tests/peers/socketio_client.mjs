// socket.io-client of npm as a client of the crate fullduplex-socketio:
// socketio_client.mjs SOCKETIO_SERVER

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { socketioServer } from "./socketio_server.mjs";
import { check, main } from "./tap.mjs";

const require = createRequire(process.env.PEERS + "/");
const { io } = require("socket.io-client");
const msgpack = require("socket.io-msgpack-parser");
const PROGRAM = process.argv[2];

const plain = await socketioServer(PROGRAM, []);
const recovering = await socketioServer(PROGRAM, ["--recovery"]);
const packed = await socketioServer(PROGRAM, ["--msgpack"]);

const fast = { reconnectionDelay: 20, reconnectionDelayMax: 50, forceNew: true };
const once = (emitter, event) => new Promise(done => emitter.once(event, (...args) => done(args)));

async function connect(url, options = {}, namespace = "/") {
  const socket = io(url + namespace, { ...fast, ...options });
  const failed = once(socket, "connect_error").then(([error]) => { throw error; });
  await Promise.race([once(socket, "connect"), failed]);
  return socket;
}

const transports = {
  "polling": { transports: ["polling"] },
  "polling with an upgrade": {},
  "WebSocket": { transports: ["websocket"] },
};
for (const [name, options] of Object.entries(transports)) {
  for (const [parser, url, more] of [["JSON", plain, {}], ["MessagePack", packed, { parser: msgpack }]]) {
    check(`${name}, ${parser}: events, bytes and acknowledgements`, async () => {
      const socket = await connect(url, { ...options, ...more, auth: { token: "a" } });
      const engine = socket.io.engine;
      if (!options.transports && engine.transport.name === "polling") await once(engine, "upgrade");
      assert.equal(engine.transport.name, options.transports?.[0] ?? "websocket");
      const bytes = Buffer.from([1, 2, 3]);
      const values = [1, -2.5, "grüße 🌍", { a: [null, true], b: bytes }, bytes, "x".repeat(100000)];
      const back = once(socket, "message-back");
      socket.emit("message", ...values);
      assert.deepEqual(await back, values);
      assert.deepEqual(await socket.timeout(5000).emitWithAck("message-with-ack", bytes), bytes);
      socket.once("question", (value, answer) => answer({ value, bytes }));
      const answer = await socket.timeout(5000).emitWithAck("ask", "how?");
      assert.deepEqual(answer, { value: "how?", bytes });
      const nothing = ["one-null", "nulls", "no-argument"].map(event => once(socket, event));
      socket.emit("nothing");
      assert.deepEqual(await Promise.all(nothing), [[null], [null, 1, null, null, null], []]);
      const answers = ["nothing", "no-answer"].map(event =>
        new Promise(done => socket.emit(event, (...args) => done(args))));
      assert.deepEqual(await Promise.all(answers), [[null], []]);
      // Many in a row keep their order.
      const all = await Promise.all(Array.from({ length: 500 }, (_, number) =>
        socket.timeout(5000).emitWithAck("message-with-ack", number)));
      assert.deepEqual(all, Array.from({ length: 500 }, (_, number) => number));
      socket.disconnect();
    });
  }
}

check("namespaces share a connection, and one that refuses says why", async () => {
  const options = { ...fast, forceNew: false, auth: { name: "Ann" } };
  const main = io(plain + "/", options);
  const auth = once(main, "auth");
  await once(main, "connect");
  assert.deepEqual(await auth, [{ name: "Ann" }]);
  const custom = io(plain + "/custom", options);
  await once(custom, "connect");
  assert.equal(custom.io, main.io);
  assert.notEqual(custom.id, main.id);
  const dynamic = io(plain + "/dynamic-7", options);
  await once(dynamic, "connect");
  const refused = io(plain + "/refused", options);
  const [error] = await once(refused, "connect_error");
  assert.equal(error.message, "not authorized");
  assert.deepEqual(error.data, ["code", 7]);
  const [unknown] = await once(io(plain + "/unknown", options), "connect_error");
  assert.equal(unknown.message, "Invalid namespace");
  custom.emit("kick");
  assert.deepEqual((await once(custom, "disconnect"))[0], "io server disconnect");
  assert.equal(await main.timeout(5000).emitWithAck("message-with-ack", 1), 1);
  main.io.engine.close();
});

check("rooms reach their members", async () => {
  const [a, b, c] = await Promise.all([
    connect(plain), connect(plain, { transports: ["polling"] }), connect(plain, { transports: ["websocket"] }),
  ]);
  for (const socket of [a, b]) assert.equal(await socket.timeout(5000).emitWithAck("join", "room"), true);
  c.on("said", () => assert.fail("c is not in the room"));
  const said = [once(a, "said"), once(b, "said")];
  const value = { text: "to all", bytes: Buffer.from([9]) };
  assert.equal(await c.timeout(5000).emitWithAck("say", "room", value), 2);
  assert.deepEqual(await Promise.all(said), [[value], [value]]);
  a.on("question", answer => answer("yes"));
  assert.deepEqual(await c.timeout(5000).emitWithAck("ask-all", "room"), [1, 1]);
  assert.equal(await a.timeout(5000).emitWithAck("leave", "room"), true);
  assert.equal(await c.timeout(5000).emitWithAck("say", "room", 1), 1);
  for (const socket of [a, b, c]) socket.disconnect();
});

check("a cut connection is made again", async () => {
  for (const options of Object.values(transports)) {
    const socket = await connect(plain, options);
    const id = socket.id;
    let last;
    socket.on("goodbye", text => last = text);
    socket.emit("cut");
    await once(socket, "disconnect");
    assert.equal(last, "cut");
    // The official client does not come back by itself if the server closed the session.
    if (!socket.active) socket.connect();
    await once(socket, "connect");
    assert.notEqual(socket.id, id);
    assert.ok(!socket.recovered);
    socket.io.engine.close();
    await once(socket, "connect");
    assert.equal(await socket.timeout(5000).emitWithAck("message-with-ack", 1), 1);
    socket.disconnect();
  }
});

for (const [name, options] of Object.entries(transports)) {
  check(`${name}: the state is recovered, and nothing is lost or doubled`, async () => {
    const socket = await connect(recovering, options);
    const room = `room of ${name}`;
    await socket.timeout(5000).emitWithAck("join", room);
    const id = socket.id;
    const numbers = [];
    const last = 300;
    const done = new Promise(done => socket.on("number", number => {
      numbers.push(number);
      if (number === last) done();
    }));
    let recovered = 0;
    socket.on("connect", () => {
      assert.equal(socket.recovered, true);
      assert.equal(socket.id, id);
      recovered += 1;
    });
    socket.emit("count", room, last);
    // Amid an upgrade as well: the last poll then brings no event, as the client would keep it and
    // ask for it again when it comes back.
    const cut = () => { if (socket.connected) socket.io.engine.close(); };
    const cutting = setInterval(cut, 60);
    await done;
    clearInterval(cutting);
    assert.deepEqual(numbers, Array.from({ length: last }, (_, index) => index + 1));
    assert.ok(recovered > 2, `recovered ${recovered} times`);
    socket.disconnect();
  });
}

await main();
