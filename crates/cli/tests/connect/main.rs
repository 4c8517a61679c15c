//! `fdx connect`: its options, its output and its errors.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

mod closing;
#[path = "../common/mod.rs"]
mod common;
mod credentials;
mod ends;
mod environment;
mod failures;
mod formats;
mod frames;
mod output;
#[allow(unreachable_pub)]
mod peer;
mod profiles;
mod requests;
mod signals;

use common::FDX;

/// Runs `fdx connect` with this input to its end.
fn connect_to_end(args: &[&str], input: &[u8], stderr: impl Into<Stdio>) -> Output {
    let mut command = Command::new(FDX);
    command.env_remove("SSLKEYLOGFILE");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(name);
    }
    command.env_remove("all_proxy").arg("connect").args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Runs `fdx connect` to its end, and returns its exit code, output and standard error.
fn connect(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = connect_to_end(args, input.as_bytes(), Stdio::piped());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}
