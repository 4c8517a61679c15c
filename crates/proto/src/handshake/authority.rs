//! The value of `Host` and `:authority`: `host [":" port]` (RFC 9110 §7.2, RFC 3986 §3.2).

use core::net::Ipv6Addr;
use core::str;

/// A valid authority, split into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'h> {
    /// The whole authority.
    pub text: &'h str,
    host: &'h str,
    port: Option<u16>,
}

impl<'h> Authority<'h> {
    /// Parses an authority. Returns `None` if the text is not a valid one.
    ///
    /// User information is not allowed (RFC 9110 §4.2.4), nor an empty host: a WebSocket URI
    /// always has a host (RFC 6455 §3).
    pub(super) fn parse(text: &'h [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let (host, port) = split_port(text)?;
        let valid = match host.strip_prefix('[') {
            Some(literal) => literal.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
            None => is_reg_name(host.as_bytes()),
        };
        valid.then_some(Self { text, host, port })
    }

    /// Returns whether both name the same server, as far as that is known without the scheme.
    ///
    /// A missing port equals either default port, since `Host: example.com` and
    /// `:authority: example.com:443` mean the same (RFC 9113 §8.3.1).
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        let ports_agree = match (self.port, other.port) {
            (Some(own), Some(other)) => own == other,
            (Some(port), None) | (None, Some(port)) => matches!(port, 80 | 443),
            (None, None) => true,
        };
        ports_agree && self.host.eq_ignore_ascii_case(other.host)
    }
}

/// Splits off the port. Returns `None` if the port is not a number that fits. `host:` has no port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    // The colons within an IP literal do not separate the port.
    let bytes = text.as_bytes();
    let after_literal = bytes.iter().rposition(|&byte| byte == b']').map_or(0, |at| at + 1);
    let colon = bytes[after_literal..].iter().position(|&byte| byte == b':');
    let Some(colon) = colon.map(|at| after_literal + at) else { return Some((text, None)) };
    let (host, digits) = (&text[..colon], &text[colon + 1..]);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = if digits.is_empty() { None } else { Some(digits.parse().ok()?) };
    Some((host, port))
}

/// Returns whether `name` is a `reg-name` (RFC 3986 §3.2.2) that is not empty and has no comma.
///
/// A comma is what two `Host` fields look like once a proxy has joined them.
fn is_reg_name(mut name: &[u8]) -> bool {
    if name.is_empty() {
        return false;
    }
    loop {
        name = match name {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest
            }
            [byte, rest @ ..] if byte.is_ascii_alphanumeric() => rest,
            [b'-' | b'.' | b'_' | b'~', rest @ ..] => rest,
            [b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=', rest @ ..] => {
                rest
            }
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<Authority<'_>> {
        Authority::parse(text.as_bytes())
    }

    #[test]
    fn authority_is_split_into_host_and_port() {
        for (text, host, port) in [
            ("example.com", "example.com", None),
            ("example.com:8080", "example.com", Some(8080)),
            ("example.com:", "example.com", None),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
            ("[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]", None),
            ("a_b-c.d~e", "a_b-c.d~e", None),
            ("caf%C3%A9.example", "caf%C3%A9.example", None),
        ] {
            assert_eq!(parse(text), Some(Authority { text, host, port }), "{text}");
        }
    }

    #[test]
    fn authority_faults_are_rejected() {
        for text in [
            "",
            ":80",
            "a b",
            "a,b",
            "a/b",
            "a@b",
            "a:b",
            "a:80:90",
            "a:65536",
            "a:-1",
            "a:+1",
            "::1",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]:x",
            "[]",
            "[zz]",
            "[fe80::1%25eth0]",
            "a%",
            "a%2",
            "a%zz",
            "caf\u{e9}",
            "a?b",
            "a#b",
            "a\\b",
            "a\tb",
            "http://a",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(Authority::parse(b"a\xff"), None);
    }

    #[test]
    fn authority_comparison_ignores_case_and_default_ports() {
        for (one, other, agree) in [
            ("Example.com", "example.COM", true),
            ("example.com:443", "example.com", true),
            ("example.com", "example.com:80", true),
            ("example.com:8080", "example.com", false),
            ("example.com:80", "example.com:443", false),
            ("example.com", "example.org", false),
            ("[::1]:9", "[::1]:9", true),
        ] {
            let (one, other) = (parse(one).unwrap(), parse(other).unwrap());
            assert_eq!(one.agrees_with(&other), agree, "{one:?} {other:?}");
        }
    }

    proptest! {
        #[test]
        fn authority_survives_any_bytes(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Authority::parse(&text);
        }

        #[test]
        fn authority_survives_nearly_valid_text(text in "[a1:\\[\\]%.\u{e9}]{0,20}") {
            let _ = parse(&text);
        }
    }
}
