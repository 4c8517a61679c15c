//! A small HTTP/3 (RFC 9114) over [`quinn`]: requests and responses, and the extended CONNECT
//! that WebSockets run on (RFC 8441, RFC 9220), in both roles.
//!
//! * [`client::ClientConnection`] and [`server::ServerConnection`] start HTTP/3 on a QUIC
//!   connection. [`RequestStream`] is the stream of a request, which reads and writes content.
//! * [`LocalSettings`] are the limits of this end. [`transport_config`] returns suitable settings
//!   of QUIC.
//! * [`frame`], [`qpack`], [`message`] and [`varint`] are the codec, without I/O.
//!
//! There is no server push, which a client need not allow (RFC 9114 §4.6), and no dynamic table of
//! QPACK, which an endpoint need not use (RFC 9204 §3.2.3).
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod client;
mod connection;
mod error;
mod error_code;
pub mod frame;
mod frame_header;
pub mod message;
pub mod qpack;
mod receive_error;
pub mod server;
mod settings;
mod stream;
mod transport_config;
pub mod varint;

pub use error::Error;
pub use error_code::{ErrorCode, RuleViolation};
pub use message::ConnectProtocol;
pub use quinn;
pub use receive_error::ReceiveError;
pub use settings::{LocalSettings, PeerSettings};
pub use stream::RequestStream;
pub use transport_config::transport_config;

/// The ALPN protocol identifier of HTTP/3 (RFC 9114 §3.1).
pub const ALPN: &[u8] = b"h3";
