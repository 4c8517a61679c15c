// The list of messages: only the rows that can be seen are in the document.

import { clock, hexLine, oneLine, size } from "./format.js";

const WAYS = { in: ["↓", "received"], out: ["↑", "sent"], event: ["•", "event"] };

export class List {
  #element;
  #records;
  #space = document.createElement("div");
  #rows = [];
  #rowHeight = 0;
  #drawing = 0;
  /** Where the list was scrolled to last, by this or by the user. */
  #top = 0;
  /** The newest record is kept in sight. */
  following = true;
  selected = null;
  /** Records that came since the list was last at its end. */
  unseen = 0;
  /** Called after the list was drawn. */
  ondraw = () => {};
  /** Called with a record that was chosen, and whether it is to be opened. */
  onselect = () => {};

  constructor(element, records) {
    this.#element = element;
    this.#records = records;
    this.#space.className = "space";
    this.#space.role = "presentation";
    element.append(this.#space);
    element.addEventListener("scroll", () => this.#scrolled());
    element.addEventListener("click", event => {
      const row = event.target.closest("[role=option]");
      if (row) this.select(row.record, true);
    });
    element.addEventListener("keydown", event => this.#key(event));
    new ResizeObserver(() => {
      this.#rowHeight = 0;
      this.draw();
    }).observe(element);
  }

  /** Draws before the next frame, once for all that came since the last one. */
  draw() {
    this.#drawing ||= requestAnimationFrame(() => {
      this.#drawing = 0;
      this.#draw();
    });
  }

  toEnd() {
    this.following = true;
    this.draw();
  }

  select(record, open) {
    this.selected = record;
    this.draw();
    this.onselect(record, open);
    // What was opened may have taken the room that it had.
    this.#reveal(this.#records.indexOf(record.id));
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.#element;
    if (!clientHeight || scrollTop === this.#top) return;
    // Each step up is the user's, also one that is shorter than a row.
    const near = scrollTop > this.#top ? this.#rowHeight : 1;
    this.following = scrollTop + clientHeight >= scrollHeight - near;
    this.#top = scrollTop;
    this.draw();
  }

  #scrollTo(top) {
    this.#element.scrollTop = top;
    this.#top = this.#element.scrollTop;
  }

  #draw() {
    const [element, records] = [this.#element, this.#records];
    element.hidden = records.shown.length === 0;
    // On a phone a message that is shown takes its room.
    if (element.clientHeight) {
      this.#rowHeight ||= parseFloat(getComputedStyle(element).getPropertyValue("--row"));
      const height = this.#rowHeight, count = records.shown.length;
      this.#space.style.height = `${count * height}px`;
      this.#scrollTo(this.following ? count * height : this.#top - records.shifted * height);
      records.shifted = 0;
      const first = Math.max(0, Math.floor(element.scrollTop / height) - 2);
      const last = Math.min(count, first + Math.ceil(element.clientHeight / height) + 4);
      while (this.#rows.length < last - first) this.#rows.push(newRow(this.#space));
      let active = null;
      for (const [at, row] of this.#rows.entries()) {
        row.hidden = first + at >= last;
        if (row.hidden) continue;
        const record = records.shown.at(first + at);
        fill(row, record);
        row.style.transform = `translateY(${(first + at) * height}px)`;
        row.ariaSetSize = count;
        row.ariaPosInSet = first + at + 1;
        row.ariaSelected = record === this.selected;
        if (record === this.selected) active = row;
      }
      if (active) element.setAttribute("aria-activedescendant", active.id);
      else element.removeAttribute("aria-activedescendant");
    }
    if (this.following) this.unseen = 0;
    this.ondraw();
  }

  #key(event) {
    const shown = this.#records.shown;
    if (event.ctrlKey || event.metaKey || event.altKey || !shown.length) return;
    const page = Math.max(1, Math.floor(this.#element.clientHeight / this.#rowHeight) - 1);
    const now = this.selected ? this.#records.indexOf(this.selected.id) : shown.length;
    const to = { ArrowUp: now - 1, ArrowDown: now + 1, PageUp: now - page, PageDown: now + page, Home: 0, End: shown.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const index = Math.min(shown.length - 1, Math.max(0, to));
      this.select(shown.at(index), false);
    } else if ((event.key === "Enter" || event.key === " ") && this.selected) {
      event.preventDefault();
      this.select(this.selected, true);
    }
  }

  #reveal(index) {
    const room = this.#element.clientHeight, top = index * this.#rowHeight, bottom = top + this.#rowHeight;
    if (!room || top >= this.#top && bottom <= this.#top + room) return;
    this.following = index === this.#records.shown.length - 1;
    this.#scrollTo(top < this.#top ? top : bottom - room);
  }
}

let rows = 0;
function newRow(parent) {
  const row = document.createElement("div");
  row.role = "option";
  row.id = `row-${rows++}`;
  row.cells = {};
  for (const name of ["time", "way", "word", "kind", "number", "text"]) {
    const cell = document.createElement("span");
    cell.className = name === "word" ? "hidden" : name;
    row.cells[name] = cell;
    row.append(cell);
  }
  row.cells.way.ariaHidden = true;
  parent.append(row);
  return row;
}

function fill(row, record) {
  if (row.record === record) return;
  row.record = record;
  const { at, direction, kind, bytes, data } = record;
  row.dataset.direction = direction;
  row.dataset.kind = kind;
  [row.cells.way.textContent, row.cells.word.textContent] = WAYS[direction];
  row.cells.time.textContent = clock(at);
  row.cells.kind.textContent = kind;
  // A phone has no room for the kind, and shows it only where it is not that of a message.
  row.cells.text.dataset.kind = bytes === undefined ? `${kind}: ` : "";
  row.cells.number.textContent = bytes === undefined ? "" : size(bytes);
  row.cells.text.textContent = typeof data === "string" ? oneLine(data) : hexLine(data.subarray(0, 64));
}
