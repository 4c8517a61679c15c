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
//!
//! # Features
//!
//! Features add API and never change behaviour. Without any there are [`WebSocket`] and
//! [`broadcast`], on connections whose opening handshake was done elsewhere.
//!
//! | feature | what it adds |
//! |---|---|
//! | `client` (default) | [`connect`], [`Client`] and the module [`client`] |
//! | `server` (default) | the module [`server`]: [`Server`], [`accept`], [`Handshake`] |
//! | `tls` (default) | `wss:` URLs, [`ClientTls`] and [`ServerTls`], by rustls with ring |
//! | `aws-lc-rs` | the same by rustls with aws-lc-rs, which is used if both are on |
//! | `deflate` (default) | compression of messages (RFC 7692): [`Config::deflate`] |
//! | `libdeflate` | faster compression without context takeover, by libdeflate |
//! | `http2` | WebSockets on HTTP/2 (RFC 8441) |
//! | `http3` | WebSockets on HTTP/3 (RFC 9220), by quinn; needs `tls` or `aws-lc-rs` |
//! | `hyper` | [`Server::service`] for ordinary HTTP, [`upgrade`] for hyper's servers |
//! | `tower` | [`WebSocketLayer`]; includes `hyper` |
//! | `metrics` | statistics for a recorder of the crate `metrics` |
//! | `tracing` | events and spans for subscribers of the crate `tracing` |
//! | `serde` | `Serialize` and `Deserialize` of texts, close codes and how connections ended |
//! | `json` | [`Message::json`] and [`Message::parse_json`]; includes `serde` |
//! | `self-signed` | [`SelfSigned`] certificates for tests; needs `tls` or `aws-lc-rs` |
//! | `full` | all of these but `aws-lc-rs` and `libdeflate` |
//!
//! [`Server`]: server::Server
//! [`accept`]: server::accept
//! [`Handshake`]: server::Handshake
//! [`ClientTls`]: client::ClientTls
//! [`ServerTls`]: server::tls::ServerTls
//! [`Server::service`]: server::Server::service
//! [`upgrade`]: server::upgrade
//! [`WebSocketLayer`]: server::WebSocketLayer
//! [`SelfSigned`]: server::tls::SelfSigned
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg(hide(feature = "_tls"))))]
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
    self as proto, CloseCause, CloseCode, CloseFrame, CloseInfo, Compression, Config, ConfigError,
    DeflateConfig, DeflateParams, FromUtf8Error, Initiator, KeepaliveConfig, Limits, Message,
    MessageKind, PerMessageDeflate, PreparedMessage, ReadyState, Role, SendConfig, Utf8Bytes,
};
pub use transport::Transport;
pub use transport::net_stream::NetStream;
