//! The interface through which the rules read header fields.

use super::grammar::trim_ows;

/// A set of header fields that the handshake rules can read.
///
/// A source is a cheap view that is passed by value. The items live for `'h`, not only as long as
/// the view, so a temporary wrapper is enough. For `http::HeaderMap`:
///
/// ```ignore
/// #[derive(Clone, Copy)]
/// struct HeaderFields<'h>(&'h http::HeaderMap);
///
/// impl<'h> HeaderSource<'h> for HeaderFields<'h> {
///     fn fields(self) -> impl Iterator<Item = (&'h str, &'h [u8])> {
///         self.0.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
///     }
/// }
/// ```
pub trait HeaderSource<'h>: Copy {
    /// Returns all fields as names and values. Those of one name are in the order received.
    fn fields(self) -> impl Iterator<Item = (&'h str, &'h [u8])>;

    /// Returns the values of all fields called `name`, in the order received. Names are compared
    /// without regard to case (RFC 9110 §5.1).
    fn values(self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        self.fields()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl<'h, N: AsRef<str>, V: AsRef<[u8]>> HeaderSource<'h> for &'h [(N, V)] {
    fn fields(self) -> impl Iterator<Item = (&'h str, &'h [u8])> {
        self.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

impl<'h, N: AsRef<str>, V: AsRef<[u8]>, const K: usize> HeaderSource<'h> for &'h [(N, V); K] {
    fn fields(self) -> impl Iterator<Item = (&'h str, &'h [u8])> {
        self.as_slice().fields()
    }
}

/// Returns whether a header field belongs to the handshake itself, so that the application must
/// not add it to a request or to a response that accepts one.
///
/// Protected are all `Sec-WebSocket-*` fields, fields that frame or control the connection
/// (RFC 9110 §7.6.1), and pseudo-header fields. `Host` is not protected: a client sets it with
/// [`ClientHandshake::http1`](super::client::ClientHandshake::http1).
pub fn is_protected(name: &str) -> bool {
    const PREFIX: &str = "sec-websocket-";
    const NAMES: [&str; 10] = [
        "connection",
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let prefix = name.as_bytes().get(..PREFIX.len());
    name.starts_with(':')
        || prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX.as_bytes()))
        || NAMES.iter().any(|protected| name.eq_ignore_ascii_case(protected))
}

/// The value of a field that may occur at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtMostOne<'h> {
    Missing,
    /// The only value, without whitespace around it.
    One(&'h [u8]),
    Repeated,
}

impl<'h> AtMostOne<'h> {
    /// Adds one more field of the name.
    pub(super) fn add(&mut self, value: &'h [u8]) {
        *self = match self {
            Self::Missing => Self::One(trim_ows(value)),
            Self::One(_) | Self::Repeated => Self::Repeated,
        };
    }
}

/// Returns the value of a field that may occur at most once.
pub(super) fn at_most_one<'h>(headers: impl HeaderSource<'h>, name: &str) -> AtMostOne<'h> {
    let mut field = AtMostOne::Missing;
    headers.values(name).for_each(|value| field.add(value));
    field
}

pub(super) mod names {
    pub(crate) const ACCEPT: &str = "sec-websocket-accept";
    pub(crate) const CONNECTION: &str = "connection";
    pub(crate) const CONTENT_LENGTH: &str = "content-length";
    pub(crate) const EXTENSIONS: &str = "sec-websocket-extensions";
    pub(crate) const HOST: &str = "host";
    pub(crate) const KEY: &str = "sec-websocket-key";
    pub(crate) const ORIGIN: &str = "origin";
    pub(crate) const SUBPROTOCOL: &str = "sec-websocket-protocol";
    pub(crate) const TRANSFER_ENCODING: &str = "transfer-encoding";
    pub(crate) const UPGRADE: &str = "upgrade";
    pub(crate) const VERSION: &str = "sec-websocket-version";
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn headers_are_found_in_order_in_any_case() {
        let headers = [("Via", "a"), ("Host", "h"), ("VIA", "b"), ("via", "c")];
        let values: Vec<&[u8]> = headers.as_slice().values("via").collect();
        assert_eq!(values, [b"a", b"b", b"c"]);
        assert_eq!((&headers).values("vi").count(), 0);
    }

    #[test]
    fn headers_may_be_owned_pairs() {
        let headers: Vec<(String, Vec<u8>)> = vec![(String::from("Host"), b"\t h ".to_vec())];
        assert_eq!(at_most_one(headers.as_slice(), names::HOST), AtMostOne::One(b"h"));
    }

    #[test]
    fn headers_at_most_one_distinguishes_missing_from_repeated() {
        let headers = [("A", "1"), ("B", "1"), ("b", "1")];
        assert_eq!(at_most_one(&headers, "a"), AtMostOne::One(b"1"));
        assert_eq!(at_most_one(&headers, "b"), AtMostOne::Repeated);
        assert_eq!(at_most_one(&headers, "c"), AtMostOne::Missing);
    }
}
