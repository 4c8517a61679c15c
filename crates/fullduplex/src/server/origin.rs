//! Which web pages may connect (RFC 6455 §10.2).

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;
use http::header::ORIGIN;
use url::{Host, Url};

use crate::error::{Error, ErrorKind};

/// Which `Origin` of a request is allowed.
///
/// A browser lets any page connect anywhere and sends the user's cookies along, so that a
/// server which takes every Origin can be used by any page that the user visits. Other
/// clients send no Origin, and pass under every policy.
///
/// Pages without an origin of their own, such as sandboxed frames and files, send `null`
/// (RFC 6454 §7.3). As anybody can make such a page, only `DangerousAny` lets it pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// The host and port that the request is for. The scheme is not compared, as a proxy may
    /// have taken TLS off.
    #[default]
    SameHost,
    /// One of these, such as `https://example.com`: scheme, host and port are compared, where
    /// a missing port is that of the scheme. Origins of other schemes than `http` and `https`
    /// are compared as text.
    List(Vec<String>),
    /// One of these, as with `List`, or the host and port that the request is for, as with
    /// `SameHost`: for a server with pages of its own, by whatever name it is reached.
    ListOrSameHost(Vec<String>),
    /// These hosts and all their subdomains.
    Suffixes(Vec<OriginSuffix>),
    /// Any. Only for a server whose answers depend on nothing that a browser adds, such as
    /// cookies or the user's place in the network.
    DangerousAny,
}

impl OriginPolicy {
    /// These hosts and all their subdomains; see [`OriginSuffix`].
    ///
    /// ```
    /// use fullduplex::server::OriginPolicy;
    ///
    /// # fn main() -> Result<(), fullduplex::Error> {
    /// let policy = OriginPolicy::suffixes(["example.com", "http://localhost:8080"])?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn suffixes<'a>(suffixes: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let suffixes = suffixes.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self::Suffixes(suffixes))
    }

    /// Whether a request with these header fields may be accepted; `host` is what it is for:
    /// `Host`, `:authority`, or what a trusted proxy says that it was. The error is a line for
    /// a log.
    pub fn check(&self, headers: &HeaderMap, host: Option<&str>) -> Result<(), OriginRefused> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let refuse = |origin: &str, rule: String| {
            // It is a stranger's text.
            let origin = origin.chars().take(256).collect::<String>().escape_debug().to_string();
            Err(OriginRefused { origin, rule })
        };
        if origins.next().is_some() {
            return refuse("several", "a request has one Origin (RFC 6454 §7.3)".into());
        }
        let Ok(origin) = origin.to_str() else {
            return refuse("not text", "an Origin is ASCII (RFC 6454 §7.1)".into());
        };
        if *self == Self::DangerousAny {
            return Ok(());
        }
        if origin == "null" {
            return refuse(origin, "a page without an origin of its own is not allowed".into());
        }
        let passes = match self {
            Self::DangerousAny => true,
            Self::List(list) => list.iter().any(|allowed| is_same_origin(origin, allowed)),
            Self::ListOrSameHost(list) => {
                list.iter().any(|allowed| is_same_origin(origin, allowed))
                    || host.is_some_and(|host| is_same_host(origin, host))
            }
            Self::Suffixes(suffixes) => {
                Url::parse(origin).is_ok_and(|url| suffixes.iter().any(|s| s.covers(&url)))
            }
            Self::SameHost => host.is_some_and(|host| is_same_host(origin, host)),
        };
        if passes { Ok(()) } else { refuse(origin, self.rule(host)) }
    }

    /// The rule in words.
    fn rule(&self, host: Option<&str>) -> String {
        match (self, host) {
            (Self::DangerousAny, _) => "any is allowed".into(),
            (Self::List(list), _) => format!("allowed are {}", list.join(", ")),
            (Self::ListOrSameHost(list), _) => {
                format!("allowed are the host of the request, {}", list.join(", "))
            }
            (Self::Suffixes(suffixes), _) => {
                let suffixes: Vec<_> = suffixes.iter().map(ToString::to_string).collect();
                format!("allowed are these and their subdomains: {}", suffixes.join(", "))
            }
            (Self::SameHost, Some(host)) => {
                let host: String = host.chars().take(256).collect();
                format!("allowed is the host of the request, {}", host.escape_debug())
            }
            (Self::SameHost, None) => "allowed is the host of the request, which has none".into(),
        }
    }
}

/// An Origin that is not allowed: `Origin https://evil.example is refused: allowed are …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRefused {
    origin: String,
    rule: String,
}

impl OriginRefused {
    /// What was refused, made fit for a log.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Display for OriginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin {} is refused: {}", self.origin, self.rule)
    }
}

impl std::error::Error for OriginRefused {}

/// A host and all its subdomains, with one scheme and one port.
///
/// `example.com` is `https://example.com` with port 443; `http://example.com` and
/// `https://example.com:8443` say otherwise. It stands for `example.com` and
/// `a.b.example.com`, and not for `evil-example.com`. An IP address stands for itself. There
/// are no patterns. Whoever controls any subdomain may connect, so do not take a suffix under
/// which strangers can have names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginSuffix(Url);

impl OriginSuffix {
    fn covers(&self, origin: &Url) -> bool {
        self.0.scheme() == origin.scheme()
            && self.0.port_or_known_default() == origin.port_or_known_default()
            && match (self.0.host(), origin.host()) {
                (Some(Host::Domain(suffix)), Some(Host::Domain(host))) => host
                    .strip_suffix(suffix)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.')),
                (suffix, host) => suffix == host,
            }
    }
}

impl FromStr for OriginSuffix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let full = if text.contains("://") { text.into() } else { format!("https://{text}") };
        let is_plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.origin().ascii_serialization() == url.as_str().trim_end_matches('/')
                && url.host_str().is_some_and(|host| !host.contains('*') && !host.starts_with('.'))
        };
        Url::parse(&full).ok().filter(is_plain).map(Self).ok_or_else(|| {
            let why = format!("an origin's suffix is a host, with scheme and port or not: {text}");
            Error::new(ErrorKind::Misuse, why)
        })
    }
}

impl fmt::Display for OriginSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

/// Compares scheme, host and port where both have them, else the text.
fn is_same_origin(origin: &str, allowed: &str) -> bool {
    match (Url::parse(origin), Url::parse(allowed)) {
        (Ok(a), Ok(b)) if a.origin().is_tuple() => a.origin() == b.origin(),
        _ => allowed.eq_ignore_ascii_case(origin),
    }
}

/// Compares host and port, where a missing port is the one of the origin's scheme.
fn is_same_host(origin: &str, host: &str) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    if !matches!(origin.scheme(), "http" | "https") {
        return false;
    }
    let Ok(host) = Url::parse(&format!("{}://{host}/", origin.scheme())) else { return false };
    origin.host().is_some()
        && origin.host() == host.host()
        && origin.port_or_known_default() == host.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: &OriginPolicy, origin: &str, host: &str) -> Result<(), OriginRefused> {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        policy.check(&headers, Some(host))
    }

    fn allows(policy: &OriginPolicy, origin: &str, host: &str) -> bool {
        check(policy, origin, host).is_ok()
    }

    #[test]
    fn by_default_only_the_same_host() {
        for (origin, host, expected) in [
            ("http://a.example", "a.example", true),
            ("https://A.example", "a.example:443", true),
            ("http://127.0.0.1:9001", "127.0.0.1:9001", true),
            ("http://[::1]:9001", "[::1]:9001", true),
            ("http://a.example:81", "a.example", false),
            ("http://evil-a.example", "a.example", false),
            ("http://a.example.evil.example", "a.example", false),
            ("http://b.example", "a.example", false),
            ("null", "a.example", false),
            ("null", "null", false),
            ("file://", "a.example", false),
            ("", "a.example", false),
        ] {
            let policy = OriginPolicy::default();
            assert_eq!(allows(&policy, origin, host), expected, "{origin} for {host}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, "http://a.example".parse().unwrap());
        let error = OriginPolicy::SameHost.check(&headers, None).unwrap_err();
        assert!(error.to_string().contains("which has none"), "{error}");
    }

    #[test]
    fn a_list_is_of_whole_origins() {
        let list = ["https://a.example", "https://c.example:443/", "capacitor://localhost", "null"];
        let policy = OriginPolicy::List(list.map(Into::into).to_vec());
        for (origin, expected) in [
            ("https://a.example", true),
            ("https://A.example:443", true),
            ("https://c.example", true),
            ("capacitor://localhost", true),
            ("http://a.example", false),
            ("https://a.example:444", false),
            ("https://a.example.evil", false),
            ("https://b.example", false),
            ("capacitor://evil", false),
            ("null", false),
        ] {
            assert_eq!(allows(&policy, origin, "b.example"), expected, "{origin}");
        }
    }

    #[test]
    fn a_list_may_have_the_same_host_beside_it() {
        let policy = OriginPolicy::ListOrSameHost(vec!["https://a.example".into()]);
        for (origin, host, expected) in [
            ("https://a.example", "b.example:9001", true),
            ("http://b.example:9001", "b.example:9001", true),
            ("http://localhost:8080", "localhost:8080", true),
            ("http://b.example", "b.example:9001", false),
            ("http://a.example", "b.example:9001", false),
            ("null", "null", false),
        ] {
            assert_eq!(allows(&policy, origin, host), expected, "{origin} for {host}");
        }
        let refused = check(&policy, "http://x", "b.example").unwrap_err().to_string();
        assert!(refused.ends_with("allowed are the host of the request, https://a.example"));
    }

    #[test]
    fn a_suffix_is_a_host_and_its_subdomains() {
        let policy =
            OriginPolicy::suffixes(["Example.com", "http://b.example:8080", "127.0.0.1"]).unwrap();
        for (origin, expected) in [
            ("https://example.com", true),
            ("https://example.com:443", true),
            ("https://a.b.EXAMPLE.com", true),
            ("https://evil-example.com", false),
            ("https://example.com.evil", false),
            ("https://com", false),
            ("http://example.com", false),
            ("https://a.example.com:444", false),
            ("http://b.example:8080", true),
            ("http://a.b.example:8080", true),
            ("http://a.b.example", false),
            ("https://a.b.example:8080", false),
            ("https://127.0.0.1", true),
            ("https://1.127.0.0.1", false),
            ("wss://example.com", false),
            ("null", false),
            ("https://", false),
        ] {
            assert_eq!(allows(&policy, origin, "example.com"), expected, "{origin}");
        }
        for bad in
            ["", "*.example.com", ".example.com", "ftp://a", "a.example/path", "u@a.example", "a b"]
        {
            let error = OriginPolicy::suffixes([bad]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{bad}: {error}");
        }
    }

    #[test]
    fn no_origin_passes_and_two_do_not() {
        let mut headers = HeaderMap::new();
        assert!(OriginPolicy::SameHost.check(&headers, None).is_ok());
        headers.append(ORIGIN, "http://a".parse().unwrap());
        headers.append(ORIGIN, "http://a".parse().unwrap());
        assert!(OriginPolicy::DangerousAny.check(&headers, None).is_err());
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, http::HeaderValue::from_bytes(b"http://\xff").unwrap());
        assert!(OriginPolicy::DangerousAny.check(&headers, None).is_err());
        assert!(allows(&OriginPolicy::DangerousAny, "null", "a.example"));
    }

    #[test]
    fn a_refusal_says_which_origin_and_which_rule() {
        let suffixes = OriginPolicy::suffixes(["a.example"]).unwrap();
        let list = OriginPolicy::List(vec!["https://a.example".into()]);
        for (policy, origin, line) in [
            (
                &OriginPolicy::SameHost,
                "https://evil.example",
                "Origin https://evil.example is refused: allowed is the host of the request, \
                 a.example",
            ),
            (&list, "x", "Origin x is refused: allowed are https://a.example"),
            (
                &suffixes,
                "https://b.example",
                "Origin https://b.example is refused: allowed are these and their subdomains: \
                 https://a.example",
            ),
            (
                &list,
                "null",
                "Origin null is refused: a page without an origin of its own is not allowed",
            ),
        ] {
            assert_eq!(check(policy, origin, "a.example").unwrap_err().to_string(), line);
        }
        let long = format!("http://{}\t\"", "a".repeat(9000));
        let refused = check(&list, &long, "a.example").unwrap_err();
        assert!(refused.origin().len() < 300 && refused.to_string().len() < 500);
    }
}
