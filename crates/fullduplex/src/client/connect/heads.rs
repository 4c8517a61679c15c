//! The heads of requests and responses, as an application observes them.

use std::fmt;

use http::header::{
    AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE,
};
use http::{HeaderValue, Version};

/// The head of a request as it was sent.
///
/// `Display` writes its first line: `GET /chat HTTP/1.1`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The HTTP version.
    pub version: Version,
    /// The method: `GET`, or `CONNECT` on HTTP/2, on HTTP/3 and for a proxy.
    pub method: &'a str,
    /// The path and query, or for a proxy the host and port.
    pub target: &'a str,
    /// The fields in the order in which they were sent. On HTTP/2 and HTTP/3, the pseudo-header
    /// fields such as `:protocol` are first.
    pub fields: &'a [HeadField<'a>],
}

impl fmt::Display for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.method, self.target, self.version)
    }
}

/// The head of a response as it was received.
///
/// `Display` writes its first line: `HTTP/1.1 101 Switching Protocols`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The HTTP version.
    pub version: Version,
    /// The status code.
    pub status: u16,
    /// The reason phrase, which HTTP/2 and HTTP/3 do not have.
    pub reason: &'a [u8],
    /// The fields, in the order in which they were received on HTTP/1.1, and in that of their
    /// names otherwise.
    pub fields: &'a [HeadField<'a>],
}

impl fmt::Display for ResponseHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.version, self.status)?;
        if self.reason.is_empty() {
            return Ok(());
        }
        write!(f, " {}", String::from_utf8_lossy(self.reason))
    }
}

/// A field of a head. `Debug` omits the value of a sensitive one.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct HeadField<'a> {
    /// The name, in the case that it has on the wire.
    pub name: &'a str,
    /// The value.
    pub value: &'a [u8],
    /// Whether the value may be a secret: of `Authorization`, `Cookie`, `Set-Cookie` and the like,
    /// and one that the application marked.
    pub is_sensitive: bool,
}

impl<'a> HeadField<'a> {
    /// Creates a field; it is sensitive if those of its name are.
    pub(crate) fn new(name: &'a str, value: &'a [u8]) -> Self {
        let secrets = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE];
        let is_sensitive = secrets.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_str()));
        Self { name, value, is_sensitive }
    }

    /// Creates a field of a request.
    pub(crate) fn of_value(name: &'a str, value: &'a HeaderValue) -> Self {
        let field = Self::new(name, value.as_bytes());
        // No application marks a subprotocol, but HTTP/2 and HTTP/3 mark each.
        let is_marked =
            value.is_sensitive() && !name.eq_ignore_ascii_case(SEC_WEBSOCKET_PROTOCOL.as_str());
        Self { is_sensitive: field.is_sensitive || is_marked, ..field }
    }

    /// Returns the fields of a map.
    #[cfg(any(feature = "http2", feature = "http3"))]
    pub(crate) fn of_map(headers: &'a http::HeaderMap) -> impl Iterator<Item = Self> {
        headers.iter().map(|(name, value)| Self::of_value(name.as_str(), value))
    }
}

impl fmt::Debug for HeadField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_sensitive {
            return write!(f, "{}: ***", self.name);
        }
        write!(f, "{}: {}", self.name, self.value.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_field_debug_hides_secrets() {
        let mut marked = HeaderValue::from_static("secret");
        marked.set_sensitive(true);
        for field in [
            HeadField::new("Authorization", b"Bearer secret"),
            HeadField::new("set-cookie", b"id=secret"),
            HeadField::of_value("X-Key", &marked),
        ] {
            let shown = format!("{field:?}");
            assert!(field.is_sensitive && shown.ends_with(": ***"), "{shown}");
        }
        let subprotocol = HeadField::of_value("sec-websocket-protocol", &marked);
        assert_eq!(format!("{subprotocol:?}"), "sec-websocket-protocol: secret");
        let plain = HeadField::new("Server", b"nginx\x1b");
        assert_eq!(format!("{plain:?}"), r"Server: nginx\x1b");
    }
}
