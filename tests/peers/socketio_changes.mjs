// Transports that change and are cut under load, by hand, as it takes a minute:
// PEERS=FOLDER node socketio_changes.mjs SOCKETIO_SERVER [CHANGES]
//
// socket.io-client of npm is cut at random times, comes back by another transport, and is upgraded
// or cut amid that. A change is a connection or an upgrade. Each message has to arrive once and in
// order, or the client has to be told that it is not recovered.

import { createRequire } from "node:module";
import { socketioServer } from "./socketio_server.mjs";

const require = createRequire(process.env.PEERS + "/");
const { io } = require("socket.io-client");
const goal = Number(process.argv[3] ?? 1000);
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
const begin = Date.now();
const cut = () => {
  const { engine } = socket.io;
  if (count.connects + count.upgrades >= goal) {
    setTimeout(() => {
      const seconds = (Date.now() - begin) / 1000;
      console.log(JSON.stringify({ changes: count.connects + count.upgrades, ...count, seconds }));
      process.exit(count.lost + count.doubled > 0 ? 1 : 0);
    }, 500);
    return;
  }
  if (socket.connected) {
    if (engine.upgrading) count.cutAmidUpgrade += 1;
    socket.io.opts.transports = pick();
    engine.close();
  }
  setTimeout(cut, 5 + Math.random() * 70);
};
setTimeout(cut, 200);
