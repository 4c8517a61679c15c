// The list of WebSockets, and the detail of one.
// The last round trips of Pings of each WebSocket, among the rows that came.
const roundTrips = new Map(), MOST_TRIPS = 30;

function addRoundTrip(id, time) {
  const times = roundTrips.get(id) ?? [];
  times.push(time);
  roundTrips.set(id, times.slice(-MOST_TRIPS));
}

/** A line of the last round trips, from 0 on. */
function tripLine(id) {
  const times = roundTrips.get(id) ?? [];
  if (times.length < 2) return [];
  const most = Math.max(...times), svg = "http://www.w3.org/2000/svg";
  const line = document.createElementNS(svg, "polyline"), box = document.createElementNS(svg, "svg");
  line.setAttribute("points", times.map((time, index) => `${60 * index / (times.length - 1)},${13 - 12 * time / most}`).join(" "));
  box.setAttribute("viewBox", "0 0 60 14");
  box.setAttribute("class", "trips");
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `${times.length} round trips of Pings, up to ${(most / 1000).toFixed(1)} ms`);
  box.append(line);
  return [box];
}

function chooseSocket(id) {
  chosenSocket = chosenSocket === id ? null : id;
  shown = rows.filter(isShown);
  drawSockets();
  draw();
  const socket = sockets.get(chosenSocket);
  if (socket) drawSocketDetail(socket);
}

function drawSockets() {
  at("socket-count").textContent = sockets.size || "";
  at("sockets").replaceChildren(...[...sockets.values()].map(socket => {
    const url = new URL(socket.url);
    const bad = socket.client.violations + socket.server.violations;
    const state = socket.refused ? `refused with ${socket.status}`
      : socket.close ? `closed with ${socket.close.code} by the ${socket.close.from}` : socket.ended ? "ended" : "open";
    return element("button", { "aria-pressed": String(socket.id === chosenSocket), onclick: () => chooseSocket(socket.id), title: socket.url },
      element("b", {}, `#${socket.id} ${url.pathname}${url.search}`),
      element("small", {}, `${url.host} · ${state}`),
      ...tripLine(socket.id),
      element("small", {}, `↑ ${socket.client.messages} · ${size(socket.client.wire)}  ↓ ${socket.server.messages} · ${size(socket.server.wire)}${socket.rtt === null ? "" : ` · ${(socket.rtt / 1000).toFixed(1)} ms`}`),
      ...(bad ? [element("small", { class: "bad" }, `${bad} frames break a rule`)] : []));
  }));
}

const facts = pairs => element("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
  .flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]));

const button = (id, text, onclick, pressed = null) => element("button", { id, onclick, "aria-pressed": pressed }, text);

async function copy(text) {
  await navigator.clipboard.writeText(text);
  at("state").textContent = "Copied";
}

const quoted = text => `'${text.replaceAll("'", `'\\''`)}'`;
const MADE_BY_CLIENTS = ["host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol", "content-length"];

function subprotocols(socket) {
  const field = socket.request.find(([name]) => name.toLowerCase() === "sec-websocket-protocol");
  return field ? field[1].split(",").map(name => name.trim()) : [];
}

function asCommand(socket) {
  const fields = socket.request.filter(([name]) => !MADE_BY_CLIENTS.includes(name.toLowerCase()));
  const words = ["fdx connect", quoted(socket.url), ...subprotocols(socket).map(name => `-s ${quoted(name)}`)];
  if (socket.request.some(([name]) => name.toLowerCase() === "sec-websocket-extensions")) words.push("--deflate");
  return [...words, ...fields.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`)].join(" ");
}

function asScript(socket) {
  const names = subprotocols(socket);
  return `const socket = new WebSocket(${JSON.stringify(socket.url)}${names.length ? `, ${JSON.stringify(names)}` : ""});\nsocket.onmessage = event => console.log(event.data);\n`;
}

function drawSocketDetail(socket) {
  detail = null;
  const side = which => `${which.frames} frames, ${which.messages} messages, ${size(which.wire)}${which.end ? `; ended: ${which.end}` : ""}`;
  const fields = list => list.map(([name, value]) => `${name}: ${value}`).join("\n");
  at("detail").replaceChildren(
    element("div", { class: "tools" }, button("copy-command", "Copy as fdx connect", () => copy(asCommand(socket))), button("copy-script", "Copy as JavaScript", () => copy(asScript(socket))), ...socketControls(socket)),
    facts([["URL", socket.url], ["version", socket.version], ["status", socket.status], ["subprotocol", socket.subprotocol], ["compression", socket.deflate], ["client", side(socket.client)], ["server", side(socket.server)],
      ["closed first", socket.close && `${socket.close.from}: ${socket.close.code} ${socket.close.reason}`]]),
    element("h2", {}, "Request"), element("pre", {}, fields(socket.request)), element("h2", {}, "Response"), element("pre", {}, fields(socket.response)));
}
