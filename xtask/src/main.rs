//! The project's own commands. `cargo xtask help` lists them.
#![forbid(unsafe_code)]
// These are programs that print.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod api;
mod autobahn;
mod cargo_tests;
mod circles;
mod complete_enums;
mod dist;
mod docs;
mod documents;
mod env;
mod features;
mod foreign_types;
mod fuzz;
mod imports;
mod layers;
mod links;
mod modules;
mod package;
mod peers;
mod process;
mod published;
mod rfc;
mod scale;
mod signals;
mod steps;
mod test_names;
mod tokens;
mod toolchain;
mod wasm;
mod words;

use std::process::ExitCode;

/// The result of a step: how many checks passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// A single check that passed.
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The outcome of a step; an error says why it could not be completed.
pub(crate) type Outcome = Result<Tally, String>;

const HELP: &str = "\
The project's own commands:

  cargo xtask test [--only STEP]… [--list]   everything, with its own set-up
  cargo xtask layers                         the imports between crates and modules
  cargo xtask words [PATH | --update]        the language of docs, comments and messages: of all
                                             swept files, or of those below PATH
  cargo xtask api [--update]                 the public API beside crates/*/public-api.txt
  cargo xtask autobahn [server|tls-server|http2-server|client|tls|http2]
                                             the Autobahn suite against one role, or all
  cargo xtask peers                          browsers, and clients and servers in other languages
  cargo xtask wasm [--debian]                programs for other targets [by Debian's compiler]
  cargo xtask dist                           an archive with a static fdx, manual pages, completions
  cargo xtask fuzz [--seconds N]             each fuzz target for N seconds
  cargo xtask scale [IDLE DRAINED]           crowds of idle connections; writes scale.md
  cargo xtask rfc                            where code and tests cite sections of RFC 6455";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = signals::run_again_with_interrupts(&args) {
        return code;
    }
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["test", ref rest @ ..] => return steps::run(rest),
        ["layers"] => layers::run(),
        ["api"] => api::check(),
        ["api", "--update"] => api::update(),
        ["words"] => words::run(),
        ["words", "--update"] => words::update(),
        ["words", path] => words::show(path),
        ["autobahn"] => autobahn::run(&autobahn::Role::ALL),
        ["autobahn", "server"] => autobahn::run(&[autobahn::Role::Server]),
        ["autobahn", "tls-server"] => autobahn::run(&[autobahn::Role::TlsServer]),
        ["autobahn", "http2-server"] => autobahn::run(&[autobahn::Role::Http2Server]),
        ["autobahn", "client"] => autobahn::run(&[autobahn::Role::Client]),
        ["autobahn", "tls"] => autobahn::run(&[autobahn::Role::TlsClient]),
        ["autobahn", "http2"] => autobahn::run(&[autobahn::Role::Http2Client]),
        ["peers"] => peers::run(),
        ["wasm"] => wasm::run(),
        ["wasm", "--debian"] => wasm::run_with_debian(),
        ["dist"] => dist::archive(),
        ["fuzz"] => fuzz::run(10),
        ["fuzz", "--seconds", n] => {
            n.parse().map_err(|_| format!("{n}: not a number")).and_then(fuzz::run)
        }
        ["scale"] => scale::run(50_000, 10_000),
        ["scale", idle, drained] => match (idle.parse(), drained.parse()) {
            (Ok(idle), Ok(drained)) => scale::run(idle, drained),
            _ => Err(format!("{idle} {drained}: not numbers")),
        },
        ["rfc"] => rfc::run(),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ref other => {
            if !other.is_empty() {
                eprintln!("xtask: unknown command: {}\n", other.join(" "));
            }
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(tally) if tally.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
