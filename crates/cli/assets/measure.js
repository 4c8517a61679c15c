// The round trips of 20 messages, one after the other.

import { milliseconds } from "./format.js";

const TIMES = 20, TIMEOUT = 5000;

export class Measurement {
  #times = [];
  #connection;
  #probe;
  #timer;
  #done;

  /** Calls `done(text, median)` once, without a median if no echo came. */
  constructor(connection, done) {
    this.#connection = connection;
    this.#done = done;
    this.#next();
  }

  /** Takes a message that was received; returns whether it was an echo of this measurement. */
  takes(data, roundTrip) {
    if (data !== this.#probe) return false;
    clearTimeout(this.#timer);
    this.#times.push(roundTrip);
    if (this.#times.length < TIMES) this.#next();
    else this.#finish();
    return true;
  }

  /** Ends it where the connection has ended. */
  cancel() { clearTimeout(this.#timer); }

  #next() {
    this.#probe = `round trip ${this.#times.length + 1} of ${TIMES}, ${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    this.#timer = setTimeout(() => this.#done(`No echo came within ${TIMEOUT / 1000} s: only /echo and its like can be measured`), TIMEOUT);
    this.#connection.send(this.#probe);
  }

  #finish() {
    const all = this.#times.sort((a, b) => a - b), median = (all[TIMES / 2 - 1] + all[TIMES / 2]) / 2;
    const [least, most] = [all[0], all.at(-1)].map(milliseconds);
    this.#done(`${TIMES} round trips: least ${least}, median ${milliseconds(median)}, most ${most}`, median);
  }
}
