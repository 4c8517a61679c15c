//! ws and wss URIs (RFC 6455 §3).

use url::{Host, Url};

use crate::error::{Error, ErrorKind};

/// A ws or wss URI, taken apart for connecting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) secure: bool,
    /// For the resolver: without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The `Host` header: with brackets, and with the port unless it is the default.
    pub(crate) authority: String,
    /// Path and query: the request target (§3, "resource-name").
    pub(crate) resource: String,
}

impl Target {
    pub(crate) fn parse(uri: &str) -> Result<Self, Error> {
        let bad = |what: &str| Error::new(ErrorKind::Misuse, format!("{uri:?}: {what}"));
        let url = Url::parse(uri).map_err(|error| bad(&format!("not a URL: {error}")))?;
        let secure = match url.scheme() {
            "ws" => false,
            "wss" => true,
            "http" | "https" => return Err(bad("the scheme must be ws or wss; try ws: for http:")),
            _ => return Err(bad("the scheme must be ws or wss (RFC 6455 §3)")),
        };
        // §3: fragments are meaningless here and must not be used.
        if url.fragment().is_some() {
            return Err(bad("a WebSocket URI has no fragment; write # as %23 (RFC 6455 §3)"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("user and password in the URL are not supported; set a header"));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_string(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(bad("there is no host")),
        };
        let port = url.port_or_known_default().ok_or_else(|| bad("there is no port"))?;
        let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_string();
        let resource = url[url::Position::BeforePath..url::Position::AfterQuery].to_string();
        Ok(Self { secure, host, port, authority, resource })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> (String, u16, String, String) {
        let t = Target::parse(uri).unwrap();
        (t.host, t.port, t.authority, t.resource)
    }

    #[test]
    fn takes_uris_apart() {
        let t = |host: &str, port, authority: &str, resource: &str| {
            (host.to_string(), port, authority.to_string(), resource.to_string())
        };
        assert_eq!(target("ws://example.com"), t("example.com", 80, "example.com", "/"));
        assert_eq!(target("wss://example.com/"), t("example.com", 443, "example.com", "/"));
        assert_eq!(target("WS://EXAMPLE.com:80/a"), t("example.com", 80, "example.com", "/a"));
        assert_eq!(
            target("ws://h:8080/a/b%20c?d=e&f#".trim_end_matches('#')),
            t("h", 8080, "h:8080", "/a/b%20c?d=e&f")
        );
        assert_eq!(target("ws://h?q"), t("h", 80, "h", "/?q"));
        assert_eq!(target("ws://[::1]:9001/x"), t("::1", 9001, "[::1]:9001", "/x"));
        assert_eq!(target("wss://h:80/"), t("h", 80, "h:80", "/"));
        assert!(Target::parse("wss://h").unwrap().secure);
    }

    #[test]
    fn says_what_is_wrong() {
        for (uri, what) in [
            ("ws://h/#", "fragment"),
            ("ws://h/a#b", "fragment"),
            ("http://h/", "ws or wss"),
            ("ftp://h/", "ws or wss"),
            ("h:80", "ws or wss"),
            ("//h", "not a URL"),
            ("ws://", "not a URL"),
            ("ws://h:99999/", "not a URL"),
            ("ws://u:p@h/", "user and password"),
        ] {
            let error = Target::parse(uri).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse);
            assert!(error.to_string().contains(what), "{uri}: {error}");
        }
    }
}
