//! A WebSocket (RFC 6455) client and server for tokio: whole messages in and out, with limits and
//! deadlines on everything that a peer can do.
//!
//! A server, which echoes:
//!
//! ```no_run
//! use fullduplex::{Error, server::Server};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let server = Server::bind("127.0.0.1:9001").await?;
//!     server
//!         .serve(|mut websocket| async move {
//!             while let Some(message) = websocket.next().await {
//!                 websocket.send(message?).await?;
//!             }
//!             Ok::<_, Error>(())
//!         })
//!         .await
//! }
//! ```
//!
//! A client:
//!
//! ```no_run
//! use fullduplex::{CloseCode, Error};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let (mut websocket, _response) = fullduplex::connect("ws://127.0.0.1:9001/").await?;
//!     websocket.send("hello").await?;
//!     if let Some(message) = websocket.next().await {
//!         println!("{:?}", message?);
//!     }
//!     println!("{}", websocket.close(CloseCode::NORMAL, "").await?);
//!     Ok(())
//! }
//! ```
//!
//! # Where to begin
//!
//! | you want to | begin with |
//! |---|---|
//! | connect to a server | [`connect`]; [`Client`] for header fields, TLS and proxies |
//! | stay connected | [`Client::reconnecting`] |
//! | run a server | [`Server`] |
//! | add WebSockets to a server | [`WebSocketLayer`]; the crate `fullduplex-axum` for axum |
//! | accept on a socket of yours | [`accept`]; [`Handshake`] to look at the request first |
//! | receive and send in one task | [`WebSocket`] |
//! | receive in one task and send in others | [`WebSocket::split`] |
//! | only send | [`WebSocket::send_only`] |
//! | send a message to many | [`Group`]; [`Topics`] by name |
//! | send or receive long messages | [`WebSocket::writer`] and [`WebSocket::next_reader`] |
//! | carry another protocol | [`WebSocket::into_byte_stream`] |
//! | test without a network | [`pair`]; [`memory`] for a server with its limits |
//! | change limits and timeouts | [`Config`], [`ServerConfig`] and [`HandshakeLimits`] |
//! | connect from a web page | [`connect`], see [below](#in-a-browser) |
//! | use another runtime, or none | [`proto`], the protocol without I/O |
//!
//! # About WebSocket
//!
//! WebSocket connects a client, often a web page, to a server for as long as both want, and either
//! side may send at any time. It begins as HTTP and so passes where HTTP does: ports, TLS, proxies,
//! cookies and paths are the same.
//!
//! * **Opening handshake** (RFC 6455 §4). The client sends a GET with `Upgrade: websocket`. A
//!   server that agrees answers 101, and the TCP connection is a WebSocket from then on; any other
//!   answer is ordinary HTTP. A subprotocol and compression (RFC 7692) are negotiated with it.
//! * **Messages** (§5.6) are [text or binary](Message), whole and in order, unlike the bytes of
//!   TCP.
//! * **Control frames** (§5.5) may come between the parts of a message. A Ping asks for a Pong,
//!   which shows that the peer is alive. The library sends and answers them.
//! * **Closing** (§7). Each side sends a Close with a [code](CloseCode) and a reason, and sends
//!   nothing after it. When both have, the connection ended cleanly; else messages may be missing.
//!   [`CloseInfo`] says which.
//! * **HTTP/2 and HTTP/3** (RFC 8441, RFC 9220). Many WebSockets share a connection, each on a
//!   stream of its own, opened by a CONNECT in place of the GET. After that, nothing differs.
//!
//! Browsers send the [`Origin`](server::policy::OriginPolicy) of the page that connects, and
//! cookies even from pages of others: a server must check it, and [`Server`] does.
//!
//! # Cancel safety and runtime
//!
//! Every future may be dropped, as `select!` and timeouts do. The documentation of each says what
//! then holds: [`WebSocket::next`] loses no message, and [`WebSocket::send`] has sent the whole
//! message or nothing.
//!
//! A tokio runtime with I/O and time enabled is needed, of either flavor; what needs it panics
//! outside of one. A WebSocket has no task of its own while it is open and its owner reads. Dropped
//! WebSockets are closed in the background.
//!
//! # In a browser
//!
//! For `wasm32-unknown-unknown` this crate is a client on the WebSocket of JavaScript, in pages,
//! workers, Node, Deno and Bun. [`connect`], [`Client`], [`WebSocket`] and its halves, and
//! [`Client::reconnecting`] have the names and meanings that they have elsewhere. What a page can't
//! do does not exist there: header fields, proxies, TLS settings, Pings, compression settings,
//! aborting, long messages in pieces, [`broadcast`], servers.
//!
//! * A page is not told why a connection failed. [`Error::kind`] is then
//!   [`Handshake`](ErrorKind::Handshake), and after the connection was open the cause is
//!   [`CloseCause::Undisclosed`]. [`Error::response`], [`Error::connect_step`] and
//!   [`Error::first_bytes`] are empty.
//! * It can close with 1000, 3000 to 4999, or without a code. A dropped WebSocket is closed without
//!   a code.
//! * A browser reads on while the application does not. `ClientBuilder::max_buffered` bounds what
//!   waits for it.
//!
//! No tokio runtime is needed there. The features of this crate have no effect there, except for
//! `client`, `serde` and `json`.
//!
//! # Stability
//!
//! Versions follow semantic versioning: up to 1.0, the second number changes if the API does.
//! Structs and enums that may grow are `#[non_exhaustive]`. Of other crates, the API has types of
//! `bytes`, `http`, `tokio`, `futures-core` and `futures-sink`, and with their features of
//! `rustls`, `http-body`, `tower` and `serde`. [`proto`], whose types are part of this API, has the
//! version number of this crate. Rust 1.88 or later is needed.
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
//! | `metrics` | statistics of servers and clients for a recorder of the crate `metrics` |
//! | `tracing` | events and spans of servers and clients for subscribers of the crate `tracing` |
//! | `serde` | `Serialize` and `Deserialize` of texts, close codes and how connections ended |
//! | `json` | [`Message::json`] and [`Message::parse_json`]; includes `serde` |
//! | `tap` | [`Tap`](tap::Tap), which observes the bytes of WebSockets |
//! | `self-signed` | [`SelfSigned`] certificates for tests; needs `tls` or `aws-lc-rs` |
//! | `full` | all of these but `aws-lc-rs` and `libdeflate` |
//!
//! [`Group`]: broadcast::Group
//! [`Topics`]: broadcast::Topics
//! [`memory`]: server::listen::memory
//! [`ServerConfig`]: server::ServerConfig
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
    any(target_family = "wasm", not(all(feature = "client", feature = "server"))),
    allow(dead_code, reason = "the layers below have what only a client or only a server uses")
)]

#[cfg(all(target_family = "wasm", not(target_os = "unknown")))]
compile_error!(
    "on WebAssembly, fullduplex is a client on the WebSocket of JavaScript, for the target \
     wasm32-unknown-unknown"
);

mod base;
#[cfg(not(target_family = "wasm"))]
pub mod broadcast;
#[cfg(all(feature = "client", not(target_family = "wasm")))]
pub mod client;
#[cfg(all(feature = "client", target_family = "wasm"))]
#[path = "client/browser.rs"]
pub mod client;
#[cfg(not(target_family = "wasm"))]
mod connection;
#[cfg(all(feature = "server", not(target_family = "wasm")))]
pub mod server;
#[cfg(not(target_family = "wasm"))]
mod transport;
#[cfg(all(feature = "client", any(target_family = "wasm", test)))]
#[cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, unused_imports, reason = "natively, only its tests use it")
)]
mod web;

/// Observers of the bytes of WebSockets, for tools that show what is on the wire.
#[cfg(all(feature = "tap", not(target_family = "wasm")))]
pub mod tap {
    pub use crate::transport::tap::{ConnectionTap, Direction, Opening, Tap, TransportEnd};
}

pub use base::error::{ConnectStep, Error, ErrorKind};
#[cfg(not(target_family = "wasm"))]
pub use base::handshake_limits::HandshakeLimits;
pub use base::stats::{ConnectionStats, DirectionStats};
pub use base::try_send_error::TrySendError;
#[cfg(feature = "client")]
pub use client::{Client, ClientBuilder, connect};
#[cfg(not(target_family = "wasm"))]
pub use connection::builder::{WebSocketBuilder, pair, pair_with};
#[cfg(not(target_family = "wasm"))]
pub use connection::byte_stream::ByteStream;
#[cfg(not(target_family = "wasm"))]
pub use connection::control_frames::{ControlFrame, ControlFrames, PongFuture};
#[cfg(not(target_family = "wasm"))]
pub use connection::message_io::{MessageReader, MessageWriter};
#[cfg(not(target_family = "wasm"))]
pub use connection::split::{NextFuture, ReceiveHalf, ReuniteError, SendFuture, SendHalf};
#[cfg(not(target_family = "wasm"))]
pub use connection::websocket::WebSocket;
#[cfg(feature = "json")]
pub use fullduplex_proto::JsonError;
pub use fullduplex_proto::{
    self as proto, CloseCause, CloseCode, CloseFrame, CloseInfo, ConfigError, FromUtf8Error,
    Initiator, Message, MessageKind, ReadyState, Utf8Bytes,
};
#[cfg(not(target_family = "wasm"))]
pub use fullduplex_proto::{
    Compression, Config, DeflateConfig, DeflateParams, KeepaliveConfig, Limits, PerMessageDeflate,
    PreparedMessage, Role, SendConfig,
};
#[cfg(not(target_family = "wasm"))]
pub use transport::Transport;
#[cfg(not(target_family = "wasm"))]
pub use transport::net_stream::NetStream;
#[cfg(all(feature = "client", target_family = "wasm"))]
pub use web::split::{NextFuture, ReceiveHalf, ReuniteError, SendFuture, SendHalf};
#[cfg(all(feature = "client", target_family = "wasm"))]
pub use web::websocket::WebSocket;
