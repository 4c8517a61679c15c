//! Cargo's tests: built once, run side by side, counted for each target.
//!
//! A test target that runs no test fails the step: its `cfg` may have left everything out.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::process::{Background, command, folder_for, output, side_by_side};
use crate::{Outcome, Tally};

/// The whole workspace as it is tested and linted: with the features of its crates' own
/// dependencies, and with those that only an application switches on.
pub(crate) const WORKSPACE: [&str; 4] =
    ["--workspace", "--locked", "--features", "fullduplex/tracing"];
/// Test targets whose tests are all ignored here: `peers` runs them.
const BY_PEERS: [&str; 2] = ["haproxy", "systemd"];
/// Test targets that measure the memory or the latency of their own process, one by one.
const ALONE: [&str; 1] = ["attacks"];
/// How long one target may take.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Runs all tests of the workspace, and those in its documentation.
pub(crate) fn run() -> Outcome {
    let (alone, others): (Vec<_>, Vec<_>) =
        build(&[])?.into_iter().partition(|target| ALONE.contains(&target.name.as_str()));
    let mut tally = side_by_side(2, others.iter().map(|target| move || target.run()).collect());
    tally.add(side_by_side(1, alone.iter().map(|target| move || target.run()).collect()));
    // Whatever is in the documentation is run by cargo.
    tally.add(counted(&[&["test", "--doc"], &WORKSPACE[..]].concat())?);
    println!("tests: {} passed, {} failed", tally.passed, tally.failed);
    Ok(tally)
}

/// Runs these test targets with one more feature.
pub(crate) fn with_feature(feature: &str, targets: &[&str]) -> Outcome {
    let mut words = vec!["--features", feature];
    words.extend(targets.iter().flat_map(|target| ["--test", target]));
    let built = build(&words)?;
    let built: Vec<_> = built.iter().filter(|t| targets.contains(&t.name.as_str())).collect();
    if built.len() != targets.len() {
        return Err(format!("not all of these test targets exist: {}", targets.join(", ")));
    }
    Ok(side_by_side(1, built.iter().map(|target| move || target.run()).collect()))
}

/// The ignored tests of a target, of all names that contain `filter`.
pub(crate) fn ignored(target: &str, filter: &str) -> Outcome {
    let words = ["--test", target, "--", "--ignored", filter];
    counted(&[&["test"], &WORKSPACE[..], &words].concat())
}

/// An executable of tests.
struct Target {
    name: String,
    /// Integration tests; not the tests within a crate, which may have none.
    is_integration: bool,
    /// The folder in which cargo runs it.
    folder: PathBuf,
    executable: PathBuf,
}

/// Builds the tests that these words choose.
fn build(words: &[&str]) -> Result<Vec<Target>, String> {
    let mut cargo = command("cargo");
    cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
    let messages = output(cargo.args(WORKSPACE).args(words))?;
    let parsed = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    Ok(parsed.filter_map(|message: Value| target(&message)).collect())
}

/// The test target that one of cargo's messages tells of.
fn target(message: &Value) -> Option<Target> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    Some(Target {
        name: message["target"]["name"].as_str()?.to_owned(),
        is_integration: message["target"]["kind"][0] == "test",
        folder: manifest.parent()?.to_owned(),
        executable: message["executable"].as_str()?.into(),
    })
}

impl Target {
    /// Runs its tests, and prints what they printed if one failed.
    fn run(&self) -> Outcome {
        let file = self.executable.file_name().ok_or("an executable without a name")?;
        let log = folder_for(&format!("tests/{}", file.to_string_lossy()))?.join("log.txt");
        let out = File::create(&log).map_err(|error| error.to_string())?;
        let err = out.try_clone().map_err(|error| error.to_string())?;
        let mut tests = command(&self.executable);
        tests.current_dir(&self.folder).stdout(out).stderr(err);
        let begun = std::time::Instant::now();
        let ended = Background::spawn(&mut tests)?.wait(DEADLINE);
        let mut text = Vec::new();
        File::open(&log)
            .and_then(|mut file| file.read_to_end(&mut text))
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&text);
        let mut tally = count_results(&text);
        let took = begun.elapsed().as_secs_f64();
        println!("  {:<24} {:>5} passed {took:>6.1} s", self.name, tally.passed);
        if let Err(why) = ended {
            print!("{text}");
            println!("{}: {why}", self.name);
            tally.failed = tally.failed.max(1);
        }
        if let Some(why) = self.looked_at_nothing(tally) {
            println!("{}: {why}", self.name);
            tally.failed += 1;
        }
        Ok(tally)
    }

    /// A target of integration tests has tests.
    fn looked_at_nothing(&self, tally: Tally) -> Option<&'static str> {
        let expected = self.is_integration && !BY_PEERS.contains(&self.name.as_str());
        (expected && tally.passed + tally.failed == 0)
            .then_some("no test ran; is a feature missing that its `cfg` asks for?")
    }
}

/// Runs cargo's tests and adds up their closing lines.
fn counted(words: &[&str]) -> Outcome {
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
    if tally == Tally::default() {
        return Err(format!("cargo {}: no test ran", words.join(" ")));
    }
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
    use serde_json::json;

    #[test]
    fn cargo_results_are_added_up() {
        let text = "x\ntest result: ok. 16 passed; 0 failed; 2 ignored; 0 measured\n\
                    test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured\n";
        assert_eq!(count_results(text), Tally { passed: 17, failed: 3, skipped: 0 });
    }

    fn built(kind: &str, name: &str) -> Target {
        let message = json!({
            "reason": "compiler-artifact", "manifest_path": "/a/Cargo.toml",
            "executable": "/t/x-1", "profile": {"test": true},
            "target": {"name": name, "kind": [kind]},
        });
        target(&message).unwrap()
    }

    #[test]
    fn cargo_target_that_runs_no_test_is_found() {
        let nothing = count_results("test result: ok. 0 passed; 0 failed; 2 ignored");
        assert!(built("test", "secrets").looked_at_nothing(nothing).is_some());
        assert!(built("test", "haproxy").looked_at_nothing(nothing).is_none());
        assert!(built("example", "client").looked_at_nothing(nothing).is_none());
        assert!(built("test", "secrets").looked_at_nothing(Tally::PASSED).is_none());
        let library = json!({"reason": "compiler-artifact", "profile": {"test": false}});
        assert!(target(&library).is_none());
    }
}
