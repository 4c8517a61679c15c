// `fdx serve` in the background, with its log.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export async function serving(fdx, options, run) {
  const child = spawn(fdx, ["serve", "--listen", "127.0.0.1:0", "--log", ...options]);
  const lines = [];
  let wake = () => {};
  createInterface(child.stderr).on("line", line => { lines.push(line); wake(); });
  // The line on standard error that has all of these words, once it comes.
  const said = async (...words) => {
    for (;;) {
      const found = lines.findIndex(line => words.every(word => line.includes(word)));
      if (found >= 0) return lines.splice(found, 1)[0];
      await new Promise(done => { wake = done; });
    }
  };
  try {
    const out = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async () => {
      const { value, done } = await out.next();
      if (done) throw new Error(`fdx serve does not start: ${lines}`);
      return value.split(" ").at(-1);
    };
    const url = await next();
    const ca = options.includes("--tls-self-signed") ? await next() : null;
    return await run({ url, ca, said, signal: name => child.kill(name) });
  } finally {
    child.kill("SIGKILL");
  }
}
