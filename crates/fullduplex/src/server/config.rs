//! The settings of a server.

use std::time::Duration;

use fullduplex_proto::Config;

use super::{Forwarding, HostPolicy, OriginPolicy, ProxyProtocol, SlotLimits};
use crate::http1::HandshakeLimits;

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
    /// For which hosts requests are answered. Default: for any.
    pub hosts: HostPolicy,
    /// Whether proxies say in front of a connection whose it is. Default: they don't.
    pub proxy_protocol: ProxyProtocol,
    /// What is believed about clients behind proxies. Default: nothing.
    pub forwarding: Forwarding,
    /// Bounds on the opening handshake.
    pub handshake: HandshakeLimits,
    /// Bounds on the server as a whole.
    pub limits: ServerLimits,
    /// Whether to speak HTTP/2 too (RFC 8441): as TLS negotiates it, and without TLS to
    /// clients that begin with it (RFC 9113 §3.3). Needs the feature `http2`. Default: no.
    pub http2: bool,
}

/// Bounds on a server as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How many connections may stand, in all and from one address. One more is answered 503
    /// or 429 where that can be done without waiting, and dropped. Connections from this
    /// machine are counted in all alone. Default: 65,536 and 256.
    pub connections: SlotLimits,
    /// The most opening handshakes that may be under way; with one more, the oldest is
    /// dropped. Default: 4,096.
    pub max_handshakes: usize,
    /// The most streams that a connection of HTTP/2 or HTTP/3 may have open. Default: 100.
    pub max_streams: u32,
    /// How long a connection of HTTP/2 or HTTP/3 may stand without a stream. (HTTP/1.1 has
    /// `handshake_timeout` until the next request.) Default: 60 s.
    pub idle_timeout: Duration,
    /// How long ordinary HTTP may stand still: while the content of a request is waited for,
    /// and while the peer takes nothing of an answer. Default: 30 s.
    pub stall_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: SlotLimits::default(),
            max_handshakes: 4096,
            max_streams: 100,
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
        }
    }
}
