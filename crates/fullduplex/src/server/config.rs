//! The settings of a server.

use std::time::Duration;

#[cfg(feature = "deflate")]
use fullduplex_proto::DeflateConfig;
use fullduplex_proto::{Config, ConfigError, KeepaliveConfig};

use crate::base::handshake_limits::HandshakeLimits;
use crate::base::setters::setters;
use crate::server::policy::forwarded::{ForwardedHeader, Forwarding};
use crate::server::policy::host::HostPolicy;
use crate::server::policy::origin::OriginPolicy;
use crate::server::policy::peer::PeerAddr;
use crate::server::policy::proxy_protocol::{ProxyMode, ProxyProtocol};
use crate::server::state::connection_limit::ConnectionLimits;

/// The settings of a server.
///
/// The fields can be read and assigned, and each has a setter of its name. The settings that are
/// changed most among the nested ones have one here, too.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex::DeflateConfig;
/// use fullduplex::server::policy::OriginPolicy;
/// use fullduplex::server::ServerConfig;
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let config = ServerConfig::default()
///     .http2(true)
///     .origin_policy(OriginPolicy::list(["https://example.com"])?)
///     .subprotocols(["chat.v2", "chat.v1"])
///     .max_message_size(64 << 10)
///     .deflate(DeflateConfig::balanced())
///     .idle_timeout(Duration::from_secs(600))
///     .max_connections(10_000);
/// assert_eq!(config.websocket.limits.max_message_size, Some(65_536));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "WebSocketConfig")]
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The settings of open WebSockets: limits, keepalive, buffers, compression.
    pub websocket: Config,
    /// The subprotocols that the server supports. The client's favourite among them is
    /// selected; a client that offers none of them is accepted without one. Default: empty, which
    /// selects none.
    pub subprotocols: Vec<String>,
    /// Which web pages may connect. Default: those of the same host.
    pub origin_policy: OriginPolicy,
    /// For which hosts requests are answered. Default: for any, which on loopback addresses is
    /// open to DNS rebinding: see [`HostPolicy`].
    pub host_policy: HostPolicy,
    /// Whether proxies send a PROXY protocol header at the start of a connection. Default: no.
    pub proxy_protocol: ProxyProtocol,
    /// Which header fields of trusted proxies name the client. Default: none.
    pub forwarding: Forwarding,
    /// Limits on the opening handshake. A [`Server`](super::Server) does not start with a
    /// `handshake_timeout` of zero.
    pub handshake_limits: HandshakeLimits,
    /// Limits on the server as a whole.
    pub limits: ServerLimits,
    /// Whether to serve HTTP/2 too (RFC 8441): where TLS negotiates it, and without TLS to
    /// clients with prior knowledge (RFC 9113 §3.3). Needs the feature `http2`. Default: false.
    pub http2: bool,
    /// An observer of the WebSockets, on all HTTP versions. Default: none.
    #[cfg(feature = "tap")]
    pub tap: Option<std::sync::Arc<dyn crate::tap::Tap>>,
}

/// Defines the setters that `Server`, `WebSocketLayer` and others have of a [`ServerConfig`]. The
/// type has the method `with_config`.
macro_rules! config_setters {
    () => {
        /// Sets the maximum length of a received message in bytes, whatever its frames; `None` for
        /// no limit. A longer one ends the connection with 1009. Default: 1 MiB.
        #[must_use]
        pub fn max_message_size(self, bytes: impl Into<Option<u64>>) -> Self {
            self.with_config(|config| config.max_message_size(bytes))
        }

        /// Sets the compression of messages, for clients that offer it (permessage-deflate,
        /// RFC 7692); `None` for none. Default: `None`.
        #[cfg(feature = "deflate")]
        #[must_use]
        pub fn deflate(self, deflate: impl Into<Option<crate::DeflateConfig>>) -> Self {
            self.with_config(|config| config.deflate(deflate))
        }

        /// Sets when a connection that is silent is tested with a Ping, and given up.
        #[must_use]
        #[doc(alias = "heartbeat")]
        pub fn keepalive(self, keepalive: crate::KeepaliveConfig) -> Self {
            self.with_config(|config| config.keepalive(keepalive))
        }

        /// Sets the time without a message after which a WebSocket is closed; `None` for no
        /// timeout. Default: `None`.
        #[must_use]
        pub fn idle_timeout(self, timeout: impl Into<Option<std::time::Duration>>) -> Self {
            self.with_config(|config| config.idle_timeout(timeout))
        }

        /// Sets which web pages may connect. Default: those of the same host.
        #[must_use]
        #[doc(alias = "cors")]
        pub fn origin_policy(self, policy: crate::server::policy::OriginPolicy) -> Self {
            self.with_config(|config| config.origin_policy(policy))
        }

        /// Sets the subprotocols that the server supports. The client's favourite among them is
        /// selected; a client that offers none of them is accepted without one. Default: none.
        #[must_use]
        pub fn subprotocols<I>(self, subprotocols: I) -> Self
        where
            I: IntoIterator<Item: Into<String>>,
        {
            self.with_config(|config| config.subprotocols(subprotocols))
        }
    };
}
pub(crate) use config_setters;

impl ServerConfig {
    setters! {
        websocket: Config, ".";
        origin_policy: owned OriginPolicy, ".";
        host_policy: owned HostPolicy, ".";
        proxy_protocol: owned ProxyProtocol, ".";
        forwarding: owned Forwarding, ".";
        handshake_limits: HandshakeLimits, ".";
        limits: ServerLimits, ".";
        http2: bool, ".";
    }

    /// Sets [`tap`](Self#structfield.tap), an observer of the WebSockets; `None` for none. Default:
    /// `None`.
    #[cfg(feature = "tap")]
    #[must_use]
    pub fn tap(mut self, tap: impl Into<Option<std::sync::Arc<dyn crate::tap::Tap>>>) -> Self {
        self.tap = tap.into();
        self
    }

    /// Sets [`subprotocols`](Self#structfield.subprotocols).
    #[doc(alias = "handleProtocols")]
    #[doc(alias = "protocols")]
    #[must_use]
    pub fn subprotocols<I>(mut self, subprotocols: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Limits::max_message_size`](crate::Limits#structfield.max_message_size), in bytes;
    /// `None` for no limit. Default: 1 MiB.
    #[must_use]
    pub fn max_message_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.websocket = self.websocket.max_message_size(bytes);
        self
    }

    /// Sets [`Config::deflate`](Config#structfield.deflate), the compression; `None` for none.
    /// Default: `None`.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.websocket = self.websocket.deflate(deflate);
        self
    }

    /// Sets [`Config::keepalive`](Config#structfield.keepalive).
    #[must_use]
    pub const fn keepalive(mut self, keepalive: KeepaliveConfig) -> Self {
        self.websocket.keepalive = keepalive;
        self
    }

    /// Sets [`Config::idle_timeout`](Config#structfield.idle_timeout), the time without a message
    /// after which a WebSocket is closed; `None` for no timeout. Default: `None`.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.websocket = self.websocket.idle_timeout(timeout);
        self
    }

    /// Sets [`HandshakeLimits::handshake_timeout`](HandshakeLimits#structfield.handshake_timeout).
    /// Default: 10 s.
    #[must_use]
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_limits.handshake_timeout = timeout;
        self
    }

    /// Sets [`ConnectionLimits::max_connections`](ConnectionLimits#structfield.max_connections),
    /// for the whole server; `None` for no limit. Default: 65,536.
    #[must_use]
    pub fn max_connections(mut self, max: impl Into<Option<u32>>) -> Self {
        self.limits.connections.max_connections = max.into();
        self
    }

    /// Sets [`ConnectionLimits::max_per_address`](ConnectionLimits#structfield.max_per_address);
    /// `None` for no limit. Default: 256.
    #[must_use]
    pub fn max_per_address(mut self, max: impl Into<Option<u32>>) -> Self {
        self.limits.connections.max_per_address = max.into();
        self
    }

    /// Checks that every value is in its range. Whatever is given the settings does.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.websocket.validate()?;
        self.handshake_limits.validate()?;
        self.limits.validate()?;
        let max_header = self.proxy_protocol.max_header;
        ConfigError::require(max_header >= 16, "proxy_protocol.max_header", "be at least 16")
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
///
/// ```
/// use fullduplex::server::ServerConfig;
/// use fullduplex::server::limits::{ConnectionLimits, ServerLimits};
///
/// let connections = ConnectionLimits::default().max_connections(10_000).max_per_address(20);
/// let limits = ServerLimits::default().connections(connections).max_streams(10);
/// let config = ServerConfig::default().limits(limits);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Maximum number of open connections in total, and from one address. Default: 65,536 and 256.
    ///
    /// Beyond a limit the server writes 503 (total) or 429 (per address) if the socket accepts it
    /// at once, then closes. With TLS, on HTTP/3, on Unix sockets and in memory, it only closes.
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
    pub http_idle_timeout: Duration,
    /// How long ordinary HTTP may make no progress: while the server waits for the content of a
    /// request, or for the peer to read a response. Default: 30 s.
    pub stall_timeout: Duration,
    /// Slowest average rate, in bytes per second, at which a client may read a response of ordinary
    /// HTTP; `None` for no minimum. Default: 240.
    ///
    /// A slower client is cut off: it gets `stall_timeout` for each `min_response_rate` ×
    /// `stall_timeout` bytes. Time in which the service has nothing to send does not count. Bytes
    /// in the system's buffers count as read.
    pub min_response_rate: Option<u32>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits::default(),
            max_handshakes: 4096,
            max_streams: 100,
            http_idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
            min_response_rate: Some(240),
        }
    }
}

impl ServerLimits {
    setters! {
        connections: ConnectionLimits, ".";
        max_handshakes: usize, ".";
        max_streams: u32, ", for each connection.";
        http_idle_timeout: Duration, ".";
        stall_timeout: Duration, ".";
        min_response_rate: into Option<u32>, ", in bytes per second; `None` for no minimum.";
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::require(self.max_handshakes > 0, "limits.max_handshakes", "not be zero")?;
        ConfigError::require(self.max_streams > 0, "limits.max_streams", "not be zero")?;
        ConfigError::require_time(self.http_idle_timeout, "limits.http_idle_timeout")?;
        ConfigError::require_time(self.stall_timeout, "limits.stall_timeout")?;
        let has_rate = self.min_response_rate != Some(0);
        ConfigError::require(has_rate, "limits.min_response_rate", "not be zero")
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
