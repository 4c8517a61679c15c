//! ws and wss URIs (RFC 6455 §3).

mod plain;

use std::borrow::Cow;

use url::{Host, ParseError, Position, Url};

use crate::base::error::Error;
use crate::base::invalid_url::invalid_url;

/// A parsed ws or wss URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WsUri {
    pub(crate) secure: bool,
    /// The host for the resolver: an IPv6 address without brackets, and with its zone, as in
    /// `fe80::1%eth0`.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of the `Host` header: with brackets, and with the port unless it is the default.
    pub(crate) authority: String,
    /// The path and query: the request target (§3, "resource-name").
    pub(crate) resource: String,
    /// The user and password.
    pub(crate) user: Option<(String, String)>,
    /// The Unix socket of a `ws+unix:` or `wss+unix:` URI.
    pub(crate) socket: Option<String>,
    /// Whether a redirection from another origin leads here, or did on the way.
    pub(crate) redirected: bool,
}

impl WsUri {
    pub(crate) fn parse(uri: &str) -> Result<Self, Error> {
        for (scheme, plain) in [("ws+unix:", "ws"), ("wss+unix:", "wss")] {
            if let Some(rest) = uri.strip_prefix(scheme) {
                return Self::of_socket(uri, plain, rest);
            }
        }
        if let Some(target) = plain::parse(uri) {
            return Ok(target);
        }
        let bad = |what: &str| invalid_url(uri, what);
        let (plain, zone) = split_zone(uri);
        let url = Url::parse(&plain).map_err(|error| match error {
            ParseError::RelativeUrlWithoutBase => {
                bad("not a URL: it has no scheme; begin it with ws:// or wss://")
            }
            _ => bad(&format!("not a URL: {error}")),
        })?;
        let mut target = Self::of_url(&url).map_err(bad)?;
        if let Some(zone) = zone {
            target.host = format!("{}%{zone}", target.host);
        }
        Ok(target)
    }

    fn of_url(url: &Url) -> Result<Self, &'static str> {
        let secure = match url.scheme() {
            // A page's scheme is accepted, too, as by the WHATWG's WebSocket.
            "ws" | "http" => false,
            "wss" | "https" => true,
            // This includes `localhost:9001`, whose `localhost` looks like a scheme.
            _ => {
                return Err(
                    "the scheme must be ws or wss (RFC 6455 §3), or http or https; begin it with \
                     ws:// or wss://",
                );
            }
        };
        // §3: fragments are meaningless here and must not be used.
        if url.fragment().is_some() {
            return Err("a WebSocket URI has no fragment; write # as %23 (RFC 6455 §3)");
        }
        let decode = |text| percent_decoded(text).ok_or("user and password must be UTF-8");
        let user = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decode(user)?, decode(password.unwrap_or(""))?)),
        };
        if user.as_ref().is_some_and(|(user, _)| user.contains(':')) {
            return Err("a user's name has no colon (RFC 7617 §2)");
        }
        let host = match (url.host(), url.host_str()) {
            (Some(Host::Ipv6(ip)), _) => ip.to_string(),
            // The URL has an IPv4 address in its usual form already.
            (_, Some(host)) => host.to_owned(),
            (_, None) => return Err("the URL has no host"),
        };
        let port = url.port_or_known_default().ok_or("the URL has no port")?;
        if port == 0 {
            return Err("port 0 is not a valid port");
        }
        let authority = url[Position::BeforeHost..Position::AfterPort].to_string();
        let resource = url[Position::BeforePath..Position::AfterQuery].to_string();
        Ok(Self { secure, host, port, authority, resource, user, socket: None, redirected: false })
    }

    /// Parses `ws+unix:/path/of/the/socket:/resource` or `wss+unix:…`, with or without `//` in
    /// front. `scheme` is that of a URL in its place.
    fn of_socket(uri: &str, scheme: &str, rest: &str) -> Result<Self, Error> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let (socket, resource) = path.split_once(':').unwrap_or((path, "/"));
        if !resource.starts_with(['/', '?']) {
            return Err(invalid_url(
                uri,
                "the path of the socket must be followed by : and the path of the request",
            ));
        }
        if socket.is_empty() {
            return Err(invalid_url(uri, "the path of the socket is empty"));
        }
        let mut target = Self::parse(&format!("{scheme}://localhost{resource}"))?;
        target.socket = Some(socket.to_owned());
        Ok(target)
    }

    /// Returns the path without the query.
    #[cfg(feature = "tracing")]
    pub(crate) fn path(&self) -> &str {
        self.resource.split_once('?').map_or(&self.resource, |(path, _)| path)
    }

    /// Resolves a redirection from this URI to `to`.
    pub(crate) fn join(&self, to: &str) -> Result<Self, String> {
        let base = Url::parse(&self.url()).map_err(|error| error.to_string())?;
        let mut url = base.join(to).map_err(|error| error.to_string())?;
        url.set_fragment(None);
        let mut next = Self::of_url(&url).map_err(str::to_owned)?;
        // A server refers to itself by its authority, even on a Unix socket and in a zone of this
        // machine.
        next.socket.clone_from(&self.socket);
        if next.host == without_zone(&self.host) {
            next.host.clone_from(&self.host);
        }
        if self.is_same_origin(&next) {
            next.user = next.user.or_else(|| self.user.clone());
            next.redirected = self.redirected;
        } else {
            next.socket = None;
            next.redirected = true;
        }
        Ok(next)
    }

    /// Returns the URL without user and password.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority, self.resource)
    }

    /// Returns the URL for a cookie store.
    pub(crate) fn cookie_url(&self) -> String {
        match &self.socket {
            Some(socket) if self.secure => format!("wss+unix:{socket}:{}", self.resource),
            Some(socket) => format!("ws+unix:{socket}:{}", self.resource),
            None => self.url(),
        }
    }

    fn is_same_origin(&self, other: &Self) -> bool {
        (self.secure, &self.host, self.port, &self.socket)
            == (other.secure, &other.host, other.port, &other.socket)
    }
}

/// Returns an IPv6 address without its zone, which has a meaning on this machine only, and any
/// other host unchanged.
pub(crate) fn without_zone(host: &str) -> &str {
    host.split('%').next().unwrap_or(host)
}

/// Splits a URL into the URL without the zone of its IPv6 address, and the zone: `[fe80::1%25eth0]`
/// (RFC 6874 §2), or `[fe80::1%eth0]`, the usual form elsewhere (RFC 4007 §11).
pub(crate) fn split_zone(url: &str) -> (Cow<'_, str>, Option<String>) {
    zone_of(url).unwrap_or((Cow::Borrowed(url), None))
}

fn zone_of(url: &str) -> Option<(Cow<'_, str>, Option<String>)> {
    if !url.contains('%') {
        return None;
    }
    let authority = url.find("://")? + 3;
    let end = url[authority..].find(['/', '?', '#', '\\']).map_or(url.len(), |at| authority + at);
    // The user and password precede the host.
    let host = url[authority..end].rfind('@').map_or(authority, |at| authority + at + 1);
    let literal = url[host..end].strip_prefix('[')?;
    let literal = &literal[..literal.find(']')?];
    let (address, escaped) = literal.split_once('%')?;
    let escaped = escaped.strip_prefix("25").unwrap_or(escaped);
    let zone = percent_decoded(escaped)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    if zone.is_empty() || !zone.chars().all(is_name) {
        return None;
    }
    let plain = format!("{}{address}{}", &url[..=host], &url[host + 1 + literal.len()..]);
    Some((plain.into(), Some(zone)))
}

/// Percent-decodes text (RFC 3986 §2.1); `None` if the result is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;

    fn target(uri: &str) -> (String, u16, String, String) {
        let t = WsUri::parse(uri).unwrap();
        (t.host, t.port, t.authority, t.resource)
    }

    #[test]
    fn uri_is_split_into_its_parts() {
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
        assert_eq!(target("ws://0x7f.1:81"), t("127.0.0.1", 81, "127.0.0.1:81", "/"));
        assert_eq!(target("wss://h:80/"), t("h", 80, "h:80", "/"));
        assert!(WsUri::parse("wss://h").unwrap().secure);
        let user = WsUri::parse("ws://me%40x:p%3Aw@h/").unwrap();
        assert_eq!(user.user, Some(("me@x".into(), "p:w".into())));
        assert_eq!(user.authority, "h");
    }

    #[test]
    fn uri_may_have_a_scheme_of_http() {
        for (uri, is_secure, url) in [
            ("http://h/x?y", false, "ws://h/x?y"),
            ("https://h", true, "wss://h/"),
            ("HTTP://h:80/", false, "ws://h/"),
            ("https://me:p@h:8443/", true, "wss://h:8443/"),
        ] {
            let target = WsUri::parse(uri).unwrap();
            assert_eq!((target.secure, target.url().as_str()), (is_secure, url), "{uri}");
        }
    }

    /// The zone is for the own system; no server is shown it (RFC 6874 §4).
    #[test]
    fn uri_zone_of_ipv6_is_not_sent_to_the_server() {
        for (uri, host, authority) in [
            ("ws://[fe80::1%25eth0]/", "fe80::1%eth0", "[fe80::1]"),
            ("ws://[fe80::1%eth0]:81/", "fe80::1%eth0", "[fe80::1]:81"),
            ("wss://me:p%40%5B@[FE80::1%25en%2D1]:443?x", "fe80::1%en-1", "[fe80::1]"),
            ("ws://[fe80::1%2525]/", "fe80::1%25", "[fe80::1]"),
            ("ws://[fe80::1%251]/", "fe80::1%1", "[fe80::1]"),
            ("ws://[fe80::1]/%25eth0", "fe80::1", "[fe80::1]"),
        ] {
            let target = WsUri::parse(uri).unwrap();
            assert_eq!(
                (target.host.as_str(), target.authority.as_str()),
                (host, authority),
                "{uri}"
            );
            assert!(!target.url().contains("eth0]"), "{}", target.url());
        }
        let from = WsUri::parse("ws://[fe80::1%25eth0]:81/a").unwrap();
        for (to, host, redirected) in [
            ("/b", "fe80::1%eth0", false),
            ("ws://[fe80::1]:81/b", "fe80::1%eth0", false),
            ("ws://[fe80::1]:82/b", "fe80::1%eth0", true),
            ("ws://[fe80::2]:81/b", "fe80::2", true),
        ] {
            let next = from.join(to).unwrap();
            assert_eq!((next.host.as_str(), next.redirected), (host, redirected), "{to}");
        }
    }

    #[test]
    fn uri_of_a_unix_socket_is_split_into_its_parts() {
        for uri in ["ws+unix:/run/a.sock:/chat?x=1", "ws+unix:///run/a.sock:/chat?x=1"] {
            let target = WsUri::parse(uri).unwrap();
            assert_eq!(target.socket.as_deref(), Some("/run/a.sock"));
            assert_eq!(target.resource, "/chat?x=1");
            assert_eq!(target.authority, "localhost");
        }
        assert_eq!(WsUri::parse("ws+unix:./a").unwrap().resource, "/");
        let secure = WsUri::parse("wss+unix:/run/a.sock:/chat").unwrap();
        assert!(secure.secure && secure.socket.as_deref() == Some("/run/a.sock"));
        assert_eq!(secure.url(), "wss://localhost/chat");
        assert_eq!(secure.cookie_url(), "wss+unix:/run/a.sock:/chat");
        assert!(WsUri::parse("ws+unix:").is_err());
    }

    #[test]
    fn redirect_location_is_resolved() {
        let from = WsUri::parse("ws://u:p@h:8080/a/b?c").unwrap();
        for (to, url, keeps_user) in [
            ("/x", "ws://h:8080/x", true),
            ("d?e#f", "ws://h:8080/a/d?e", true),
            ("//other/x", "ws://other/x", false),
            ("http://h:8080/", "ws://h:8080/", true),
            ("https://h/x", "wss://h/x", false),
            ("wss://h:8080/", "wss://h:8080/", false),
        ] {
            let next = from.join(to).unwrap();
            assert_eq!(next.url(), url);
            assert_eq!(next.user.is_some(), keeps_user, "{to}");
        }
        assert!(from.join("ftp://h/").is_err());
    }

    #[test]
    fn uri_faults_are_named() {
        for (uri, what) in [
            ("ws://h/#", "fragment"),
            ("ws://h/a#b", "fragment"),
            ("http://h/#", "fragment"),
            ("ftp://h/", "ws or wss"),
            ("h:80", "ws or wss"),
            ("//h", "not a URL"),
            ("127.0.0.1:80", "begin it with ws://"),
            ("ws://[fe80::1%25]/", "not a URL"),
            ("ws://[fe80::1%25e%2Fth]/", "not a URL"),
            ("ws://[fe80::1%]/", "not a URL"),
            ("ws://h%25eth0/", "not a URL"),
            ("ws://", "not a URL"),
            ("ws://h:99999/", "not a URL"),
        ] {
            let error = WsUri::parse(uri).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse);
            assert!(error.to_string().contains(what), "{uri}: {error}");
        }
        for uri in
            ["http://me:secret@h/#", "ws://me:p@secret@h/#x", "me:secret@h", "ws:me:secret@h/#"]
        {
            let error = WsUri::parse(uri).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        for uri in ["ws+unix:/s:@evil.example/", "ws+unix:/s:.evil/", "ws+unix:/s:80/"] {
            assert!(WsUri::parse(uri).is_err(), "{uri}");
        }
    }
}
