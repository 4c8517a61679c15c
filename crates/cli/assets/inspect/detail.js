// The detail of a frame.
const bytesOf = detail => detail.base64 === undefined ? new TextEncoder().encode(detail.text) : Uint8Array.from(atob(detail.base64), c => c.charCodeAt(0));

function hex(bytes) {
  const lines = [];
  for (let i = 0; i < bytes.length && i < 65536; i += 16) {
    const part = [...bytes.slice(i, i + 16)];
    const digits = part.map(byte => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    lines.push(`${i.toString(16).padStart(6, "0")}  ${digits}  ${part.map(byte => byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".").join("")}`);
  }
  return lines.join("\n");
}

/** Lays JSON out without changing a number or a string. */
function laidOut(text) {
  try { JSON.parse(text); } catch { return null; }
  let depth = 0, out = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+|[{}[\],:]/g)) {
    if (token === "{" || token === "[") { depth++; out += token + line(); }
    else if (token === "}" || token === "]") { depth--; out = out.endsWith(`${"  ".repeat(depth + 1)}`) && /[{[]\n\s*$/.test(out) ? out.trimEnd() + token : out + line() + token; }
    else out += token === "," ? `,${line()}` : token === ":" ? ": " : token;
  }
  return out;
}

// Characters that control, hide or turn text are shown by their numbers.
const visible = text => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, c => c === "\n" || c === "\t" ? c : `\\u{${c.codePointAt(0).toString(16)}}`);

function drawDetail() {
  const header = detail.header;
  const json = detail.text === undefined ? null : laidOut(detail.text);
  const content = form === "hex" || detail.text === undefined ? hex(bytesOf(detail)) : form === "json" && json !== null ? json : detail.text;
  const forms = [["text", "Text"], ["json", "JSON"], ["hex", "Hex"]].filter(([name]) => name === "hex" || (detail.text !== undefined && (name !== "json" || json !== null)));
  at("detail").replaceChildren(
    element("div", { class: "tools" }, ...forms.map(([name, label]) => button(`form-${name}`, label, () => { form = name; drawDetail(); }, String(name === form))), button("copy", "Copy", () => copy(content))),
    element("pre", { id: "content" }, form === "hex" ? content : visible(content)),
    ...(detail.kept ? [] : [element("p", { class: "bad" }, detail.why)]),
    ...(header ? [facts([["frame", detail.kind], ["from", detail.from], ["fin", header.fin ? 1 : 0], ["rsv", header.rsv.toString(2).padStart(3, "0")], ["opcode", `0x${header.opcode.toString(16)}`],
      ["masking key", header.key], ["length", `${header.length} (${header.bits} bits)`], ["on the wire", size(header.wire)], ["fragment", header.fragment > 1 || !header.fin ? header.fragment : null],
      ["message", detail.message && `${size(detail.message.length)}${detail.message.fragments > 1 ? ` in ${detail.message.fragments} fragments` : ""}`],
      ["compressed", detail.message?.compressed ? `${size(detail.message.wire)}, ${(100 * detail.message.wire / Math.max(1, detail.message.length)).toFixed(1)} %` : null],
      ["breaks", detail.violation], ["round trip", detail.rtt === null ? null : `${(detail.rtt / 1000).toFixed(1)} ms`]])] : []));
}
