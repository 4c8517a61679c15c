// The page that tries the namespaces of `fdx serve --socketio` with the official client.

const byId = id => document.getElementById(id);
let socket = null;

function log(text) {
  const line = document.createElement("li");
  line.textContent = `${new Date().toLocaleTimeString()}  ${text}`;
  byId("log").prepend(line);
  while (byId("log").childElementCount > 1000) byId("log").lastElementChild.remove();
}

function state(text) {
  byId("state").textContent = text;
  log(text);
}

const show = args => JSON.stringify(args, (key, value) =>
  value instanceof ArrayBuffer ? `<${value.byteLength} bytes>` : value);

function connect() {
  socket?.disconnect();
  // Socket.IO is beside the folder of this page, whatever a proxy puts before both.
  const path = new URL("../socket.io/", location.href).pathname;
  let auth;
  try {
    auth = JSON.parse(byId("auth").value || "{}");
  } catch (error) {
    state(`the auth is not JSON: ${error.message}`);
    return;
  }
  socket = io(byId("namespace").value, { path, auth, forceNew: true });
  const { io: manager } = socket;
  const transport = () => manager.engine.transport.name;
  socket.on("connect", () => {
    state(`connected as ${socket.id} by ${transport()}${socket.recovered ? ", recovered" : ""}`);
    manager.engine.once("upgrade", () => state(`connected as ${socket.id} by ${transport()}`));
  });
  socket.on("connect_error", error => state(`not connected: ${error.message}`));
  socket.on("disconnect", reason => state(`disconnected: ${reason}`));
  socket.onAny((name, ...args) => log(`← ${name} ${show(args)}`));
}

async function emit() {
  if (!socket) {
    log("connect first");
    return;
  }
  const name = byId("name").value;
  try {
    const args = JSON.parse(byId("args").value || "[]");
    if (!Array.isArray(args)) throw new Error("the arguments are not an array");
    log(`→ ${name} ${show(args)}`);
    if (!byId("ack").checked) socket.emit(name, ...args);
    else log(`← acknowledgement ${show(await socket.timeout(5000).emitWithAck(name, ...args))}`);
  } catch (error) {
    log(error.message);
  }
}

byId("connection").addEventListener("submit", event => { event.preventDefault(); connect(); });
byId("event").addEventListener("submit", event => { event.preventDefault(); emit(); });
