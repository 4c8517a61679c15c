//! The header of the PROXY protocol, from bytes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a PROXY header says about the connection that the proxy took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeader {
    /// The connection is the proxy's own, such as a check of our health: `LOCAL` (§2.2).
    Local,
    /// The proxy can't tell: `UNKNOWN`, `AF_UNSPEC`. The socket's own addresses hold.
    Unknown,
    /// A client's, with its address and the one that it connected to.
    Inet {
        /// The client.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
    },
    /// A client's that reached the proxy by a Unix socket. The paths are left out.
    Unix,
}

/// How far [`parse_proxy_header`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaderStatus {
    /// More bytes are needed: so many at least, all of which belong to the header. Whoever
    /// reads no more than that leaves what follows in the socket.
    Incomplete {
        /// At least 1.
        needed: usize,
    },
    /// The header is whole.
    Complete {
        /// What it says.
        header: ProxyHeader,
        /// How many bytes it has; what follows is the connection's own.
        length: usize,
    },
}

/// Why bytes are no PROXY header. The connection should be closed (§2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// They don't begin as one of either version does.
    NoHeader,
    /// The line of version 1 is wrong in this way.
    Line(&'static str),
    /// There is no CR LF in the 107 bytes that a line of version 1 may have.
    LineTooLong,
    /// The header of version 2 is wrong in this way.
    Binary(&'static str),
    /// The header of version 2 is longer than the limit.
    TooLong {
        /// What it announces, with its first 16 bytes.
        length: usize,
        /// `max_header`.
        limit: usize,
    },
    /// The checksum of version 2 is wrong (CRC-32C, §2.2.3).
    Checksum,
}

impl fmt::Display for ProxyHeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PROXY protocol: ")?;
        match self {
            Self::NoHeader => f.write_str("the connection does not begin with a header"),
            Self::Line(why) => write!(f, "{why} (§2.1)"),
            Self::LineTooLong => f.write_str("no end in the first 107 bytes (§2.1)"),
            Self::Binary(why) => write!(f, "{why} (§2.2)"),
            Self::TooLong { length, limit } => {
                write!(f, "a header of {length} bytes, max_header is {limit}")
            }
            Self::Checksum => f.write_str("the checksum is wrong (§2.2)"),
        }
    }
}

impl std::error::Error for ProxyHeaderError {}

/// How a header of version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const PREFIX: &[u8] = b"PROXY ";
/// The shortest line: `PROXY UNKNOWN\r\n`.
const SHORTEST_LINE: usize = 15;
const LONGEST_LINE: usize = 107;
/// Of a header of version 2, before the addresses.
const FIXED: usize = 16;

/// Reads the header at the beginning of a connection, of version 1 (text) or 2 (binary).
///
/// `max_header` bounds the length of one of version 2; a line of version 1 has 107 bytes at
/// most. Nothing is kept between calls: it is called with all bytes from the first on. Which
/// way they are cut makes no difference.
///
/// What stands behind the addresses of version 2 (TLVs) is passed over, except that a checksum
/// (CRC-32C) is checked. Datagrams are taken as streams are: what matters is the address.
pub fn parse_proxy_header(
    bytes: &[u8],
    max_header: usize,
) -> Result<ProxyHeaderStatus, ProxyHeaderError> {
    if bytes.is_empty() {
        // The shortest of both.
        return Ok(ProxyHeaderStatus::Incomplete { needed: SHORTEST_LINE });
    }
    if begins(bytes, &SIGNATURE) {
        return version_2(bytes, max_header);
    }
    if begins(bytes, PREFIX) {
        return version_1(bytes);
    }
    Err(ProxyHeaderError::NoHeader)
}

/// Whether bytes begin so, as far as they go.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(a, b)| a == b)
}

/// One line of text (§2.1).
fn version_1(bytes: &[u8]) -> Result<ProxyHeaderStatus, ProxyHeaderError> {
    let window = &bytes[..bytes.len().min(LONGEST_LINE)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        if window.len() == LONGEST_LINE {
            return Err(ProxyHeaderError::LineTooLong);
        }
        let end = if window.ends_with(b"\r") { 1 } else { 2 };
        let needed = end.max(SHORTEST_LINE.saturating_sub(window.len()));
        return Ok(ProxyHeaderStatus::Incomplete { needed });
    };
    let header = line(&window[PREFIX.len()..end]).map_err(ProxyHeaderError::Line)?;
    Ok(ProxyHeaderStatus::Complete { header, length: end + 2 })
}

fn line(text: &[u8]) -> Result<ProxyHeader, &'static str> {
    // What follows UNKNOWN is not looked at, and may be anything.
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        return Ok(ProxyHeader::Unknown);
    }
    let text = std::str::from_utf8(text).map_err(|_| "the line is not ASCII")?;
    let mut words = text.split(' ');
    let mut next = || words.next().ok_or("a word is missing");
    let (family, source, destination) = (next()?, next()?, next()?);
    let (source_port, destination_port) = (next()?, next()?);
    if words.next().is_some() {
        return Err("there is more than addresses and ports");
    }
    let ip = |text: &str| -> Result<IpAddr, &'static str> {
        match family {
            "TCP4" => text.parse().map(IpAddr::V4).map_err(|_| "no address of IPv4"),
            "TCP6" => text.parse().map(IpAddr::V6).map_err(|_| "no address of IPv6"),
            _ => Err("the family is not TCP4, TCP6 or UNKNOWN"),
        }
    };
    Ok(ProxyHeader::Inet {
        source: SocketAddr::new(ip(source)?, port(source_port)?),
        destination: SocketAddr::new(ip(destination)?, port(destination_port)?),
    })
}

/// Decimal, without leading zeros (§2.1).
fn port(text: &str) -> Result<u16, &'static str> {
    let is_plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or("no port")
}

/// The binary header (§2.2).
fn version_2(bytes: &[u8], max_header: usize) -> Result<ProxyHeaderStatus, ProxyHeaderError> {
    use ProxyHeaderError::Binary;
    let Some(fixed) = bytes.get(..FIXED) else {
        return Ok(ProxyHeaderStatus::Incomplete { needed: FIXED - bytes.len() });
    };
    let is_local = match fixed[12] {
        0x20 => true,
        0x21 => false,
        0x22..=0x2f => return Err(Binary("the command is neither LOCAL nor PROXY")),
        _ => return Err(Binary("the version is not 2")),
    };
    let length = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > max_header {
        return Err(ProxyHeaderError::TooLong { length, limit: max_header });
    }
    let Some(whole) = bytes.get(..length) else {
        return Ok(ProxyHeaderStatus::Incomplete { needed: length - bytes.len() });
    };
    let header = if is_local {
        // Its family and addresses are ignored, whatever they are.
        ProxyHeader::Local
    } else {
        let (header, tlvs) = addresses(fixed[13], &whole[FIXED..]).map_err(Binary)?;
        check_tlvs(whole, length - tlvs.len())?;
        header
    };
    Ok(ProxyHeaderStatus::Complete { header, length })
}

/// What the addresses say, and what follows them.
fn addresses(family: u8, block: &[u8]) -> Result<(ProxyHeader, &[u8]), &'static str> {
    let short = "the addresses are cut short";
    match (family >> 4, family & 0x0f) {
        (0..=3, 0) | (0, 1 | 2) => {
            // Which addresses there are, and so where the rest begins, is not known.
            Ok((ProxyHeader::Unknown, &[]))
        }
        (1, 1 | 2) => {
            let (block, rest) = block.split_first_chunk::<12>().ok_or(short)?;
            let ip = |at: usize| {
                Ipv4Addr::new(block[at], block[at + 1], block[at + 2], block[at + 3]).into()
            };
            Ok((inet(ip(0), ip(4), &block[8..]), rest))
        }
        (2, 1 | 2) => {
            let (block, rest) = block.split_first_chunk::<36>().ok_or(short)?;
            let ip = |at: usize| {
                let octets = <[u8; 16]>::try_from(&block[at..at + 16]).unwrap_or_default();
                Ipv6Addr::from(octets).into()
            };
            Ok((inet(ip(0), ip(16), &block[32..]), rest))
        }
        (3, 1 | 2) => {
            let (_, rest) = block.split_first_chunk::<216>().ok_or(short)?;
            Ok((ProxyHeader::Unix, rest))
        }
        _ => Err("the family or the protocol is not defined"),
    }
}

fn inet(source: IpAddr, destination: IpAddr, ports: &[u8]) -> ProxyHeader {
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    ProxyHeader::Inet {
        source: SocketAddr::new(source, port(0)),
        destination: SocketAddr::new(destination, port(2)),
    }
}

/// `PP2_TYPE_CRC32C`.
const CRC32C: u8 = 0x03;

/// Goes through the TLVs, which begin at a place of the header, and checks the checksum if
/// there is one: that of the header with zeros in its place.
fn check_tlvs(header: &[u8], mut at: usize) -> Result<(), ProxyHeaderError> {
    let cut = ProxyHeaderError::Binary("a TLV is cut short");
    while at < header.len() {
        let Some([kind, high, low]) = header.get(at..at + 3) else { return Err(cut) };
        let start = at + 3;
        let end = start + usize::from(u16::from_be_bytes([*high, *low]));
        let value = header.get(start..end).ok_or(cut)?;
        if *kind == CRC32C {
            let value = <[u8; 4]>::try_from(value)
                .map_err(|_| ProxyHeaderError::Binary("a checksum is not of four bytes"))?;
            let zeroed = header[..start].iter().chain(&[0; 4]).chain(&header[end..]);
            // One is enough, so that many don't cost much.
            return if crc32c(zeroed) == u32::from_be_bytes(value) {
                Ok(())
            } else {
                Err(ProxyHeaderError::Checksum)
            };
        }
        at = end;
    }
    Ok(())
}

/// The checksum of Castagnoli (RFC 9260 appendix A), bit by bit: headers are short.
fn crc32c<'b>(bytes: impl Iterator<Item = &'b u8>) -> u32 {
    !bytes.fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

#[cfg(test)]
mod tests;
