//! The crates with other sets of features than the tests use.

use crate::process::{command, output, run as execute, target};
use crate::{Outcome, Tally, cargo_tests};

/// What can be added to the core, to a client and to a server.
const ADDED: [&str; 8] =
    ["", "deflate", "tls", "aws-lc-rs", "http2", "tls,http3", "metrics,tracing,tap", "json"];

/// What implies a server, and what is more than the sum of its parts.
const SETS: [&str; 8] = [
    "hyper",
    "hyper,http2",
    "tower",
    "self-signed,tls",
    "client,server",
    "client,server,tls,http2",
    "client,tower,aws-lc-rs,http2,http3,tap",
    "full,aws-lc-rs",
];

/// Everything that TLS and QUIC are used for, without ring.
const AWS_LC_RS: &str = "client,server,aws-lc-rs,http2,http3,self-signed";

pub(crate) fn run() -> Outcome {
    let mut tally = Tally::default();
    tally.add(cargo("clippy", "fullduplex-proto", &["--", "-D", "warnings"])?);
    for role in ["", "client", "server"] {
        for added in ADDED {
            tally.add(library("clippy", &format!("{role},{added}"), &["--", "-D", "warnings"])?);
        }
    }
    for set in SETS {
        tally.add(library("clippy", set, &["--", "-D", "warnings"])?);
    }
    tally.add(cargo("clippy", "fullduplex-socketio", &["--", "-D", "warnings"])?);
    let attach = ["--features", "attach", "--", "-D", "warnings"];
    tally.add(cargo("clippy", "fullduplex-inspect", &attach)?);
    // Tests and examples are left out where their features are missing.
    tally.add(library("check", "client", &["--all-targets"])?);
    tally.add(library("check", "default", &["--all-targets"])?);
    tally.add(library("test", AWS_LC_RS, &["--test", "tls_provider"])?);
    tally.add(is_without("client,tls,deflate", &["listenfd", "hyper", "h2", "quinn"])?);
    tally.add(is_without("server,tls", &["zlib-rs"])?);
    tally.add(is_without(AWS_LC_RS, &["ring"])?);
    tally.add(cargo_tests::with_feature("fullduplex/json", &["json", "porting"])?);
    tally.add(cargo_tests::with_feature("fullduplex/libdeflate", &["deflate", "compression"])?);
    tally.add(without_std()?);
    Ok(tally)
}

fn cargo(what: &str, package: &str, more: &[&str]) -> Outcome {
    let mut cargo = command("cargo");
    cargo.args([what, "--quiet", "--locked", "-p", package, "--no-default-features"]).args(more);
    execute(&mut cargo).map(|()| Tally::PASSED)
}

/// Runs a command of cargo on the library with only these features.
fn library(what: &str, features: &str, more: &[&str]) -> Outcome {
    println!("{what} {features}");
    cargo(what, "fullduplex", &[&["--features", features], more].concat())
}

/// Checks that the library depends on none of these crates with these features.
fn is_without(features: &str, crates: &[&str]) -> Outcome {
    let mut tree = command("cargo");
    tree.args(["tree", "--quiet", "--locked", "-p", "fullduplex", "--no-default-features"]);
    tree.args(["--features", features, "--edges", "normal", "--prefix", "none"]);
    let tree = output(&mut tree)?;
    let names = || tree.lines().filter_map(|line| line.split(' ').next());
    match crates.iter().find(|name| names().any(|used| used == **name)) {
        _ if !names().any(|used| used == "tokio") => Err(format!("{features}: no dependencies")),
        Some(name) => Err(format!("the features {features} depend on {name}")),
        None => Ok(Tally::PASSED),
    }
}

/// The core and its dependencies must link no std: a crate with a panic handler of its own can't
/// be compiled with that. A target without std, which would say the same, is not installed
/// everywhere.
fn without_std() -> Outcome {
    let folder = target().join("no-std");
    let words = ["build", "--quiet", "--locked", "-p", "fullduplex-proto", "--no-default-features"];
    execute(command("cargo").args(words).arg("--target-dir").arg(&folder))?;
    let [library, dependencies] =
        ["libfullduplex_proto.rlib", "deps"].map(|name| folder.join("debug").join(name));
    let mut rustc = command("rustc");
    rustc.args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata"]);
    rustc.arg("--extern").arg(format!("fullduplex_proto={}", library.display()));
    rustc.arg("-L").arg(format!("dependency={}", dependencies.display()));
    execute(rustc.arg("--out-dir").arg(&folder).arg("xtask/no_std/probe.rs"))?;
    Ok(Tally::PASSED)
}
