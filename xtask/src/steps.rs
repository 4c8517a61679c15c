//! `cargo xtask test`: every check, with its own set-up, in order.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::process::{command, run as execute, target};
use crate::{
    Outcome, Tally, api, autobahn, cargo_tests, dist, docs, env, features, fuzz, layers, package,
    peers, rfc, test_names, wasm, words,
};

type Step = (&'static str, fn() -> Outcome);

const STEPS: [Step; 20] = [
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("clippy", clippy),
    ("features", features::run),
    ("layers", layers::run),
    ("words", words::run),
    ("names", test_names::run),
    ("deny", deny),
    ("api", api::check),
    ("package", package::run_step),
    ("minimal", package::minimal_versions),
    ("docs", docs::rustdoc),
    ("book", docs::book),
    ("tests", cargo_tests::run),
    ("codec", codec),
    ("rfc", rfc::run),
    ("peers", peers::run),
    ("wasm", wasm::run),
    ("dist", dist::check),
    ("autobahn", autobahn::test),
    ("fuzz", || fuzz::run(10)),
];

pub(crate) fn run(words: &[&str]) -> ExitCode {
    let mut only = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match (*word, rest.as_slice().first()) {
            ("--list", _) => {
                for (name, _) in STEPS {
                    println!("{name}");
                }
                return ExitCode::SUCCESS;
            }
            ("--only", Some(name)) if STEPS.iter().any(|(n, _)| n == name) => {
                only.push(*name);
                rest.next();
            }
            _ => {
                eprintln!("cargo xtask test [--only STEP]… [--list]: not {word}");
                return ExitCode::FAILURE;
            }
        }
    }
    if only.is_empty() {
        env::prepare();
    }
    let chosen = STEPS.into_iter().filter(|(name, _)| only.is_empty() || only.contains(name));
    let results: Vec<_> = chosen.map(|(name, step)| timed(name, step)).collect();
    report(&results)
}

struct Done {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

fn timed(name: &'static str, step: fn() -> Outcome) -> Done {
    println!("── {name}");
    let begun = Instant::now();
    let outcome = step().and_then(|tally| {
        (tally != Tally::default()).then_some(tally).ok_or_else(|| "nothing was checked".into())
    });
    if let Err(why) = &outcome {
        println!("{name}: {why}");
    }
    Done { name, outcome, took: begun.elapsed() }
}

fn report(results: &[Done]) -> ExitCode {
    let mut total = Tally::default();
    println!("\n{:<10} {:>7} {:>7} {:>7} {:>8}", "step", "passed", "failed", "skipped", "seconds");
    for Done { name, outcome, took } in results {
        let tally = outcome.as_ref().copied().unwrap_or(Tally { failed: 1, ..Tally::default() });
        total.add(tally);
        let Tally { passed, failed, skipped } = tally;
        println!("{name:<10} {passed:>7} {failed:>7} {skipped:>7} {:>8.1}", took.as_secs_f64());
    }
    // Where everything can be installed, nothing may be left out.
    let in_ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
    if in_ci && total.skipped > 0 {
        println!("in CI nothing may be skipped");
        total.failed += total.skipped;
        total.skipped = 0;
    }
    println!("\n{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn cargo(words: &[&str]) -> Outcome {
    execute(command("cargo").args(words)).map(|()| Tally::PASSED)
}

fn clippy() -> Outcome {
    let mut words = vec!["clippy", "--all-targets"];
    words.extend(cargo_tests::WORKSPACE);
    words.extend(["--", "-D", "warnings"]);
    cargo(&words)
}

fn deny() -> Outcome {
    let check = || -> Result<Command, String> {
        let mut deny = env::tool("cargo-deny")?;
        deny.args(["--log-level", "error", "check"]);
        Ok(deny)
    };
    execute(check()?.args(["bans", "licenses", "sources"]))?;
    let mut tally = Tally::PASSED;
    // The database of advisories comes from a host that not every machine reaches.
    let advisories = check()?
        .arg("advisories")
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&advisories.stderr);
    if advisories.status.success() {
        tally.add(Tally::PASSED);
    } else if said.contains("failed to fetch") || said.contains("failed to load advisory database")
    {
        println!("deny: advisories are not checked, as their database can't be fetched here");
    } else {
        print!("{said}");
        tally.failed += 1;
    }
    Ok(tally)
}

/// Counts the instructions that frames, masks and handshakes take, and holds them against those
/// that are noted, so that a slower codec is seen.
fn codec() -> Outcome {
    env::programs(&["valgrind"])?;
    let mut check = command("cargo");
    check.args(["run", "--release", "--locked", "--quiet", "--manifest-path", "bench/Cargo.toml"]);
    check.args(["-p", "fullduplex-codec", "--", "--check", "--tolerance", "3"]);
    let status = check.env("CARGO_TARGET_DIR", target().join("bench")).status();
    match status.map_err(|error| error.to_string())?.code() {
        Some(0) => Ok(Tally::PASSED),
        // Another kind of processor or another compiler comes to other counts: it said so.
        Some(77) => Ok(Tally { skipped: 1, ..Tally::default() }),
        _ => Err("more instructions than noted; see docs/src/reference/benchmarks.md".into()),
    }
}
