// ws on the HTTP/2 server of Node (RFC 8441), with bufferutil: a stream takes the place of the socket.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createSecureServer } from "node:http2";

const words = process.argv.slice(2);
const value = (name) => words[words.indexOf(name) + 1];
const require = createRequire(`${value("--modules")}/`);
const WebSocket = require("ws");
const folder = value("--tls");
const server = createSecureServer({
  cert: readFileSync(`${folder}/cert.pem`),
  key: readFileSync(`${folder}/key.pem`),
  settings: { enableConnectProtocol: true, initialWindowSize: 1 << 20 },
});
server.on("session", (session) => session.setLocalWindowSize(8 << 20));
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  if (headers[":protocol"] !== "websocket") {
    return stream.respond({ ":status": 404 }, { endStream: true });
  }
  stream.respond({ ":status": 200 });
  const socket = new WebSocket(null, undefined, { autoPong: true });
  socket.setSocket(stream, Buffer.alloc(0), {
    maxPayload: 16 << 20,
    skipUTF8Validation: false,
    allowSynchronousEvents: true,
  });
  socket.on("error", () => {});
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});
server.listen({ port: 0, host: "127.0.0.1" }, () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
