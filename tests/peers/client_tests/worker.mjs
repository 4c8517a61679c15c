// Runs the tests in a worker.

import { load } from "./load.mjs";
import { runAll } from "./run.mjs";

// A panic has been reported when it ends the program by an exception.
onerror = () => true;
onmessage = async ({ data }) => {
  await runAll(load, data, line => postMessage(line));
  postMessage(null);
};
