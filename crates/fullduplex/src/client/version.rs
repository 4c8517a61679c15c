//! The versions of HTTP that a client opens WebSockets on.

/// Which version of HTTP carries the opening handshake, and what follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// HTTP/1.1, a connection for each WebSocket (RFC 6455). Default.
    #[default]
    Http1,
    /// HTTP/2, many WebSockets on one connection (RFC 8441); over TLS, or with prior
    /// knowledge that the server speaks it.
    #[cfg(feature = "http2")]
    Http2,
    /// HTTP/3, many WebSockets on one QUIC connection (RFC 9220); for `wss:` alone. It runs
    /// over UDP, so neither through a proxy nor over a [`Connect`] of your own.
    ///
    /// A connection whose server is silent is given up after 60 s, or three intervals of the
    /// keepalive where that is longer. QUIC keeps it alive with a PING after 10 s of silence,
    /// whatever the keepalive of its WebSockets. One without a WebSocket is closed after 60 s to
    /// 90 s.
    ///
    /// A server whose own idle timeout is not longer than those 10 s ends a silent connection (RFC
    /// 9000 §10.1), as quinn does not say what the peer's timeout is. A shorter keepalive
    /// [`interval`](crate::KeepaliveConfig::interval) keeps the connection alive there too.
    ///
    /// [`Connect`]: crate::client::Connect
    #[cfg(feature = "http3")]
    Http3,
    /// For `wss:` the best that the server does; what it does is remembered. That is HTTP/3
    /// once a response has offered it (`Alt-Svc`, RFC 7838) and there is no proxy, HTTP/2
    /// where that feature is on, or else HTTP/1.1. A server that does not choose HTTP/2, lacks
    /// the setting of RFC 8441, answers 501, refuses the first stream or requires HTTP/1.1 is
    /// not asked for HTTP/2 again for 5 minutes. So is one that answers 400, 405, 426 or 505 on
    /// HTTP/2 or HTTP/3 and opens the WebSocket on HTTP/1.1: something on the way can't carry
    /// the other version. Where HTTP/1.1 is refused too, it is not tried again for as long.
    ///
    /// An HTTP/3 that is not reached in 2 s, or that fails, is not tried again for 5 minutes.
    #[cfg(any(feature = "http2", feature = "http3"))]
    Auto,
}
