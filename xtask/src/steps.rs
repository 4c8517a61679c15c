//! `cargo xtask test`: every check, with its own set-up, in order.

use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::process::{command, has, run as execute, target};
use crate::{Outcome, Tally, autobahn, env, fuzz, layers, peers, rfc};

/// The release of cargo-deny that is installed where there is none.
const DENY: &str = "cargo-deny@0.20.2";

type Step = (&'static str, fn() -> Outcome);

const STEPS: [Step; 12] = [
    ("format", || cargo(&["fmt", "--all", "--check"])),
    ("clippy", || {
        cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
    }),
    ("features", features),
    ("layers", layers::run),
    ("deny", deny),
    ("docs", docs),
    ("tests", tests),
    ("codec", codec),
    ("rfc", rfc::run),
    ("peers", peers::run),
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
    let outcome = step();
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

/// What must build with fewer features than all.
fn features() -> Outcome {
    let mut tally = Tally::default();
    let lean = [
        "clippy",
        "--locked",
        "-p",
        "fullduplex-proto",
        "--no-default-features",
        "--",
        "-D",
        "warnings",
    ];
    tally.add(cargo(&lean)?);
    for features in
        ["", "tls", "http2", "http3", "self-signed", "hyper", "tower", "metrics", "tracing"]
    {
        let mut words = vec!["clippy", "--locked", "-p", "fullduplex", "--no-default-features"];
        words.extend(["--features", features, "--", "-D", "warnings"]);
        tally.add(cargo(&words)?);
    }
    for (package, test) in [("fullduplex-proto", "deflate"), ("fullduplex", "compressing")] {
        let words =
            ["test", "--locked", "-q", "-p", package, "--features", "libdeflate", "--test", test];
        tally.add(cargo(&words)?);
    }
    // The test of `no_std` is a target without std; it is there where rustup has it.
    let targets = crate::process::output(command("rustup").args(["target", "list", "--installed"]));
    match targets.unwrap_or_default().lines().find(|t| t.ends_with("-none") || t.contains("thumb"))
    {
        Some(bare) => {
            let words = [
                "check",
                "--locked",
                "-p",
                "fullduplex-proto",
                "--no-default-features",
                "--target",
                bare,
            ];
            tally.add(cargo(&words)?);
        }
        None => println!(
            "features: no target without std is installed; #![no_std] is checked on this one"
        ),
    }
    Ok(tally)
}

fn deny() -> Outcome {
    if !has("cargo-deny") {
        execute(command("cargo").args(["install", "--locked", "--quiet", DENY]))?;
    }
    let mut tally =
        cargo(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"])?;
    // The database of advisories comes from a host that not every machine reaches.
    let advisories = command("cargo")
        .args(["deny", "--log-level", "error", "check", "advisories"])
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

fn docs() -> Outcome {
    let mut doc = command("cargo");
    doc.args(["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
    execute(doc.env("RUSTDOCFLAGS", "-D warnings")).map(|()| Tally::PASSED)
}

fn tests() -> Outcome {
    // Builds the examples too, which a test runs, and runs those in the docs.
    counted(&["test", "--workspace", "--locked", "--no-fail-fast"])
}

/// Counts the instructions that frames, masks and handshakes take, and holds them against those
/// that are noted, so that a slower codec is seen.
fn codec() -> Outcome {
    env::apt("valgrind", "valgrind")?;
    let mut check = command("cargo");
    check.args(["run", "--release", "--locked", "--quiet", "--manifest-path", "bench/Cargo.toml"]);
    check.args(["-p", "fullduplex-codec", "--", "--check", "--tolerance", "3"]);
    let status = check.env("CARGO_TARGET_DIR", target().join("bench")).status();
    match status.map_err(|error| error.to_string())?.code() {
        Some(0) => Ok(Tally::PASSED),
        // Another kind of processor or another compiler comes to other counts: it said so.
        Some(77) => Ok(Tally::default()),
        _ => Err("more instructions than noted; see docs/benchmarks.md".into()),
    }
}

/// Runs cargo's tests and adds up their closing lines.
pub(crate) fn counted(words: &[&str]) -> Outcome {
    let output = command("cargo")
        .args(words)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tally = count_results(&text);
    if tally.failed > 0 || !output.status.success() {
        print!("{text}");
    }
    if !output.status.success() && tally.failed == 0 {
        return Err(format!("cargo {}: {}", words.join(" "), output.status));
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(tally)
}

/// Adds up lines such as `test result: ok. 16 passed; 0 failed; 2 ignored; …`. Ignored
/// tests are those for hand use, and don't count.
fn count_results(text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().filter(|l| l.starts_with("test result:")) {
        let number = |word: &str| {
            let mut parts = line.split([' ', ';', '.']).filter(|p| !p.is_empty());
            let mut last = "";
            parts
                .find_map(|part| {
                    let found = (part == word).then(|| last.parse().ok()).flatten();
                    last = part;
                    found
                })
                .unwrap_or(0)
        };
        tally.add(Tally { passed: number("passed"), failed: number("failed"), skipped: 0 });
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_cargos_results() {
        let text = "x\ntest result: ok. 16 passed; 0 failed; 2 ignored; 0 measured\n\
                    test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured\n";
        assert_eq!(count_results(text), Tally { passed: 17, failed: 3, skipped: 0 });
    }
}
