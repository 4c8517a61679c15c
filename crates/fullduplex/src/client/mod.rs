//! WebSocket clients: connecting to a server, the opening handshake, and reconnecting.
//!
//! * [`connect`] opens a WebSocket with the default settings.
//! * [`Client`] has settings, made by a [`ClientBuilder`]: header fields and authentication, TLS
//!   ([`ClientTls`]), proxies ([`Proxies`]), cookies ([`CookieJar`]), redirections, and the HTTP
//!   version ([`HttpVersion`]). One client opens any number of WebSockets; those on HTTP/2 and
//!   HTTP/3 share connections.
//! * [`Client::reconnecting`] opens a connection again when it breaks, and queues messages
//!   meanwhile.
//! * [`stats`] are counts of what a client has done. [`ClientBuilder::on_connect_event`] reports
//!   each step of connecting.
//!
//! ```no_run
//! # async fn example() -> Result<(), fullduplex::Error> {
//! use fullduplex::Client;
//!
//! let client = Client::builder().bearer_auth("a token").max_message_size(16 << 20).build()?;
//! let (mut websocket, response) = client.connect("wss://example.com/feed").await?;
//! println!("{:?}", response.headers());
//! websocket.send("subscribe").await?;
//! # Ok(())
//! # }
//! ```
//!
//! By default, the proxies are those of the environment (`HTTPS_PROXY` and others), the certificate
//! authorities those of the system, and no redirection is followed.
//!
//! ```text
//! URL ─▶ proxy? ─▶ addresses ─▶ socket ─▶ TLS to the proxy? ─▶ tunnel? ─▶ TLS? ─▶ handshake
//!          ▲                                                                         │
//!          └──────────────────────── redirection, if allowed ◀───────────────────────┘
//! ```

mod attempt;
mod builder;
#[allow(clippy::module_inception, reason = "it is the file of `Client`")]
mod client;
mod client_stats;
mod connect;
mod cookies;
mod dispatch;
mod handshake;
mod header_list;
mod http1;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod http_version;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(any(feature = "http2", feature = "http3"))]
mod multiplexed;
mod reconnect;
mod redirect;
mod request;
mod response;
mod state;
mod tap;
mod trace;

pub use builder::ClientBuilder;
pub use client::{Client, connect};
pub use connect::dial::{Connect, Resolve, SocketOptions};
pub use connect::heads::{HeadField, RequestHead, ResponseHead};
pub use connect::progress::ConnectEvent;
pub use connect::proxy::{Proxies, Proxy};
#[cfg(feature = "_tls")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "tls", feature = "aws-lc-rs"))))]
pub use connect::tls::{ClientTls, RootCertificates};
pub use cookies::CookieJar;
pub use futures_core::future::BoxFuture;
pub use http_version::HttpVersion;
pub use reconnect::{
    Backoff, DisconnectReason, OfflinePolicy, ReconnectBuilder, ReconnectEvent, ReconnectSender,
    ReconnectStats, Reconnecting, RequestOverride,
};
pub use request::IntoClientRequest;

/// The rules of the opening handshake one by one, for a report that shows each.
pub mod rules {
    pub use fullduplex_proto::handshake::HeaderSource;
    pub use fullduplex_proto::handshake::rules::{RuleVerdict, request_rules, response_rules};
    pub use fullduplex_proto::handshake::server::HttpCarrier;
}

/// Statistics of a client.
pub mod stats {
    pub use super::client_stats::{ClientStats, ConnectOutcome};
    pub use crate::base::histogram::Histogram;
    pub use crate::connection::close_kind::CloseKind;
}
