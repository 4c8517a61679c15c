//! The policy for the web pages that may connect (RFC 6455 §10.2).

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;
use http::header::ORIGIN;
use url::{Host, Url};

use crate::base::error::{Error, ErrorKind};

/// The policy for the `Origin` of requests.
///
/// A browser lets any page connect to any server, and sends the user's cookies along. A server
/// that allows every Origin can thus be used by any page that the user visits. Clients other than
/// browsers send no Origin, and pass under every policy.
///
/// Pages with an opaque origin, such as sandboxed frames and files, send `null` (RFC 6454 §7.3).
/// As any site can make such a page, only `DangerousAny` allows it.
///
/// ```no_run
/// # async fn example() -> Result<(), fullduplex::Error> {
/// use fullduplex::server::Server;
/// use fullduplex::server::policy::OriginPolicy;
///
/// let pages = OriginPolicy::list(["https://example.com", "https://www.example.com"])?;
/// let server = Server::bind("127.0.0.1:9001").await?.origin_policy(pages);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "cors")]
#[doc(alias = "CSWSH")]
pub enum OriginPolicy {
    /// Allows the host and port of the request. Default. The scheme is not compared, as a proxy
    /// may have terminated TLS.
    #[default]
    SameHost,
    /// Allows these origins.
    List(Vec<Origin>),
    /// Allows these origins, and the host and port of the request as `SameHost` does: for a server
    /// that serves pages too, under any name.
    ListOrSameHost(Vec<Origin>),
    /// Allows these hosts and all their subdomains.
    Suffixes(Vec<OriginSuffix>),
    /// Allows any origin. Only for a server whose responses do not depend on what a browser adds,
    /// such as cookies, or on the user's network.
    DangerousAny,
}

impl OriginPolicy {
    /// Creates a policy that allows these origins only; see [`Origin`].
    ///
    /// ```
    /// use fullduplex::server::policy::OriginPolicy;
    ///
    /// # fn main() -> Result<(), fullduplex::Error> {
    /// let policy = OriginPolicy::list(["https://example.com", "http://localhost:8080"])?;
    /// let error = OriginPolicy::list(["example.com"]).unwrap_err();
    /// assert!(error.to_string().contains("needs a scheme: https://example.com"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`] if one is not an Origin.
    pub fn list(origins: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, Error> {
        parsed(origins).map(Self::List)
    }

    /// Creates a policy that allows these origins, and the host and port of the request.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`] if one is not an Origin.
    pub fn list_or_same_host(
        origins: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, Error> {
        parsed(origins).map(Self::ListOrSameHost)
    }

    /// Creates a policy that allows these hosts and all their subdomains; see [`OriginSuffix`].
    ///
    /// ```
    /// use fullduplex::server::policy::OriginPolicy;
    ///
    /// # fn main() -> Result<(), fullduplex::Error> {
    /// let policy = OriginPolicy::suffixes(["example.com", "http://localhost:8080"])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`] if one is not a host or an Origin.
    pub fn suffixes(suffixes: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, Error> {
        parsed(suffixes).map(Self::Suffixes)
    }

    /// Checks the Origin of a request with these header fields. `host` is the host of the request:
    /// `Host`, `:authority`, or the one that a trusted proxy reports.
    ///
    /// # Errors
    /// The Origin is not allowed. The error is a line for a log.
    pub fn check(&self, headers: &HeaderMap, host: Option<&str>) -> Result<(), OriginError> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        if origins.next().is_some() {
            return reject("several", "a request may have one Origin only (RFC 6454 §7.3)".into());
        }
        match origin.to_str() {
            Ok(origin) => self.check_one(origin, host),
            Err(_) => reject("not text", "an Origin must be ASCII (RFC 6454 §7.1)".into()),
        }
    }

    /// Checks the value of a single `Origin` field.
    pub(crate) fn check_one(&self, origin: &str, host: Option<&str>) -> Result<(), OriginError> {
        if origin == "null" && *self != Self::DangerousAny {
            return reject(origin, "pages with an opaque origin may not connect".into());
        }
        let is_allowed = match self {
            Self::DangerousAny => true,
            Self::List(list) => list.iter().any(|allowed| allowed.matches(origin)),
            Self::ListOrSameHost(list) => {
                list.iter().any(|allowed| allowed.matches(origin))
                    || host.is_some_and(|host| is_same_host(origin, host))
            }
            Self::Suffixes(suffixes) => {
                Url::parse(origin).is_ok_and(|url| suffixes.iter().any(|s| s.covers(&url)))
            }
            Self::SameHost => host.is_some_and(|host| is_same_host(origin, host)),
        };
        if is_allowed { Ok(()) } else { reject(origin, self.rule(host)) }
    }

    /// Describes the rule, for the error.
    fn rule(&self, host: Option<&str>) -> String {
        match (self, host) {
            (Self::DangerousAny, _) => "any origin is allowed".into(),
            (Self::List(list), _) => format!("it is not in the list: {}", joined(list)),
            (Self::ListOrSameHost(list), _) => {
                format!("it is neither the host of the request nor in the list: {}", joined(list))
            }
            (Self::Suffixes(suffixes), _) => {
                format!("it is not in the list, with subdomains: {}", joined(suffixes))
            }
            (Self::SameHost, Some(host)) => {
                let host: String = host.chars().take(256).collect();
                format!("it is not the host of the request, {}", host.escape_debug())
            }
            (Self::SameHost, None) => "the request has no host to compare it with".into(),
        }
    }
}

/// The error for an Origin that is not allowed, with the origins that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginError {
    origin: String,
    rule: String,
}

impl OriginError {
    /// Returns the rejected Origin, escaped and shortened for a log.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin {} is not allowed: {}", self.origin, self.rule)
    }
}

impl std::error::Error for OriginError {}

/// The origin of a page, as browsers send it (RFC 6454 §6.2): `https://example.com`,
/// `http://localhost:8080`.
///
/// Scheme, host and port are compared, without regard to case or a `/` at the end; a missing port
/// is the default of the scheme. Origins of other schemes than `http` and `https`, such as
/// `chrome-extension://…` and `capacitor://localhost`, are compared as text. Parsing fails for
/// what browsers never send: an origin without a scheme, with a path, or with a pattern.
///
/// ```
/// use fullduplex::server::policy::Origin;
///
/// let origin: Origin = "https://Example.com:443/".parse()?;
/// assert_eq!(origin, "https://example.com".parse()?);
/// assert!("example.com".parse::<Origin>().is_err());
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Returns whether an Origin that a browser sent is this one.
    fn matches(&self, sent: &str) -> bool {
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
            return wrong("any page can send this origin, so it can't be allowed in a list".into());
        }
        if text == "*" {
            return wrong("to allow any origin, use OriginPolicy::DangerousAny".into());
        }
        if text.contains('*') {
            let host = text.rsplit(['*', '/']).find(|part| !part.is_empty()).unwrap_or_default();
            let host = host.trim_start_matches('.');
            return wrong(format!(
                "patterns are not supported; OriginPolicy::suffixes([\"{host}\"]) has subdomains"
            ));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let host = if text.is_empty() { "example.com" } else { text };
            return wrong(format!("an origin needs a scheme: https://{host}"));
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let form = |scheme: &str| {
            let host = host.rsplit('@').next().unwrap_or_default();
            let host = host.split(['/', '?', '#', '\\']).next().unwrap_or_default();
            format!("{scheme}://{}", if host.is_empty() { "example.com" } else { host })
        };
        if host.contains(['/', '?', '#', '@', '\\']) {
            return wrong(format!("an origin has only a scheme, host and port: {}", form(scheme)));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => match Url::parse(text) {
                Ok(url) => Ok(Self(url.origin().ascii_serialization())),
                Err(error) => wrong(format!("{error}; a valid origin is https://example.com")),
            },
            "ws" => wrong(format!(
                "the origin of a page has its scheme, not ws or wss: {}",
                form("http")
            )),
            "wss" => wrong(format!(
                "the origin of a page has its scheme, not ws or wss: {}",
                form("https")
            )),
            scheme if is_scheme(scheme) && host.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self(format!("{scheme}://{host}")))
            }
            _ => wrong("not a valid origin, such as https://example.com (RFC 6454 §6.2)".into()),
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

/// Returns whether a text is a URI scheme (RFC 3986 §3.1).
fn is_scheme(text: &str) -> bool {
    let is_rest = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(is_rest)
}

/// A host with all its subdomains, one scheme and one port.
///
/// `example.com` means `https://example.com` with port 443; other schemes and ports are written
/// out: `http://example.com`, `https://example.com:8443`. It matches `example.com` and
/// `a.b.example.com`, but not `evil-example.com`. An IP address matches itself. Patterns are not
/// supported. Pages of every subdomain may connect, so do not list a suffix under which others
/// can register names.
///
/// ```
/// use fullduplex::server::policy::{OriginPolicy, OriginSuffix};
///
/// let suffix: OriginSuffix = "example.com".parse()?;
/// assert!("*.example.com".parse::<OriginSuffix>().is_err());
/// let policy = OriginPolicy::Suffixes(vec![suffix]);
/// # Ok::<(), fullduplex::Error>(())
/// ```
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
            let why = format!(
                "{text:?} is not a valid origin suffix: a host, optionally with scheme and port"
            );
            Error::new(ErrorKind::Misuse, why)
        })
    }
}

impl fmt::Display for OriginSuffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

/// Compares host and port; a missing port is the default of the origin's scheme.
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

fn reject(origin: &str, rule: String) -> Result<(), OriginError> {
    // The client chose the text, so it is escaped and shortened.
    let origin = origin.chars().take(256).collect::<String>().escape_debug().to_string();
    Err(OriginError { origin, rule })
}

#[cfg(test)]
mod tests;
