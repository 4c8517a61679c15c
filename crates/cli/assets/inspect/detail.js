// The detail of a frame.
const bytesOf = detail => detail.base64 === undefined ? new TextEncoder().encode(detail.text) : Uint8Array.from(atob(detail.base64), c => c.charCodeAt(0));

function hex(bytes) {
  // As many as there is room for in a line.
  const lines = [], count = at("detail").clientWidth > 600 ? 16 : 8;
  for (let i = 0; i < bytes.length && i < 65536; i += count) {
    const part = [...bytes.slice(i, i + count)];
    const digits = part.map(byte => byte.toString(16).padStart(2, "0")).join(" ").padEnd(3 * count - 1);
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

/** What a form shows of the payload; null if there is no such form. */
function contentOf(form) {
  const decoded = detail.decoded;
  switch (form) {
    case "decoded": return decoded && (decoded.format !== "json" || decoded.asked) ? decoded.text : null;
    case "json": return detail.text === undefined ? null : laidOut(detail.text);
    case "text": return detail.text ?? null;
    default: return hex(bytesOf(detail));
  }
}

/** The form that says most, for a frame that was just chosen. */
function bestForm() {
  if (contentOf("decoded")) return "decoded";
  return detail.text === undefined ? "hex" : contentOf("json") !== null && /^\s*[{[]/.test(detail.text) ? "json" : "text";
}

/** The choice of how the payload is decoded. */
function formatChoice() {
  const { decoded } = detail;
  if (!decoded) return [];
  const option = (value, text) => {
    const made = element("option", { value }, text);
    made.selected = value === (decoded.asked ?? "");
    return made;
  };
  const choose = event => {
    asked = event.target.value || null;
    form = "best";
    live?.send(JSON.stringify({ row: detail.n, format: asked }));
  };
  return [element("select", { id: "format", "aria-label": "Decode as", onchange: choose },
    option("", decoded.found ? `Decoded as ${decoded.found}` : "No known format"), ...decoded.formats.map(name => option(name, `as ${name}`)))];
}

function drawDetail() {
  const { header, decoded } = detail;
  const names = [["decoded", "Decoded"], ["text", "Text"], ["json", "JSON"], ["hex", "Hex"]].filter(([name]) => contentOf(name) !== null);
  if (!names.some(([name]) => name === form)) form = bestForm();
  const content = contentOf(form);
  const labels = form === "hex" && header ? [element("pre", { id: "header" }, headerLines(header, detail.kind.split(" ")[0]))] : [];
  at("detail").replaceChildren(
    element("div", { class: "tools" }, ...names.map(([name, label]) => button(`form-${name}`, label, () => { form = name; drawDetail(); }, String(name === form))), ...formatChoice(), button("copy", "Copy", () => copy(content)), ...rowControls(detail)),
    ...(form === "decoded" && decoded.summary ? [element("p", { id: "summary" }, visible(decoded.summary))] : []),
    ...labels,
    element("pre", { id: "content" }, form === "hex" ? content : visible(content)),
    ...(form === "decoded" && decoded.problem ? [element("p", { class: "bad" }, decoded.problem)] : []),
    ...(detail.kept ? [] : [element("p", { class: "bad" }, detail.why)]),
    ...(header ? [facts([["frame", detail.kind], ["from", detail.from], ["fin", header.fin ? 1 : 0], ["rsv", header.rsv.toString(2).padStart(3, "0")], ["opcode", `0x${header.opcode.toString(16)}`],
      ["masking key", header.key], ["length", `${header.length} (${header.bits} bits)`], ["on the wire", size(header.wire)], ["fragment", header.fragment > 1 || !header.fin ? header.fragment : null],
      ["message", detail.message && `${size(detail.message.length)}${detail.message.fragments > 1 ? ` in ${detail.message.fragments} fragments` : ""}`],
      ["compressed", detail.message?.compressed ? `${size(detail.message.wire)}, ${(100 * detail.message.wire / Math.max(1, detail.message.length)).toFixed(1)} %` : null],
      ["breaks", detail.violation], ["round trip", detail.rtt === null ? null : `${(detail.rtt / 1000).toFixed(1)} ms`]])] : []));
}
