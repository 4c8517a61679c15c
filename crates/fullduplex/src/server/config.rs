//! The settings of a server.

use std::time::Duration;

use fullduplex_proto::Config;

use crate::base::error::{Error, ErrorKind};
use crate::base::handshake_limits::HandshakeLimits;
use crate::server::policy::forwarded::{ForwardedHeader, Forwarding};
use crate::server::policy::host::HostPolicy;
use crate::server::policy::origin::OriginPolicy;
use crate::server::policy::peer::PeerAddr;
use crate::server::policy::proxy_protocol::{ProxyMode, ProxyProtocol};
use crate::server::state::connection_limit::ConnectionLimits;

/// The settings of a server.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// The settings of open WebSockets: limits, keepalive, buffers, compression.
    pub websocket: Config,
    /// The subprotocols that the server supports. The client's favourite among them is
    /// selected. Default: empty, which selects none.
    pub subprotocols: Vec<String>,
    /// Which web pages may connect. Default: those of the same host.
    pub origin: OriginPolicy,
    /// For which hosts requests are answered. Default: for any, which on loopback addresses is
    /// open to DNS rebinding: see [`HostPolicy`].
    pub hosts: HostPolicy,
    /// Whether proxies send a PROXY protocol header at the start of a connection. Default: no.
    pub proxy_protocol: ProxyProtocol,
    /// Which header fields of trusted proxies name the client. Default: none.
    pub forwarding: Forwarding,
    /// Limits on the opening handshake. A [`Server`](super::Server) does not start with a
    /// `handshake_timeout` of zero.
    pub handshake: HandshakeLimits,
    /// Limits on the server as a whole.
    pub limits: ServerLimits,
    /// Whether to serve HTTP/2 too (RFC 8441): where TLS negotiates it, and without TLS to
    /// clients with prior knowledge (RFC 9113 §3.3). Needs the feature `http2`. Default: false.
    pub http2: bool,
}

impl ServerConfig {
    /// Checks that no timeout is zero.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (setting, value) in [
            ("handshake_timeout", self.handshake.handshake_timeout),
            ("limits.idle_timeout", self.limits.idle_timeout),
            ("limits.stall_timeout", self.limits.stall_timeout),
        ] {
            if value.is_zero() {
                let why = format!("{setting} must not be zero");
                return Err(Error::new(ErrorKind::Misuse, why));
            }
        }
        Ok(())
    }

    /// Returns the subprotocol if it is one of `subprotocols`. Another one, which the application
    /// selected, may be a client's token, as browsers have few other ways to send one.
    pub(crate) fn known_subprotocol(&self, subprotocol: Option<&str>) -> Option<&str> {
        self.subprotocols.iter().map(String::as_str).find(|known| Some(*known) == subprotocol)
    }

    /// Whether the limit per address does not apply to a peer: to loopback, which is often a
    /// proxy on this machine, and to trusted proxies. Their clients are counted one by one when
    /// the proxy has named them.
    pub(crate) fn is_exempt_per_address(&self, peer: &PeerAddr) -> bool {
        let (proxy, forwarding) = (&self.proxy_protocol, &self.forwarding);
        peer.ip().is_none_or(|ip| ip.is_loopback())
            || (proxy.mode != ProxyMode::Off && proxy.trusted.trusts(peer))
            || (forwarding.header != ForwardedHeader::Ignore && forwarding.trusted.trusts(peer))
    }
}

/// Limits on a server as a whole. A [`Server`](super::Server) does not start with a timeout of
/// zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Maximum number of open connections in total, and from one address. Default: 65,536 and 256.
    ///
    /// Beyond a limit the server writes 503 (total) or 429 (per address) if the socket accepts it
    /// at once, then closes. With TLS, and on HTTP/3 and Unix sockets, it only closes.
    ///
    /// The limit per address does not apply to connections from loopback, Unix sockets and trusted
    /// proxies. Each WebSocket counts towards its client's address, even on a connection that it
    /// shares with others (HTTP/2, HTTP/3, or one that a proxy reuses). One beyond the limit is
    /// answered 429.
    pub connections: ConnectionLimits,
    /// Maximum number of pending opening handshakes: connections that have not completed their
    /// first request (PROXY header, TLS and head). One more evicts the oldest. Default: 4,096.
    pub max_handshakes: usize,
    /// Maximum number of open streams of one connection of HTTP/2 or HTTP/3. Default: 100.
    pub max_streams: u32,
    /// How long a connection of HTTP/2 or HTTP/3 may be open without a stream. Default: 60 s.
    ///
    /// On HTTP/1.1, `handshake_timeout` bounds the wait for the next request.
    pub idle_timeout: Duration,
    /// How long ordinary HTTP may make no progress: while the server waits for the content of a
    /// request, or for the peer to read a response. Default: 30 s.
    pub stall_timeout: Duration,
    /// Slowest average rate, in bytes per second, at which a client may read a response of ordinary
    /// HTTP. Default: 240; 0 disables it.
    ///
    /// A slower client is cut off: it gets `stall_timeout` for each `min_response_rate` ×
    /// `stall_timeout` bytes. Time in which the service has nothing to send does not count. Bytes
    /// in the system's buffers count as read.
    pub min_response_rate: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits::default(),
            max_handshakes: 4096,
            max_streams: 100,
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
            min_response_rate: 240,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_by_address_leave_out_trusted_proxies() {
        let peer = |ip: &str| PeerAddr::Inet(std::net::SocketAddr::new(ip.parse().unwrap(), 1));
        let mut config = ServerConfig::default();
        let near = |config: &ServerConfig| config.is_exempt_per_address(&peer("10.0.0.2"));
        config.forwarding.trusted = "10.0.0.0/8".parse().unwrap();
        config.proxy_protocol.trusted = "10.0.0.0/8".parse().unwrap();
        assert!(!near(&config), "neither setting is on");
        config.forwarding.header = ForwardedHeader::XForwardedFor;
        assert!(near(&config) && !config.is_exempt_per_address(&peer("192.0.2.1")));
        config.forwarding.header = ForwardedHeader::Ignore;
        config.proxy_protocol.mode = ProxyMode::Required;
        assert!(near(&config) && !config.is_exempt_per_address(&peer("192.0.2.1")));
        assert!(
            config.is_exempt_per_address(&peer("127.0.0.9"))
                && config.is_exempt_per_address(&PeerAddr::Unix)
        );
    }
}
