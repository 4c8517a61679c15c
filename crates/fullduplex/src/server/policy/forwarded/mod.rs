//! The address of a client behind proxies, from `Forwarded` (RFC 7239) or the older
//! `X-Forwarded-For`.

mod parse;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

pub use parse::ForwardedProto;

use crate::base::setters::setters;
use crate::server::policy::forwarded::parse::{Hop, Node};
use crate::server::policy::peer::{PeerAddr, TrustedProxies};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The header field in which proxies report the client. Only one is read, as a proxy that sets
/// one passes on the others as the client sent them.
///
/// ```
/// use fullduplex::server::ServerConfig;
/// use fullduplex::server::policy::{ForwardedHeader, Forwarding};
///
/// // Behind nginx on the same host, with `proxy_set_header X-Forwarded-For $remote_addr;`.
/// let forwarding = Forwarding::default()
///     .header(ForwardedHeader::XForwardedFor)
///     .trusted("127.0.0.1, ::1".parse()?);
/// let config = ServerConfig::default().forwarding(forwarding);
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// No field: the client is the peer. Default.
    #[default]
    Ignore,
    /// `Forwarded` (RFC 7239), which also has the protocol and the host.
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
}

/// The settings for clients behind proxies. Default: proxies are not trusted.
///
/// The addresses are read from right to left, as each proxy appends the address of its client.
/// The first address that is not a trusted proxy is the client. Addresses that the client itself
/// sent are further left, and so ignored.
///
/// ```
/// use fullduplex::server::policy::{ForwardedHeader, Forwarding, PeerAddr};
/// use http::HeaderMap;
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let forwarding = Forwarding::default()
///     .header(ForwardedHeader::XForwardedFor)
///     .trusted("10.0.0.0/8, unix".parse()?);
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.0.0.2".parse().unwrap());
/// let peer = PeerAddr::Inet("10.0.0.1:4000".parse().unwrap());
/// let client = forwarding.client(peer, &headers).unwrap();
/// assert_eq!(client.ip, Some("192.0.2.7".parse().unwrap()));
/// assert_eq!(client.to_string(), "192.0.2.7 (reported by 2 trusted proxies)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarding {
    /// The header field that has the client's address.
    pub header: ForwardedHeader,
    /// The proxies that are trusted.
    pub trusted: TrustedProxies,
    /// Whether `X-Forwarded-Proto` is read with [`XForwardedFor`](ForwardedHeader::XForwardedFor).
    /// Set it only if the proxies set the field, as they else pass on what the client sends.
    /// Default: `false`.
    pub x_forwarded_proto: bool,
    /// Whether `X-Forwarded-Host` is read with [`XForwardedFor`](ForwardedHeader::XForwardedFor).
    /// Set it only if the proxies set the field. Default: `false`.
    pub x_forwarded_host: bool,
}

/// The address of a client, and what trusted proxies report about it.
///
/// ```
/// use fullduplex::server::Handshake;
/// use fullduplex::server::policy::AddressSource;
///
/// fn log(handshake: &Handshake) {
///     let Some(remote) = handshake.connect_info() else { return };
///     println!("{}", remote.client);
///     if remote.client.source == AddressSource::NotReported {
///         eprintln!("the proxy {} reports no client", remote.peer);
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientAddr {
    /// The IP address, an IPv4-mapped IPv6 address as IPv4; `None` for a Unix socket, or if a proxy
    /// hides it.
    pub ip: Option<IpAddr>,
    /// The port, if it is reported.
    pub port: Option<u16>,
    /// The name that a proxy reports in place of the address: `unknown`, or a name with `_`. For a
    /// peer that is not known, `unknown`.
    pub hidden: Option<String>,
    /// The protocol by which the client reached the first trusted proxy, if it is reported.
    pub proto: Option<ForwardedProto>,
    /// The host that the client requested from the first trusted proxy, if it is reported.
    pub host: Option<String>,
    /// The source of the address.
    pub source: AddressSource,
}

/// The source of a client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressSource {
    /// The peer: header fields are ignored.
    Ignored,
    /// The peer, which is not a trusted proxy.
    Untrusted,
    /// The peer, a trusted proxy that reports no client.
    NotReported,
    /// Reported by this many trusted proxies.
    Forwarded(usize),
}

impl fmt::Display for AddressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored => f.write_str("the peer"),
            Self::Untrusted => f.write_str("the peer, not a trusted proxy"),
            Self::NotReported => f.write_str("a trusted proxy that reports no client"),
            Self::Forwarded(1) => f.write_str("reported by a trusted proxy"),
            Self::Forwarded(count) => write!(f, "reported by {count} trusted proxies"),
        }
    }
}

impl ClientAddr {
    fn peer(peer: &PeerAddr, source: AddressSource) -> Self {
        let port = match peer {
            PeerAddr::Inet(address) => Some(address.port()),
            PeerAddr::Unix | PeerAddr::Unknown => None,
        };
        let hidden = (*peer == PeerAddr::Unknown).then(|| "unknown".to_owned());
        Self { ip: peer.ip(), port, hidden, proto: None, host: None, source }
    }

    /// Returns the peer as the client, as header fields are ignored.
    pub(crate) fn of(peer: PeerAddr) -> Self {
        Self::peer(&peer, AddressSource::Ignored)
    }

    /// Returns the address in the form that
    /// [`ConnectionLimiter`](crate::server::limits::ConnectionLimiter) takes. The port is 0 if none
    /// is reported. A client without an address counts as a Unix socket.
    pub fn to_peer(&self) -> PeerAddr {
        match self.ip {
            Some(ip) => PeerAddr::Inet(SocketAddr::new(ip, self.port.unwrap_or(0))),
            None => PeerAddr::Unix,
        }
    }
}

/// Writes the address or the name, and its source, for a log.
impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip, self.port, &self.hidden) {
            (Some(ip), Some(port), _) => SocketAddr::new(ip, port).fmt(f)?,
            (Some(ip), None, _) => ip.fmt(f)?,
            (None, _, Some(hidden)) => f.write_str(hidden)?,
            (None, _, None) => f.write_str("a Unix socket")?,
        }
        write!(f, " ({})", self.source)
    }
}

/// A malformed field of a trusted proxy: its name, its value and the reason. The request should be
/// answered with 400.
///
/// To take the proxy for the client instead would let a client hide its address by sending a
/// malformed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedError {
    field: HeaderName,
    value: String,
    why: &'static str,
}

impl fmt::Display for ForwardedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is malformed: {}: {}", self.field, self.why, self.value)
    }
}

impl std::error::Error for ForwardedError {}

impl Forwarding {
    setters! {
        header: ForwardedHeader, ".";
        trusted: owned TrustedProxies, ".";
        x_forwarded_proto: bool, ".";
        x_forwarded_host: bool, ".";
    }

    /// Returns the client, from the peer of the socket and the header fields of a request.
    ///
    /// # Errors
    /// A trusted proxy sent a malformed field.
    pub fn client(
        &self,
        peer: PeerAddr,
        headers: &HeaderMap,
    ) -> Result<ClientAddr, ForwardedError> {
        self.client_by(peer, || headers)
    }

    /// Returns the client. Header fields are read only if they matter, as they may be built lazily.
    pub(crate) fn client_by<'h>(
        &self,
        peer: PeerAddr,
        headers: impl FnOnce() -> &'h HeaderMap,
    ) -> Result<ClientAddr, ForwardedError> {
        let source = match self.header {
            ForwardedHeader::Ignore => AddressSource::Ignored,
            _ if !self.trusted.trusts(&peer) => AddressSource::Untrusted,
            ForwardedHeader::Forwarded => return self.by_forwarded(&peer, headers()),
            ForwardedHeader::XForwardedFor => return self.by_x_forwarded_for(&peer, headers()),
        };
        Ok(ClientAddr::peer(&peer, source))
    }

    fn by_forwarded(
        &self,
        peer: &PeerAddr,
        headers: &HeaderMap,
    ) -> Result<ClientAddr, ForwardedError> {
        let mut found = ClientAddr::peer(peer, AddressSource::NotReported);
        let mut proxies = 0;
        for line in lines(headers, &header::FORWARDED).rev() {
            let bad = |why| malformed(&header::FORWARDED, line, why);
            let hops = parse::forwarded(text(line).map_err(bad)?).map_err(bad)?;
            for hop in hops.into_iter().rev() {
                proxies += 1;
                let is_client = self.is_client(&hop.node);
                found = reported(hop, proxies);
                if is_client {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    fn by_x_forwarded_for(
        &self,
        peer: &PeerAddr,
        headers: &HeaderMap,
    ) -> Result<ClientAddr, ForwardedError> {
        let nodes = words(headers, &X_FORWARDED_FOR)?;
        let mut found = ClientAddr::peer(peer, AddressSource::NotReported);
        for (index, word) in nodes.iter().rev().enumerate() {
            let bad = |why| malformed(&X_FORWARDED_FOR, word.as_bytes(), why);
            let node = parse::node(word).map_err(bad)?;
            let is_client = self.is_client(&node);
            found = reported(Hop { node, ..Hop::default() }, index + 1);
            if is_client {
                break;
            }
        }
        // If every proxy has appended a value, the one beside the client's address. Else the
        // last, which the nearest proxy has set or passed on.
        let beside = |name: &HeaderName| -> Result<Option<&str>, ForwardedError> {
            let words = words(headers, name)?;
            let back = match found.source {
                AddressSource::Forwarded(proxies) if words.len() == nodes.len() => proxies,
                _ => 1,
            };
            Ok(words.len().checked_sub(back).map(|place| words[place]))
        };
        if self.x_forwarded_proto
            && let Some(word) = beside(&X_FORWARDED_PROTO)?
        {
            let bad = |why| malformed(&X_FORWARDED_PROTO, word.as_bytes(), why);
            found.proto = Some(parse::proto(word).map_err(bad)?);
        }
        if self.x_forwarded_host
            && let Some(word) = beside(&X_FORWARDED_HOST)?
        {
            let bad = |why| malformed(&X_FORWARDED_HOST, word.as_bytes(), why);
            found.host = Some(parse::host(word.to_owned()).map_err(bad)?);
        }
        Ok(found)
    }

    /// Returns whether a node is the client, and not a trusted proxy.
    fn is_client(&self, node: &Node) -> bool {
        match node {
            Node::Ip(ip, _) => !self.trusted.trusts_ip(*ip),
            Node::Hidden(_) => true,
        }
    }
}

fn reported(hop: Hop, proxies: usize) -> ClientAddr {
    let (ip, port, hidden) = match hop.node {
        Node::Ip(ip, port) => (Some(ip), port, None),
        Node::Hidden(name) => (None, None, Some(name)),
    };
    ClientAddr {
        ip,
        port,
        hidden,
        proto: hop.proto,
        host: hop.host,
        source: AddressSource::Forwarded(proxies),
    }
}

fn lines<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = &'h [u8]> {
    headers.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
}

/// Returns all elements of a list, from all its lines.
fn words<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Vec<&'h str>, ForwardedError> {
    let mut words = Vec::new();
    for line in lines(headers, name) {
        words.extend(parse::list(text(line).map_err(|why| malformed(name, line, why))?));
    }
    Ok(words)
}

fn text(line: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(line).map_err(|_| "it is not UTF-8")
}

fn malformed(field: &HeaderName, value: &[u8], why: &'static str) -> ForwardedError {
    let shown = value.iter().take(256).flat_map(|byte| byte.escape_ascii()).map(char::from);
    ForwardedError { field: field.clone(), value: shown.collect(), why }
}

#[cfg(test)]
mod tests;
