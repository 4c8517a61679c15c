//! Which web pages may connect (RFC 6455 §10.2).

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;
use http::header::ORIGIN;
use url::{Host, Url};

use crate::base::error::{Error, ErrorKind};

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
    /// One of these.
    List(Vec<Origin>),
    /// One of these, or the host and port that the request is for, as with `SameHost`: for a
    /// server with pages of its own, by whatever name it is reached.
    ListOrSameHost(Vec<Origin>),
    /// These hosts and all their subdomains.
    Suffixes(Vec<OriginSuffix>),
    /// Any. Only for a server whose answers depend on nothing that a browser adds, such as
    /// cookies or the user's place in the network.
    DangerousAny,
}

impl OriginPolicy {
    /// These alone; see [`Origin`].
    ///
    /// ```
    /// use fullduplex::server::OriginPolicy;
    ///
    /// # fn main() -> Result<(), fullduplex::Error> {
    /// let policy = OriginPolicy::list(["https://example.com", "http://localhost:8080"])?;
    /// let error = OriginPolicy::list(["example.com"]).unwrap_err();
    /// assert!(error.to_string().contains("has a scheme: https://example.com"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, Error> {
        parsed(origins).map(Self::List)
    }

    /// The same, or the host and port that the request is for.
    pub fn list_or_same_host(
        origins: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, Error> {
        parsed(origins).map(Self::ListOrSameHost)
    }

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
        parsed(suffixes).map(Self::Suffixes)
    }

    /// Whether a request with these header fields may be accepted; `host` is what it is for:
    /// `Host`, `:authority`, or what a trusted proxy says that it was. The error is a line for
    /// a log.
    pub fn check(&self, headers: &HeaderMap, host: Option<&str>) -> Result<(), OriginError> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        if origins.next().is_some() {
            return refuse("several", "a request has one Origin (RFC 6454 §7.3)".into());
        }
        match origin.to_str() {
            Ok(origin) => self.check_one(origin, host),
            Err(_) => refuse("not text", "an Origin is ASCII (RFC 6454 §7.1)".into()),
        }
    }

    /// The same for an `Origin` that is one, and text.
    pub(crate) fn check_one(&self, origin: &str, host: Option<&str>) -> Result<(), OriginError> {
        if origin == "null" && *self != Self::DangerousAny {
            return refuse(origin, "a page without an origin of its own is not allowed".into());
        }
        let passes = match self {
            Self::DangerousAny => true,
            Self::List(list) => list.iter().any(|allowed| allowed.is(origin)),
            Self::ListOrSameHost(list) => {
                list.iter().any(|allowed| allowed.is(origin))
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
            (Self::List(list), _) => format!("allowed are {}", joined(list)),
            (Self::ListOrSameHost(list), _) => {
                format!("allowed are the host of the request, {}", joined(list))
            }
            (Self::Suffixes(suffixes), _) => {
                format!("allowed are these and their subdomains: {}", joined(suffixes))
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
pub struct OriginError {
    origin: String,
    rule: String,
}

impl OriginError {
    /// What was refused, made fit for a log.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin {} is refused: {}", self.origin, self.rule)
    }
}

impl std::error::Error for OriginError {}

/// Where a page is from, as browsers send it (RFC 6454 §6.2): `https://example.com`,
/// `http://localhost:8080`.
///
/// Scheme, host and port are compared; a missing port is that of the scheme, case means nothing,
/// and nor does a `/` at the end. Origins of other schemes than `http` and `https`, such as
/// `chrome-extension://…` and `capacitor://localhost`, are compared as text. What no page can
/// send is refused: an origin without a scheme, with a path, or with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Whether it is this one, as a browser sent it.
    fn is(&self, sent: &str) -> bool {
        match Url::parse(sent) {
            Ok(url) if url.origin().is_tuple() => url.origin().ascii_serialization() == self.0,
            _ => self.0.eq_ignore_ascii_case(sent),
        }
    }
}

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Err(Error::new(ErrorKind::Misuse, format!("{text:?}: {why}")));
        if text == "null" {
            return wrong("any page can send this origin, so it can't be allowed by itself".into());
        }
        if text == "*" {
            return wrong("any origin is OriginPolicy::DangerousAny".into());
        }
        if text.contains('*') {
            let host = text.rsplit(['*', '/']).find(|part| !part.is_empty()).unwrap_or_default();
            let host = host.trim_start_matches('.');
            return wrong(format!(
                "an origin is no pattern; OriginPolicy::suffixes([\"{host}\"]) has subdomains too"
            ));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let host = if text.is_empty() { "example.com" } else { text };
            return wrong(format!("an origin has a scheme: https://{host}"));
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let form = |scheme: &str| {
            let host = host.rsplit('@').next().unwrap_or_default();
            let host = host.split(['/', '?', '#', '\\']).next().unwrap_or_default();
            format!("{scheme}://{}", if host.is_empty() { "example.com" } else { host })
        };
        if host.contains(['/', '?', '#', '@', '\\']) {
            return wrong(format!("an origin is scheme, host and port alone: {}", form(scheme)));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => match Url::parse(text) {
                Ok(url) => Ok(Self(url.origin().ascii_serialization())),
                Err(error) => wrong(format!("{error}; an origin is such as https://example.com")),
            },
            "ws" => wrong(format!("a page has a scheme of its own: {}", form("http"))),
            "wss" => wrong(format!("a page has a scheme of its own: {}", form("https"))),
            scheme if is_scheme(scheme) && host.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self(format!("{scheme}://{host}")))
            }
            _ => wrong("an origin is such as https://example.com (RFC 6454 §6.2)".into()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn parsed<T: FromStr>(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Vec<T>, T::Err> {
    texts.into_iter().map(|text| text.as_ref().parse()).collect()
}

fn joined(allowed: &[impl ToString]) -> String {
    allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    let is_rest = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(is_rest)
}

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

fn refuse(origin: &str, rule: String) -> Result<(), OriginError> {
    // It is a stranger's text.
    let origin = origin.chars().take(256).collect::<String>().escape_debug().to_string();
    Err(OriginError { origin, rule })
}

#[cfg(test)]
mod tests;
