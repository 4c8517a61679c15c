//! The native client as the WHATWG's WebSocket in Node.
//!
//! `websocket.mjs` is the interface of the standard: its classes, attributes, exceptions and
//! events. What concerns the wire is done here. It is not published: it exists so that the
//! web-platform tests can be run on the client (`tests/wpt`). In short, `tests/peers/whatwg.mjs`
//! tests the same.

mod connection;
// Here the macros of `napi` expand to unsafe code, which all other modules forbid.
#[allow(clippy::needless_pass_by_value, reason = "what is behind `#[napi]` is handed over")]
mod node;
mod turns;
