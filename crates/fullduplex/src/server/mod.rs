//! WebSocket servers: listening, the opening handshake, policies, and the shutdown.
//!
//! * [`Server`] listens, and serves WebSockets and ordinary HTTP (requests that do not ask for a
//!   WebSocket) on the same port, over HTTP/1.1, HTTP/2 and HTTP/3. [`Workers`] runs one on several
//!   threads.
//! * [`accept`] opens a WebSocket on any transport, with the default settings.
//! * [`Handshake`] opens one step by step: read the request, then accept it, reject it, or answer
//!   ordinary HTTP.
//! * `upgrade` (feature `hyper`) opens one in a server that hyper runs, and `WebSocketLayer`
//!   (feature `tower`) in front of any tower service. The crate `fullduplex-axum` has an extractor
//!   for axum.
//! * [`ServerHandle`] counts what is open, and [drains](ServerHandle::drain) it: each WebSocket is
//!   closed with 1001, within a deadline. [`ServerHandle::new`] makes one for WebSockets that were
//!   opened without a `Server`.
//!
//! ```no_run
//! # async fn example() -> Result<(), fullduplex::Error> {
//! use fullduplex::server::{Handshake, Server};
//! use http::{Response, StatusCode};
//!
//! let server = Server::bind("127.0.0.1:9001").await?.subprotocols(["chat"]);
//! server
//!     .serve_handshakes(|handshake: Handshake| async move {
//!         if handshake.request().uri().path() == "/chat" {
//!             return handshake.accept().await?.send("welcome").await;
//!         }
//!         let mut response = Response::new("no such room");
//!         *response.status_mut() = StatusCode::NOT_FOUND;
//!         handshake.respond(response).await
//!     })
//!     .await
//! # }
//! ```
//!
//! What they are configured with, and what they report:
//!
//! | module | |
//! |---|---|
//! | [`policy`] | which hosts, pages and proxies are trusted, and who the client is |
//! | [`limits`] | how many connections, streams and handshakes there may be |
//! | [`listen`] | TCP, Unix sockets, sockets from systemd, and listeners in memory for tests |
//! | `tls` | certificates, also of clients (feature `tls` or `aws-lc-rs`) |
//! | [`stats`] | what has happened since the start |
//! | `integrate` | hyper and tower (features of these names) |

mod config;
mod connection;
mod handler;
pub(crate) mod handshake;
pub(crate) mod http;
#[cfg(feature = "hyper")]
pub mod integrate;
pub mod listen;
mod output;
pub mod policy;
#[allow(clippy::module_inception, reason = "the file is named after `Server`")]
pub(crate) mod server;
pub(crate) mod state;
#[cfg(feature = "_tls")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "tls", feature = "aws-lc-rs"))))]
pub mod tls;
mod workers;

/// Limits on connections, and on the server as a whole.
pub mod limits {
    pub use super::config::ServerLimits;
    pub use super::state::connection_limit::{
        ConnectionCounts, ConnectionLimiter, ConnectionLimits, LimitReached, Permit,
    };
}

/// Statistics of a server.
pub mod stats {
    pub use super::state::stats::{HandshakeOutcome, ServerStats};
    pub use crate::base::histogram::Histogram;
    pub use crate::connection::close_kind::CloseKind;
}

pub use config::ServerConfig;
pub use handshake::handshake::Handshake;
#[cfg(feature = "hyper")]
pub use http::body::Body;
#[cfg(feature = "tower")]
pub use integrate::layer::WebSocketLayer;
#[cfg(feature = "hyper")]
pub use integrate::upgrade::upgrade;
pub use output::HandlerOutput;
pub use policy::connect_info::ConnectInfo;
pub use server::Server;
pub use state::handle::{DrainOptions, DrainReport, ServerHandle};
pub use state::rejection::{RejectedClient, RejectionReason};
pub use workers::Workers;

use std::sync::Arc;

use crate::base::error::Error;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;

/// Opens a WebSocket on a transport, with the default settings.
///
/// For one connection that the application has accepted. [`Server`] has limits on connections and a
/// graceful shutdown besides.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// loop {
///     let (tcp, _) = listener.accept().await?;
///     tokio::spawn(async move {
///         let mut websocket = fullduplex::server::accept(tcp).await?;
///         while let Some(message) = websocket.next().await {
///             websocket.send(message?).await?;
///         }
///         Ok::<_, fullduplex::Error>(())
///     });
/// }
/// # }
/// ```
///
/// # Errors
/// See [`accept_with`].
///
/// # Cancel safety
/// Dropping the future before it is ready drops the transport.
#[doc(alias = "accept_async")]
pub async fn accept<S: Transport>(stream: S) -> Result<WebSocket<S>, Error> {
    accept_with(stream, ServerConfig::default()).await
}

/// Opens a WebSocket on a transport.
///
/// # Errors
/// A request that is rejected is answered with the status of the rule that it breaks, and
/// returned as an error; see [`Handshake::read`] and [`Handshake::accept`].
///
/// # Cancel safety
/// Dropping the future before it is ready drops the transport.
///
/// ```
/// use fullduplex::server::{ServerConfig, accept_with};
/// use tokio::net::TcpStream;
///
/// async fn handle(tcp: TcpStream) -> Result<(), fullduplex::Error> {
///     let mut websocket = accept_with(tcp, ServerConfig::default().subprotocols(["chat"])).await?;
///     websocket.send("hello").await
/// }
/// ```
#[doc(alias = "accept_async_with_config")]
pub async fn accept_with<S: Transport>(
    stream: S,
    config: impl Into<Arc<ServerConfig>>,
) -> Result<WebSocket<S>, Error> {
    Handshake::read(stream, config).await?.accept().await
}
