//! A cache of the HTTP/3 alternatives that servers offer in `Alt-Svc` (RFC 7838).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::ALT_SVC;

use crate::base::sync::Mutex;
use crate::client::header_list::split;
use crate::client::multiplexed::pool::PoolKey;

/// The default lifetime of an alternative, in seconds (RFC 7838 §3.1).
const DEFAULT_MAX_AGE: u64 = 24 * 60 * 60;
/// The longest lifetime of an alternative, in seconds; a longer `ma` is reduced to it.
const LONGEST_MAX_AGE: u64 = 30 * 24 * 60 * 60;
/// The time for which a failed alternative is not tried again.
const BROKEN_FOR: Duration = Duration::from_secs(5 * 60);

/// The most origins; the cache is cleared before it grows beyond this.
const MAX_ORIGINS: usize = 1000;

/// The HTTP/3 alternatives of servers, by origin.
#[derive(Default)]
pub(crate) struct AltSvcCache(Mutex<HashMap<PoolKey, AltSvc>>);

#[derive(Clone, Copy)]
enum AltSvc {
    /// HTTP/3 is offered on this port of the same host, until then.
    Http3 { port: u16, until: Instant },
    /// HTTP/3 failed, and is not tried until then.
    Broken { until: Instant },
}

impl AltSvcCache {
    /// Returns the port on which the server offers HTTP/3, if it does.
    pub(crate) fn port(&self, origin: &PoolKey, now: Instant) -> Option<u16> {
        let entries = self.0.lock();
        match entries.get(origin) {
            Some(AltSvc::Http3 { port, until }) if now < *until => Some(*port),
            _ => None,
        }
    }

    /// Stores the `Alt-Svc` fields of a response, which replace earlier ones (§3).
    pub(crate) fn store(&self, origin: PoolKey, host: &str, headers: &HeaderMap, now: Instant) {
        let mut fields = headers.get_all(ALT_SVC).iter().peekable();
        if fields.peek().is_none() {
            return;
        }
        // A field that is not ASCII also replaces earlier ones.
        let alternative =
            fields.find_map(|field| parse_http3(&String::from_utf8_lossy(field.as_bytes()), host));
        let mut entries = self.0.lock();
        if matches!(entries.get(&origin), Some(AltSvc::Broken { until }) if now < *until) {
            return;
        }
        if entries.len() >= MAX_ORIGINS {
            entries.clear();
        }
        match alternative {
            Some((port, max_age)) => {
                let until = now + Duration::from_secs(max_age.min(LONGEST_MAX_AGE));
                entries.insert(origin, AltSvc::Http3 { port, until });
            }
            None => drop(entries.remove(&origin)),
        }
    }

    /// Records that HTTP/3 failed, so that it is not tried for [`BROKEN_FOR`].
    pub(crate) fn mark_broken(&self, origin: PoolKey, now: Instant) {
        let mut entries = self.0.lock();
        entries.insert(origin, AltSvc::Broken { until: now + BROKEN_FOR });
    }
}

/// Returns the port and the lifetime in seconds of the first HTTP/3 alternative on the same host.
/// Returns `None` if there is none, or if the field is `clear`.
fn parse_http3(field: &str, host: &str) -> Option<(u16, u64)> {
    split(field, ',').find_map(|alternative| {
        let mut parts = split(alternative, ';');
        let (protocol, authority) = parts.next()?.split_once('=')?;
        let authority = authority.trim().strip_prefix('"')?.strip_suffix('"')?;
        let (other_host, port) = authority.rsplit_once(':')?;
        let other_host = other_host.trim_start_matches('[').trim_end_matches(']');
        // An alternative on another host is ignored: its authority would have to be verified
        // (RFC 7838 §2.1).
        let is_same_host = other_host.is_empty() || other_host.eq_ignore_ascii_case(host);
        if protocol.trim() != "h3" || !is_same_host {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let max_age = parts.find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("ma").then(|| value.trim().trim_matches('"').parse())
        });
        Some((port, max_age.and_then(Result::ok).unwrap_or(DEFAULT_MAX_AGE)))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::base::uri::WsUri;

    #[test]
    fn alt_svc_fields_are_parsed() {
        const DAY: u64 = DEFAULT_MAX_AGE;
        for (field, expected) in [
            (r#"h3=":443""#, Some((443, DAY))),
            (r#"h3=":8443"; ma=60; persist=1"#, Some((8443, 60))),
            (r#"h2="x:1", h3-29=":1", h3=":2";ma="5", h3=":3""#, Some((2, 5))),
            (r#"h3="example.COM:4""#, Some((4, DAY))),
            (r#"h3=":5"; x="a,b;ma=1"; MA=7"#, Some((5, 7))),
            (r#"h3=":6"; x="\",h3=\"; ma=1"; ma=8"#, Some((6, 8))),
            (r#"h3=":6"; ma=soon"#, Some((6, DAY))),
            (r#"h3="other.example:443""#, None),
            (r#"h3=":0""#, None),
            (r#"h3=":70000""#, None),
            ("h3=:443", None),
            (r#"h3=""#, None),
            ("h3", None),
            ("clear", None),
            ("", None),
        ] {
            assert_eq!(parse_http3(field, "example.com"), expected, "{field}");
        }
        assert_eq!(parse_http3(r#"h3="[::1]:9""#, "::1"), Some((9, DAY)));
    }

    #[test]
    fn alt_svc_is_kept_for_its_max_age() {
        let origin = || PoolKey::new(&WsUri::parse("wss://example.com").unwrap());
        let (cache, now) = (AltSvcCache::default(), Instant::now());
        let store = |value: Option<&str>, now| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(ALT_SVC, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            cache.store(origin(), "example.com", &headers, now);
        };
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(cache.port(&origin(), now), None);
        store(Some(r#"h3=":443"; ma=60"#), now);
        store(None, now);
        assert_eq!(cache.port(&origin(), after(59)), Some(443));
        assert_eq!(cache.port(&origin(), after(60)), None);
        store(Some("clear"), now);
        assert_eq!(cache.port(&origin(), now), None);
        store(Some("h2=\":1\"; x=\"\u{e9}\", h3=\":2\""), now);
        assert_eq!(cache.port(&origin(), now), Some(2), "a field that is not ASCII is not ignored");
        store(Some(r#"h3=":443"; ma=99999999999"#), now);
        assert_eq!(cache.port(&origin(), after(LONGEST_MAX_AGE)), None);
        cache.mark_broken(origin(), now);
        store(Some(r#"h3=":443""#), after(299));
        assert_eq!(cache.port(&origin(), after(299)), None);
        store(Some(r#"h3=":443""#), after(300));
        assert_eq!(cache.port(&origin(), after(300)), Some(443));
    }
}
