//! A short run of each fuzz target.

use std::fs;
use std::path::PathBuf;

use crate::process::{self, output, root, side_by_side, target};
use crate::{Outcome, Tally, env};

/// How many run at once; each uses one core.
const AT_ONCE: usize = 2;

pub(crate) fn run(seconds: u32) -> Outcome {
    let toolchains = output(process::command("rustup").args(["toolchain", "list"]))?;
    if !toolchains.contains("nightly") {
        println!("fuzz: skipped, as there is no nightly toolchain");
        return Ok(Tally { skipped: 1, ..Tally::default() });
    }
    let list = output(&mut cargo_fuzz("list")?)?;
    process::run(cargo_fuzz("build")?.arg("--target-dir").arg(folder()))?;
    Ok(side_by_side(AT_ONCE, list.lines().map(|name| move || short(name, seconds)).collect()))
}

/// Runs one target.
fn short(name: &str, seconds: u32) -> Outcome {
    let corpus = target().join("fuzz-corpus").join(name);
    fs::create_dir_all(&corpus).map_err(|error| error.to_string())?;
    let limit = format!("-max_total_time={seconds}");
    let mut fuzz = cargo_fuzz("run")?;
    fuzz.arg("--target-dir").arg(folder());
    fuzz.arg(name).arg(&corpus).arg(root().join("fuzz/seeds").join(name));
    fuzz.args(["--", &limit, "-max_len=4096", "-verbosity=0", "-print_final_stats=0"]);
    process::run(&mut fuzz)?;
    println!("fuzz: {name}: nothing found in {seconds} s");
    Ok(Tally::PASSED)
}

fn folder() -> PathBuf {
    target().join("fuzz")
}

/// Sanitizers need the nightly toolchain.
fn cargo_fuzz(subcommand: &str) -> Result<std::process::Command, String> {
    let mut command = env::tool("cargo-fuzz")?;
    // The cargo that started this process is another toolchain's.
    command.arg(subcommand).env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO");
    Ok(command)
}
