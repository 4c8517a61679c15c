//! Where else a server says that it is: `Alt-Svc` (RFC 7838), for HTTP/3 alone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::HeaderMap;
use http::header::ALT_SVC;

use crate::base::sync::Mutex;
use crate::client::header_list::split;
use crate::client::multiplexed::pool::PoolKey;

/// How long what a server said holds, if it does not say (RFC 7838 §3.1).
const DEFAULT_MAX_AGE: u64 = 24 * 60 * 60;
/// However long it says, it is asked again after a month.
const LONGEST_MAX_AGE: u64 = 30 * 24 * 60 * 60;
/// How long an alternative that failed is not tried again, whatever the server says.
const BROKEN_FOR: Duration = Duration::from_secs(5 * 60);

/// So many servers are remembered, and then none.
const MAX_ORIGINS: usize = 1000;

/// What servers have said.
#[derive(Default)]
pub(crate) struct AltSvcCache(Mutex<HashMap<PoolKey, AltSvc>>);

#[derive(Clone, Copy)]
enum AltSvc {
    /// HTTP/3 on this port of the same host, until then.
    Http3 { port: u16, until: Instant },
    /// It did not work.
    Broken { until: Instant },
}

impl AltSvcCache {
    /// The port for HTTP/3, if the server has said that there is one.
    pub(crate) fn port(&self, origin: &PoolKey, now: Instant) -> Option<u16> {
        let all = self.0.lock();
        match all.get(origin) {
            Some(AltSvc::Http3 { port, until }) if now < *until => Some(*port),
            _ => None,
        }
    }

    /// Takes note of the fields in a response. They replace what was said before (§3).
    pub(crate) fn learn(&self, origin: PoolKey, host: &str, headers: &HeaderMap, now: Instant) {
        let mut fields = headers.get_all(ALT_SVC).iter().peekable();
        if fields.peek().is_none() {
            return;
        }
        // One that is not ASCII has still been said, and takes the others back.
        let said = fields.find_map(|field| http3(&String::from_utf8_lossy(field.as_bytes()), host));
        let mut all = self.0.lock();
        if matches!(all.get(&origin), Some(AltSvc::Broken { until }) if now < *until) {
            return;
        }
        if all.len() >= MAX_ORIGINS {
            all.clear();
        }
        match said {
            Some((port, max_age)) => {
                let until = now + Duration::from_secs(max_age.min(LONGEST_MAX_AGE));
                all.insert(origin, AltSvc::Http3 { port, until });
            }
            None => drop(all.remove(&origin)),
        }
    }

    /// It did not work: for a while it is not tried.
    pub(crate) fn give_up(&self, origin: PoolKey, now: Instant) {
        let mut all = self.0.lock();
        all.insert(origin, AltSvc::Broken { until: now + BROKEN_FOR });
    }
}

/// The first HTTP/3 on the same host that a field names, and for how many seconds; `None`
/// where there is none, or all alternatives are taken back (`clear`).
fn http3(field: &str, host: &str) -> Option<(u16, u64)> {
    split(field, ',').find_map(|alternative| {
        let mut parts = split(alternative, ';');
        let (protocol, authority) = parts.next()?.split_once('=')?;
        let authority = authority.trim().strip_prefix('"')?.strip_suffix('"')?;
        let (other, port) = authority.rsplit_once(':')?;
        let other = other.trim_start_matches('[').trim_end_matches(']');
        // Another host may be another one's to speak for; it is left alone.
        let is_same = other.is_empty() || other.eq_ignore_ascii_case(host);
        if protocol.trim() != "h3" || !is_same {
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
            assert_eq!(http3(field, "example.com"), expected, "{field}");
        }
        assert_eq!(http3(r#"h3="[::1]:9""#, "::1"), Some((9, DAY)));
    }

    #[test]
    fn alt_svc_is_kept_for_its_max_age() {
        let origin = || PoolKey::of(&WsUri::parse("wss://example.com").unwrap());
        let (all, now) = (AltSvcCache::default(), Instant::now());
        let learn = |value: Option<&str>, now| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(ALT_SVC, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            all.learn(origin(), "example.com", &headers, now);
        };
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(all.port(&origin(), now), None);
        learn(Some(r#"h3=":443"; ma=60"#), now);
        learn(None, now);
        assert_eq!(all.port(&origin(), after(59)), Some(443));
        assert_eq!(all.port(&origin(), after(60)), None);
        learn(Some("clear"), now);
        assert_eq!(all.port(&origin(), now), None);
        learn(Some("h2=\":1\"; x=\"\u{e9}\", h3=\":2\""), now);
        assert_eq!(all.port(&origin(), now), Some(2), "what is not ASCII is not passed over");
        learn(Some(r#"h3=":443"; ma=99999999999"#), now);
        assert_eq!(all.port(&origin(), after(LONGEST_MAX_AGE)), None);
        all.give_up(origin(), now);
        learn(Some(r#"h3=":443""#), after(299));
        assert_eq!(all.port(&origin(), after(299)), None);
        learn(Some(r#"h3=":443""#), after(300));
        assert_eq!(all.port(&origin(), after(300)), Some(443));
    }
}
