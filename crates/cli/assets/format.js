// Values as text: sizes, times, close codes, hex, JSON, words of a shell.

/** Returns a number of bytes, such as "1.2 KiB". */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1048576) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1048576).toFixed(1)} MiB`;
}

/** Returns the local time of day with milliseconds. */
export function clock(ms) {
  const date = new Date(ms);
  const two = number => String(number).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Returns how local time differs from UTC, such as "UTC+02:00". */
export function timeZone() {
  const minutes = -new Date().getTimezoneOffset(), absolute = Math.abs(minutes);
  if (!minutes) return "UTC";
  return `UTC${minutes < 0 ? "−" : "+"}${String(Math.floor(absolute / 60)).padStart(2, "0")}:${String(absolute % 60).padStart(2, "0")}`;
}

export const milliseconds = ms => `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;

const encoder = new TextEncoder();
export const utf8Length = text => {
  // Most messages are short; those that are long must not be copied just to be counted.
  if (text.length < 65536) return encoder.encode(text).length;
  let length = 0;
  for (let at = 0; at < text.length; at += 65536) {
    // A surrogate pair stays in one piece.
    const cut = /[\ud800-\udbff]/.test(text[at + 65535] ?? "") ? 1 : 0;
    length += encoder.encode(text.slice(at, at + 65536 + cut)).length;
    at += cut;
  }
  return length;
};

const MEANINGS = {
  1000: "normal closure", 1001: "going away", 1002: "protocol error", 1003: "unsupported data",
  1005: "no code was given", 1006: "no Close frame arrived", 1007: "invalid payload data",
  1008: "policy violation", 1009: "message too big", 1010: "mandatory extension missing",
  1011: "internal error", 1012: "service restart", 1013: "try again later", 1014: "bad gateway",
  1015: "TLS handshake failure",
};
/** Returns a close code with its meaning and the reason. */
export function closeText(code, reason) {
  const range = code >= 4000 && code < 5000 ? "private code" : code >= 3000 && code < 4000 ? "registered code" : "undefined code";
  return `${code} ${MEANINGS[code] ?? range}${reason ? `: ${reason}` : ""}`;
}

// Controls, and what turns the direction of text.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const seen = character => {
  const code = character.charCodeAt(0);
  return code < 32 ? String.fromCharCode(0x2400 + code) : `\\u{${code.toString(16)}}`;
};
/** Returns text in one line, cut, with unseen characters made readable. */
export function oneLine(text, most = 400) {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(/\r?\n/g, "↵").replace(UNSEEN, seen);
}
/** Returns text with its lines, and with unseen characters made readable. */
export const manyLines = text =>
  text.replace(UNSEEN, character => character === "\n" || character === "\t" ? character : seen(character));

const hexByte = byte => byte.toString(16).padStart(2, "0");
/** Returns bytes as hex digits, with a space between bytes. */
export const hexLine = bytes => Array.from(bytes, hexByte).join(" ");
/** Returns lines of an offset, 16 bytes as hex, and as ASCII. */
export function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = bytes.subarray(at, at + 16);
    const text = Array.from(part, byte => byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·").join("");
    const halves = [part.subarray(0, 8), part.subarray(8)].map(hexLine);
    lines.push(`${at.toString(16).padStart(6, "0")}  ${halves[0].padEnd(23)}  ${halves[1].padEnd(23)}  ${text}`);
  }
  return lines.join("\n");
}
/** Returns the bytes of hex digits, or throws what is wrong with them. */
export function bytesOfHex(text) {
  const digits = text.replace(/^\s*0x/i, "").replace(/[\s,:]/g, "");
  const wrong = /[^0-9a-f]/i.exec(digits);
  if (wrong) throw new Error(`“${String.fromCodePoint(digits.codePointAt(wrong.index))}” is not a hex digit`);
  if (digits.length % 2) throw new Error(`${digits.length} hex digits are not whole bytes`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.substr(2 * i, 2), 16));
}

/**
 * Returns the tokens of JSON with white space that lays them out, or null if the text is not
 * JSON. Numbers and strings stay as they were written.
 */
export function jsonTokens(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = [];
  const line = depth => tokens.push({ kind: "space", text: `\n${"  ".repeat(Math.min(depth, 40))}` });
  const all = text.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[-\d][\d.eE+-]*|true|false|null|[{}[\],:]/g);
  let depth = 0;
  for (const [at, token] of all.entries()) {
    const next = all[at + 1];
    if (token === "{" || token === "[") {
      tokens.push({ kind: "mark", text: token });
      if (next !== "}" && next !== "]") line(++depth);
      else depth++;
    } else if (token === "}" || token === "]") {
      depth--;
      if (all[at - 1] !== "{" && all[at - 1] !== "[") line(depth);
      tokens.push({ kind: "mark", text: token });
    } else if (token === ",") {
      tokens.push({ kind: "mark", text: token });
      line(depth);
    } else if (token === ":") {
      tokens.push({ kind: "mark", text: ": " });
    } else {
      const kind = token[0] === '"' ? (next === ":" ? "key" : "string") : /[-\d]/.test(token[0]) ? "number" : "word";
      tokens.push({ kind, text: token });
    }
  }
  return tokens;
}

/** Returns a word as a POSIX shell takes it. */
export const shellWord = word => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

export function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
