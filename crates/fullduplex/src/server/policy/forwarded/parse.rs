//! The parser of `Forwarded` (RFC 7239 §4, §6) and of the `X-Forwarded-*` fields, which have no
//! standard.

use std::net::IpAddr;

/// The most parameters of an element: four are defined (RFC 7239 §5), others are extensions. The
/// search for duplicates takes quadratic time.
const MAX_PARAMETERS: usize = 16;

const NO_END: &str = "a quoted string has no end (RFC 7239 §4)";

/// An element of the field: what one proxy reports about its client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) node: Node,
    pub(crate) proto: Option<ForwardedProto>,
    pub(crate) host: Option<String>,
}

/// The client of a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Ip(IpAddr, Option<u16>),
    /// `unknown`, or a name that only the proxy understands (RFC 7239 §6.2, §6.3).
    Hidden(String),
}

impl Default for Node {
    fn default() -> Self {
        Self::Hidden("unknown".into())
    }
}

/// The protocol by which the client reached the first proxy.
///
/// It is complete: there is TLS, or there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardedProto {
    /// Without TLS: `http` or `ws`.
    Http,
    /// With TLS: `https` or `wss`.
    Https,
}

type Parsed<T> = Result<T, &'static str>;

/// Parses the elements of one `Forwarded` line.
///
/// What follows a quoted string is checked strictly, so that an open quote that a client sent
/// can't hide what a proxy appends to the line: the line is rejected.
pub(crate) fn forwarded(line: &str) -> Parsed<Vec<Hop>> {
    let mut hops = Vec::new();
    let (mut hop, mut names) = (Hop::default(), Vec::new());
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        match rest.bytes().next() {
            None | Some(b',') => {
                // Empty elements are ignored (RFC 9110 §5.6.1.2).
                if !names.is_empty() {
                    hops.push(std::mem::take(&mut hop));
                    names.clear();
                }
                match rest.get(1..) {
                    Some(more) => rest = more,
                    None => return Ok(hops),
                }
            }
            Some(b';') => rest = &rest[1..],
            Some(_) => {
                let (name, value, after) = pair(rest)?;
                if names.len() == MAX_PARAMETERS {
                    return Err("an element has more than 16 parameters");
                }
                if names.contains(&name) {
                    return Err("a parameter is repeated (RFC 7239 §4)");
                }
                set_parameter(&mut hop, &name, value)?;
                names.push(name);
                rest = after.trim_start_matches([' ', '\t']);
                if !(rest.is_empty() || rest.starts_with([';', ','])) {
                    return Err("a value is not followed by ; or , (RFC 7239 §4)");
                }
            }
        }
    }
}

/// Parses `name=value`, and returns the rest of the line. An unquoted value may have characters
/// that are not allowed in a token, as some proxies write addresses without quotes.
fn pair(text: &str) -> Parsed<(String, String, &str)> {
    let (name, rest) = text.split_once('=').ok_or("a parameter has no = (RFC 7239 §4)")?;
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("a parameter's name is not a token (RFC 7239 §4)");
    }
    let name = name.to_ascii_lowercase();
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return Ok((name, value, &quoted[at + 1..])),
                '\\' => value.push(chars.next().ok_or(NO_END)?.1),
                c => value.push(c),
            }
        }
        return Err(NO_END);
    }
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | ',' | '"');
    let end = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
    match &rest[..end] {
        "" => Err("a parameter has no value (RFC 7239 §4)"),
        value => Ok((name, value.into(), &rest[end..])),
    }
}

fn set_parameter(hop: &mut Hop, name: &str, value: String) -> Parsed<()> {
    match name {
        "for" => hop.node = node(&value)?,
        "proto" => hop.proto = Some(proto(&value)?),
        "host" => hop.host = Some(host(value)?),
        // `by`, and extensions (RFC 7239 §5.5).
        _ => {}
    }
    Ok(())
}

/// Parses a node: an address with or without a port, or a name. IPv6 may have no brackets if there
/// is no port.
pub(crate) fn node(text: &str) -> Parsed<Node> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Node::Ip(ip.to_canonical(), None));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let port = port.map(node_port).transpose()?.flatten();
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let ip = match bracketed {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => name.parse().ok().map(IpAddr::V4),
    };
    if let Some(ip) = ip {
        Ok(Node::Ip(ip.to_canonical(), port))
    } else if name.eq_ignore_ascii_case("unknown") || is_obfuscated(name) {
        Ok(Node::Hidden(name.to_owned()))
    } else {
        Err("not an IP address, \"unknown\" or a name with _ (RFC 7239 §6)")
    }
}

/// Parses a port; `None` if it is obfuscated (RFC 7239 §6).
fn node_port(text: &str) -> Parsed<Option<u16>> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(port) if is_number => Ok(Some(port)),
        _ if is_obfuscated(text) => Ok(None),
        _ => Err("a port is neither a number nor a name with _ (RFC 7239 §6)"),
    }
}

/// Returns whether a text is an obfuscated identifier: `_` and a name (RFC 7239 §6.3).
fn is_obfuscated(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    text.len() > 1 && text.starts_with('_') && text.bytes().all(is_part)
}

pub(crate) fn proto(text: &str) -> Parsed<ForwardedProto> {
    match &*text.to_ascii_lowercase() {
        "http" | "ws" => Ok(ForwardedProto::Http),
        "https" | "wss" => Ok(ForwardedProto::Https),
        _ => Err("the protocol is neither http nor https"),
    }
}

pub(crate) fn host(text: String) -> Parsed<String> {
    let is_host = |host: http::uri::Authority| !host.as_str().contains('@');
    if text.parse().is_ok_and(is_host) { Ok(text) } else { Err("not a valid host") }
}

/// Returns the elements of a list; empty ones are ignored (RFC 9110 §5.6.1.2).
pub(crate) fn list(line: &str) -> impl DoubleEndedIterator<Item = &str> {
    line.split(',').map(|word| word.trim_matches([' ', '\t'])).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str, port: Option<u16>) -> Node {
        Node::Ip(text.parse().unwrap(), port)
    }

    #[test]
    fn forwarded_nodes_of_rfc_7239_section_6() {
        for (text, expected) in [
            ("192.0.2.43", ip("192.0.2.43", None)),
            ("192.0.2.43:47011", ip("192.0.2.43", Some(47011))),
            ("192.0.2.43:_port", ip("192.0.2.43", None)),
            ("[2001:db8:cafe::17]", ip("2001:db8:cafe::17", None)),
            ("[2001:db8:cafe::17]:4711", ip("2001:db8:cafe::17", Some(4711))),
            ("2001:db8:cafe::17", ip("2001:db8:cafe::17", None)),
            ("::ffff:192.0.2.1", ip("192.0.2.1", None)),
            ("unknown", Node::Hidden("unknown".into())),
            ("Unknown:80", Node::Hidden("Unknown".into())),
            ("_gazonk", Node::Hidden("_gazonk".into())),
            ("_hidden.a-b:_x", Node::Hidden("_hidden.a-b".into())),
        ] {
            assert_eq!(node(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "_",
            ":80",
            "a.example",
            "192.0.2.1:",
            "192.0.2.1:99999",
            "192.0.2.1:+80",
            "192.0.2.256",
            "[::1",
            "::1]",
            "[192.0.2.1]",
            "[::1]80",
            "_a b",
            "fe80::1%eth0",
        ] {
            assert!(node(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn forwarded_examples_of_rfc_7239_section_4() {
        let hops = forwarded("for=192.0.2.60;proto=http;by=203.0.113.43").unwrap();
        let expected =
            Hop { node: ip("192.0.2.60", None), proto: Some(ForwardedProto::Http), host: None };
        assert_eq!(hops, [expected]);
        let hops = forwarded("For=\"[2001:db8:cafe::17]:4711\"").unwrap();
        assert_eq!(hops[0].node, ip("2001:db8:cafe::17", Some(4711)));
        let hops = forwarded("for=192.0.2.43, for=198.51.100.17").unwrap();
        assert_eq!(hops.len(), 2);
    }

    #[test]
    fn forwarded_allows_whitespace_and_empty_elements() {
        let hops = forwarded(" ,for=192.0.2.1 ; host=\"a.example:8080\";; secret=\"a,b;\\\"c\" ,,")
            .unwrap();
        assert_eq!(hops.len(), 1);
        assert_eq!(hops[0].host.as_deref(), Some("a.example:8080"));
        assert_eq!(forwarded("").unwrap(), []);
        assert_eq!(forwarded(", ;,").unwrap(), []);
        // Not quoted, as some write it.
        assert_eq!(forwarded("for=[::1]:80").unwrap()[0].node, ip("::1", Some(80)));
        assert_eq!(forwarded("by=_x").unwrap()[0].node, Node::default());
    }

    #[test]
    fn forwarded_that_is_malformed_is_refused() {
        for bad in [
            "for",
            "for=",
            "=x",
            "f r=x",
            "for=a",
            "for=\"192.0.2.1",
            "for=\"192.0.2.1\\",
            "for=\"192.0.2.1\"x",
            "for=192.0.2.1 x",
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1;FOR=192.0.2.1",
            "proto=gopher",
            "host=\"a b\"",
            "host=\"u@a\"",
            "host=\"\"",
            "for=\"\"",
            "für=x",
        ] {
            assert!(forwarded(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn forwarded_element_has_a_bounded_number_of_parameters() {
        let of = |count| (0..count).map(|n| format!("p{n}=x")).collect::<Vec<_>>().join(";");
        assert!(forwarded(&of(16)).is_ok());
        assert!(forwarded(&of(17)).is_err());
        assert_eq!(forwarded(&"for=_a,".repeat(1000)).unwrap().len(), 1000);
    }

    #[test]
    fn forwarded_with_an_open_quote_is_refused() {
        for sent in ["for=6.6.6.6;x=\"", "for=\"6.6.6.6", "x=\"\\"] {
            for added in [
                "for=192.0.2.1",
                "for=\"192.0.2.1\"",
                "for=\"[2001:db8::1]:1\";proto=https",
                "for=192.0.2.1;host=\"a\";by=\"_b\"",
                "for=192.0.2.1;host=\"\"",
            ] {
                assert!(forwarded(&format!("{sent}, {added}")).is_err(), "{sent} and {added}");
            }
        }
    }
}
