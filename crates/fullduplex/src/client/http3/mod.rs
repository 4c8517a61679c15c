//! WebSockets on the streams of an HTTP/3 connection (RFC 9220).

mod alt_svc;
mod connect;
pub(super) mod pool;
mod quic;
mod quic_tls;
