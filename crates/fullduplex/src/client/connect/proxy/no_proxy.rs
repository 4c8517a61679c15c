//! Parsing and matching of `NO_PROXY`: the hosts that are connected to without a proxy.

use std::net::IpAddr;

use url::Host;

use crate::base::cidr::Cidr;
use crate::base::uri::without_zone;

/// The hosts that are connected to directly.
#[derive(Clone, Debug, Default)]
pub(super) struct NoProxy(Vec<(NoProxyPattern, Option<u16>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum NoProxyPattern {
    All,
    /// A host name and its subdomains.
    Name(String),
    /// The subdomains of a host name, without itself. Begins with a dot.
    Suffix(String),
    Network(Cidr),
}

impl NoProxy {
    pub(super) fn parse(list: &str) -> Self {
        let entries = list.split([',', ' ', '\t', '\n']).filter(|entry| !entry.is_empty());
        Self(entries.filter_map(parse_entry).collect())
    }

    pub(super) fn matches(&self, host: &str, port: u16) -> bool {
        let host = without_zone(host).trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        self.0.iter().any(|(pattern, only_port)| {
            only_port.is_none_or(|only_port| only_port == port)
                && match pattern {
                    NoProxyPattern::All => true,
                    NoProxyPattern::Name(name) => {
                        address.is_none()
                            && host
                                .strip_suffix(&**name)
                                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
                    }
                    NoProxyPattern::Suffix(suffix) => {
                        address.is_none() && host.ends_with(&**suffix)
                    }
                    NoProxyPattern::Network(network) => {
                        address.is_some_and(|address| network.contains(address))
                    }
                }
        })
    }
}

/// Parses one entry. Returns `None` for an invalid one, which is ignored as in other programs.
fn parse_entry(word: &str) -> Option<(NoProxyPattern, Option<u16>)> {
    if word == "*" {
        return Some((NoProxyPattern::All, None));
    }
    if let Some(slash) = word.find('/') {
        let (network, port) = match word[slash..].find(':') {
            Some(colon) => {
                let (network, port) = word.split_at(slash + colon);
                (network, Some(port[1..].parse().ok()?))
            }
            None => (word, None),
        };
        return Some((NoProxyPattern::Network(Cidr::parse(network)?), port));
    }
    if let Some(network) = Cidr::parse(word) {
        return Some((NoProxyPattern::Network(network), None));
    }
    let (host, port) = match word.rsplit_once(':') {
        _ if word.ends_with(']') => (word, None),
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (word, None),
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let pattern = match host.strip_prefix('*').unwrap_or(&host) {
        suffix if suffix.starts_with('.') => match Host::parse(&suffix[1..]).ok()? {
            // Normalized as in a URL, where names in other scripts are Punycode.
            Host::Domain(name) => NoProxyPattern::Suffix(format!(".{name}")),
            _ => return None,
        },
        _ => match Host::parse(&host).ok()? {
            Host::Domain(name) => NoProxyPattern::Name(name),
            Host::Ipv4(ip) => NoProxyPattern::Network(IpAddr::from(ip).into()),
            Host::Ipv6(ip) => NoProxyPattern::Network(IpAddr::from(ip).into()),
        },
    };
    Some((pattern, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_exceptions_match_hosts_networks_and_ports() {
        for (list, host, port, direct) in [
            ("", "a.example", 80, false),
            ("*", "a.example", 80, true),
            ("a.example", "a.example", 80, true),
            ("a.example", "A.EXAMPLE.", 80, true),
            ("a.example", "b.a.example", 80, true),
            ("a.example", "ba.example", 80, false),
            (".a.example", "b.a.example", 80, true),
            (".a.example", "a.example", 80, false),
            ("*.a.example", "b.a.example", 80, true),
            ("*.münchen.example", "a.xn--mnchen-3ya.example", 80, true),
            (".MÜNCHEN.example:80", "a.xn--mnchen-3ya.example", 80, true),
            ("*.münchen.example", "xn--mnchen-3ya.example", 80, false),
            ("münchen.example", "a.xn--mnchen-3ya.example", 80, true),
            ("*.münchen.example", "a.munchen.example", 80, false),
            (".., *., .1, *.a..", "1", 80, false),
            ("x,  a.example:8080 ,y", "a.example", 8080, true),
            ("a.example:8080", "a.example", 80, false),
            ("10.0.0.0/8", "10.200.3.4", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false),
            ("0.0.0.0/0", "8.8.8.8", 80, true),
            ("0.0.0.0/0", "::1", 80, false),
            ("127.0.0.1", "127.0.0.1", 80, true),
            ("127.0.0.1:81", "127.0.0.1", 80, false),
            ("::1", "::1", 80, true),
            ("[::1]:80", "::1", 80, true),
            ("[::1]", "::1", 80, true),
            ("a.example.", "a.example", 80, true),
            ("x\ta.example\ny", "a.example", 80, true),
            ("10.0.0.0/8:80", "10.1.1.1", 80, true),
            ("10.0.0.0/8:80", "10.1.1.1", 81, false),
            ("fe80::/10", "fe80::1", 80, true),
            ("fe80::/10", "fe80::1%eth0", 80, true),
            ("fe80::/10", "::1", 80, false),
            ("1", "10.0.0.1", 80, false),
            ("10.0.0.0/33, /, :, a:b", "10.0.0.1", 80, false),
        ] {
            assert_eq!(
                NoProxy::parse(list).matches(host, port),
                direct,
                "{list} for {host}:{port}"
            );
        }
    }
}
