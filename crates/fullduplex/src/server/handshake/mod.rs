//! The opening handshake on the server's side (RFC 6455 §4.2).

pub(crate) mod handshake;
pub(crate) mod lazy;
pub(crate) mod reply;
pub(crate) mod request;
