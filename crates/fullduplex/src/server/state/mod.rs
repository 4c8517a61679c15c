//! What a server counts, limits and reports.

pub(crate) mod connection_limit;
#[cfg(feature = "http2")]
pub(crate) mod counted;
pub(crate) mod handle;
pub(crate) mod handshake_limit;
pub(crate) mod lifecycle;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
pub(crate) mod open_connections;
pub(crate) mod panics;
pub(crate) mod permit;
pub(crate) mod rejection;
pub(crate) mod stats;
pub(crate) mod trace;
