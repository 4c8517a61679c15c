//! A small HTTP/3 (RFC 9114) over [`quinn`]: requests and responses, and the extended CONNECT
//! that WebSockets run on (RFC 8441, RFC 9220), in both roles.
//!
//! * [`client::Connection`] and [`server::Connection`] begin it on a QUIC connection;
//!   [`Stream`] is the transport for the content of a request.
//! * [`Settings`] are what this end allows; [`transport_config`] is a start for QUIC's own.
//! * [`frame`], [`qpack`], [`message`] and [`varint`] are the codec, without I/O.
//!
//! There is no push, which no client has to allow (RFC 9114 §4.6), and no dynamic table of
//! QPACK, which no endpoint has to use (RFC 9204 §3.2.3). Trailers are ignored.
#![forbid(unsafe_code)]

pub mod client;
mod code;
mod error;
pub mod frame;
mod frame_header;
pub mod message;
pub mod qpack;
mod refused;
pub mod server;
mod settings;
mod shared;
mod stream;
mod transport;
pub mod varint;

pub use code::{Code, Fault};
pub use error::Error;
pub use message::Protocol;
pub use quinn;
pub use refused::Refused;
pub use settings::{PeerSettings, Settings};
pub use stream::Stream;
pub use transport::transport_config;

/// What HTTP/3 is called in TLS (RFC 9114 §3.1).
pub const ALPN: &[u8] = b"h3";
