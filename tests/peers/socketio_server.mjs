// The program `socketio_server` in the background, until this process ends.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

// Returns its URL.
export async function socketioServer(program, options) {
  const child = spawn(program, options, { stdio: ["pipe", "pipe", "inherit"] });
  process.on("exit", () => child.kill("SIGKILL"));
  for await (const line of createInterface(child.stdout)) return line.split(" ").at(-1);
  throw new Error("socketio_server does not start");
}
