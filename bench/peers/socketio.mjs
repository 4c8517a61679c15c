// socket.io on Node.
import { createRequire } from "node:module";
import { createServer } from "node:http";

const words = process.argv.slice(2);
const require = createRequire(`${words[words.indexOf("--modules") + 1]}/`);
const { Server } = require("socket.io");
const http = createServer();
const io = new Server(http);
io.on("connection", (socket) => {
  socket.join("room");
  socket.on("say", (value) => io.to("room").emit("said", value));
  socket.on("echo", (value, answer) => answer(value));
  socket.on("flood", async (count, size) => {
    const text = "x".repeat(size);
    for (let number = 0; number < count; number++) {
      io.to("room").emit("said", number, text);
      if (number % 8 === 7) await new Promise((done) => setTimeout(done, 2));
    }
    socket.emit("flooded", "nothing, as broadcasts return nothing");
  });
});
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`listening on 127.0.0.1:${http.address().port}`);
});
