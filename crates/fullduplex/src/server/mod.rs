//! The server's side.
//!
//! * [`accept`] opens a WebSocket on any transport, with the defaults.
//! * [`Handshake`] does it step by step: look at the request, then accept, refuse, or
//!   answer ordinary HTTP.
//! * [`Server`] listens, and runs a handler for each connection.

mod bind;
mod forwarded;
mod handshake;
mod host;
mod listen;
mod origin;
mod peer;
mod proxy_protocol;
mod rate;
mod secret;
mod slots;
#[cfg(unix)]
mod systemd;
#[cfg(feature = "tls")]
mod tls;
#[cfg(unix)]
mod unix;

pub use bind::{BACKLOG, bind};
pub use forwarded::{
    AddressSource, BadForwarded, ClientAddress, ForwardedHeader, ForwardedProto, Forwarding,
};
pub use handshake::Handshake;
pub use host::{HostPolicy, HostRefused, HostRule};
pub use listen::Server;
pub use origin::{OriginPolicy, OriginRefused, OriginSuffix};
pub use peer::{Peer, TrustedProxies};
pub use proxy_protocol::{
    Proxied, ProxyHeader, ProxyHeaderError, ProxyMode, ProxyProtocol, ProxyRefused, ProxyStep,
    parse_proxy_header,
};
pub use rate::{Bucket, Rate};
pub use secret::constant_time_eq;
pub use slots::{NoSlot, Slot, SlotCounts, SlotLimits, Slots};
#[cfg(feature = "self-signed")]
pub use tls::SelfSigned;
#[cfg(feature = "tls")]
pub use tls::{
    Certificate, CertificateInfo, CertificateWarning, Pem, TlsBuilder, TlsConfig, TlsInfo,
    TlsStream,
};

#[cfg(unix)]
pub use systemd::{PassedListener, PassedSocket, listeners_from_systemd};
#[cfg(unix)]
pub use unix::{UnixSocketFile, bind_unix};

use std::sync::Arc;

use fullduplex_proto::Config;

use crate::error::Error;
use crate::halves::Transport;
use crate::http1::HandshakeLimits;
use crate::websocket::WebSocket;

/// The settings of a server.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// What holds once a connection is open: limits, keepalive, buffers.
    pub websocket: Config,
    /// The subprotocols that the server speaks. The client's favourite among them is
    /// chosen; none if there is none.
    pub protocols: Vec<String>,
    /// Which web pages may connect. Default: those of the same host.
    pub origin: OriginPolicy,
    /// Bounds on the opening handshake.
    pub handshake: HandshakeLimits,
}

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
