//! A short run of each fuzz target.

use std::fs;

use crate::process::{self, command, has, output, root, target};
use crate::{Outcome, Tally};

/// The release of cargo-fuzz that is installed where there is none.
const VERSION: &str = "0.13.2";

pub(crate) fn run(seconds: u32) -> Outcome {
    let toolchains = output(command("rustup").args(["toolchain", "list"]))?;
    if !toolchains.contains("nightly") {
        println!("fuzz: skipped, as there is no nightly toolchain");
        return Ok(Tally { skipped: 1, ..Tally::default() });
    }
    if !has("cargo-fuzz") {
        let version = format!("cargo-fuzz@{VERSION}");
        process::run(command("cargo").args(["install", "--locked", "--quiet", &version]))?;
    }
    let mut tally = Tally::default();
    let list = output(command("cargo").args(["+nightly", "fuzz", "list"]))?;
    for name in list.lines() {
        let corpus = target().join("fuzz-corpus").join(name);
        fs::create_dir_all(&corpus).map_err(|error| error.to_string())?;
        let seeds = root().join("fuzz/seeds").join(name);
        let limit = format!("-max_total_time={seconds}");
        let mut fuzz = command("cargo");
        fuzz.args(["+nightly", "fuzz", "run", "--target-dir"])
            .arg(target().join("fuzz"))
            .arg(name)
            .arg(&corpus)
            .arg(seeds)
            .args(["--", &limit, "-max_len=4096", "-verbosity=0", "-print_final_stats=0"]);
        match process::run(&mut fuzz) {
            Ok(()) => {
                println!("fuzz: {name}: nothing found in {seconds} s");
                tally.add(Tally::PASSED);
            }
            Err(why) => {
                println!("fuzz: {name}: {why}");
                tally.failed += 1;
            }
        }
    }
    Ok(tally)
}
