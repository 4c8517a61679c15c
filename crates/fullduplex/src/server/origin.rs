//! Which web pages may connect (RFC 6455 §10.2).

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use url::Url;

/// Which `Origin` of a request is allowed.
///
/// A browser lets any page connect anywhere and sends the user's cookies along, so that a
/// server which takes every Origin can be used by any page that the user visits. Other
/// clients send no Origin, and pass under every policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// The host and port that the request is for (`Host`).
    #[default]
    SameHost,
    /// One of these, such as `https://example.com`, compared as a whole.
    List(Vec<String>),
    /// Any. Only for a server whose answers depend on nothing that a browser adds, such as
    /// cookies or the user's place in the network.
    DangerousAny,
}

impl OriginPolicy {
    pub(crate) fn allows(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        let Some(origin) = origin.to_str().ok().filter(|_| origins.next().is_none()) else {
            return false;
        };
        match self {
            Self::DangerousAny => true,
            Self::List(list) => list.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)),
            Self::SameHost => {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok());
                host.is_some_and(|host| is_same_host(origin, host))
            }
        }
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

    fn allows(policy: &OriginPolicy, origin: &str, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        headers.insert(ORIGIN, origin.parse().unwrap());
        policy.allows(&headers)
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
            ("file://", "a.example", false),
            ("", "a.example", false),
        ] {
            let policy = OriginPolicy::default();
            assert_eq!(allows(&policy, origin, host), expected, "{origin} for {host}");
        }
    }

    #[test]
    fn a_list_is_compared_as_a_whole() {
        let policy = OriginPolicy::List(vec!["https://a.example".into()]);
        assert!(allows(&policy, "https://a.example", "b.example"));
        assert!(!allows(&policy, "http://a.example", "b.example"));
        assert!(!allows(&policy, "https://a.example.evil", "b.example"));
        assert!(!allows(&policy, "https://b.example", "b.example"));
    }

    #[test]
    fn no_origin_passes_and_two_do_not() {
        let mut headers = HeaderMap::new();
        assert!(OriginPolicy::SameHost.allows(&headers));
        headers.append(ORIGIN, "http://a".parse().unwrap());
        headers.append(ORIGIN, "http://a".parse().unwrap());
        assert!(!OriginPolicy::DangerousAny.allows(&headers));
    }
}
