//! Tests of the client that are the same natively and on `wasm32-unknown-unknown`.
//!
//! `tests/peers/client_tests.mjs` starts the servers, and runs this program natively, in windows
//! and workers of browsers, and in Node, Deno and Bun. Where the targets differ, a test gives the
//! reason to [`differs`](peers::differs).
#![forbid(unsafe_code)]
// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

mod peers;
#[cfg_attr(target_family = "wasm", path = "web.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "native.rs")]
mod target;
mod tests;

/// Natively, runs all tests and prints `ok NAME` or `not ok NAME: why` for each; the arguments are
/// those of [`Peers::parse`](peers::Peers::parse). In a page, tests are run one by one.
fn main() {
    target::main();
}
