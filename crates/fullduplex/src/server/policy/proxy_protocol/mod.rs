//! The PROXY protocol of haproxy, versions 1 and 2: a proxy that forwards bytes sends a header with
//! the client's address before them.
//!
//! Section numbers refer to the specification, `proxy-protocol.txt` in haproxy's documentation.

mod parse;

use std::fmt;

pub use parse::{ProxyHeader, ProxyHeaderError, ProxyHeaderStatus, parse_proxy_header};

use crate::base::setters::setters;
use crate::server::policy::peer::{PeerAddr, TrustedProxies};

/// The mode that says which connections begin with a PROXY header.
///
/// ```
/// use fullduplex::server::ServerConfig;
/// use fullduplex::server::policy::{ProxyMode, ProxyProtocol};
///
/// // Behind haproxy, with `send-proxy-v2`.
/// let proxy = ProxyProtocol::default().mode(ProxyMode::Required).trusted("10.0.0.0/8".parse()?);
/// let config = ServerConfig::default().proxy_protocol(proxy);
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyMode {
    /// No connection does; a header is treated as other bytes. Default.
    #[default]
    Off,
    /// Connections of trusted proxies may. For migration only: the specification forbids guessing
    /// (§2), as a client can send a header through a trusted proxy that adds none.
    Optional,
    /// All connections must, and must come from trusted proxies. Others are rejected.
    Required,
}

/// The settings of the PROXY protocol. Default: off.
///
/// ```
/// use fullduplex::server::policy::{PeerAddr, ProxyHeader, ProxyMode, ProxyProtocol, ProxyStatus};
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let settings =
///     ProxyProtocol::default().mode(ProxyMode::Required).trusted("10.0.0.0/8".parse()?);
/// let peer = PeerAddr::Inet("10.0.0.1:4000".parse().unwrap());
/// let bytes = b"PROXY TCP4 192.0.2.1 10.0.0.2 56324 443\r\nGET / HTTP/1.1\r\n";
/// let ProxyStatus::Header { header, length } = settings.read(&peer, bytes).unwrap() else {
///     panic!("incomplete");
/// };
/// assert_eq!(settings.client(&peer, &header), PeerAddr::Inet("192.0.2.1:56324".parse().unwrap()));
/// assert_eq!(&bytes[length..], b"GET / HTTP/1.1\r\n");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyProtocol {
    /// The mode that says which connections begin with a header.
    pub mode: ProxyMode,
    /// The proxies that may send a header.
    pub trusted: TrustedProxies,
    /// The maximum length of a version 2 header in bytes. Default: 4,096, enough for what proxies
    /// report about TLS. A version 1 line has at most 107 bytes.
    pub max_header: usize,
}

impl Default for ProxyProtocol {
    fn default() -> Self {
        Self { mode: ProxyMode::Off, trusted: TrustedProxies::none(), max_header: 4096 }
    }
}

/// The result of [`ProxyProtocol::read`] for the first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyStatus {
    /// There is no header: all bytes belong to the connection.
    None,
    /// At least `needed` more bytes are necessary. In [`ProxyMode::Required`] all of them belong to
    /// the header; in [`ProxyMode::Optional`] the first ones may not.
    Incomplete {
        /// The number of bytes, at least 1.
        needed: usize,
    },
    /// A complete header. The bytes after `length` belong to the connection.
    Header {
        /// The content of the header.
        header: ProxyHeader,
        /// The length of the header in bytes.
        length: usize,
    },
}

impl ProxyProtocol {
    setters! {
        mode: ProxyMode, ".";
        trusted: owned TrustedProxies, ".";
        max_header: usize, ", in bytes.";
    }

    /// Returns whether the first bytes of this peer have to be passed to [`read`](Self::read). If
    /// not, that needs none of them.
    pub fn applies_to(&self, peer: &PeerAddr) -> bool {
        match self.mode {
            ProxyMode::Off => false,
            ProxyMode::Optional => self.trusted.trusts(peer),
            ProxyMode::Required => true,
        }
    }

    /// Reads the header, from all bytes of a connection so far. There is no timeout: the caller
    /// should wait some seconds for the header (§2).
    ///
    /// # Errors
    /// The header is invalid, or the peer is not trusted. The connection should be closed without
    /// a response.
    pub fn read(&self, peer: &PeerAddr, bytes: &[u8]) -> Result<ProxyStatus, ProxyProtocolError> {
        let is_optional = match self.mode {
            ProxyMode::Off => return Ok(ProxyStatus::None),
            ProxyMode::Optional if !self.trusted.trusts(peer) => return Ok(ProxyStatus::None),
            ProxyMode::Required if !self.trusted.trusts(peer) => {
                return Err(ProxyProtocolError::Untrusted(*peer));
            }
            mode => mode == ProxyMode::Optional,
        };
        match parse_proxy_header(bytes, self.max_header) {
            Ok(ProxyHeaderStatus::Incomplete { needed }) => Ok(ProxyStatus::Incomplete { needed }),
            Ok(ProxyHeaderStatus::Complete { header, length }) => {
                Ok(ProxyStatus::Header { header, length })
            }
            Err(ProxyHeaderError::NoHeader) if is_optional => Ok(ProxyStatus::None),
            Err(error) => Err(ProxyProtocolError::Header(*peer, error)),
        }
    }

    /// Returns the client that a header of this peer names, or the peer if it names none.
    #[allow(clippy::unused_self, reason = "a method as `read` is, for callers with settings")]
    pub fn client(&self, peer: &PeerAddr, header: &ProxyHeader) -> PeerAddr {
        match header {
            ProxyHeader::Inet { source, .. } => PeerAddr::Inet(*source),
            ProxyHeader::Unix => PeerAddr::Unix,
            ProxyHeader::Local | ProxyHeader::Unknown => *peer,
        }
    }
}

/// An invalid start of a connection with the PROXY protocol, as a line for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyProtocolError {
    /// A header is required, and this peer is not a trusted proxy.
    Untrusted(PeerAddr),
    /// This peer sent no valid header.
    Header(PeerAddr, ProxyHeaderError),
}

impl fmt::Display for ProxyProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted(peer) => write!(f, "PROXY protocol: {peer} is not a trusted proxy"),
            Self::Header(peer, error) => write!(f, "{error}, from {peer}"),
        }
    }
}

impl std::error::Error for ProxyProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 10.0.0.2 56324 443\r\n";

    fn settings(mode: ProxyMode) -> ProxyProtocol {
        let trusted = "10.0.0.0/8, unix".parse().unwrap();
        ProxyProtocol::default().mode(mode).trusted(trusted)
    }

    fn peer(address: &str) -> PeerAddr {
        PeerAddr::Inet(address.parse().unwrap())
    }

    #[test]
    fn proxy_protocol_mode_says_who_may_or_must_send_a_header() {
        use ProxyMode as M;
        let (proxy, other) = (peer("10.0.0.1:4000"), peer("192.0.2.9:4000"));
        let line = Ok(ProxyStatus::Header {
            header: ProxyHeader::Inet {
                source: "192.0.2.1:56324".parse().unwrap(),
                destination: "10.0.0.2:443".parse().unwrap(),
            },
            length: LINE.len(),
        });
        let http = &b"GET / HTTP/1.1\r\n"[..];
        let untrusted = Err(ProxyProtocolError::Untrusted(other));
        let no_header = Err(ProxyProtocolError::Header(proxy, ProxyHeaderError::NoHeader));
        for (mode, from, bytes, expected) in [
            (M::Off, proxy, LINE, Ok(ProxyStatus::None)),
            (M::Optional, proxy, LINE, line),
            (M::Optional, PeerAddr::Unix, LINE, line),
            (M::Optional, proxy, http, Ok(ProxyStatus::None)),
            (M::Optional, other, LINE, Ok(ProxyStatus::None)),
            (M::Required, proxy, LINE, line),
            (M::Required, proxy, http, no_header),
            (M::Required, other, LINE, untrusted),
            (M::Required, other, &[], untrusted),
            (M::Required, proxy, b"PRO", Ok(ProxyStatus::Incomplete { needed: 12 })),
            (M::Optional, proxy, b"", Ok(ProxyStatus::Incomplete { needed: 15 })),
        ] {
            let settings = settings(mode);
            assert_eq!(settings.read(&from, bytes), expected, "{mode:?} from {from}");
            if !settings.applies_to(&from) {
                assert_eq!(settings.read(&from, b""), Ok(ProxyStatus::None));
            }
        }
    }

    #[test]
    fn proxy_protocol_client_is_the_source_or_the_peer() {
        let settings = settings(ProxyMode::Required);
        let proxy = peer("10.0.0.1:4000");
        let (source, destination) =
            ("[2001:db8::1]:5".parse().unwrap(), "[::1]:443".parse().unwrap());
        for (header, expected) in [
            (ProxyHeader::Local, proxy),
            (ProxyHeader::Unknown, proxy),
            (ProxyHeader::Unix, PeerAddr::Unix),
            (ProxyHeader::Inet { source, destination }, PeerAddr::Inet(source)),
        ] {
            assert_eq!(settings.client(&proxy, &header), expected);
        }
    }

    #[test]
    fn proxy_protocol_rejections_name_the_reason_and_the_peer() {
        let settings = settings(ProxyMode::Required);
        let refused = settings.read(&peer("192.0.2.9:1"), b"").unwrap_err();
        assert_eq!(refused.to_string(), "PROXY protocol: 192.0.2.9:1 is not a trusted proxy");
        let refused = settings.read(&PeerAddr::Unix, b"PROXY TCP5 1 2 3 4\r\n").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "PROXY protocol: the family is not TCP4, TCP6 or UNKNOWN (§2.1), from a Unix socket"
        );
    }
}
