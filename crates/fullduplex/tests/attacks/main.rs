//! A server under attack: a real one, in threads of its own, with clients beside the attackers
//! that want to be served all the while.
//!
//! `cargo test --all-features --test attacks -- --nocapture` prints what each attack came to:
//! the round trips of the siblings before and during it, the time newcomers took to be served,
//! the growth of memory (the attackers' own included), and how many attackers were cut.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
// The figures are what these tests are also for.
#![allow(clippy::print_stdout)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "http2",
    feature = "hyper",
    feature = "_tls",
    target_os = "linux"
))]

mod attacked_server;
#[path = "../common/mod.rs"]
mod common;
mod drain;
mod frames;
mod handshakes;
mod http2;
mod http2_frames;
mod http_content;
mod malformed;
mod many_connections;
mod open_files;
mod siblings;
mod smuggling;
mod sockets;
mod turns;
