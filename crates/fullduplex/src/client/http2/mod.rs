//! WebSockets on the streams of an HTTP/2 connection (RFC 8441).

#[cfg(feature = "_tls")]
mod alert;
pub(super) mod connect;
mod connection;
pub(super) mod pool;
