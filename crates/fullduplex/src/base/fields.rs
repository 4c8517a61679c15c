//! What is known of header fields by their names.

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
