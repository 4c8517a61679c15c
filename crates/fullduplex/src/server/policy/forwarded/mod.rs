//! Who the client is, where proxies stand between it and us: `Forwarded` (RFC 7239) and the
//! older `X-Forwarded-For`.

mod parse;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

pub use parse::ForwardedProto;

use crate::server::policy::forwarded::parse::{Hop, Node};
use crate::server::policy::peer::{PeerAddr, TrustedProxies};

/// Which header field tells who the client is. One alone: a proxy that sets one passes the
/// others on as the client sent them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// None: the client is the peer. Default.
    #[default]
    Ignore,
    /// `Forwarded` (RFC 7239), which tells protocol and host too.
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
}

/// What is believed about clients behind proxies. Default: nothing.
///
/// The addresses are walked from the right, where the nearest proxy has added who was
/// connected to it. As long as that is a trusted proxy itself, what *it* has added is looked
/// at; the first that is not is the client. So it does not matter what a client sends
/// along: it stands further left.
///
/// ```
/// use fullduplex::server::{ForwardedHeader, Forwarding, PeerAddr};
/// use http::HeaderMap;
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let forwarding = Forwarding {
///     header: ForwardedHeader::XForwardedFor,
///     trusted: "10.0.0.0/8, unix".parse()?,
///     ..Forwarding::default()
/// };
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.0.0.2".parse().unwrap());
/// let client = forwarding.client(PeerAddr::Inet("10.0.0.1:4000".parse().unwrap()), &headers).unwrap();
/// assert_eq!(client.ip, Some("192.0.2.7".parse().unwrap()));
/// assert_eq!(client.to_string(), "192.0.2.7 (told by 2 trusted proxies)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Where the client's address is told.
    pub header: ForwardedHeader,
    /// Whose word is believed.
    pub trusted: TrustedProxies,
    /// With [`XForwardedFor`](ForwardedHeader::XForwardedFor): whether the proxies set
    /// `X-Forwarded-Proto` too. One that does not passes on what the client sends. Default:
    /// no.
    pub x_forwarded_proto: bool,
    /// The same of `X-Forwarded-Host`. Default: no.
    pub x_forwarded_host: bool,
}

/// A client, as it is believed to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientAddr {
    /// Its address, of IPv4 where it is mapped into IPv6; none for a Unix socket, and where
    /// a proxy hides it.
    pub ip: Option<IpAddr>,
    /// Its port, where that is told.
    pub port: Option<u16>,
    /// What a proxy calls it in place of its address: `unknown`, or a name with `_`.
    pub hidden: Option<String>,
    /// How it reached the first of our proxies, where that is told.
    pub proto: Option<ForwardedProto>,
    /// Which host it asked the first of our proxies for, where that is told.
    pub host: Option<String>,
    /// How this is known.
    pub source: AddressSource,
}

/// How a client's address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressSource {
    /// It is the peer: no header is looked at.
    Ignored,
    /// It is the peer, which is no trusted proxy.
    Untrusted,
    /// It is the peer, a trusted proxy that tells nothing, or something else on its machine.
    NotReported,
    /// So many trusted proxies told it.
    Forwarded(usize),
}

impl fmt::Display for AddressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored => f.write_str("the peer"),
            Self::Untrusted => f.write_str("the peer, no trusted proxy"),
            Self::NotReported => f.write_str("a trusted proxy that tells nothing"),
            Self::Forwarded(1) => f.write_str("told by a trusted proxy"),
            Self::Forwarded(count) => write!(f, "told by {count} trusted proxies"),
        }
    }
}

impl ClientAddr {
    fn peer(peer: &PeerAddr, source: AddressSource) -> Self {
        let port = match peer {
            PeerAddr::Inet(address) => Some(address.port()),
            PeerAddr::Unix => None,
        };
        Self { ip: peer.ip(), port, hidden: None, proto: None, host: None, source }
    }

    /// The peer itself, where no header is looked at.
    pub(crate) fn of(peer: PeerAddr) -> Self {
        Self::peer(&peer, AddressSource::Ignored)
    }

    /// For [`Slots`](crate::server::ConnectionLimiter): the address, with port 0 if none is told; a client without
    /// one counts as a Unix socket does.
    pub fn to_peer(&self) -> PeerAddr {
        match self.ip {
            Some(ip) => PeerAddr::Inet(SocketAddr::new(ip, self.port.unwrap_or(0))),
            None => PeerAddr::Unix,
        }
    }
}

/// A line for a log: address or name, and how it is known.
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

/// What a trusted proxy told can't be read: which field, what stands there and why not. It
/// should be answered with 400.
///
/// Taking the proxy for the client then would let a client hide behind it by sending
/// something that spoils the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedError {
    field: HeaderName,
    value: String,
    why: &'static str,
}

impl fmt::Display for ForwardedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} can't be read: {}: {}", self.field, self.why, self.value)
    }
}

impl std::error::Error for ForwardedError {}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

impl Forwarding {
    /// Who the client is, by the socket's other end and a request's header fields.
    pub fn client(
        &self,
        peer: PeerAddr,
        headers: &HeaderMap,
    ) -> Result<ClientAddr, ForwardedError> {
        self.client_by(peer, || headers)
    }

    /// The same, where it is asked for header fields only if they count.
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
            let bad = |why| bad(&header::FORWARDED, line, why);
            let hops = parse::forwarded(text(line).map_err(bad)?).map_err(bad)?;
            for hop in hops.into_iter().rev() {
                proxies += 1;
                let is_client = self.is_client(&hop.node);
                found = told(hop, proxies);
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
            let bad = |why| bad(&X_FORWARDED_FOR, word.as_bytes(), why);
            let node = parse::node(word).map_err(bad)?;
            let is_client = self.is_client(&node);
            found = told(Hop { node, ..Hop::default() }, index + 1);
            if is_client {
                break;
            }
        }
        // Where every proxy has added one, the one beside the client's address; else the
        // last, which the nearest proxy has set or let pass.
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
            let bad = |why| bad(&X_FORWARDED_PROTO, word.as_bytes(), why);
            found.proto = Some(parse::proto(word).map_err(bad)?);
        }
        if self.x_forwarded_host
            && let Some(word) = beside(&X_FORWARDED_HOST)?
        {
            let bad = |why| bad(&X_FORWARDED_HOST, word.as_bytes(), why);
            found.host = Some(parse::host(word.to_owned()).map_err(bad)?);
        }
        Ok(found)
    }

    /// Whether the walk ends here.
    fn is_client(&self, node: &Node) -> bool {
        match node {
            Node::Ip(ip, _) => !self.trusted.trusts_ip(*ip),
            Node::Hidden(_) => true,
        }
    }
}

fn told(hop: Hop, proxies: usize) -> ClientAddr {
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

/// All elements of a list, over all its lines.
fn words<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Vec<&'h str>, ForwardedError> {
    let mut words = Vec::new();
    for line in lines(headers, name) {
        words.extend(parse::list(text(line).map_err(|why| bad(name, line, why))?));
    }
    Ok(words)
}

fn text(line: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(line).map_err(|_| "it is not text")
}

fn bad(field: &HeaderName, value: &[u8], why: &'static str) -> ForwardedError {
    let shown = value.iter().take(256).flat_map(|byte| byte.escape_ascii()).map(char::from);
    ForwardedError { field: field.clone(), value: shown.collect(), why }
}

#[cfg(test)]
mod tests;
