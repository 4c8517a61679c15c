//! What a server counts, limits and reports.

pub(crate) mod connection_limit;
#[cfg(feature = "http2")]
pub(crate) mod counted;
pub(crate) mod handle;
pub(crate) mod handshake_limit;
pub(crate) mod lifecycle;
pub(crate) mod members;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
pub(crate) mod panics;
pub(crate) mod permit;
pub(crate) mod refused;
pub(crate) mod stats;
pub(crate) mod trace;
