// The page of fdx serve: its controls, and what they do.

import { Composer } from "./composer.js";
import { Connection, addressOf } from "./connection.js";
import { Detail } from "./detail.js";
import { hexLine, milliseconds, oneLine, size, timeZone, utf8Length } from "./format.js";
import { List } from "./list.js";
import { Measurement } from "./measure.js";
import { MAX_RECORDS, Records } from "./records.js";
import { command, copy, download, har, jsonLines } from "./save.js";

const $ = id => document.getElementById(id);
const STATES = { idle: "Not connected", connecting: "Connecting", open: "Open", closing: "Closing", closed: "Closed", failed: "Failed" };
const ANNOUNCE_EVERY = 2000;
/** Bytes that are copied or edited as hex. */
const MAX_COPIED_BYTES = 1 << 20;

const records = new Records();
const list = new List($("list"), records);
const detail = new Detail({ section: $("detail"), title: $("detail-title"), forms: $("forms"), content: $("content"), part: $("part") });
const composer = new Composer({
  form: $("composer"), message: $("message"), modes: $("modes"), hint: $("hint"), history: $("history"), menu: $("history-menu"),
});
let connection = null, measurement = null, roundTrip;

const protocols = () => $("protocols").value.split(",").map(name => name.trim()).filter(Boolean);
const here = path => addressOf(new URL(path, location.href).href);

// ---- The connection

function connect() {
  if (connection && ["connecting", "closing"].includes(connection.state)) connection.abort();
  if (connection?.state === "open") connection.close(1000, "");
  measurement?.cancel();
  measurement = null;
  let its = null;
  // The one before may still have something to say to the log, but not to the controls.
  const current = () => its === null || its === connection;
  const on = {
    state: (name, text) => current() && state(name, text),
    event: (direction, kind, text) => log({ connection: its, direction, kind, data: text }),
    message: (data, bytes, ms) => received(its, data, bytes, ms),
  };
  try {
    roundTrip = undefined;
    connection = its = new Connection(addressOf($("url").value), protocols(), on);
    figures();
  } catch (error) {
    connection = null;
    state("failed", error.message);
    log({ connection: null, direction: "event", kind: "failed", data: error.message });
    figures();
  }
}

function state(name, text) {
  document.body.dataset.state = name;
  document.title = `${name === "idle" ? "" : `${STATES[name]} · `}fdx · WebSocket`;
  $("state").textContent = STATES[name];
  $("notice").textContent = text;
  const [open, focused] = [name === "open", document.activeElement];
  $("connect").hidden = open || name === "connecting";
  $("closing").hidden = !open;
  $("abort").hidden = name !== "connecting" && name !== "closing";
  $("send").disabled = $("measure").disabled = $("file").disabled = !open;
  $("file-label").classList.toggle("disabled", !open);
  $("send").classList.toggle("primary", open);
  if (!open) $("close-menu").open = false;
  // What was used last may be gone now.
  if (focused?.closest("#connection [hidden]")) (open ? $("message") : $("connect").hidden ? $("abort") : $("connect")).focus();
  if (name !== "open") {
    measurement?.cancel();
    measurement = null;
  }
  figures();
  guide();
  announce(name === "failed" || name === "closed" ? `${STATES[name]}: ${text}` : STATES[name]);
}

function close(code, reason) {
  $("close-error").textContent = "";
  if (utf8Length(reason) > 123) throw new Error(`The reason has ${utf8Length(reason)} bytes; 123 fit.`);
  if (code && !(code === 1000 || code >= 3000 && code <= 4999)) throw new Error("A page may send 1000 and 3000 to 4999.");
  connection.close(code || undefined, reason);
}

function send(data) {
  if (connection?.state !== "open") return announce("Not connected");
  const bytes = connection.send(data);
  log({ connection, direction: "out", kind: typeof data === "string" ? "text" : "binary", data, bytes });
  list.toEnd();
}

function received(its, data, bytes, ms) {
  if (its === connection) {
    if (ms !== undefined) roundTrip = milliseconds(ms);
    if (measurement?.takes(data, ms)) return figures();
  }
  log({ connection: its, direction: "in", kind: typeof data === "string" ? "text" : "binary", data, bytes });
  heard(data);
}

function measure() {
  if (measurement) return;
  if (connection.path.endsWith("/broadcast")) {
    return log({ connection, direction: "event", kind: "measured", data: "Not on /broadcast, where every member would receive it: connect to /echo" });
  }
  measurement = new Measurement(connection, (text, median) => {
    measurement = null;
    if (median !== undefined) roundTrip = `${milliseconds(median)}, median of 20`;
    log({ connection, direction: "event", kind: "measured", data: text });
    announce(text);
  });
}

// ---- The log

function log(record) {
  records.add(record);
  if (!list.following) list.unseen++;
  list.draw();
}

let figuresDue = false;
/** Shows the counters with the next frame. */
function figures() {
  figuresDue = true;
  list.draw();
}

list.ondraw = () => {
  const total = ({ messages, bytes }) => messages ? `${messages.toLocaleString("en")} · ${size(bytes)}` : "0";
  const none = { messages: 0, bytes: 0 };
  $("sent").textContent = total(connection?.sent ?? none);
  $("received").textContent = total(connection?.received ?? none);
  $("round-trip").textContent = roundTrip ?? "–";
  if (figuresDue) {
    $("agreed").title = $("agreed").textContent = connection?.openedAt ? connection.agreed || "no subprotocol, no extension" : "–";
    figuresDue = false;
  }
  $("newest").hidden = list.following || !list.unseen || !records.shown.length;
  $("newest").textContent = `↓ ${list.unseen.toLocaleString("en")} new`;
  const held = records.dropped ? `newest ${records.all.length.toLocaleString("en")}` : "";
  $("matches").textContent = records.filtered ? `${records.shown.length.toLocaleString("en")} of ${records.all.length.toLocaleString("en")}` : held;
  $("matches").title = records.dropped ? `At most ${MAX_RECORDS.toLocaleString("en")} messages and 32 MiB are held.` : "";
  $("empty").hidden = records.shown.length > 0;
  if (!$("empty").hidden) guide();
};

/** Says what to do while there is nothing in the log. */
function guide() {
  const filtered = records.all.length > 0;
  $("show-all").hidden = !filtered;
  const open = connection?.state === "open";
  $("empty-title").textContent = filtered ? "No message matches the filter" : open ? "Connected" : "No messages yet";
  $("empty-text").textContent = filtered
    ? ""
    : open ? "Write a message below and press Send." : "Press Connect, or choose one of the three WebSockets above. Messages appear here.";
}

function refilter() {
  records.filter($("directions").querySelector(":checked").value, $("filter").value);
  list.toEnd();
}

list.onselect = (record, open) => {
  if (open || detail.record) detail.open(record);
  $("edit").disabled = $("resend").disabled = record.bytes === undefined || !record.whole;
  if (record.kind === "binary" && record.bytes > MAX_COPIED_BYTES) $("edit").disabled = true;
  if (open) announce($("detail-title").textContent);
};

function closeDetail() {
  detail.close();
  $("list").focus();
}

async function copied(text, what) {
  const done = await copy(text);
  tell(done ? `${what} copied` : "The browser does not let this page copy");
}
function copyRecord({ data }) {
  if (typeof data === "string") return copied(data, "Message");
  if (data.length > MAX_COPIED_BYTES) return tell("Too long to be copied as hex: save it");
  return copied(hexLine(data), "Message");
}
const resend = record => { if (record?.bytes !== undefined && record.whole) send(record.data); };

// ---- What is announced

let heardCount = 0, lastHeard = "", announcing = 0;
function announce(text) { $("announcement").textContent = text; }
/** Tells it to the eye as well, in the place of the length of the message, until that changes. */
function tell(text) {
  announce(text);
  $("hint").textContent = text;
  $("hint").classList.remove("error");
}
/** Announces messages at most every few seconds: the one, or their number. */
function heard(data) {
  heardCount++;
  lastHeard = typeof data === "string" ? oneLine(data.slice(0, 100)) : `${size(data.length)} binary`;
  announcing ||= setTimeout(() => {
    announce(heardCount === 1 ? `Received: ${lastHeard}` : `${heardCount} messages received`);
    heardCount = announcing = 0;
  }, ANNOUNCE_EVERY);
}

// ---- The controls

const stamp = () => new Date().toISOString().slice(0, 19).replaceAll(":", "");
if (/^Mac|^iP/.test(navigator.platform)) {
  for (const key of document.querySelectorAll("kbd")) key.textContent = key.textContent.replace("Ctrl", "⌘");
}
$("url").value = here("echo");
$("times").textContent = `local, ${timeZone()}`;
$("connection").onsubmit = event => {
  event.preventDefault();
  connect();
};
for (const button of document.querySelectorAll("[data-path]")) {
  button.onclick = () => {
    $("url").value = here(button.dataset.path);
    connect();
  };
}
$("protocols").oninput = () => { $("options-set").textContent = protocols().length ? ` (${protocols().length})` : ""; };
$("close").onclick = () => close(1000, "");
$("close-form").onsubmit = event => {
  event.preventDefault();
  try {
    close(Number($("close-code").value.trim()), $("close-reason").value);
  } catch (error) {
    $("close-error").textContent = error.message;
  }
};
$("abort").onclick = () => connection.abort();
composer.onsend = () => {
  if (connection?.state !== "open") return tell("Not connected");
  const data = composer.data();
  if (data === null) return;
  composer.remember();
  send(data);
};
$("file").onchange = async event => {
  const file = event.target.files[0];
  event.target.value = "";
  if (file) send(new Uint8Array(await file.arrayBuffer()));
};
$("measure").onclick = measure;
$("clear").onclick = () => {
  records.clear();
  detail.close();
  list.selected = null;
  list.toEnd();
};
$("filter").oninput = refilter;
$("directions").onchange = refilter;
$("show-all").onclick = () => {
  $("filter").value = "";
  $("directions").querySelector("[value=all]").checked = true;
  refilter();
};
$("newest").onclick = () => list.toEnd();
$("detail-close").onclick = closeDetail;
$("copy").onclick = () => copyRecord(detail.record);
$("save-one").onclick = () => {
  const { kind, data } = detail.record, [ending, type] = kind === "binary" ? ["bin", "application/octet-stream"] : ["txt", "text/plain"];
  download(`message-${stamp()}.${ending}`, type, data);
};
$("resend").onclick = () => resend(detail.record);
$("edit").onclick = () => {
  const { data } = detail.record, text = typeof data === "string";
  composer.set({ mode: text ? "text" : "hex", text: text ? data : hexLine(data) });
  // On a phone it hides the field.
  if (!$("message").checkVisibility()) detail.close();
  $("message").focus();
};
$("save-har").onclick = () => download(`websocket-${stamp()}.har`, "application/json", har(records.all, records.dropped));
$("save-lines").onclick = () => download(`websocket-${stamp()}.jsonl`, "application/jsonl", jsonLines(records.all));
$("copy-command").onclick = () => {
  try {
    copied(command(addressOf($("url").value), protocols(), connection?.extensions ?? ""), "Command");
  } catch (error) {
    tell(error.message);
  }
};
$("help-open").onclick = () => $("help").showModal();

// ---- Menus and keys

const menus = [...document.querySelectorAll("details.menu")];
const closeMenus = except => { for (const menu of menus) if (menu !== except) menu.open = false; };
document.addEventListener("click", event => {
  const menu = event.target.closest("details.menu");
  // A choice in a list closes it.
  closeMenus(event.target.closest(".panel.list button") ? null : menu);
});
document.addEventListener("focusin", event => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", event => {
  const modified = event.ctrlKey || event.metaKey;
  if (event.key === "Escape" && !$("help").open) {
    const menu = menus.find(menu => menu.open);
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (detail.record && event.target !== $("filter")) {
      closeDetail();
    }
  } else if (modified && event.key === "Enter") {
    event.preventDefault();
    composer.onsend();
  } else if (modified && event.key.toLowerCase() === "k" && !event.shiftKey) {
    event.preventDefault();
    $("filter").select();
  }
});
$("list").addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !list.selected) return;
  if (event.key.toLowerCase() === "c") copyRecord(list.selected);
  if (event.key.toLowerCase() === "r") resend(list.selected);
});
list.draw();
