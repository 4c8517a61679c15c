// The message that was chosen: JSON laid out, text, or hex.

import { clock, hexDump, jsonTokens, manyLines, size } from "./format.js";

/** Characters of text, or bytes as hex, that are shown. */
const MAX_TEXT = 1 << 20, MAX_HEX = 64 << 10;
/** Longer JSON is laid out without colours. */
const MAX_COLOURED = 64 << 10;
const WAYS = { in: "Received", out: "Sent", event: "Event" };

export class Detail {
  record = null;
  #elements;
  #form = "";

  /** Takes { section, title, forms, content, part }. */
  constructor(elements) {
    this.#elements = elements;
    elements.forms.addEventListener("change", event => {
      this.#form = event.target.value;
      this.#show();
    });
  }

  open(record) {
    const { section, title, forms } = this.#elements;
    this.record = record;
    section.hidden = false;
    title.textContent = `${WAYS[record.direction]} ${record.kind}${record.bytes === undefined ? "" : `, ${size(record.bytes)}`}, ${clock(record.at)}`;
    const text = typeof record.data === "string";
    const json = text && record.data.length <= MAX_TEXT && /^\s*[{["]/.test(record.data) ? jsonTokens(record.data) : null;
    const names = [json && "JSON", text && "Text", record.bytes !== undefined && "Hex", !text && isUtf8(record.data) && "Text"].filter(Boolean);
    // The form of the message before, where this one has it.
    if (!names.includes(this.#form)) this.#form = names[0];
    const legend = forms.querySelector("legend");
    forms.replaceChildren(legend, ...names.map(name => this.#choice(name)));
    this.#show(json);
  }

  close() {
    this.record = null;
    this.#elements.section.hidden = true;
  }

  #choice(name) {
    const [label, input, word] = ["label", "input", "span"].map(tag => document.createElement(tag));
    Object.assign(input, { type: "radio", name: "form", value: name, checked: name === this.#form });
    word.textContent = name;
    label.append(input, word);
    return label;
  }

  #show(json) {
    const { content, part } = this.#elements, { data, bytes, whole } = this.record;
    let shown = data.length;
    content.className = this.#form.toLowerCase();
    if (this.#form === "Hex") {
      const all = typeof data === "string" ? new TextEncoder().encode(data.slice(0, MAX_HEX)) : data;
      shown = Math.min(all.length, MAX_HEX);
      content.textContent = hexDump(all.subarray(0, shown));
    } else if (this.#form === "JSON") {
      content.replaceChildren(...nodes(json ?? jsonTokens(data)));
    } else {
      shown = Math.min(data.length, MAX_TEXT);
      const text = typeof data === "string" ? data.slice(0, MAX_TEXT) : new TextDecoder().decode(data.subarray(0, shown));
      content.textContent = manyLines(text);
    }
    content.scrollTop = 0;
    part.hidden = whole && shown === data.length;
    part.textContent = whole
      ? `The first ${size(shown)} of ${size(bytes)}; Copy and Save have all.`
      : `Only the first ${size(data.length)} of ${size(bytes)} are held.`;
  }
}

function isUtf8(bytes) {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, MAX_TEXT));
    return bytes.length > 0;
  } catch {
    return false;
  }
}

function nodes(tokens) {
  const length = tokens.reduce((sum, token) => sum + token.text.length, 0);
  if (length > MAX_COLOURED) return [tokens.map(token => token.text).join("")].map(manyLines);
  return tokens.map(({ kind, text }) => {
    if (kind === "space" || kind === "mark") return text;
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = manyLines(text);
    return span;
  });
}
