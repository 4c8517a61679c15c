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
    assert_eq!(error.to_string(), "PROXY protocol: a header of 616 bytes exceeds max_header (536)");
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
            let parsed = parse(&bytes[..cut]);
            let is_incomplete = matches!(parsed, Ok(ProxyHeaderStatus::Incomplete { .. }));
            prop_assert!(is_incomplete);
        }
    }

    #[test]
    fn proxy_protocol_survives_any_bytes(
        start in 0..4u8,
        rest in prop::collection::vec(any::<u8>(), 0..700),
    ) {
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
