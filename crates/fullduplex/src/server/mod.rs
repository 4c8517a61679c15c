//! The server's side.
//!
//! * [`Server`] listens, serves WebSockets and ordinary HTTP on the same port, over HTTP/1.1
//!   and HTTP/2, and goes away without a bang ([`ServerHandle::drain`]).
//! * [`accept`] opens a WebSocket on any transport, with the defaults.
//! * [`Handshake`] does it step by step: look at the request, then accept, refuse, or
//!   answer ordinary HTTP.
//! * `upgrade` (feature `hyper`) opens one in a server that hyper runs, and `WebSocketLayer`
//!   (feature `tower`) does so in front of any tower service. For axum there is an extractor in
//!   the crate `fullduplex-axum`.
//! * [`ServerHandle::new`] is for all of these, to close their WebSockets when the program ends.

mod bind;
#[cfg(feature = "hyper")]
mod body;
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
mod carrying;
mod config;
mod connection;
#[cfg(feature = "http2")]
mod counted;
mod drain;
mod forwarded;
mod handler;
mod handshake;
mod host;
#[cfg(feature = "hyper")]
mod http1;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod in_flight;
#[cfg(feature = "tower")]
mod layer;
mod lazy;
pub(crate) mod lifecycle;
mod listen;
pub(crate) mod members;
#[cfg(feature = "metrics")]
mod metrics;
mod origin;
mod output;
#[cfg(feature = "hyper")]
mod pace;
pub(crate) mod panics;
mod peer;
mod proxy_protocol;
mod rate;
mod refused;
#[cfg(feature = "hyper")]
mod rejection;
mod remote;
mod reply;
mod request;
mod running;
mod secret;
mod semantics;
#[cfg(feature = "hyper")]
mod service;
#[cfg(all(feature = "http3", feature = "hyper"))]
mod shared_stream;
mod slots;
mod staged;
mod stats;
#[cfg(unix)]
mod systemd;
#[cfg(feature = "tls")]
mod tls;
pub(crate) mod trace;
#[cfg(unix)]
mod unix;
#[cfg(feature = "hyper")]
mod upgrade;
mod workers;

pub use bind::{BACKLOG, bind};
#[cfg(feature = "hyper")]
pub use body::Body;
pub use config::{ServerConfig, ServerLimits};
pub use drain::{Drain, DrainReport, ServerHandle};
pub use forwarded::{
    AddressSource, BadForwarded, ClientAddress, ForwardedHeader, ForwardedProto, Forwarding,
};
pub use handshake::Handshake;
pub use host::{HostPolicy, HostRefused, HostRule};
#[cfg(feature = "tower")]
pub use layer::{ResponseBody, ResponseFuture, WebSocketLayer, WebSocketService};
pub use listen::Listener;
pub use origin::{Origin, OriginPolicy, OriginRefused, OriginSuffix};
pub use output::HandlerOutput;
pub use peer::{Peer, TrustedProxies};
pub use proxy_protocol::{
    Proxied, ProxyHeader, ProxyHeaderError, ProxyMode, ProxyProtocol, ProxyRefused, ProxyStep,
    parse_proxy_header,
};
pub use rate::{Bucket, Rate};
pub use refused::{Reason, Refused};
#[cfg(feature = "hyper")]
pub use rejection::Rejection;
pub use remote::Remote;
pub use running::Server;
pub use secret::constant_time_eq;
pub use slots::{NoSlot, Slot, SlotCounts, SlotLimits, Slots};
pub use stats::{End, Histogram, HttpVersion, Outcome, Stats};
#[cfg(feature = "self-signed")]
pub use tls::SelfSigned;
#[cfg(feature = "tls")]
pub use tls::{
    Certificate, CertificateInfo, CertificateWarning, Pem, TlsBuilder, TlsConfig, TlsInfo,
    TlsStream,
};
#[cfg(feature = "hyper")]
pub use upgrade::{Upgrade, UpgradeRequest, is_websocket, upgrade};

#[cfg(unix)]
pub use systemd::{PassedListener, PassedSocket, listeners_from_systemd};
#[cfg(unix)]
pub use unix::{UnixSocketFile, bind_unix};
pub use workers::Workers;

use std::sync::Arc;

use crate::error::Error;
use crate::halves::Transport;
use crate::websocket::WebSocket;

/// Opens a WebSocket on a transport, with the defaults.
///
/// # Cancel safety
/// Dropped before it is ready, the transport is dropped.
pub async fn accept<S: Transport>(stream: S) -> Result<WebSocket<S>, Error> {
    accept_with(stream, ServerConfig::default()).await
}

/// Opens a WebSocket on a transport. A request that breaks a rule is answered with the
/// status it deserves, and gives an error.
///
/// # Cancel safety
/// Dropped before it is ready, the transport is dropped.
pub async fn accept_with<S: Transport>(
    stream: S,
    config: impl Into<Arc<ServerConfig>>,
) -> Result<WebSocket<S>, Error> {
    Handshake::read(stream, config).await?.accept().await
}
