// The log as HAR and as JSON lines, the command that connects likewise, files and the clipboard.

import { base64, shellWord } from "./format.js";

const WAYS = { in: "received", out: "sent", event: "event" };
const isMessage = record => record.bytes !== undefined;
const dataOf = ({ data }) => typeof data === "string" ? data : base64(data);

/** Returns a line of JSON for each record, with `type` and `data` as in `fdx connect --format jsonl`. */
export function jsonLines(records) {
  const lines = [];
  for (const record of records) {
    const { at, connection, direction, kind, bytes, whole } = record;
    lines.push(JSON.stringify({
      time: new Date(at).toISOString(), connection: connection?.id, url: connection?.url, direction: WAYS[direction],
      type: kind, data: dataOf(record), bytes, truncated: whole ? undefined : true,
    }));
  }
  return lines.map(line => `${line}\n`).join("");
}

/** Returns a HAR 1.2 with the messages where Chromium's developer tools have them. */
export function har(records, dropped) {
  const messages = new Map();
  for (const record of records) {
    if (!record.connection) continue;
    if (!messages.has(record.connection)) messages.set(record.connection, []);
    if (isMessage(record)) messages.get(record.connection).push(record);
  }
  const comment = dropped ? `${dropped} older records were no longer held.` : undefined;
  return JSON.stringify({
    log: {
      version: "1.2", creator: { name: "fdx serve", version: "0" }, browser: { name: navigator.userAgent, version: "" }, comment,
      entries: Array.from(messages, ([connection, its]) => entry(connection, its)),
    },
  }, null, 2);
}

function entry(connection, messages) {
  const { url, protocols, protocol, extensions, startedAt, openedAt, closedAt } = connection;
  const header = (name, value) => value ? [{ name, value }] : [];
  const wait = openedAt ? openedAt - startedAt : 0;
  return {
    _resourceType: "websocket",
    startedDateTime: new Date(startedAt).toISOString(), time: (closedAt ?? Date.now()) - startedAt,
    request: {
      method: "GET", url, httpVersion: "unknown", cookies: [], headersSize: -1, bodySize: 0,
      headers: header("Sec-WebSocket-Protocol", protocols.join(", ")),
      queryString: Array.from(new URL(url).searchParams, ([name, value]) => ({ name, value })),
    },
    response: {
      status: openedAt ? 101 : 0, statusText: openedAt ? "Switching Protocols" : "", httpVersion: "unknown", cookies: [],
      headers: [...header("Sec-WebSocket-Protocol", protocol), ...header("Sec-WebSocket-Extensions", extensions)],
      content: { size: 0, mimeType: "x-unknown" }, redirectURL: "", headersSize: -1, bodySize: -1,
    },
    cache: {}, timings: { send: 0, wait, receive: 0 },
    _webSocketMessages: messages.map(record => ({
      type: record.direction === "out" ? "send" : "receive", time: record.at / 1000,
      opcode: record.kind === "text" ? 1 : 2, data: dataOf(record), ...(record.whole ? {} : { _truncatedFrom: record.bytes }),
    })),
  };
}

/** Returns the line for a POSIX shell that connects likewise. */
export function command(url, protocols, extensions) {
  const words = ["fdx", "connect", url, ...protocols.flatMap(name => ["--subprotocol", name])];
  if (extensions.includes("permessage-deflate")) words.push("--deflate");
  return words.map(shellWord).join(" ");
}

export function download(name, type, data) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data], { type }));
  link.download = name;
  link.click();
  // The browser has begun by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** Returns whether the text is on the clipboard. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS there is only the older way, except on localhost.
    const field = document.createElement("textarea"), focused = document.activeElement;
    field.className = "hidden";
    field.value = text;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return copied;
  }
}
