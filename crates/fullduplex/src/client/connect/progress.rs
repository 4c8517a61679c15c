//! Events of connecting to a server, for the application to observe.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::base::guard;
use crate::client::connect::heads::{RequestHead, ResponseHead};
use crate::client::connect::proxy::Proxy;

/// A step of connecting to a server, reported to
/// [`on_connect_event`](crate::client::ClientBuilder::on_connect_event).
///
/// `Display` writes one line for people to read.
///
/// ```
/// use fullduplex::Client;
/// use fullduplex::client::ConnectEvent;
///
/// let client = Client::builder()
///     .on_connect_event(|event| match event {
///         ConnectEvent::Tcp { to, .. } => println!("connected to {to}"),
///         event => println!("{event}"),
///     })
///     .build()?;
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ConnectEvent<'a> {
    /// The connection will go through this proxy.
    Proxy(&'a Proxy),
    /// The addresses of a host are known. Not reported for a host that is an address.
    Resolved {
        /// The name of the server or of a proxy.
        host: &'a str,
        /// Its addresses, the preferred one first.
        addresses: &'a [SocketAddr],
    },
    /// A TCP connection is open.
    Tcp {
        /// The remote address.
        to: SocketAddr,
        /// The local address.
        from: Option<SocketAddr>,
    },
    /// An address can't be connected to by TCP or QUIC. Others may follow, or be tried already.
    AddressFailed {
        /// The remote address.
        to: SocketAddr,
        /// Why.
        error: &'a io::Error,
        /// The time that this took.
        after: Duration,
    },
    /// A Unix socket is connected.
    #[cfg(unix)]
    Unix(&'a Path),
    /// The proxy opened a tunnel to this host and port.
    Tunnel(&'a str, u16),
    /// A QUIC connection is open; its TLS handshake is reported next.
    #[cfg(feature = "http3")]
    Quic {
        /// The remote address.
        to: SocketAddr,
    },
    /// A TLS handshake is complete.
    Tls {
        /// The host name of the server or of an `https://` proxy.
        host: &'a str,
        /// `TLSv1.3` or `TLSv1.2`.
        version: &'static str,
        /// The registered name of the cipher suite; empty for QUIC.
        cipher_suite: &'a str,
        /// The negotiated protocol (ALPN), such as `h2`.
        alpn: Option<&'a [u8]>,
        /// The peer's verified certificates in DER: its own first, then those of the
        /// authorities that it sent. With `dangerous_accept_any_certificate` they are not
        /// verified.
        certificates: &'a [&'a [u8]],
    },
    /// The certificates of a server, or of a proxy, are not accepted, so TLS fails. Not reported
    /// for QUIC.
    CertificateRejected {
        /// The host name of the server or of an `https://` proxy.
        host: &'a str,
        /// The certificates in DER, as in [`Tls`](Self::Tls).
        certificates: &'a [&'a [u8]],
    },
    /// A proxy is sent this CONNECT request.
    ProxyRequest(&'a RequestHead<'a>),
    /// A proxy answered.
    ProxyResponse(&'a ResponseHead<'a>),
    /// The server is sent this opening handshake.
    Request(&'a RequestHead<'a>),
    /// The server answered; on HTTP/1.1 also with an interim response such as 103. Whether the
    /// response follows the rules is not checked yet.
    Response(&'a ResponseHead<'a>),
}

impl fmt::Display for ConnectEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy(proxy) => write!(f, "through the proxy {proxy:?}"),
            Self::Resolved { host, addresses } => {
                let addresses: Vec<_> =
                    addresses.iter().map(|address| address.ip().to_string()).collect();
                write!(f, "{host} has the addresses {}", addresses.join(", "))
            }
            Self::AddressFailed { to, error, after } => {
                write!(f, "{to} can't be connected to: {error} (after {} ms)", after.as_millis())
            }
            Self::CertificateRejected { host, .. } => {
                write!(f, "the certificate of {host} is not accepted")
            }
            Self::ProxyRequest(head) => write!(f, "sending the proxy {head}"),
            Self::ProxyResponse(head) => write!(f, "the proxy answered {head}"),
            Self::Request(head) => write!(f, "sending {head}"),
            Self::Response(head) => write!(f, "the server answered {head}"),
            Self::Tcp { to, from: Some(from) } => write!(f, "connected to {to} from {from}"),
            Self::Tcp { to, from: None } => write!(f, "connected to {to}"),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "connected to {}", path.display()),
            Self::Tunnel(host, port) => write!(f, "the proxy is connected to {host}:{port}"),
            #[cfg(feature = "http3")]
            Self::Quic { to } => write!(f, "connected to {to} by QUIC"),
            Self::Tls { host, version, cipher_suite, alpn, .. } => {
                write!(f, "{version} with {host}")?;
                if !cipher_suite.is_empty() {
                    write!(f, ", {cipher_suite}")?;
                }
                match alpn {
                    Some(alpn) => write!(f, ", ALPN {}", alpn.escape_ascii()),
                    None => f.write_str(", no ALPN"),
                }
            }
        }
    }
}

/// The other end of an exchange of heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpPeer {
    Server,
    Proxy,
}

/// The application's callback for [`ConnectEvent`]s, if it set one.
#[derive(Clone, Default)]
pub(crate) struct ConnectEvents(pub(crate) Option<Arc<OnConnectEvent>>);

type OnConnectEvent = dyn Fn(&ConnectEvent<'_>) + Send + Sync;

impl ConnectEvents {
    /// Returns whether a callback is set.
    pub(crate) fn has_listener(&self) -> bool {
        self.0.is_some()
    }

    /// Reports the head of a request that the server or a proxy is sent.
    pub(crate) fn request(&self, peer: HttpPeer, head: &RequestHead<'_>) {
        self.emit(&match peer {
            HttpPeer::Server => ConnectEvent::Request(head),
            HttpPeer::Proxy => ConnectEvent::ProxyRequest(head),
        });
    }

    /// Reports the head of a response of the server or of a proxy.
    pub(crate) fn response(&self, peer: HttpPeer, head: &ResponseHead<'_>) {
        self.emit(&match peer {
            HttpPeer::Server => ConnectEvent::Response(head),
            HttpPeer::Proxy => ConnectEvent::ProxyResponse(head),
        });
    }

    pub(crate) fn emit(&self, event: &ConnectEvent<'_>) {
        if let Some(callback) = &self.0 {
            // A panic must not end the attempt: other tasks may wait for its connection.
            let _ = guard::caught(|| callback(event));
        }
    }
}
