//! The parsing of a complete head.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::{HeadError, HeadLimits, RequestTarget};
use crate::handshake::grammar::{is_token, trim_ows};
use crate::handshake::headers::HeaderSource;
use crate::handshake::server::{HandshakeRequest, HttpCarrier};

/// The head of a request, borrowed from the buffer that holds it.
#[derive(Clone, Debug)]
pub struct RequestHead<'b> {
    method: &'b str,
    target: RequestTarget<'b>,
    minor: u8,
    fields: HeaderFields<'b>,
}

impl<'b> RequestHead<'b> {
    /// Parses the head that [`HeadFinder::find`](super::HeadFinder::find) found.
    ///
    /// Empty lines before the request line are ignored.
    ///
    /// # Errors
    /// If the bytes are not exactly one valid head within the limits. Field lines that are folded,
    /// or have whitespace before the colon, are an error: accepting them has enabled request
    /// smuggling (RFC 9112 §5.1, §5.2, §11.2).
    pub fn parse(head: &'b [u8], limits: &HeadLimits) -> Result<Self, HeadError> {
        let head = without_empty_lines(head);
        let mut fields = empty_fields(head, limits)?;
        let mut request = httparse::Request::new(&mut fields);
        let status = request.parse(head);
        let (method, raw, minor) = (request.method, request.path, request.version);
        let count = request.headers.len();
        let (method, raw, minor, count) = if let Some(line) = downgraded_start_line(head, status) {
            let mut request = httparse::Request::new(&mut []);
            let status = request.parse(&line);
            check_complete(&line, status)?;
            // `line` and `head` have the same words, apart from the version. Those of `head` are
            // used, as only they live for `'b`.
            let mut words = start_line(head).split(|&byte| byte == b' ');
            let mut word = || core::str::from_utf8(words.next().unwrap_or_default()).ok();
            (word(), word(), Some(1), parse_fields(head, &mut fields)?)
        } else {
            check_complete(head, status)?;
            (method, raw, minor, count)
        };
        let (Some(method), Some(raw), Some(minor)) = (method, raw, minor) else {
            return Err(HeadError::StartLine);
        };
        fields.truncate(count);
        Ok(Self {
            method,
            target: RequestTarget::parse(method, raw)?,
            minor,
            fields: HeaderFields(fields),
        })
    }

    /// Returns the method, which is case-sensitive (RFC 9112 §3.1).
    pub fn method(&self) -> &'b str {
        self.method
    }

    /// Returns the request target.
    pub fn target(&self) -> RequestTarget<'b> {
        self.target
    }

    /// Returns the minor version: 0 or 1. A higher one is read as 1 (RFC 9110 §2.5).
    pub fn minor_version(&self) -> u8 {
        self.minor
    }

    /// Returns the header fields.
    pub fn fields(&self) -> &HeaderFields<'b> {
        &self.fields
    }

    /// Returns the parts of the head that the handshake rules check.
    pub fn as_request(&self) -> HandshakeRequest<'b, &HeaderFields<'b>> {
        HandshakeRequest {
            method: self.method,
            carrier: HttpCarrier::Http1 { minor: self.minor },
            authority: self.target.authority(),
            headers: &self.fields,
        }
    }
}

/// The head of a response, borrowed from the buffer that holds it.
#[derive(Clone, Debug)]
pub struct ResponseHead<'b> {
    status: u16,
    reason: &'b [u8],
    minor: u8,
    fields: HeaderFields<'b>,
}

impl<'b> ResponseHead<'b> {
    /// Parses the head that [`HeadFinder::find`](super::HeadFinder::find) found.
    ///
    /// # Errors
    /// If the bytes are not exactly one valid head within the limits. Folded lines are an error
    /// here too, although RFC 9112 §5.2 has a user agent unfold them: no WebSocket server sends
    /// any, and an error leaves only one way to read the head.
    pub fn parse(head: &'b [u8], limits: &HeadLimits) -> Result<Self, HeadError> {
        let mut fields = empty_fields(head, limits)?;
        let mut response = httparse::Response::new(&mut fields);
        let status = response.parse(head);
        let (code, minor) = (response.code, response.version);
        let count = response.headers.len();
        let (code, minor, count) = if let Some(line) = downgraded_start_line(head, status) {
            let mut response = httparse::Response::new(&mut []);
            let status = response.parse(&line);
            check_complete(&line, status)?;
            (response.code, Some(1), parse_fields(head, &mut fields)?)
        } else {
            check_complete(head, status)?;
            (code, minor, count)
        };
        let (Some(status), Some(minor)) = (code, minor) else {
            return Err(HeadError::StartLine);
        };
        fields.truncate(count);
        Ok(Self { status, reason: reason_phrase(head), minor, fields: HeaderFields(fields) })
    }

    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the reason phrase, which may be empty, and may be in any encoding (RFC 9112 §4).
    pub fn reason_phrase(&self) -> &'b [u8] {
        self.reason
    }

    /// Returns the minor version: 0 or 1. A higher one is read as 1 (RFC 9110 §2.5).
    pub fn minor_version(&self) -> u8 {
        self.minor
    }

    /// Returns the header fields.
    pub fn fields(&self) -> &HeaderFields<'b> {
        &self.fields
    }
}

/// The header fields of a head, in the order received.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderFields<'b>(Vec<httparse::Header<'b>>);

impl<'b> HeaderFields<'b> {
    /// Returns all fields. Names are as they were sent, values without whitespace around them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'b str, &'b [u8])> {
        self.0.iter().map(|field| (field.name, field.value))
    }

    /// Returns the number of field lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

// Values live as long as the buffer, not only as long as the parsed head.
impl<'b> HeaderSource<'b> for &HeaderFields<'b> {
    fn fields(self) -> impl Iterator<Item = (&'b str, &'b [u8])> {
        self.iter()
    }
}

impl fmt::Debug for HeaderFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

/// Allocates storage for the fields that the head has, rather than for the maximum number.
fn empty_fields<'b>(
    head: &'b [u8],
    limits: &HeadLimits,
) -> Result<Vec<httparse::Header<'b>>, HeadError> {
    if head.len() > limits.max_head_bytes {
        return Err(HeadError::TooLarge { max_head_bytes: limits.max_head_bytes });
    }
    // A split at each LF returns the start line, the fields, the empty line, and what follows it.
    let fields = head.split(|&byte| byte == b'\n').count().saturating_sub(3);
    if fields > limits.max_fields {
        return Err(HeadError::TooManyFields { max_fields: limits.max_fields });
    }
    Ok(vec![httparse::EMPTY_HEADER; fields])
}

/// Removes empty lines before a request, which a server SHOULD ignore (RFC 9112 §2.2).
fn without_empty_lines(mut head: &[u8]) -> &[u8] {
    while let [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] = head {
        head = rest;
    }
    head
}

/// Checks that the parser read exactly one complete head.
fn check_complete(head: &[u8], status: httparse::Result<usize>) -> Result<(), HeadError> {
    match status {
        Ok(httparse::Status::Complete(length)) if length == head.len() => Ok(()),
        Ok(_) => Err(HeadError::Incomplete),
        Err(error) => Err(locate_error(error, head)),
    }
}

/// Returns a head of only the start line, changed to HTTP/1.1, if the parser rejected a later
/// minor version. Such a message is read as the highest known version (RFC 9110 §2.5).
fn downgraded_start_line(head: &[u8], status: httparse::Result<usize>) -> Option<Vec<u8>> {
    if status != Err(httparse::Error::Version) {
        return None;
    }
    let mut line = start_line(head).to_vec();
    let words = line.split(|&byte| byte == b' ').scan(0, |at, word| {
        let begin = *at;
        *at += word.len() + 1;
        Some((begin, word))
    });
    // The version is the first word of a status line, and the third of a request line.
    let mut versions = words.enumerate().filter(|(i, _)| *i == 0 || *i == 2);
    let is_later =
        |word: &[u8]| matches!(word, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9']);
    let (_, (begin, _)) = versions.find(|(_, (_, word))| is_later(word))?;
    line[begin + b"HTTP/1.".len()] = b'1';
    line.extend_from_slice(b"\r\n\r\n");
    Some(line)
}

/// Parses the fields after the start line, and returns their number.
fn parse_fields<'b>(
    head: &'b [u8],
    fields: &mut [httparse::Header<'b>],
) -> Result<usize, HeadError> {
    let begin = head.iter().position(|&byte| byte == b'\n').map_or(head.len(), |end| end + 1);
    match httparse::parse_headers(&head[begin..], fields) {
        Ok(httparse::Status::Complete((length, fields))) if begin + length == head.len() => {
            Ok(fields.len())
        }
        Ok(_) => Err(HeadError::Incomplete),
        Err(error) => Err(locate_error(error, head)),
    }
}

/// Converts an error of the parser to one with a line number. Runs only for an invalid head.
fn locate_error(error: httparse::Error, head: &[u8]) -> HeadError {
    match error {
        httparse::Error::Version if has_version(head) => HeadError::Version,
        httparse::Error::Version | httparse::Error::Token | httparse::Error::Status => {
            HeadError::StartLine
        }
        _ => locate_field_error(head).unwrap_or(HeadError::StartLine),
    }
}

/// Returns whether the start line has a well-formed version, which is then only not supported.
fn has_version(head: &[u8]) -> bool {
    let mut words = start_line(head).split(|&byte| byte == b' ');
    let is_version = |word: &[u8]| {
        matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit())
    };
    // The version is the first word of a status line, and the third of a request line.
    words.next().is_some_and(is_version) || words.nth(1).is_some_and(is_version)
}

/// Returns the error of the first invalid field line.
fn locate_field_error(head: &[u8]) -> Option<HeadError> {
    field_lines(head).find_map(|(line, text)| {
        let colon = text.iter().position(|&byte| byte == b':');
        let (name, value) = text.split_at(colon.unwrap_or(text.len()));
        let is_control = |byte: &u8| matches!(byte, 0..=8 | 10..=31 | 127);
        if matches!(text, [b' ' | b'\t', ..]) {
            Some(HeadError::Folded { line })
        } else if colon.is_some() && trim_ows(name) != name {
            Some(HeadError::SpaceBeforeColon { line })
        } else if colon.is_none() || !is_token(name) {
            Some(HeadError::FieldName { line })
        } else if value.iter().any(is_control) {
            Some(HeadError::FieldValue { line })
        } else {
            None
        }
    })
}

/// Returns the field lines with their numbers, without the ends of lines.
fn field_lines(head: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = head.split(|&byte| byte == b'\n').zip(1..).skip(1);
    lines
        .map(|(text, line)| (line, text.strip_suffix(b"\r").unwrap_or(text)))
        .take_while(|(_, text)| !text.is_empty())
}

/// Returns the reason phrase. The parser drops phrases that are not ASCII.
fn reason_phrase(head: &[u8]) -> &[u8] {
    // It follows `HTTP/1.1 101 `, which has 13 bytes.
    trim_ows(start_line(head).get(13..).unwrap_or_default())
}

fn start_line(head: &[u8]) -> &[u8] {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests;
