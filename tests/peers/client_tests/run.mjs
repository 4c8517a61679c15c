// Runs the tests in a page, a worker, or a program: each in turn, told as `ok NAME` or `not ok NAME: why`.

/** `load` instantiates the program, anew for each number: one that has panicked is of no more use. */
export async function runAll(load, peers, tell) {
  let instances = 0;
  const start = () => load(instances++).catch(error => {
    tell(`not ok load: ${error.message}`);
    return { names: () => "" };
  });
  let program = await start();
  for (const name of program.names().split(" ").filter(Boolean)) {
    let fail;
    const failed = new Promise((_, reject) => { fail = reject; });
    const timer = setTimeout(() => fail(new Error("took over 30 s")), 30000);
    try {
      await Promise.race([program.run(name, peers, message => fail(new Error(message))), failed]);
      tell(`ok ${name}`);
    } catch (error) {
      tell(`not ok ${name}: ${String(error?.message ?? error).replaceAll("\n", " ")}`);
      program = await start();
      if (!program.run) return;
    }
    clearTimeout(timer);
  }
}
