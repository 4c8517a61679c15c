// Bun, whose WebSocket is uWebSockets. Its documentation recommends the handlers of
// Bun.serve, and publish for broadcasting; sends are corked in a handler by themselves.
const words = process.argv.slice(2);
const value = (word) => (words.includes(word) ? words[words.indexOf(word) + 1] : undefined);
const mode = value("--deflate") ?? "off";
const kept = mode === "shared" ? "shared" : "dedicated";
const tls = value("--tls");
const room = words.includes("--room");
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  tls: tls && { cert: Bun.file(`${tls}/cert.pem`), key: Bun.file(`${tls}/key.pem`) },
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("echo\n");
  },
  websocket: {
    perMessageDeflate: mode === "off" ? false : { compress: kept, decompress: kept },
    maxPayloadLength: 16 << 20,
    backpressureLimit: 64 << 20,
    idleTimeout: 0,
    sendPings: false,
    open(socket) {
      if (room) socket.subscribe("room");
    },
    message(socket, message) {
      if (room) server.publish("room", message);
      else socket.send(message, mode !== "off");
    },
  },
});
console.log(`listening on 127.0.0.1:${server.port}`);
