//! The writing of heads.
//!
//! Parts of a head may come from a user, so nothing is written that could end a line or a field
//! early (RFC 9112 §11.1).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::handshake::grammar::is_token;

/// Writes the head of a request: request line, header fields, empty line.
///
/// `target` is written as it is: the caller encodes it (RFC 9112 §3.2).
///
/// # Errors
/// If a part contains a byte that it may not.
pub fn write_request<N: AsRef<str>, V: AsRef<[u8]>>(
    method: &str,
    target: &str,
    headers: impl IntoIterator<Item = (N, V)>,
) -> Result<Vec<u8>, HeadWriteError> {
    if !is_token(method.as_bytes()) {
        return Err(HeadWriteError::Method);
    }
    if target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HeadWriteError::Target);
    }
    let mut head = Vec::with_capacity(512);
    for part in [method, " ", target, " HTTP/1.1\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    write_fields(head, headers)
}

/// Writes the head of a response: status line, header fields, empty line.
///
/// `reason_phrase` may be empty (RFC 9112 §4). A response other than 101 needs a
/// `Content-Length` among its headers if it has content or the connection stays open
/// (RFC 9112 §6.3).
///
/// # Errors
/// If a part contains a byte that it may not, or the status does not have three digits.
pub fn write_response<N: AsRef<str>, V: AsRef<[u8]>>(
    status: u16,
    reason_phrase: &str,
    headers: impl IntoIterator<Item = (N, V)>,
) -> Result<Vec<u8>, HeadWriteError> {
    if !(100..=999).contains(&status) {
        return Err(HeadWriteError::Status);
    }
    if !is_field_text(reason_phrase.as_bytes()) {
        return Err(HeadWriteError::ReasonPhrase);
    }
    let digits = [status / 100, status / 10 % 10, status % 10];
    let mut head = Vec::with_capacity(256);
    head.extend_from_slice(b"HTTP/1.1 ");
    // Each is less than ten, so the conversion is lossless.
    head.extend(digits.map(|digit| b'0' + digit.to_le_bytes()[0]));
    head.push(b' ');
    head.extend_from_slice(reason_phrase.as_bytes());
    head.extend_from_slice(b"\r\n");
    write_fields(head, headers)
}

/// The error of a head that must not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadWriteError {
    /// The method is not a token (RFC 9112 §3.1).
    Method,
    /// The target is empty or contains a character that is not visible ASCII (RFC 9112 §3.2).
    Target,
    /// The status code does not have three digits (RFC 9112 §4).
    Status,
    /// The reason phrase contains a control character (RFC 9112 §4).
    ReasonPhrase,
    /// A field name is not a token (RFC 9110 §5.1).
    FieldName(
        /// The name.
        String,
    ),
    /// A field value contains a control character, such as CR, LF or NUL (RFC 9110 §5.5).
    FieldValue(
        /// The name of the field. The value may be a secret.
        String,
    ),
}

impl fmt::Display for HeadWriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("the method is not a token (RFC 9112 §3.1)"),
            Self::Target => f.write_str("the target is not visible ASCII (RFC 9112 §3.2)"),
            Self::Status => f.write_str("the status does not have three digits (RFC 9112 §4)"),
            Self::ReasonPhrase => {
                f.write_str("control character in the reason phrase (RFC 9112 §4)")
            }
            Self::FieldName(name) => {
                write!(f, "the field name {name:?} is not a token (RFC 9110 §5.1)")
            }
            Self::FieldValue(name) => {
                write!(f, "control character in the value of {name} (RFC 9110 §5.5)")
            }
        }
    }
}

impl core::error::Error for HeadWriteError {}

fn write_fields<N: AsRef<str>, V: AsRef<[u8]>>(
    mut head: Vec<u8>,
    headers: impl IntoIterator<Item = (N, V)>,
) -> Result<Vec<u8>, HeadWriteError> {
    for (name, value) in headers {
        let (name, value) = (name.as_ref(), value.as_ref());
        if !is_token(name.as_bytes()) {
            return Err(HeadWriteError::FieldName(name.into()));
        }
        if !is_field_text(value) {
            return Err(HeadWriteError::FieldValue(name.into()));
        }
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

/// Returns whether `text` has no control character other than the tab (RFC 9110 §5.5).
fn is_field_text(text: &[u8]) -> bool {
    // A fold, not `all`: without an early exit the compiler can use vector instructions.
    text.iter().fold(true, |valid, &byte| valid & (!byte.is_ascii_control() || byte == b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(&str, &str); 0] = [];

    #[test]
    fn head_is_written_as_documented() {
        let head = write_request("GET", "/a?b", [("Host", "h"), ("X", "caf\u{e9}\t")]).unwrap();
        assert_eq!(head, "GET /a?b HTTP/1.1\r\nHost: h\r\nX: caf\u{e9}\t\r\n\r\n".as_bytes());
        let head = write_response(101, "Switching Protocols", [("A", b"b")]).unwrap();
        assert_eq!(head, b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n");
        assert_eq!(write_response(599, "", NONE).unwrap(), b"HTTP/1.1 599 \r\n\r\n");
    }

    #[test]
    fn head_fields_can_not_end_a_line_early() {
        for value in ["a\r\nB: c", "a\nb", "a\rb", "a\0b", "\u{7f}", "\u{1b}"] {
            let error = write_request("GET", "/", [("Name", value)]).unwrap_err();
            assert_eq!(error, HeadWriteError::FieldValue("Name".into()), "{value:?}");
            let error = write_response(200, value, NONE).unwrap_err();
            assert_eq!(error, HeadWriteError::ReasonPhrase, "{value:?}");
        }
        for name in ["", "a b", "a:", "a\r\nb", "a\0", "caf\u{e9}", ":path", " a", "a "] {
            let error = write_response(200, "OK", [(name, "b")]).unwrap_err();
            assert_eq!(error, HeadWriteError::FieldName(name.into()), "{name:?}");
        }
        for target in ["", "/a b", "/a\r\nB: c", "/\0", "/\t", "/caf\u{e9}", "/\u{7f}"] {
            let error = write_request("GET", target, NONE).unwrap_err();
            assert_eq!(error, HeadWriteError::Target, "{target:?}");
        }
        for method in ["", "GE T", "GET\r\n"] {
            assert_eq!(write_request(method, "/", NONE).unwrap_err(), HeadWriteError::Method);
        }
        for status in [0, 99, 1000, u16::MAX] {
            assert_eq!(write_response(status, "", NONE).unwrap_err(), HeadWriteError::Status);
        }
    }
}
