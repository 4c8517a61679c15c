//! Reaching a server: addresses, sockets, proxies, TLS.

#[cfg(feature = "tls")]
pub(crate) mod client_cert;
pub(crate) mod dial;
#[cfg(feature = "tls")]
pub(crate) mod key_log;
pub(crate) mod progress;
pub(crate) mod proxy;
#[cfg(feature = "tls")]
pub(crate) mod tls;
pub(crate) mod tunnel;
