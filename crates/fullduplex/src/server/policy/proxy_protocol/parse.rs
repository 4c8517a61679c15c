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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 536;

    fn parse(bytes: &[u8]) -> Result<ProxyHeaderStatus, ProxyHeaderError> {
        parse_proxy_header(bytes, LIMIT)
    }

    fn complete(header: ProxyHeader, length: usize) -> ProxyHeaderStatus {
        ProxyHeaderStatus::Complete { header, length }
    }

    fn from_to(source: &str, destination: &str) -> ProxyHeader {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        ProxyHeader::Inet { source, destination }
    }

    /// A header of version 2.
    fn binary(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
        bytes.extend(block);
        bytes
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 0x01, 0xbb];

    fn v4_and(tlvs: &[u8]) -> Vec<u8> {
        binary(0x21, 0x11, &[&V4, tlvs].concat())
    }

    #[test]
    fn proxy_protocol_version_1_is_parsed() {
        let v4 = from_to("192.168.0.1:56324", "192.168.0.11:443");
        let v6 = from_to("[2001:db8::1]:0", "[::ffff:10.0.0.1]:65535");
        for (line, header) in [
            ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", v4),
            ("PROXY TCP6 2001:DB8::1 ::ffff:10.0.0.1 0 65535\r\n", v6),
            ("PROXY UNKNOWN\r\n", ProxyHeader::Unknown),
            ("PROXY UNKNOWN ffff::1 what ever\r\n", ProxyHeader::Unknown),
        ] {
            let bytes = [line.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&bytes), Ok(complete(header, line.len())), "{line}");
        }
        let f = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let longest = format!("PROXY UNKNOWN {f} {f} 65535 65535\r\n");
        assert_eq!(parse(longest.as_bytes()), Ok(complete(ProxyHeader::Unknown, 107)));
        let longer = format!("PROXY UNKNOWN  {f} {f} 65535 65535\r\n");
        assert_eq!(parse(longer.as_bytes()), Err(ProxyHeaderError::LineTooLong));
    }

    #[test]
    fn proxy_protocol_version_1_faults_are_refused() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP6 fe80::1%1 ::1 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n",
        ] {
            let got = parse(line.as_bytes());
            assert!(matches!(got, Err(ProxyHeaderError::Line(_))), "{line}: {got:?}");
        }
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"PROXYTCP4", b"\r\n\r\nx"] {
            assert_eq!(parse(bytes), Err(ProxyHeaderError::NoHeader));
        }
        let endless = [b"PROXY TCP4 ", &[b'1'; 200][..]].concat();
        assert_eq!(parse(&endless), Err(ProxyHeaderError::LineTooLong));
    }

    #[test]
    fn proxy_protocol_version_2_is_parsed() {
        let v6: Vec<u8> = [
            &Ipv6Addr::LOCALHOST.octets()[..],
            &"2001:db8::2".parse::<Ipv6Addr>().unwrap().octets(),
            &[0, 80, 1, 187],
        ]
        .concat();
        let v4 = from_to("192.0.2.1:56324", "198.51.100.2:443");
        for (bytes, header) in [
            (binary(0x21, 0x11, &V4), v4),
            (binary(0x21, 0x12, &V4), v4),
            (v4_and(&[0x04, 0, 2, 9, 9, 0xe0, 0, 0]), v4),
            (binary(0x21, 0x21, &v6), from_to("[::1]:80", "[2001:db8::2]:443")),
            (binary(0x21, 0x31, &[0; 216]), ProxyHeader::Unix),
            (binary(0x21, 0x00, &[]), ProxyHeader::Unknown),
            (binary(0x21, 0x00, b"whatever"), ProxyHeader::Unknown),
            (binary(0x21, 0x10, &[]), ProxyHeader::Unknown),
            (binary(0x20, 0x00, &[]), ProxyHeader::Local),
            (binary(0x20, 0x11, &V4), ProxyHeader::Local),
            (binary(0x20, 0xff, b"whatever"), ProxyHeader::Local),
        ] {
            let length = bytes.len();
            let followed = [&bytes[..], b"GET"].concat();
            assert_eq!(parse(&followed), Ok(complete(header, length)), "{bytes:x?}");
        }
    }

    #[test]
    fn proxy_protocol_version_2_faults_are_refused() {
        for bytes in [
            binary(0x11, 0x11, &V4),
            binary(0x22, 0x11, &V4),
            binary(0x2f, 0x11, &V4),
            binary(0x21, 0x13, &V4),
            binary(0x21, 0x41, &V4),
            binary(0x21, 0x11, &V4[..11]),
            binary(0x21, 0x21, &V4),
            binary(0x21, 0x31, &[0; 215]),
            v4_and(&[1]),
            v4_and(&[1, 0]),
            v4_and(&[1, 0, 1]),
            v4_and(&[1, 0xff, 0xff, 0]),
            v4_and(&[3, 0, 3, 0, 0, 0]),
        ] {
            let got = parse(&bytes);
            assert!(matches!(got, Err(ProxyHeaderError::Binary(_))), "{bytes:x?}: {got:?}");
        }
        // Refused by what it announces, before it is there.
        let long = binary(0x20, 0, &[0; 600]);
        let error = parse(&long[..16]).unwrap_err();
        assert_eq!(error, ProxyHeaderError::TooLong { length: 616, limit: LIMIT });
        assert_eq!(error.to_string(), "PROXY protocol: a header of 616 bytes, max_header is 536");
    }

    #[test]
    fn proxy_protocol_checksum_is_verified() {
        // The example of the checksum's definition.
        assert_eq!(crc32c(b"123456789".iter()), 0xe306_9283);
        let mut bytes = v4_and(&[0x04, 0, 1, 7, CRC32C, 0, 4, 0, 0, 0, 0]);
        let sum = crc32c(bytes.iter());
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&sum.to_be_bytes());
        assert!(matches!(parse(&bytes), Ok(ProxyHeaderStatus::Complete { .. })));
        for at in 16..end {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            // With another type it is no checksum.
            assert_eq!(parse(&wrong).is_err(), at != end - 7, "byte {at}");
        }
    }

    /// Reads exactly what is said to be needed, as from a socket.
    fn dripped(bytes: &[u8]) -> Result<ProxyHeaderStatus, ProxyHeaderError> {
        let mut have = 0;
        loop {
            match parse(&bytes[..have])? {
                ProxyHeaderStatus::Incomplete { needed } => {
                    assert!(needed > 0);
                    if have + needed > bytes.len() {
                        return Ok(ProxyHeaderStatus::Incomplete { needed });
                    }
                    have += needed;
                }
                done @ ProxyHeaderStatus::Complete { length, .. } => {
                    assert_eq!(length, have, "no byte was taken that is not the header's");
                    return Ok(done);
                }
            }
        }
    }

    #[test]
    fn proxy_protocol_shortest_headers_are_read_exactly() {
        let local = binary(0x20, 0, &[]);
        for bytes in [&b"PROXY UNKNOWN\r\n"[..], &local] {
            let followed = [bytes, b"\r\nmore"].concat();
            assert_eq!(dripped(&followed), parse(&followed));
        }
    }

    proptest! {
        #[test]
        fn proxy_protocol_asks_for_no_more_than_the_header(
            port: u16,
            last in 0..=255u8,
            binary_form: bool,
            tlv in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = if binary_form {
                let tlv = [&[0xe0, 0, u8::try_from(tlv.len()).unwrap()], &tlv[..]].concat();
                v4_and(&tlv)
            } else {
                format!("PROXY TCP4 10.0.0.{last} 10.0.0.1 {port} 80\r\n").into_bytes()
            };
            let whole = parse(&bytes);
            let is_complete = matches!(whole, Ok(ProxyHeaderStatus::Complete { .. }));
            prop_assert!(is_complete);
            let followed = [&bytes[..], b"more"].concat();
            prop_assert_eq!(dripped(&followed), whole);
            for cut in 0..bytes.len() {
                let is_incomplete = matches!(parse(&bytes[..cut]), Ok(ProxyHeaderStatus::Incomplete { .. }));
                prop_assert!(is_incomplete);
            }
        }

        #[test]
        fn proxy_protocol_survives_any_bytes(start in 0..4u8, rest in prop::collection::vec(any::<u8>(), 0..700)) {
            let start: &[u8] = match start {
                0 => &[],
                1 => PREFIX,
                2 => &SIGNATURE,
                _ => b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0",
            };
            let bytes = [start, &rest].concat();
            match parse(&bytes) {
                Ok(ProxyHeaderStatus::Complete { length, .. }) => {
                    prop_assert!(length <= bytes.len() && length <= LIMIT);
                    prop_assert_eq!(parse(&bytes[..length]), parse(&bytes));
                }
                Ok(ProxyHeaderStatus::Incomplete { needed }) => {
                    prop_assert!(needed > 0 && bytes.len() + needed <= LIMIT);
                }
                Err(_) => {}
            }
        }
    }
}
