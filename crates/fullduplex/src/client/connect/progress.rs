//! The steps on the way to a server, told as they are made.

use std::fmt;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;

use crate::base::guard;
use crate::client::connect::proxy::Proxy;

/// A step that was made on the way to a server, as
/// [`on_connect_event`](crate::client::ClientBuilder::on_connect_event) tells. As text it is a line for a person.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ConnectEvent<'a> {
    /// What follows leads to this proxy, and through it.
    Proxy(&'a Proxy),
    /// A TCP connection stands.
    Tcp {
        /// The other end.
        to: SocketAddr,
        /// This end.
        from: Option<SocketAddr>,
    },
    /// A Unix socket is connected.
    #[cfg(unix)]
    Unix(&'a Path),
    /// The proxy has made a tunnel to this host and port.
    Tunnel(&'a str, u16),
    /// A QUIC connection stands, with TLS inside.
    #[cfg(feature = "http3")]
    Quic {
        /// The other end.
        to: SocketAddr,
    },
    /// TLS has been agreed on.
    Tls {
        /// With whom: the server, or an `https://` proxy.
        host: &'a str,
        /// `TLSv1.3` or `TLSv1.2`.
        version: &'static str,
        /// The cipher suite by its registered name; empty inside QUIC.
        cipher_suite: &'a str,
        /// The protocol that was agreed on (ALPN), such as `h2`.
        alpn: Option<&'a [u8]>,
        /// The other end's certificate as DER, which was found good; with
        /// `dangerous_accept_any_certificate` whatever it is.
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

/// Who is told, if anybody.
#[derive(Clone, Default)]
pub(crate) struct ConnectEvents(pub(crate) Option<Arc<OnConnectEvent>>);

type OnConnectEvent = dyn Fn(&ConnectEvent<'_>) + Send + Sync;

impl ConnectEvents {
    /// Whether somebody listens.
    pub(crate) fn are_told(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn tell(&self, step: &ConnectEvent<'_>) {
        if let Some(tell) = &self.0 {
            // It is also called by tasks that others wait for.
            let _ = guard::caught(|| tell(step));
        }
    }
}
