// ws on Node. Its README recommends bufferutil, which is installed; permessage-deflate is
// off unless asked for, and broadcasting is a loop over the clients.
import { createRequire } from "node:module";
import { createServer } from "node:http";

const words = process.argv.slice(2);
const require = createRequire(`${words[words.indexOf("--modules") + 1]}/`);
const { WebSocketServer, WebSocket } = require("ws");
const mode = words.includes("--deflate") ? words[words.indexOf("--deflate") + 1] : "off";
const each = mode === "shared";
const room = words.includes("--room");
const http = createServer();
const server = new WebSocketServer({
  server: http,
  maxPayload: 16 << 20,
  perMessageDeflate:
    mode === "off"
      ? false
      : { serverNoContextTakeover: each, clientNoContextTakeover: each, threshold: 0 },
});
server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, binary) => {
    if (!room) return socket.send(data, { binary });
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary });
    }
  });
});
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening on 127.0.0.1:${http.address().port}`);
});
