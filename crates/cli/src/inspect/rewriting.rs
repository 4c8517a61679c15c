//! The one change that the relay makes: `Host`, and on request `Origin`, become the target's. A
//! proxy also takes the URL out of requests.

use http::Uri;

use super::absolute;
use super::head::{Change, Head};

/// How the heads of requests are changed.
#[derive(Clone, Debug)]
pub(super) struct Rewriting {
    /// `ws` or `wss`, and the host and port of the target.
    pub(super) scheme: &'static str,
    pub(super) authority: String,
    /// Whether `Host` stays as it came.
    pub(super) keeps_host: bool,
    /// Whether `Origin` becomes the target's.
    pub(super) rewrites_origin: bool,
    /// The names besides IP addresses and localhost by which clients reach the relay.
    pub(super) own_names: Vec<String>,
    /// Whether requests have the URL of the target, as those to a proxy.
    pub(super) is_absolute: bool,
}

impl Rewriting {
    /// Changes nothing.
    pub(super) fn none(scheme: &'static str, authority: String) -> Self {
        Self {
            scheme,
            authority,
            keeps_host: true,
            rewrites_origin: false,
            own_names: Vec::new(),
            is_absolute: false,
        }
    }

    /// Changes requests to a proxy to those that a target expects.
    pub(super) fn absolute(scheme: &'static str, authority: String) -> Self {
        Self { is_absolute: true, ..Self::none(scheme, authority) }
    }

    /// Changes `Host` and `Origin` of clients and pages that are this machine's own. Those of
    /// others stay as they came, so that the target can refuse them: a page of a name that resolves
    /// to the relay (DNS rebinding), and a page of a foreign site.
    pub(super) fn apply(&self, head: &mut Head) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.is_absolute {
            changes.extend(absolute::to_origin_form(head, &self.authority));
        }
        let value = |head: &Head, name| head.values(name).next().unwrap_or_default();
        if let Some(host) = self.host(&value(head, "host")) {
            changes.extend(head.replace("host", host));
        }
        if let Some(origin) = self.origin(&value(head, "origin")) {
            changes.extend(head.replace("origin", &origin));
        }
        changes
    }

    /// Returns the host that takes the place of this one; `None` if it stays.
    pub(super) fn host(&self, given: &str) -> Option<&str> {
        (!self.keeps_host && self.is_own(given)).then_some(&*self.authority)
    }

    /// Returns the origin that takes the place of this one; `None` if it stays.
    pub(super) fn origin(&self, given: &str) -> Option<String> {
        let (_, authority) = given.split_once("://")?;
        let scheme = if self.scheme == "wss" { "https" } else { "http" };
        let is_changed = self.rewrites_origin && self.is_own(authority);
        is_changed.then(|| format!("{scheme}://{}", self.authority))
    }

    /// Returns whether a host, with a port or without, is one of the relay's or of this machine.
    fn is_own(&self, authority: &str) -> bool {
        let host = match authority.rsplit_once(':') {
            Some((host, _)) if !authority.ends_with(']') => host,
            _ => authority,
        };
        let bare = host.trim_matches(['[', ']']);
        bare.parse::<std::net::IpAddr>().is_ok()
            || bare.eq_ignore_ascii_case("localhost")
            || bare.to_ascii_lowercase().ends_with(".localhost")
            || self.own_names.iter().any(|name| name.eq_ignore_ascii_case(bare))
    }
}

/// Returns the host and port of a URL as `Host` has them.
pub(super) fn authority(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let default = match uri.scheme_str()?.to_ascii_lowercase().as_str() {
        "ws" | "http" => 80,
        _ => 443,
    };
    let port = authority.port_u16().filter(|port| *port != default);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}{port}", authority.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewriting_leaves_foreign_hosts_and_origins() {
        let head = |host: &str, origin: &str| {
            let text = format!("GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\r\n");
            Head::parse(text.into_bytes()).unwrap()
        };
        let rewriting = Rewriting {
            scheme: "wss",
            authority: "target.example".into(),
            keeps_host: false,
            rewrites_origin: true,
            own_names: Vec::new(),
            is_absolute: false,
        };
        for (host, origin, after) in [
            ("[::1]:9100", "http://localhost:3000", ("target.example", "https://target.example")),
            (
                "evil.example:9100",
                "http://evil.example",
                ("evil.example:9100", "http://evil.example"),
            ),
            ("localhost.evil", "null", ("localhost.evil", "null")),
        ] {
            let mut head = head(host, origin);
            rewriting.apply(&mut head);
            let fields: Vec<_> = head.fields().map(|(_, value)| value).collect();
            assert_eq!(fields, [after.0, after.1]);
        }
    }

    #[test]
    fn authority_has_no_default_port_and_no_user() {
        for (url, expected) in [
            ("wss://u:p@a.example:443/x", Some("a.example")),
            ("ws://a.example:443/x", Some("a.example:443")),
            ("ws://[::1]:80", Some("[::1]")),
            ("nonsense", None),
        ] {
            assert_eq!(authority(url).as_deref(), expected);
        }
    }
}
