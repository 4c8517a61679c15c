//! Header fields that the application may not set, in either role.

use bytes::Bytes;
use fullduplex_proto::Role;
use fullduplex_proto::handshake::{is_protected, is_token};
use http::HeaderValue;

use crate::base::error::{Error, ErrorKind};

/// Checks the name of a header field that the application adds to a request or to the response that
/// accepts one. The error names the call to use instead.
pub(crate) fn check_name(name: &str, role: Role) -> Result<(), Error> {
    let why = if !is_token(name.as_bytes()) {
        format!("the header name {name:?} is not valid (RFC 9110 §5.1)")
    } else if is_protected(name) {
        format!("the header {name} is the protocol's own: {}", instead(name, role))
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Misuse, why))
}

/// Checks a header field that the application adds to the response that accepts a request. The
/// error doesn't show the value, which may be a secret.
pub(crate) fn check_response_field(name: &str, value: &Bytes) -> Result<(), Error> {
    check_name(name, Role::Server)?;
    if HeaderValue::from_maybe_shared(value.clone()).is_err() {
        let why = format!("the value of the header {name} is not valid (RFC 9110 §5.5)");
        return Err(Error::new(ErrorKind::Misuse, why));
    }
    Ok(())
}

/// Returns what to use instead of setting a protected field.
fn instead(name: &str, role: Role) -> &'static str {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match role {
        Role::Client if is("sec-websocket-protocol") => "use ClientBuilder::subprotocol",
        Role::Client if is("sec-websocket-extensions") => "use ClientBuilder::deflate",
        Role::Server if is("sec-websocket-protocol") => {
            "use set_subprotocol, or ServerConfig::subprotocols"
        }
        Role::Server if is("sec-websocket-extensions") => "use Config::deflate",
        Role::Server if is("content-length") || is("transfer-encoding") => {
            "the response that accepts has no content (RFC 9110 §8.6, §9.3.6)"
        }
        _ => "the library writes it where it is needed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_fields_are_refused_with_what_to_use() {
        for (name, role, says) in [
            ("Sec-WebSocket-Protocol", Role::Server, "set_subprotocol"),
            ("sec-websocket-protocol", Role::Client, "ClientBuilder::subprotocol"),
            ("Sec-WebSocket-Extensions", Role::Server, "Config::deflate"),
            ("Sec-WebSocket-Extensions", Role::Client, "ClientBuilder::deflate"),
            ("Content-Length", Role::Server, "no content"),
            ("Upgrade", Role::Client, "the library writes it"),
        ] {
            let error = check_name(name, role).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse);
            let error = error.to_string();
            assert!(error.contains(name) && error.contains(says), "{error}");
        }
        assert!(check_name("Set-Cookie", Role::Server).is_ok());
        for bad in ["", "a b", "caf\u{e9}"] {
            assert!(check_name(bad, Role::Server).is_err(), "{bad:?}");
        }
    }
}
