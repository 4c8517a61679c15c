// A line for each check: `ok NAME` or `not ok NAME: why`.

const checks = [];
export const check = (name, run) => checks.push([name, run]);

export async function main() {
  for (const [name, run] of checks) {
    let timer;
    const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error("took over 120 s")), 120000); });
    try {
      await Promise.race([run(), late]);
      console.log(`ok ${name}`);
    } catch (error) {
      process.exitCode = 1;
      console.error(error);
      console.log(`not ok ${name}: ${String(error.message).split("\n")[0]}`);
    }
    clearTimeout(timer);
  }
  process.exit();
}
