// What the page of fdx inspect does with WebSockets: pause, breakpoint, edit, drop, send, cut.

/** What is held and paused; null as long as nothing can act. */
let acts = null;
/** What the composer makes: { socket } for a new message, { held } for one that takes the place of another. */
let composed = null;
const waiting = new Map();
let commands = 0;

/** Has a command carried out, and calls `done` with what it asked for. */
function command(words, done = () => {}) {
  if (!live) return say("Not connected");
  waiting.set(++commands, done);
  live.send(JSON.stringify({ ...words, to: commands }));
}

function say(text) {
  at("said").textContent = text;
  at("error").textContent = at("composer").hidden ? text : "";
}

function takeAnswer({ to, error, held }) {
  const done = waiting.get(to);
  waiting.delete(to);
  say(error ?? "");
  if (!error) done?.(held);
}

function takeActs(state) {
  const before = acts;
  acts = state;
  at("controls").hidden = false;
  at("pause").ariaPressed = String(acts.paused);
  at("pause").textContent = acts.paused ? "Resume all" : "Pause all";
  at("breakpoint").ariaPressed = String(acts.breakpoint !== null);
  at("breakpoint").textContent = acts.breakpoint === null ? "Break on filter" : "No break";
  at("breakpoint").title = acts.breakpoint === null ? "Hold what matches the filter" : `Holds ${acts.breakpoint}`;
  drawHeld();
  // The buttons of what is shown may say something else now.
  const socket = sockets.get(chosenSocket);
  if (socket && !detail && String(before?.sockets) !== String(acts.sockets)) drawSocketDetail(socket);
  if (composed?.held && !acts.held.some(each => each.held === composed.held)) closeComposer();
}

function drawHeld() {
  at("held").hidden = acts.held.length === 0;
  const focused = document.activeElement?.id;
  at("held").replaceChildren(...acts.held.map(each => {
    const release = decision => command({ act: "release", held: each.held, decision });
    const tool = (name, label, onclick) => element("button", { id: `${name}-${each.held}`, onclick }, label);
    return element("div", { class: `held ${each.d}` },
      element("span", { class: "number" }, `#${each.s}`), element("span", {}, each.d === "in" ? "\u2193" : "\u2191"),
      element("span", { class: "cell" }, `held ${each.kind}`), element("span", { class: "size" }, size(each.len)),
      element("span", { class: "cell text" }, each.text),
      element("span", { class: "tools" }, tool("pass", "Pass", () => release("pass")),
        ...(/^(text|binary|continuation)/.test(each.kind) ? [tool("edit", "Edit", () => edit(each))] : []),
        tool("drop", "Drop", () => release("drop"))));
  }));
  if (focused) at(focused)?.focus();
}

/** Opens the composer with what is held. */
function edit(each) {
  command({ act: "show", held: each.held }, content => {
    compose({ held: each.held }, `Edit what is held on #${each.s}`, each.d === "in" ? "server" : "client", content);
  });
}

function compose(what, title, as, { text, hex } = {}) {
  composed = what;
  at("composer").hidden = false;
  at("composer-title").textContent = title;
  at("as").value = as;
  at("as").disabled = what.held !== undefined;
  at("kind").value = hex === undefined ? "text" : "binary";
  at("content-new").value = text ?? hex?.replace(/../g, "$& ").trim() ?? "";
  at("send").textContent = what.held === undefined ? "Send" : "Send in its place";
  say("");
  kindChanged();
  at("content-new").focus();
}

function closeComposer() {
  composed = null;
  at("composer").hidden = true;
}

function kindChanged() {
  at("code").hidden = at("kind").value !== "close";
}

const isOpen = socket => !socket.refused && !socket.ended;

/** The buttons of a WebSocket. */
function socketControls(socket) {
  if (!acts || !isOpen(socket)) return [];
  const paused = acts.sockets.includes(socket.id);
  const cut = how => command({ act: "cut", socket: socket.id, how });
  return [
    button("compose", "Send a message", () => compose({ socket: socket.id }, `Send on #${socket.id}`, "server")),
    button("pause-socket", paused ? "Resume" : "Pause", () => command({ act: "pause", socket: socket.id, on: !paused }), String(paused)),
    button("cut-fin", "End (FIN)", () => cut("fin")), button("cut-rst", "Cut (RST)", () => cut("rst")),
  ];
}

/** The buttons of a message that has passed. */
function rowControls(shownDetail) {
  const row = shown.find(row => row.n === shownDetail.n), socket = sockets.get(row?.s);
  if (!acts || !socket || !isOpen(socket) || !shownDetail.message || !shownDetail.kept) return [];
  const hex = () => [...bytesOf(shownDetail)].map(byte => byte.toString(16).padStart(2, "0")).join("");
  const content = () => shownDetail.text === undefined || /^binary/.test(row.kind) ? { hex: hex() } : { text: shownDetail.text };
  return [button("resend", "Edit and resend", () => compose({ socket: row.s }, `Send again on #${row.s}`, shownDetail.from, content()))];
}

at("kind").onchange = kindChanged;
at("cancel").onclick = closeComposer;
at("composer").onsubmit = event => {
  event.preventDefault();
  const kind = at("kind").value, content = at("content-new").value;
  const frame = { kind, ...(kind === "binary" ? { hex: content } : { text: content }) };
  if (kind === "close" && at("code").value.trim() !== "") frame.code = Number(at("code").value);
  if (composed.held === undefined) command({ act: "send", socket: composed.socket, as: at("as").value, ...frame }, () => say("Sent"));
  else command({ act: "release", held: composed.held, decision: "replace", ...frame });
};
at("pause").onclick = () => command({ act: "pause", socket: null, on: !acts.paused });
at("breakpoint").onclick = () => {
  if (acts.breakpoint !== null) return command({ act: "break", filter: "" });
  const filter = at("filter").value.trim();
  if (filter === "") return say("Type a filter first: what matches it is held");
  command({ act: "break", filter });
};
