//! Treatment of header fields by their names.

use http::HeaderMap;
use http::header::{
    AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE,
};

/// Keeps confidential values out of the tables of HPACK and QPACK (RFC 7541 §7.1.3, RFC 9204
/// §7.1.3). Some clients send a token as a subprotocol.
pub(crate) fn mark_sensitive(headers: &mut HeaderMap) {
    let confidential =
        [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, SET_COOKIE, SEC_WEBSOCKET_PROTOCOL];
    for (name, value) in headers {
        if confidential.contains(name) {
            value.set_sensitive(true);
        }
    }
}

/// Joins several `Cookie` fields into one (RFC 9113 §8.2.3, RFC 9114 §4.2.1).
#[cfg(any(feature = "http2", feature = "hyper"))]
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<_> = headers.get_all(COOKIE).iter().map(http::HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(mut joined) = http::HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}
