//! The settings of a server.

use std::time::Duration;

use fullduplex_proto::Config;

use crate::base::error::{Error, ErrorKind};
use crate::server::policy::forwarded::{ForwardedHeader, Forwarding};
use crate::server::policy::host::HostPolicy;
use crate::server::policy::origin::OriginPolicy;
use crate::server::policy::peer::PeerAddr;
use crate::server::policy::proxy_protocol::{ProxyMode, ProxyProtocol};
use crate::server::state::connection_limit::ConnectionLimits;
use crate::transport::http1::HandshakeLimits;

/// The settings of a server.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// What holds once a connection is open: limits, keepalive, buffers.
    pub websocket: Config,
    /// The subprotocols that the server speaks. The client's favourite among them is
    /// chosen; none if there is none.
    pub subprotocols: Vec<String>,
    /// Which web pages may connect. Default: those of the same host.
    pub origin: OriginPolicy,
    /// For which hosts requests are answered. Default: for any, which on loopback addresses is
    /// open to DNS rebinding: see [`HostPolicy`].
    pub hosts: HostPolicy,
    /// Whether proxies say in front of a connection whose it is. Default: they don't.
    pub proxy_protocol: ProxyProtocol,
    /// What is believed about clients behind proxies. Default: nothing.
    pub forwarding: Forwarding,
    /// Bounds on the opening handshake. A [`Server`](super::Server) does not begin with a
    /// `handshake_timeout` of zero.
    pub handshake: HandshakeLimits,
    /// Bounds on the server as a whole.
    pub limits: ServerLimits,
    /// Whether to speak HTTP/2 too (RFC 8441): as TLS negotiates it, and without TLS to
    /// clients that begin with it (RFC 9113 §3.3). Needs the feature `http2`. Default: no.
    pub http2: bool,
}

impl ServerConfig {
    /// Whether anybody could be served with it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (setting, value) in [
            ("handshake_timeout", self.handshake.handshake_timeout),
            ("limits.idle_timeout", self.limits.idle_timeout),
            ("limits.stall_timeout", self.limits.stall_timeout),
        ] {
            if value.is_zero() {
                let why = format!("{setting} is zero, in which nothing can be done");
                return Err(Error::new(ErrorKind::Misuse, why));
            }
        }
        Ok(())
    }

    /// The subprotocol, if it is one of the server's own. Others that the application agrees to
    /// may be a client's token, as browsers have few other ways to send one.
    pub(crate) fn known_subprotocol(&self, protocol: Option<&str>) -> Option<&str> {
        self.subprotocols.iter().map(String::as_str).find(|own| Some(*own) == protocol)
    }

    /// Whether a peer is counted in all alone. Programs on this machine are no strangers, and
    /// often a proxy before us; proxies that are trusted come for many, each of whom is counted
    /// once we are told of it.
    pub(crate) fn is_exempt_per_address(&self, peer: &PeerAddr) -> bool {
        let (proxy, forwarding) = (&self.proxy_protocol, &self.forwarding);
        peer.ip().is_none_or(|ip| ip.is_loopback())
            || (proxy.mode != ProxyMode::Off && proxy.trusted.trusts(peer))
            || (forwarding.header != ForwardedHeader::Ignore && forwarding.trusted.trusts(peer))
    }
}

/// Bounds on a server as a whole. A [`Server`](super::Server) does not begin with a timeout of
/// zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How many connections may stand, in all and from one address. One more is answered 503
    /// or 429 where that can be done without waiting, and dropped. Connections from this
    /// machine, and from trusted proxies, are counted in all alone; each WebSocket counts for
    /// the client that it is from, also one that shares a connection with others (HTTP/2,
    /// HTTP/3, proxies that go on using a connection), and is answered 429 if that has too many.
    /// Default: 65,536 and 256.
    pub connections: ConnectionLimits,
    /// The most opening handshakes that may be under way; with one more, the oldest is
    /// dropped. Default: 4,096.
    pub max_handshakes: usize,
    /// The most streams that a connection of HTTP/2 or HTTP/3 may have open. Default: 100.
    pub max_streams: u32,
    /// How long a connection of HTTP/2 or HTTP/3 may stand without a stream. (HTTP/1.1 has
    /// `handshake_timeout` until the next request.) Default: 60 s.
    pub idle_timeout: Duration,
    /// How long ordinary HTTP may stand still: while the content of a request is waited for,
    /// and while the peer takes nothing, or not enough, of an answer. Default: 30 s.
    pub stall_timeout: Duration,
    /// How many bytes a second the peer has to take of an answer of ordinary HTTP, so that
    /// nobody holds one by taking it in crumbs: for as many as make up `stall_timeout`, it may
    /// keep the server waiting for so long in all. Time in which the service has nothing to
    /// send does not count. What the system's buffers hold has been taken. 0 for no such rule.
    /// Default: 240.
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
        assert!(!near(&config), "they are not asked");
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
