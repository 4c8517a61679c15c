//! The parser of PROXY protocol headers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The first bytes of a version 2 header.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The first bytes of a version 1 header.
const PREFIX: &[u8] = b"PROXY ";
/// The shortest line: `PROXY UNKNOWN\r\n`.
const SHORTEST_LINE: usize = 15;
/// The longest line, with CR LF (§2.1).
const LONGEST_LINE: usize = 107;
/// The length of a version 2 header before the addresses.
const FIXED: usize = 16;
/// The type of the checksum TLV, `PP2_TYPE_CRC32C`.
const CRC32C: u8 = 0x03;

/// The content of a PROXY header: the connection that the proxy accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeader {
    /// The connection is the proxy's own, such as a health check: `LOCAL` (§2.2).
    Local,
    /// The proxy does not know the client: `UNKNOWN`, `AF_UNSPEC`. The socket's addresses apply.
    Unknown,
    /// A client connected by TCP or UDP.
    Inet {
        /// The address of the client.
        source: SocketAddr,
        /// The address that the client connected to.
        destination: SocketAddr,
    },
    /// A client connected by a Unix socket. The paths are left out.
    Unix,
}

/// The result of [`parse_proxy_header`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaderStatus {
    /// At least `needed` more bytes are necessary, all of which belong to the header. A caller that
    /// reads no more than that leaves the connection's own bytes in the socket.
    Incomplete {
        /// The number of bytes, at least 1.
        needed: usize,
    },
    /// The header is complete.
    Complete {
        /// The content of the header.
        header: ProxyHeader,
        /// The length of the header in bytes. The bytes after it belong to the connection.
        length: usize,
    },
}

/// A syntax error in a PROXY header. The connection should be closed (§2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// The bytes begin like a header of neither version.
    NoHeader,
    /// The version 1 line is invalid, for this reason.
    Line(&'static str),
    /// The version 1 line has no CR LF in its first 107 bytes.
    LineTooLong,
    /// The version 2 header is invalid, for this reason.
    Binary(&'static str),
    /// The version 2 header is longer than the limit.
    TooLong {
        /// The announced length in bytes, including the first 16.
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
            Self::LineTooLong => f.write_str("no CR LF in the first 107 bytes (§2.1)"),
            Self::Binary(why) => write!(f, "{why} (§2.2)"),
            Self::TooLong { length, limit } => {
                write!(f, "a header of {length} bytes exceeds max_header ({limit})")
            }
            Self::Checksum => f.write_str("the checksum is wrong (§2.2)"),
        }
    }
}

impl std::error::Error for ProxyHeaderError {}

/// Parses the header at the start of a connection, of version 1 (text) or 2 (binary).
///
/// `max_header` is the maximum length of a version 2 header; a version 1 line has at most 107
/// bytes. The function has no state: each call needs all bytes of the connection so far.
///
/// The TLVs after the addresses of version 2 are skipped, but a checksum (CRC-32C) is verified.
/// The addresses of datagrams are accepted as those of streams are.
///
/// # Errors
/// The bytes are not a valid header.
pub fn parse_proxy_header(
    bytes: &[u8],
    max_header: usize,
) -> Result<ProxyHeaderStatus, ProxyHeaderError> {
    if bytes.is_empty() {
        // The shortest header of both versions.
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

/// Returns whether the bytes begin with `with`, as far as they go.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.iter().zip(with).all(|(a, b)| a == b)
}

/// Parses a version 1 line (§2.1).
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
    // The rest of the line is ignored, whatever it is (§2.1).
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        return Ok(ProxyHeader::Unknown);
    }
    let text = std::str::from_utf8(text).map_err(|_| "the line is not ASCII")?;
    let mut words = text.split(' ');
    let mut next = || words.next().ok_or("an address or a port is missing");
    let (family, source, destination) = (next()?, next()?, next()?);
    let (source_port, destination_port) = (next()?, next()?);
    if words.next().is_some() {
        return Err("unexpected text after the ports");
    }
    let ip = |text: &str| -> Result<IpAddr, &'static str> {
        match family {
            "TCP4" => text.parse().map(IpAddr::V4).map_err(|_| "not a valid IPv4 address"),
            "TCP6" => text.parse().map(IpAddr::V6).map_err(|_| "not a valid IPv6 address"),
            _ => Err("the family is not TCP4, TCP6 or UNKNOWN"),
        }
    };
    Ok(ProxyHeader::Inet {
        source: SocketAddr::new(ip(source)?, port(source_port)?),
        destination: SocketAddr::new(ip(destination)?, port(destination_port)?),
    })
}

/// Parses a decimal port without leading zeros (§2.1).
fn port(text: &str) -> Result<u16, &'static str> {
    let is_plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or("not a valid port")
}

/// Parses a version 2 header (§2.2).
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
        // The family and the addresses of LOCAL are ignored (§2.2).
        ProxyHeader::Local
    } else {
        let (header, tlvs) = addresses(fixed[13], &whole[FIXED..]).map_err(Binary)?;
        check_tlvs(whole, length - tlvs.len())?;
        header
    };
    Ok(ProxyHeaderStatus::Complete { header, length })
}

/// Parses the addresses, and returns the bytes after them.
fn addresses(family: u8, block: &[u8]) -> Result<(ProxyHeader, &[u8]), &'static str> {
    let short = "the addresses are truncated";
    match (family >> 4, family & 0x0f) {
        (0..=3, 0) | (0, 1 | 2) => {
            // The length of the addresses is unknown, and so the start of the TLVs.
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

/// Verifies the checksum in the TLVs that begin at offset `at` of the header, if there is one. It
/// is computed over the header with zeros in place of the checksum (§2.2.3).
fn check_tlvs(header: &[u8], mut at: usize) -> Result<(), ProxyHeaderError> {
    let truncated = ProxyHeaderError::Binary("a TLV is truncated");
    while at < header.len() {
        let Some([kind, high, low]) = header.get(at..at + 3) else { return Err(truncated) };
        let start = at + 3;
        let end = start + usize::from(u16::from_be_bytes([*high, *low]));
        let value = header.get(start..end).ok_or(truncated)?;
        if *kind == CRC32C {
            let value = <[u8; 4]>::try_from(value)
                .map_err(|_| ProxyHeaderError::Binary("the checksum does not have 4 bytes"))?;
            let zeroed = header[..start].iter().chain(&[0; 4]).chain(&header[end..]);
            // Only the first is verified, so that many checksums don't cost much.
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

/// Computes CRC-32C (RFC 9260 appendix A). Bit by bit, as headers are short.
fn crc32c<'b>(bytes: impl Iterator<Item = &'b u8>) -> u32 {
    !bytes.fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

#[cfg(test)]
mod tests;
