//! Plain URIs, as most are: they are split as they are, which takes a tenth of what a URL's parser
//! does.

use std::net::Ipv4Addr;

use crate::base::uri::WsUri;

/// Splits a URI that a URL's parser would leave as it is. Any other, right or wrong, is `None`.
pub(super) fn parse(uri: &str) -> Option<WsUri> {
    let (secure, rest) = match uri.strip_prefix("ws://") {
        Some(rest) => (false, rest),
        None => (true, uri.strip_prefix("wss://")?),
    };
    let (authority, resource) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let default_port = if secure { 443 } else { 80 };
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, parse_port(port)?),
        None => (authority, default_port),
    };
    if !is_plain_host(host) || !is_plain_resource(resource) {
        return None;
    }
    let authority = if port == default_port { host } else { authority };
    let resource = if resource.is_empty() { "/" } else { resource };
    Some(WsUri {
        secure,
        host: host.to_owned(),
        port,
        authority: authority.to_owned(),
        resource: resource.to_owned(),
        user: None,
        socket: None,
        redirected: false,
    })
}

fn parse_port(port: &str) -> Option<u16> {
    let is_plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    port.parse().ok().filter(|_| is_plain)
}

/// Returns whether a host is an IPv4 address in its usual form, or a name of lower-case letters,
/// digits and single hyphens, without a dot at its end.
fn is_plain_host(host: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    if host.len() > 253 || !host.bytes().all(is_plain) {
        return false;
    }
    // Two hyphens may begin an encoded name, whose code is checked.
    if ["..", "--", "-.", ".-"].iter().any(|pair| host.contains(pair)) {
        return false;
    }
    match host.rsplit('.').next().and_then(|last| last.bytes().next()) {
        // An address, which may have other forms, too.
        Some(b'0'..=b'9') => host.parse::<Ipv4Addr>().is_ok(),
        Some(b'a'..=b'z') => host.starts_with(|first: char| first.is_ascii_alphanumeric()),
        _ => false,
    }
}

/// Returns whether a path and query, or nothing, have no characters that are escaped, and no
/// segments that are removed.
fn is_plain_resource(resource: &str) -> bool {
    let is_plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'/' | b'?' | b'=' | b'&' | b'-' | b'_' | b'.' | b'~' | b',' | b':' | b'@' | b'+'
            )
    };
    resource.bytes().all(is_plain) && !resource.contains("/.")
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn uri_that_is_plain_is_split_as_by_the_parser() {
        let hosts = [
            "h",
            "localhost",
            "example.com",
            "a-b.example",
            "127.0.0.1",
            "1.2.3",
            "127.0.0.01",
            "0x7f.1",
            "256.1.1.1",
            "1.example",
            "example.1",
            "example.1a",
            "xn--a",
            "a--b",
            "-a",
            "a-",
            "a.",
            ".a",
            "a..b",
            "A",
            "ä",
            "a_b",
            "me@h",
            "[::1]",
            "",
            "a%20",
        ];
        let ports =
            ["", ":", ":80", ":443", ":9001", ":0", ":080", ":65535", ":65536", ":+1", ":x"];
        let resources = [
            "",
            "/",
            "/a/b",
            "//a",
            "/a?b=c&d",
            "?q",
            "/?a/../b",
            "/a/../b",
            "/./a",
            "/.a",
            "/a.b",
            "/%2e/a",
            "/a%20b",
            "/a b",
            "/a\\b",
            "/#",
            "/a:1@2,+~_-",
            "/'",
            "/?'",
            "/\t",
            "/ä",
        ];
        let mut plain = 0;
        for scheme in ["ws://", "wss://", "WS://", "http://"] {
            for host in hosts {
                for port in ports {
                    for resource in resources {
                        let uri = format!("{scheme}{host}{port}{resource}");
                        let Some(target) = parse(&uri) else { continue };
                        let parsed = Url::parse(&uri).map(|url| WsUri::of_url(&url));
                        assert_eq!(parsed, Ok(Ok(target)), "{uri}");
                        plain += 1;
                    }
                }
            }
        }
        // Two schemes, of these hosts 7, of these ports 5, of these resources 7.
        assert_eq!(plain, 2 * 7 * 5 * 7);
    }
}
