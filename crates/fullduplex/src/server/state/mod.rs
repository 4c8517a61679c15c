//! The limits, statistics, logs and shutdown of a server.

pub(crate) mod connection_limit;
mod connection_owner;
pub(crate) mod handle;
pub(crate) mod handshake_limit;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
pub(crate) mod panics;
pub(crate) mod permit;
pub(crate) mod rejection;
pub(crate) mod server_state;
pub(crate) mod stats;
#[cfg(feature = "http2")]
pub(crate) mod stream_counter;
pub(crate) mod trace;
