//! The policy for the hosts that a server answers for.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use http::StatusCode;
use url::{Host, Url};

use crate::base::error::{Error, ErrorKind};

/// The policy for the `Host` (on HTTP/2 and 3 `:authority`) of requests.
///
/// It protects against DNS rebinding: an attacker lets the name of a page resolve to the address
/// of a server that only the page's visitor can reach, such as one on the visitor's machine. To
/// the browser that server is the page's own host, so that
/// [`OriginPolicy::SameHost`](crate::server::policy::OriginPolicy::SameHost) allows it. The name is
/// the attacker's, and so not in a list of the server's hosts.
///
/// ```
/// use fullduplex::server::policy::HostPolicy;
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let policy = HostPolicy::list(["chat.example.com", "localhost:9001"])?;
/// assert!(policy.check(Some("chat.example.com"), true).is_ok());
/// assert!(policy.check(Some("evil.example"), true).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostPolicy {
    /// Allows any host, and none. For a server that may be reached by any name, or one behind a
    /// proxy that checks names. Default, as proxies on the same machine pass on their hosts.
    ///
    /// A server that listens on loopback addresses without a proxy in front of it is open to DNS
    /// rebinding with this: set [`Local`](Self::Local), or
    /// [`list_or_local`](Self::list_or_local) with its names.
    #[default]
    Any,
    /// Allows these hosts only. IP addresses and `localhost` must be listed as other hosts.
    List(Vec<HostRule>),
    /// Allows these hosts, and those that an attacker can't point at this server: IP addresses,
    /// which are not resolved, `localhost` and names in `.localhost` (RFC 6761 §6.3).
    ListOrLocal(Vec<HostRule>),
    /// Allows IP addresses, `localhost` and names in `.localhost`, and any host on a Unix socket,
    /// which web pages can't reach. A rejection names the setting that would allow the host.
    Local {
        /// The advice on that setting, such as an option of the program.
        advice: Cow<'static, str>,
    },
}

impl HostPolicy {
    /// Creates a policy that allows these hosts only; see [`HostRule`].
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`] if one is not a host.
    pub fn list<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        hosts.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self::List)
    }

    /// Creates a policy that allows these hosts, IP addresses, and `localhost` with its subdomains.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`] if one is not a host.
    pub fn list_or_local<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        hosts.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self::ListOrLocal)
    }

    /// Checks the host of a request. `secure` says whether the request came over TLS: a host
    /// without a port then has port 443, else 80.
    ///
    /// # Errors
    /// The host is missing, malformed or not allowed.
    pub fn check(&self, host: Option<&str>, secure: bool) -> Result<(), HostError> {
        let (rules, local) = match self {
            Self::Any => return Ok(()),
            Self::List(rules) => (&rules[..], false),
            Self::ListOrLocal(rules) => (&rules[..], true),
            Self::Local { .. } => (&[][..], true),
        };
        let Some(host) = host else { return Err(HostError::Missing) };
        let shown = || host.chars().take(256).collect::<String>().escape_debug().to_string();
        let Some((name, port)) = parse(host) else { return Err(HostError::Malformed(shown())) };
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        let is_local = || match &name {
            Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
            Host::Ipv4(_) | Host::Ipv6(_) => true,
        };
        let matches = |rule: &HostRule| rule.host == name && rule.port.is_none_or(|p| p == port);
        if rules.iter().any(matches) || local && is_local() {
            Ok(())
        } else if let Self::Local { advice } = self {
            Err(HostError::NotLocal { host: shown(), advice: advice.clone() })
        } else {
            Err(HostError::NotServed(shown()))
        }
    }
}

/// A host that is allowed, with one port or any: `example.com`, `localhost:9001`, `192.0.2.1`,
/// `[2001:db8::1]:443`. It does not include its subdomains.
///
/// ```
/// use fullduplex::server::policy::HostRule;
///
/// let rule: HostRule = "chat.example.com:8443".parse()?;
/// assert!("*.example.com".parse::<HostRule>().is_err());
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    host: Host,
    port: Option<u16>,
}

impl FromStr for HostRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = parse(text).filter(|_| !text.contains('*'));
        let (host, port) = parsed.ok_or_else(|| {
            Error::new(ErrorKind::Misuse, format!("{text:?} is not a valid host or host:port"))
        })?;
        Ok(Self { host, port })
    }
}

/// The reason for which the host of a request is rejected, as a line for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// The request names no host.
    Missing,
    /// The host is malformed.
    Malformed(String),
    /// The host is not in the list.
    NotServed(String),
    /// The host is neither an IP address nor `localhost`.
    NotLocal {
        /// The host.
        host: String,
        /// The setting that would allow the host.
        advice: Cow<'static, str>,
    },
}

impl HostError {
    /// Returns the status to answer with: 421 for a host that is not served (RFC 9110 §7.4,
    /// §15.5.20), 400 for a missing or malformed one (RFC 9112 §3.2).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotServed(_) | Self::NotLocal { .. } => StatusCode::MISDIRECTED_REQUEST,
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the request names no host (RFC 9112 §3.2)"),
            Self::Malformed(host) => write!(f, "{host} is not a valid host (RFC 9112 §3.2)"),
            Self::NotServed(host) => write!(f, "{host} is not served here (RFC 9110 §7.4)"),
            Self::NotLocal { host, advice } => {
                write!(f, "{host} is not served here (RFC 9110 §7.4): {advice}")
            }
        }
    }
}

impl std::error::Error for HostError {}

/// Parses `host[:port]` (RFC 9110 §7.2).
fn parse(text: &str) -> Option<(Host, Option<u16>)> {
    let url = Url::parse(&format!("http://{text}/")).ok()?;
    // The URL parser takes other parts for user, path or query, or drops them.
    let is_plain = |c: char| !c.is_ascii_whitespace() && !"/\\@?#%".contains(c);
    if !text.chars().all(is_plain) {
        return None;
    }
    // From the text: a URL omits the default port of its scheme.
    let port = match text.rsplit_once(':') {
        Some((_, port)) if !text.ends_with(']') && !port.is_empty() => Some(port.parse().ok()?),
        _ => None,
    };
    let host = match url.host()?.to_owned() {
        Host::Domain(name) => Host::Domain(name.strip_suffix('.').unwrap_or(&name).to_owned()),
        ip => ip,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_list_matches_whole_hosts() {
        let list = HostPolicy::list(["A.example", "b.example:8443", "192.0.2.1", "[::1]:9001"]);
        let list = list.unwrap();
        for (host, expected) in [
            ("a.example", true),
            ("a.EXAMPLE.", true),
            ("a.example:1234", true),
            ("b.example:8443", true),
            ("b.example", false),
            ("b.example:443", false),
            ("x.a.example", false),
            ("a.example.evil", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("[::1]:9001", true),
            ("[0:0::1]:9001", true),
            ("[::1]", false),
            ("localhost", false),
            ("evil.example", false),
        ] {
            assert_eq!(list.check(Some(host), true).is_ok(), expected, "{host}");
        }
        let ports = HostPolicy::list(["a.example:443", "b.example:80"]).unwrap();
        assert!(ports.check(Some("a.example"), true).is_ok());
        assert!(ports.check(Some("a.example"), false).is_err());
        assert!(ports.check(Some("b.example"), false).is_ok());
        assert!(ports.check(Some("b.example:80"), true).is_ok());
        assert!(ports.check(Some("b.example:080"), true).is_ok());
        assert!(ports.check(Some("b.example:"), false).is_ok());
        assert!(ports.check(Some("b.example"), true).is_err());
    }

    #[test]
    fn host_is_local_if_no_other_machine_can_resolve_to_it() {
        let policy = HostPolicy::list_or_local(["a.example"]).unwrap();
        for (host, expected) in [
            ("a.example", true),
            ("localhost:9001", true),
            ("LOCALHOST.", true),
            ("app.localhost", true),
            ("127.0.0.1:9001", true),
            ("10.0.0.1", true),
            ("[fe80::1]", true),
            ("evillocalhost", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("rebound.example", false),
        ] {
            assert_eq!(policy.check(Some(host), false).is_ok(), expected, "{host}");
        }
    }

    #[test]
    fn host_rejections_have_a_status_and_a_text() {
        let list = HostPolicy::list(["a.example"]).unwrap();
        for (host, status, words) in [
            (Some("evil.example"), 421, "evil.example is not served here (RFC 9110 §7.4)"),
            (None, 400, "names no host"),
            (Some(""), 400, "is not a valid host"),
            (Some("a b"), 400, "is not a valid host"),
            (Some("user@a.example"), 400, "is not a valid host"),
            (Some("a.example/x"), 400, "is not a valid host"),
            (Some("a.exa\tmple"), 400, "a.exa\\tmple is not a valid host"),
            (Some("a.example:99999"), 400, "is not a valid host"),
            (Some("::1"), 400, "is not a valid host"),
        ] {
            let refused = list.check(host, false).unwrap_err();
            assert_eq!(refused.status().as_u16(), status, "{host:?}");
            assert!(refused.to_string().contains(words), "{refused}");
            assert_eq!(HostPolicy::Any.check(host, false), Ok(()));
        }
        let long = list.check(Some(&"a".repeat(9000)), false).unwrap_err();
        assert!(long.to_string().len() < 400);
    }

    #[test]
    fn host_rule_that_is_malformed_is_refused() {
        for bad in ["", "*.example.com", "http://a.example", "a.example/", "a.example:x", "a b"] {
            assert_eq!(HostPolicy::list([bad]).unwrap_err().kind(), ErrorKind::Misuse, "{bad}");
        }
    }
}
