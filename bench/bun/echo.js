// Echoes. The first argument is "off", "shared" (no context takeover) or "dedicated".
const mode = process.argv[2] ?? "off";
const compression = mode === "off" ? false : { compress: mode, decompress: mode };
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("echo\n");
  },
  websocket: {
    perMessageDeflate: compression,
    maxPayloadLength: 16 << 20,
    message(socket, message) {
      socket.send(message, mode !== "off");
    },
  },
});
console.log(`listening on ${server.hostname}:${server.port}`);
