//! The WebSocket of a browser, and of Node, Deno and Bun, as a client of this library, on
//! `wasm32-unknown-unknown`.
//!
//! Only a local task (`task`) has JavaScript's objects, which can't be sent to other threads. The
//! halves of a WebSocket share a [`Connection`](connection::Connection) with it, which has two
//! bounded queues of messages. What needs no JavaScript is also compiled and tested natively.

#[cfg(target_family = "wasm")]
pub(crate) mod bindings;
#[cfg(target_family = "wasm")]
pub(crate) mod builder;
#[cfg(target_family = "wasm")]
pub(crate) mod client;
pub(crate) mod connection;
#[cfg(target_family = "wasm")]
mod data;
#[cfg(target_family = "wasm")]
pub(crate) mod hints;
#[cfg(target_family = "wasm")]
pub(crate) mod request;
pub(crate) mod rules;
#[cfg(target_family = "wasm")]
mod socket;
#[cfg(target_family = "wasm")]
pub(crate) mod split;
#[cfg(target_family = "wasm")]
mod stream;
#[cfg(target_family = "wasm")]
mod task;
#[cfg(target_family = "wasm")]
pub(crate) mod time;
#[cfg(target_family = "wasm")]
pub(crate) mod websocket;
