// What the log holds: bounded, in the order in which it came, with a filter over it.

import { hexLine } from "./format.js";

export const MAX_RECORDS = 10000;
/** Bytes of payload that are held at most; the oldest records go first. */
export const MAX_BYTES = 32 << 20;
/** A longer message is held in part. */
const MAX_MESSAGE = 8 << 20;
const PART = 64 << 10;
/** Bytes of a binary message that the filter looks at. */
const SEARCHED = 1024;

/** A list that is long at its end and loses from its front. */
class Queue {
  items = [];
  first = 0;

  get length() { return this.items.length - this.first; }
  at(index) { return this.items[this.first + index]; }
  push(item) { this.items.push(item); }
  shift() {
    const item = this.items[this.first];
    this.items[this.first++] = undefined;
    if (this.first > 4096) {
      this.items = this.items.slice(this.first);
      this.first = 0;
    }
    return item;
  }
  *[Symbol.iterator]() { for (let i = this.first; i < this.items.length; i++) yield this.items[i]; }
}

const held = ({ whole, bytes, data }) => whole && bytes || data.length;

/** Returns a copy of a message's beginning: a piece of a string would keep all of it in memory. */
function beginning(data) {
  if (typeof data !== "string") return data.slice(0, PART);
  return new TextDecoder().decode(new TextEncoder().encode(data.slice(0, PART)));
}

export class Records {
  all = new Queue();
  /** Those that pass the filter. */
  shown = new Queue();
  bytes = 0;
  /** How many were dropped since the last `clear`. */
  dropped = 0;
  /** How many left the front of `shown` since this was last set to 0. */
  shifted = 0;
  #next = 1;
  #direction = "all";
  #words = "";

  /**
   * Adds { connection, direction: in, out or event, kind, data: string or Uint8Array, bytes }.
   * `bytes` is the payload's length, without which it is an event.
   */
  add(record) {
    record.id = this.#next++;
    record.at = Date.now();
    record.whole = record.data.length <= MAX_MESSAGE;
    if (!record.whole) record.data = beginning(record.data);
    this.all.push(record);
    this.bytes += held(record);
    if (this.#matches(record)) this.shown.push(record);
    while (this.all.length > MAX_RECORDS || this.bytes > MAX_BYTES) this.#drop();
    return record;
  }

  #drop() {
    const record = this.all.shift();
    this.bytes -= held(record);
    this.dropped++;
    if (this.shown.length && this.shown.at(0) === record) {
      this.shown.shift();
      this.shifted++;
    }
  }

  clear() {
    this.all = new Queue();
    this.shown = new Queue();
    this.bytes = this.dropped = this.shifted = 0;
  }

  filter(direction, words) {
    this.#direction = direction;
    this.#words = words.toLowerCase();
    this.shown = new Queue();
    for (const record of this.all) if (this.#matches(record)) this.shown.push(record);
    this.shifted = 0;
  }

  get filtered() { return this.#direction !== "all" || this.#words !== ""; }

  #matches({ direction, kind, data }) {
    if (this.#direction !== "all" && this.#direction !== direction) return false;
    if (!this.#words) return true;
    const text = typeof data === "string" ? `${kind} ${data}` : `${kind} ${hexLine(data.subarray(0, SEARCHED))}`;
    return text.toLowerCase().includes(this.#words);
  }

  /** Returns the index in `shown` of this record or the one after it. */
  indexOf(id) {
    let [low, high] = [0, this.shown.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.shown.at(middle).id < id) low = middle + 1; else high = middle;
    }
    return low;
  }
}
