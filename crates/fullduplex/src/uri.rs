//! ws and wss URIs (RFC 6455 §3).

use url::{Host, Position, Url};

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
    /// User and password.
    pub(crate) user: Option<(String, String)>,
    /// The Unix socket of a `ws+unix:` URI.
    pub(crate) socket: Option<String>,
    /// A redirection from another origin leads here, or did on the way.
    pub(crate) redirected: bool,
}

impl Target {
    pub(crate) fn parse(uri: &str) -> Result<Self, Error> {
        if let Some(rest) = uri.strip_prefix("ws+unix:") {
            return Self::of_socket(uri, rest);
        }
        let bad = |what: &str| misuse(uri, what);
        let url = Url::parse(uri).map_err(|error| bad(&format!("not a URL: {error}")))?;
        Self::of_url(&url).map_err(bad)
    }

    fn of_url(url: &Url) -> Result<Self, &'static str> {
        let secure = match url.scheme() {
            "ws" => false,
            "wss" => true,
            "http" | "https" => return Err("the scheme must be ws or wss; try ws: for http:"),
            _ => return Err("the scheme must be ws or wss (RFC 6455 §3)"),
        };
        // §3: fragments are meaningless here and must not be used.
        if url.fragment().is_some() {
            return Err("a WebSocket URI has no fragment; write # as %23 (RFC 6455 §3)");
        }
        let decode =
            |text| crate::client::percent_decoded(text).ok_or("user and password must be UTF-8");
        let user = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decode(user)?, decode(password.unwrap_or(""))?)),
        };
        if user.as_ref().is_some_and(|(user, _)| user.contains(':')) {
            return Err("a user's name has no colon (RFC 7617 §2)");
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_string(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err("there is no host"),
        };
        let port = url.port_or_known_default().ok_or("there is no port")?;
        if port == 0 {
            return Err("nobody listens on port 0");
        }
        let authority = url[Position::BeforeHost..Position::AfterPort].to_string();
        let resource = url[Position::BeforePath..Position::AfterQuery].to_string();
        Ok(Self { secure, host, port, authority, resource, user, socket: None, redirected: false })
    }

    /// `ws+unix:/path/of/the/socket:/resource`, with or without `//` in front.
    fn of_socket(uri: &str, rest: &str) -> Result<Self, Error> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let (socket, resource) = path.split_once(':').unwrap_or((path, "/"));
        if !resource.starts_with(['/', '?']) {
            return Err(misuse(uri, "behind the path of the socket stands : and a path"));
        }
        if socket.is_empty() {
            return Err(misuse(uri, "there is no path of a socket"));
        }
        let mut target = Self::parse(&format!("ws://localhost{resource}"))?;
        target.socket = Some(socket.to_owned());
        Ok(target)
    }

    /// What a redirection from here to there leads to. The web's schemes stand for ours.
    pub(crate) fn join(&self, to: &str) -> Result<Self, String> {
        let base = Url::parse(&self.url()).map_err(|error| error.to_string())?;
        let mut url = base.join(to).map_err(|error| error.to_string())?;
        url.set_fragment(None);
        let scheme = match url.scheme() {
            "http" => Some("ws"),
            "https" => Some("wss"),
            _ => None,
        };
        if let Some(scheme) = scheme {
            let rest = url[Position::AfterScheme..].to_owned();
            url = Url::parse(&format!("{scheme}{rest}")).map_err(|error| error.to_string())?;
        }
        let mut next = Self::of_url(&url).map_err(str::to_owned)?;
        // A server on a Unix socket names itself by its authority, for want of another name.
        next.socket.clone_from(&self.socket);
        if self.is_same_origin(&next) {
            next.user = next.user.or_else(|| self.user.clone());
            next.redirected = self.redirected;
        } else {
            next.socket = None;
            next.redirected = true;
        }
        Ok(next)
    }

    /// The URL, without user and password.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority, self.resource)
    }

    /// The URL for who keeps cookies.
    pub(crate) fn cookie_url(&self) -> String {
        match &self.socket {
            Some(socket) => format!("ws+unix:{socket}:{}", self.resource),
            None => self.url(),
        }
    }

    fn is_same_origin(&self, other: &Self) -> bool {
        (self.secure, &self.host, self.port, &self.socket)
            == (other.secure, &other.host, other.port, &other.socket)
    }
}

/// The URL is shown without its password.
fn misuse(uri: &str, what: &str) -> Error {
    let shown = match uri.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}"),
        None => uri.to_owned(),
    };
    Error::new(ErrorKind::Misuse, format!("{shown:?}: {what}"))
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
        let user = Target::parse("ws://me%40x:p%3Aw@h/").unwrap();
        assert_eq!(user.user, Some(("me@x".into(), "p:w".into())));
        assert_eq!(user.authority, "h");
    }

    #[test]
    fn takes_unix_sockets_apart() {
        for uri in ["ws+unix:/run/a.sock:/chat?x=1", "ws+unix:///run/a.sock:/chat?x=1"] {
            let target = Target::parse(uri).unwrap();
            assert_eq!(target.socket.as_deref(), Some("/run/a.sock"));
            assert_eq!(target.resource, "/chat?x=1");
            assert_eq!(target.authority, "localhost");
        }
        assert_eq!(Target::parse("ws+unix:./a").unwrap().resource, "/");
        assert!(Target::parse("ws+unix:").is_err());
    }

    #[test]
    fn follows_redirections() {
        let from = Target::parse("ws://u:p@h:8080/a/b?c").unwrap();
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
        ] {
            let error = Target::parse(uri).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse);
            assert!(error.to_string().contains(what), "{uri}: {error}");
        }
        for uri in
            ["http://me:secret@h/", "ws://me:p@secret@h/#x", "me:secret@h", "ws:me:secret@h/#"]
        {
            let error = Target::parse(uri).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        for uri in ["ws+unix:/s:@evil.example/", "ws+unix:/s:.evil/", "ws+unix:/s:80/"] {
            assert!(Target::parse(uri).is_err(), "{uri}");
        }
    }
}
