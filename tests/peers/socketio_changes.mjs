// Transports that change and are cut under load: socketio_changes.mjs SOCKETIO_SERVER CHANGES
//
// socket.io-client of npm is cut at random times, comes back by another transport, and is upgraded
// or cut amid that. A change is a connection or an upgrade. Each message has to arrive once and in
// order, or the client has to be told that it is not recovered.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { socketioServer } from "./socketio_server.mjs";
import { check, main } from "./tap.mjs";

const require = createRequire(process.env.PEERS + "/");
const { io } = require("socket.io-client");
const goal = Number(process.argv[3]);
const url = await socketioServer(process.argv[2], ["--recovery"]);

const kinds = [["polling"], ["websocket"], ["polling", "websocket"]];
const pick = () => kinds[Math.floor(Math.random() * kinds.length)];
const socket = io(url, { transports: pick(), reconnectionDelay: 5, reconnectionDelayMax: 15 });
const count = { connects: 0, upgrades: 0, recovered: 0, fresh: 0, messages: 0, lost: 0, doubled: 0, cutAmidUpgrade: 0 };
let last = 0;
socket.on("number", (number) => {
  count.messages += 1;
  if (number <= last) count.doubled += 1;
  else if (last > 0) count.lost += number - last - 1;
  last = Math.max(last, number);
});
socket.on("connect", () => {
  count.connects += 1;
  socket.io.engine.on("upgrade", () => { count.upgrades += 1; });
  if (count.connects === 1) {
    socket.emit("join", "room", () => socket.emit("count", "room", 1000000));
    return;
  }
  if (socket.recovered) count.recovered += 1;
  else {
    // The gap is told.
    count.fresh += 1;
    last = 0;
    socket.emit("join", "room");
  }
});
// Cuts until there were so many changes.
async function cut() {
  await new Promise(done => setTimeout(done, 200));
  while (count.connects + count.upgrades < goal) {
    const { engine } = socket.io;
    if (socket.connected) {
      if (engine.upgrading) count.cutAmidUpgrade += 1;
      socket.io.opts.transports = pick();
      engine.close();
    }
    await new Promise(done => setTimeout(done, 5 + Math.random() * 70));
  }
}

check(`${goal} changes of the transport lose and double nothing`, async () => {
  const begin = Date.now();
  await cut();
  const before = count.messages;
  while (count.messages < before + 10) await new Promise(done => setTimeout(done, 20));
  console.log(JSON.stringify({ ...count, seconds: (Date.now() - begin) / 1000 }));
  assert.deepEqual([count.lost, count.doubled], [0, 0]);
  assert.ok(count.recovered > 0);
});

await main();
