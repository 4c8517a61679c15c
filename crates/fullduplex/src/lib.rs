//! A WebSocket (RFC 6455) client and server for tokio.
//!
//! * [`connect`] and [`Client`] open a WebSocket. [`server::Server`], [`server::accept`] and
//!   [`server::Handshake`] accept one.
//! * [`WebSocket`] is a stream and a sink of messages over any [`Transport`]. It gathers messages
//!   into few writes, answers Pings and Closes automatically, and completes the closing handshake.
//! * [`broadcast`] sends one message to many WebSockets.
//! * [`Client::reconnecting`] opens a connection again when it breaks. [`client`] has proxies, TLS,
//!   HTTP versions, redirects and cookies.
//! * [`Config`] has the settings of an open connection, [`HandshakeLimits`] the limits of the
//!   opening handshake; [`server::ServerConfig`] wraps both for a server. Every limit has a
//!   default, and the error names the limit.
//! * [`proto`] is the protocol without I/O, for other runtimes.
//!
//! The library needs a tokio runtime with I/O and time enabled, and panics outside of one.
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
#![cfg_attr(
    not(all(feature = "client", feature = "server")),
    allow(dead_code, reason = "the layers below have what only a client or only a server uses")
)]

mod base;
pub mod broadcast;
#[cfg(feature = "client")]
pub mod client;
mod connection;
#[cfg(feature = "server")]
pub mod server;
mod transport;

pub use base::error::{Error, ErrorKind};
pub use base::handshake_limits::HandshakeLimits;
#[cfg(feature = "client")]
pub use client::{Client, ClientBuilder, connect};
pub use connection::builder::{WebSocketBuilder, pair, pair_with};
pub use connection::byte_stream::ByteStream;
pub use connection::control_frames::{ControlFrame, ControlFrames, PongFuture};
pub use connection::message_io::{MessageReader, MessageWriter};
pub use connection::split::{
    NextFuture, ReceiveHalf, ReuniteError, SendFuture, SendHalf, TrySendError,
};
pub use connection::stats::{ConnectionStats, DirectionStats};
pub use connection::websocket::WebSocket;
#[cfg(feature = "json")]
pub use fullduplex_proto::JsonError;
pub use fullduplex_proto::{
    self as proto, CloseCause, CloseCode, CloseFrame, CloseInfo, Compression, Config,
    DeflateConfig, DeflateParams, FromUtf8Error, Initiator, KeepaliveConfig, Limits, Message,
    MessageKind, PerMessageDeflate, PreparedMessage, ReadyState, Role, SendConfig, Utf8Bytes,
};
pub use transport::Transport;
pub use transport::net_stream::NetStream;
