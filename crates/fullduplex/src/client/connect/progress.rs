//! Events of connecting to a server, for the application to observe.

use std::fmt;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;

use crate::base::guard;
use crate::client::connect::proxy::Proxy;

/// A completed step of connecting to a server, reported to
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
    /// A TCP connection is open.
    Tcp {
        /// The remote address.
        to: SocketAddr,
        /// The local address.
        from: Option<SocketAddr>,
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
        /// The peer's verified certificate in DER. With `dangerous_accept_any_certificate` it
        /// is not verified.
        certificate: Option<&'a [u8]>,
    },
}

impl fmt::Display for ConnectEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy(proxy) => write!(f, "through the proxy {proxy:?}"),
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

/// The application's callback for [`ConnectEvent`]s, if it set one.
#[derive(Clone, Default)]
pub(crate) struct ConnectEvents(pub(crate) Option<Arc<OnConnectEvent>>);

type OnConnectEvent = dyn Fn(&ConnectEvent<'_>) + Send + Sync;

impl ConnectEvents {
    /// Returns whether a callback is set.
    pub(crate) fn has_listener(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn emit(&self, event: &ConnectEvent<'_>) {
        if let Some(callback) = &self.0 {
            // A panic must not end the attempt: other tasks may wait for its connection.
            let _ = guard::caught(|| callback(event));
        }
    }
}
