//! Connecting to a server: addresses, sockets, proxies, TLS.

pub(crate) mod connected;
pub(crate) mod dial;
pub(crate) mod heads;
#[cfg(feature = "server")]
mod memory;
pub(crate) mod progress;
pub(crate) mod proxy;
pub(crate) mod server_connector;
#[cfg(feature = "_tls")]
pub(crate) mod tls;
