// A `fdx serve` of a test's own, which it stops and starts again at the same port.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export class OwnServers {
  #program;
  #running = new Map();
  #ports = new Map();

  constructor(program) {
    this.#program = program;
  }

  /** Starts the server of this name; returns its port. */
  async start(name) {
    const address = `127.0.0.1:${this.#ports.get(name) ?? 0}`;
    const child = spawn(this.#program, ["serve", "--any-origin", "--listen", address], { stdio: ["ignore", "pipe", "inherit"] });
    this.#running.set(name, child);
    const [line] = await Promise.race([once(createInterface(child.stdout), "line"), once(child, "exit")]);
    const port = String(line).match(/:(\d+)\/$/)?.[1] ?? "none: it does not start";
    this.#ports.set(name, port);
    return port;
  }

  /** Sends the server of this name a signal, and waits for its end. */
  async stop(name, signal) {
    const child = this.#running.get(name);
    this.#running.delete(name);
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
    return "stopped";
  }

  stopAll() {
    for (const child of this.#running.values()) child.kill("SIGKILL");
  }
}
