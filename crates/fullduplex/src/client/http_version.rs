//! The HTTP versions that a client opens WebSockets on.

/// The HTTP version of the opening handshake and the connection.
///
/// ```
/// use fullduplex::Client;
/// use fullduplex::client::HttpVersion;
///
/// let client = Client::builder().http_version(HttpVersion::Http1).build()?;
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1 with one connection per WebSocket (RFC 6455). Default.
    #[default]
    Http1,
    /// HTTP/2 with many WebSockets on one connection (RFC 8441). For `ws:` the server must be
    /// known to support it (prior knowledge, RFC 9113 §3.3).
    #[cfg(feature = "http2")]
    Http2,
    /// HTTP/3 with many WebSockets on one QUIC connection (RFC 9220), only for `wss:`. It uses
    /// UDP, so it does not work through a proxy or a [`Connect`] implementation.
    ///
    /// A connection is closed after 60 s without packets from the server, or after three
    /// keepalive intervals if that is longer. QUIC sends a PING after 10 s of silence,
    /// independent of the keepalive of WebSockets. A connection without WebSockets is closed
    /// after 60 s to 90 s.
    ///
    /// A server with an idle timeout of 10 s or less closes a silent connection (RFC 9000
    /// §10.1), as quinn does not expose the peer's timeout. To keep it open, set a shorter
    /// keepalive [`interval`](crate::KeepaliveConfig::interval).
    ///
    /// [`Connect`]: crate::client::Connect
    #[cfg(feature = "http3")]
    Http3,
    /// The best version that the server supports; for `ws:` always HTTP/1.1.
    ///
    /// HTTP/3 is used after a response has offered it (`Alt-Svc`, RFC 7838), if there is no
    /// proxy. Otherwise HTTP/2 is tried, if that feature is enabled, and then HTTP/1.1.
    ///
    /// HTTP/2 is not tried again for 5 minutes if the server does not choose it (ALPN), lacks
    /// the setting of RFC 8441, answers 501, refuses the first stream, or requires HTTP/1.1. The
    /// same applies if it answers 400, 405, 426 or 505 on HTTP/2 or HTTP/3 and opens the
    /// WebSocket on HTTP/1.1: an intermediary can't carry a WebSocket on the newer version. If
    /// HTTP/1.1 is rejected too, it is not tried as an alternative for 5 minutes.
    ///
    /// HTTP/3 is not tried again for 5 minutes if it fails or takes more than 2 s to connect.
    #[cfg(any(feature = "http2", feature = "http3"))]
    Auto,
}
