//! The peer of a connection's socket, and the list of trusted proxies.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::base::cidr::Cidr;
use crate::base::error::{Error, ErrorKind};

/// The peer of a socket, as reported by the system: a client, or a proxy in front of the server.
///
/// ```
/// use std::net::SocketAddr;
///
/// use fullduplex::server::policy::PeerAddr;
///
/// let address: SocketAddr = "[::ffff:192.0.2.1]:5000".parse().unwrap();
/// let peer = PeerAddr::from(address);
/// assert_eq!(peer.ip(), Some("192.0.2.1".parse().unwrap()));
/// assert_eq!(PeerAddr::Unix.ip(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddr {
    /// An IP address and port.
    Inet(SocketAddr),
    /// A program on this machine that is connected by a Unix socket.
    Unix,
    /// Not known: the connection is in memory, or another server accepted it.
    Unknown,
}

impl PeerAddr {
    /// Returns the IP address, if there is one; an IPv4-mapped IPv6 address as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Inet(address) => Some(address.ip().to_canonical()),
            Self::Unix | Self::Unknown => None,
        }
    }
}

impl From<SocketAddr> for PeerAddr {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix => f.write_str("a Unix socket"),
            Self::Unknown => f.write_str("an unknown address"),
        }
    }
}

/// A list of proxies that are trusted to report the client's address. Default: empty.
///
/// Parsed from a list with commas or whitespace between the items: addresses, networks such as
/// `10.0.0.0/8` or `fd00::/8`, and `unix` for Unix sockets. IPv4-mapped IPv6 addresses match as
/// IPv4.
///
/// ```
/// use fullduplex::server::policy::TrustedProxies;
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let proxies: TrustedProxies = "127.0.0.1, ::1, 10.1.0.0/16, unix".parse()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Cidr>,
    unix: bool,
}

impl TrustedProxies {
    /// Returns an empty list.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Returns whether this peer is a trusted proxy.
    pub fn trusts(&self, peer: &PeerAddr) -> bool {
        match peer.ip() {
            Some(ip) => self.trusts_ip(ip),
            None => self.unix && *peer == PeerAddr::Unix,
        }
    }

    pub(crate) fn trusts_ip(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(ip))
    }
}

impl FromStr for TrustedProxies {
    type Err = Error;

    fn from_str(list: &str) -> Result<Self, Error> {
        let mut this = Self::none();
        let words = list.split(|c: char| c == ',' || c.is_ascii_whitespace());
        for word in words.filter(|word| !word.is_empty()) {
            if word.eq_ignore_ascii_case("unix") {
                this.unix = true;
            } else {
                let network = Cidr::parse(word).ok_or_else(|| {
                    let why = format!(
                        "{word:?} is not a valid trusted proxy: an address, a network such as \
                         10.0.0.0/8, or unix"
                    );
                    Error::new(ErrorKind::Misuse, why)
                })?;
                this.networks.push(network);
            }
        }
        Ok(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> PeerAddr {
        PeerAddr::Inet(SocketAddr::new(address.parse().unwrap(), 1))
    }

    #[test]
    fn peer_is_trusted_if_listed() {
        let proxies: TrustedProxies = "10.0.0.0/8, 127.0.0.1\t::1\nfd00::/8,".parse().unwrap();
        for (address, expected) in [
            ("10.9.8.7", true),
            ("::ffff:10.9.8.7", true),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("::1", true),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(proxies.trusts(&peer(address)), expected, "{address}");
        }
        assert!(!proxies.trusts(&PeerAddr::Unix));
        let unix: TrustedProxies = "Unix".parse().unwrap();
        assert!(unix.trusts(&PeerAddr::Unix) && !unix.trusts(&peer("127.0.0.1")));
        assert!(!unix.trusts(&PeerAddr::Unknown));
        assert!("".parse::<TrustedProxies>().unwrap().is_empty());
        assert!(!unix.is_empty() && !proxies.is_empty());
    }

    #[test]
    fn peer_list_refuses_what_is_not_a_network() {
        for bad in ["10.0.0.0/33", "localhost", "10.0.0.1:80", "10.0.0.0/", "10.0.0.0/+8", "/8"] {
            let error = bad.parse::<TrustedProxies>().unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}
