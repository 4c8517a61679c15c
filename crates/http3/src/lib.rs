//! A small HTTP/3 (RFC 9114) over [`quinn`]: requests and responses, and the extended CONNECT
//! that WebSockets run on (RFC 8441, RFC 9220), in both roles.
//!
//! * [`client::ClientConnection`] and [`server::ServerConnection`] begin it on a QUIC connection;
//!   [`RequestStream`] is the transport for the content of a request.
//! * [`LocalSettings`] are what this end allows; [`transport_config`] is a start for QUIC's own.
//! * [`frame`], [`qpack`], [`message`] and [`varint`] are the codec, without I/O.
//!
//! There is no push, which no client has to allow (RFC 9114 §4.6), and no dynamic table of
//! QPACK, which no endpoint has to use (RFC 9204 §3.2.3). Trailers are ignored.
#![forbid(unsafe_code)]

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

/// What HTTP/3 is called in TLS (RFC 9114 §3.1).
pub const ALPN: &[u8] = b"h3";
