// Runs tests in a service worker, which can't import modules later: one instance for all.

import * as program from "./client_tests.js";
import { runAll } from "./run.mjs";

const load = async () => {
  await program.default();
  return program;
};

// A panic has been reported when it ends the program by an exception.
onerror = () => true;
oninstall = () => skipWaiting();
onmessage = event => {
  const [port] = event.ports;
  // Until then the browser does not end the worker.
  event.waitUntil(runAll(load, event.data, line => port.postMessage(line)).finally(() => port.postMessage(null)));
};
