//! The hosts that clients of the proxy ask for, and patterns of them.

use std::net::{IpAddr, Ipv6Addr};

use http::uri::Authority;

/// A host and a port.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::inspect) struct HostPort {
    /// In lower case, without brackets.
    pub(in crate::inspect) host: String,
    pub(in crate::inspect) port: u16,
}

impl HostPort {
    /// Parses a host and a port; `default_port` is that which may be left out.
    pub(in crate::inspect) fn parse(text: &str, default_port: Option<u16>) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let port = authority.port_u16();
        // `Authority` also accepts a user and an empty port, which a target must not have.
        let has_port = authority.as_str() != authority.host();
        if authority.as_str().contains('@') || has_port != port.is_some() {
            return None;
        }
        let port = port.or(default_port).filter(|port| *port != 0)?;
        let bare = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        (!bare.is_empty()).then_some(Self { host: bare, port })
    }

    /// Returns it as URLs have it, without the port if it is this one.
    pub(in crate::inspect) fn authority(&self, default_port: Option<u16>) -> String {
        let host = match self.host.parse::<Ipv6Addr>() {
            Ok(ip) => format!("[{ip}]"),
            Err(_) => self.host.clone(),
        };
        if default_port == Some(self.port) { host } else { format!("{host}:{}", self.port) }
    }
}

/// A host, or all that end as it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum HostPattern {
    Any,
    /// All names that end so: a dot and a name.
    Below(String),
    Host(String),
}

impl HostPattern {
    /// Parses `example.com`, `*.example.com` or `*`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let pattern = match text.strip_prefix('*') {
            Some("") => return Ok(Self::Any),
            Some(rest) => Self::Below(rest.to_ascii_lowercase()),
            None => Self::Host(text.trim_matches(['[', ']']).to_ascii_lowercase()),
        };
        let is_valid = match &pattern {
            Self::Below(name) => name.starts_with('.') && is_name(&name[1..]),
            Self::Host(host) => host.parse::<IpAddr>().is_ok() || is_name(host),
            Self::Any => true,
        };
        let wanted = "a host, or names below one, such as example.com, *.example.com or *";
        is_valid.then_some(pattern).ok_or_else(|| wanted.into())
    }

    /// Returns whether it is a pattern of this host, which is in lower case.
    pub(in crate::inspect) fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Any => true,
            Self::Below(name) => host.len() > name.len() && host.ends_with(name.as_str()),
            Self::Host(own) => match (own.parse::<IpAddr>(), host.parse::<IpAddr>()) {
                (Ok(own), Ok(ip)) => own == ip,
                _ => own == host,
            },
        }
    }
}

/// Returns whether a text is the name of a host, without a port.
fn is_name(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.bytes().all(is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_patterns_are_hosts_or_names_below() {
        let matching =
            |pattern: &str, host: &str| HostPattern::parse(pattern).unwrap().matches(host);
        for (pattern, host, is_match) in [
            ("*", "a.example", true),
            ("Example.com", "example.com", true),
            ("example.com", "example.com.", true),
            ("example.com", "a.example.com", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "aexample.com", false),
            ("[::1]", "::1", true),
            ("::1", "0:0:0:0:0:0:0:1", true),
            ("127.0.0.1", "127.0.0.2", false),
        ] {
            assert_eq!(matching(pattern, host), is_match, "{pattern} {host}");
        }
        for wrong in
            ["", "*example.com", "a.*.example", "example.com:443", "https://a", "a b", "*."]
        {
            assert!(HostPattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_and_ports_are_parsed() {
        let parse = |text: &str| HostPort::parse(text, None).map(|to| (to.host, to.port));
        assert_eq!(parse("A.example:443"), Some(("a.example".into(), 443)));
        assert_eq!(parse("[::1]:80"), Some(("::1".into(), 80)));
        for wrong in ["", "a.example", "a.example:", "a.example:x", "a.example:0", "u@a:1", "::1:1"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        let to = HostPort::parse("[::1]", Some(80)).unwrap();
        assert_eq!(to.authority(Some(80)), "[::1]");
        assert_eq!(to.authority(Some(443)), "[::1]:80");
    }
}
