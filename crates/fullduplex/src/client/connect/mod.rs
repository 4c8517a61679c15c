//! Reaching a server: addresses, sockets, proxies, TLS.

pub(crate) mod connected;
pub(crate) mod dial;
pub(crate) mod progress;
pub(crate) mod proxy;
pub(crate) mod reach;
#[cfg(feature = "tls")]
pub(crate) mod tls;
