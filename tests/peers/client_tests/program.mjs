// Runs the tests in Node, Deno or Bun: program.mjs FOLDER-OF-THE-WASM PEERS

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { runAll } from "./run.mjs";

// A panic has been reported when it ends the program by an exception.
process.on("uncaughtException", () => {});
process.on("unhandledRejection", () => {});
globalThis.addEventListener?.("error", event => event.preventDefault());
globalThis.addEventListener?.("unhandledrejection", event => event.preventDefault());

const [folder, peers] = process.argv.slice(2);
const load = async number => {
  const module = await import(`${pathToFileURL(`${folder}/client_tests.js`)}?${number}`);
  await module.default({ module_or_path: readFileSync(`${folder}/client_tests_bg.wasm`) });
  return module;
};
await runAll(load, peers, line => console.log(line));
process.exit();
