// What is to be sent: text, hex digits or a file; and what was sent before.

import { bytesOfHex, oneLine, size, utf8Length } from "./format.js";

const MAX_HISTORY = 50, MAX_REMEMBERED = 16384;
const STORED = "fdx.history";

export class Composer {
  #elements;
  #history = remembered();
  /** The place in the history while it is walked through, and what was in the field before. */
  #place = -1;
  #draft = null;
  onsend = () => {};

  /** Takes { form, message, modes, hint, history, menu }. */
  constructor(elements) {
    this.#elements = elements;
    const { form, message, modes } = elements;
    form.addEventListener("submit", event => {
      event.preventDefault();
      this.onsend();
    });
    message.addEventListener("input", () => {
      this.#place = -1;
      this.check();
    });
    message.addEventListener("keydown", event => this.#key(event));
    modes.addEventListener("change", () => this.check());
    this.check();
    this.#list();
  }

  get mode() { return this.#elements.modes.querySelector(":checked").value; }

  /** Puts a message into the field. */
  set({ mode, text }) {
    this.#elements.modes.querySelector(`[value=${mode}]`).checked = true;
    this.#elements.message.value = text;
    this.check();
  }

  /** Returns what is to be sent, or null where the hint says what is wrong. */
  data() {
    if (!this.check()) {
      this.#elements.message.focus();
      return null;
    }
    const text = this.#elements.message.value;
    return this.mode === "hex" ? bytesOfHex(text) : text;
  }

  /** Tells the length, or what is wrong with hex digits; returns whether it can be sent. */
  check() {
    const { message, hint } = this.#elements;
    let said, wrong = false;
    try {
      said = size(this.mode === "hex" ? bytesOfHex(message.value).length : utf8Length(message.value));
      if (this.mode === "text" && /^\s*[{[]/.test(message.value)) said += isJson(message.value) ? ", JSON" : ", not valid JSON";
    } catch (error) {
      [said, wrong] = [error.message, true];
    }
    hint.textContent = said;
    hint.classList.toggle("error", wrong);
    message.ariaInvalid = wrong;
    message.placeholder = this.mode === "hex" ? "48 65 6c 6c 6f, with spaces or without" : "A message";
    return !wrong;
  }

  /** Remembers what is in the field, for this tab. */
  remember() {
    const sent = { mode: this.mode, text: this.#elements.message.value };
    this.#place = -1;
    if (sent.text.length > MAX_REMEMBERED) return;
    this.#history = [sent, ...this.#history.filter(one => one.mode !== sent.mode || one.text !== sent.text)].slice(0, MAX_HISTORY);
    try {
      sessionStorage.setItem(STORED, JSON.stringify(this.#history));
    } catch {
      // Without storage it lasts as long as the page.
    }
    this.#list();
  }

  #list() {
    if (!this.#history.length) return;
    const { history, menu, message } = this.#elements;
    history.replaceChildren(...this.#history.map(one => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${one.mode === "hex" ? "hex " : ""}${oneLine(one.text, 80) || "(empty)"}`;
      button.onclick = () => {
        this.set(one);
        menu.open = false;
        message.focus();
      };
      return button;
    }));
  }

  #key(event) {
    const { message } = this.#elements;
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || message.selectionStart !== message.selectionEnd) return;
    const at = message.selectionStart;
    const up = event.key === "ArrowUp" && !message.value.slice(0, at).includes("\n");
    const down = event.key === "ArrowDown" && !message.value.slice(at).includes("\n") && this.#place >= 0;
    const to = this.#place + (up ? 1 : -1);
    if (!(up || down) || to >= this.#history.length) return;
    event.preventDefault();
    if (this.#place < 0) this.#draft = { mode: this.mode, text: message.value };
    this.#place = to;
    this.set(to < 0 ? this.#draft : this.#history[to]);
  }
}

function isJson(text) {
  // It is looked at with each key.
  if (text.length > 262144) return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED)) ?? [];
  } catch {
    return [];
  }
}
