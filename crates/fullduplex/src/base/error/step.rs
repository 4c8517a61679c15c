//! The steps of connecting, as errors name them.

use std::fmt;

/// A step of connecting to a server, of [`Error::connect_step`](crate::Error::connect_step).
///
/// `Display` has it in a few words, which may change between versions.
///
/// ```
/// use fullduplex::{ConnectStep, Error};
///
/// fn advice(error: &Error) -> &'static str {
///     match error.connect_step() {
///         Some(ConnectStep::Resolve) => "is the name right?",
///         Some(ConnectStep::Connect) => "is the server started, and the port right?",
///         Some(ConnectStep::Proxy) => "ask who runs the proxy",
///         _ => "ask who runs the server",
///     }
/// }
/// # assert_eq!(ConnectStep::Tls.to_string(), "the TLS handshake");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConnectStep {
    /// The name of the server, or of a proxy, is resolved.
    Resolve,
    /// A TCP connection, or that of a Unix socket, is opened to the server or a proxy.
    Connect,
    /// The TLS handshake with a proxy, and its answer to the request for a tunnel.
    Proxy,
    /// The TLS handshake with the server.
    Tls,
    /// A QUIC connection is opened, with its TLS handshake.
    Quic,
    /// The settings of HTTP/2 or HTTP/3, which say whether the server supports WebSockets on them.
    Settings,
    /// The opening handshake: its request, and the response.
    Handshake,
}

impl ConnectStep {
    /// Returns what may be wrong with a peer that says nothing at this step.
    pub(crate) fn hint_of_silence(self) -> Option<&'static str> {
        match self {
            Self::Connect | Self::Resolve | Self::Settings | Self::Handshake => None,
            Self::Proxy => Some("it accepted the connection; perhaps it is another kind of proxy"),
            Self::Tls => Some("it accepted the connection; perhaps this port does not use TLS"),
            Self::Quic => Some("perhaps UDP is blocked, or the server has no HTTP/3"),
        }
    }
}

impl fmt::Display for ConnectStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Resolve => "resolving the host",
            Self::Connect => "connecting",
            Self::Proxy => "the proxy",
            Self::Tls => "the TLS handshake",
            Self::Quic => "opening QUIC",
            Self::Settings => "the server's HTTP settings",
            Self::Handshake => "the opening handshake",
        })
    }
}
