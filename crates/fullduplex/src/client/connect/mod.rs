//! Reaching a server: addresses, sockets, proxies, TLS.

#[cfg(feature = "tls")]
pub(crate) mod client_cert;
pub(crate) mod connected;
pub(crate) mod dial;
#[cfg(feature = "tls")]
pub(crate) mod key_log;
pub(crate) mod progress;
pub(crate) mod proxy;
pub(crate) mod reach;
#[cfg(feature = "tls")]
pub(crate) mod tls;
