//! Clients: connecting to a server, the opening handshake, redirections, reconnecting.
//!
//! ```text
//! URL ─▶ proxy? ─▶ addresses ─▶ socket ─▶ TLS to the proxy? ─▶ tunnel? ─▶ TLS? ─▶ handshake
//!          ▲                                                                         │
//!          └──────────────────────── redirection, if allowed ◀───────────────────────┘
//! ```

mod builder;
#[allow(clippy::module_inception, reason = "it is the file of `Client`")]
mod client;
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
#[cfg(any(feature = "http2", feature = "http3"))]
mod multiplexed;
mod reconnect;
mod redirect;
mod request;
mod response;

pub use builder::ClientBuilder;
pub use client::{Client, connect};
pub use connect::dial::{Connect, Resolve, SocketOptions};
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
