//! The opening handshake on the server's side (RFC 6455 §4.2).

pub(crate) mod authenticate;
#[allow(clippy::module_inception, reason = "the file is named after `Handshake`")]
pub(crate) mod handshake;
pub(crate) mod lazy;
pub(crate) mod request;
pub(crate) mod responder;
pub(crate) mod response;
pub(crate) mod unanswered;
