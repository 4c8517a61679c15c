//! WebSocket (RFC 6455) for tokio, client and server.
//!
//! * [`connect`] and [`Client`] open a WebSocket; [`server::Server`], [`server::accept`] and
//!   [`server::Handshake`] accept them.
//! * [`WebSocket`] is a stream and a sink of messages over any [`Transport`]. It gathers what
//!   is sent, answers pings and Closes by itself, and runs the closing handshake to its end.
//! * [`Client::reconnecting`] keeps a connection through breaks; [`client`] has all that lies
//!   between a client and its server.
//! * [`Config`] has what holds once a connection is open, [`HandshakeLimits`] what holds
//!   before. Every limit has a default, and its error names it.
//! * [`proto`] is the protocol without I/O, for other runtimes.
//!
//! All of it needs a tokio runtime with I/O and time enabled, and panics outside of one.
//!
//! ```
//! # async fn example() -> Result<(), fullduplex::Error> {
//! let (mut websocket, _response) = fullduplex::connect("ws://127.0.0.1:9001/echo").await?;
//! websocket.send("hello").await?;
//! while let Some(message) = websocket.next().await {
//!     println!("{:?}", message?);
//! }
//! println!("{}", websocket.close_info().expect("it has ended"));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod batch;
mod buffers;
mod byte_stream;
mod cidr;
pub mod client;
mod deadline;
mod driver;
mod error;
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
mod fields;
pub mod group;
mod guard;
mod halves;
mod http1;
#[cfg(feature = "http2")]
mod http2_stream;
mod incoming;
mod mask;
mod memory;
mod message_io;
mod net_stream;
mod outlet;
mod protected;
mod read_ahead;
mod registry;
mod retry;
mod rewind;
pub mod server;
mod split;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_stream;
mod traffic;
#[cfg(feature = "http2")]
mod tunnel_heads;
mod turn;
mod uri;
mod websocket;
mod words;

pub use byte_stream::ByteStream;
pub use client::{Client, ClientBuilder, connect};
pub use error::{Error, ErrorKind};
pub use fullduplex_proto::{
    self as proto, Cause, CloseCode, CloseFrame, CloseInfo, Compression, Config, Deflate,
    DeflateConfig, DeflateParams, Initiator, KeepaliveConfig, Kind, Limits, Message,
    PreparedMessage, Role, SendConfig, State, Utf8Bytes,
};
pub use halves::Transport;
pub use http1::HandshakeLimits;
pub use message_io::{MessageReader, MessageWriter};
pub use net_stream::NetStream;
pub use split::{ReceiveHalf, Receiving, SendHalf, Sending, TrySendError};
pub use traffic::{Flow, Traffic};
pub use websocket::WebSocket;
