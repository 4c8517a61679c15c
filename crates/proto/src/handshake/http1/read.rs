//! What a whole head says.

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
    /// Reads the bytes that [`HeadFinder::find`](super::HeadFinder::find) measured.
    ///
    /// Field lines that are folded or have whitespace before the colon are refused: tolerating
    /// them has let requests be smuggled (RFC 9112 §5.1, §5.2, §11.2).
    pub fn parse(head: &'b [u8], limits: &HeadLimits) -> Result<Self, HeadError> {
        let head = without_empty_lines(head);
        let mut slots = slots(head, limits)?;
        let mut request = httparse::Request::new(&mut slots);
        let status = request.parse(head);
        let (method, raw, minor) = (request.method, request.path, request.version);
        let count = request.headers.len();
        let (method, raw, minor, count) = if let Some(line) = later_minor(head, status) {
            let mut request = httparse::Request::new(&mut []);
            let status = request.parse(&line);
            whole(&line, status)?;
            // The words have the same places in both.
            let mut words = start_line(head).split(|&byte| byte == b' ');
            let mut word = || core::str::from_utf8(words.next().unwrap_or_default()).ok();
            (word(), word(), Some(1), field_slots(head, &mut slots)?)
        } else {
            whole(head, status)?;
            (method, raw, minor, count)
        };
        let (Some(method), Some(raw), Some(minor)) = (method, raw, minor) else {
            return Err(HeadError::StartLine);
        };
        slots.truncate(count);
        Ok(Self {
            method,
            target: RequestTarget::parse(method, raw)?,
            minor,
            fields: HeaderFields(slots),
        })
    }

    /// The method; its case matters (RFC 9112 §3.1).
    pub fn method(&self) -> &'b str {
        self.method
    }

    /// What is asked for.
    pub fn target(&self) -> RequestTarget<'b> {
        self.target
    }

    /// The digit behind `HTTP/1.`, 0 or 1. A higher one is taken as 1 (RFC 9110 §2.5).
    pub fn minor_version(&self) -> u8 {
        self.minor
    }

    /// The header fields.
    pub fn fields(&self) -> &HeaderFields<'b> {
        &self.fields
    }

    /// The head as the handshake rules take it.
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
    /// Reads the bytes that [`HeadFinder::find`](super::HeadFinder::find) measured.
    ///
    /// Folded lines are refused here too, though RFC 9112 §5.2 would have a user agent unfold
    /// them: no WebSocket server sends any, and refusing leaves one reading of the head.
    pub fn parse(head: &'b [u8], limits: &HeadLimits) -> Result<Self, HeadError> {
        let mut slots = slots(head, limits)?;
        let mut response = httparse::Response::new(&mut slots);
        let status = response.parse(head);
        let (code, minor) = (response.code, response.version);
        let count = response.headers.len();
        let (code, minor, count) = if let Some(line) = later_minor(head, status) {
            let mut response = httparse::Response::new(&mut []);
            let status = response.parse(&line);
            whole(&line, status)?;
            (response.code, Some(1), field_slots(head, &mut slots)?)
        } else {
            whole(head, status)?;
            (code, minor, count)
        };
        let (Some(status), Some(minor)) = (code, minor) else {
            return Err(HeadError::StartLine);
        };
        slots.truncate(count);
        Ok(Self { status, reason: reason_phrase(head), minor, fields: HeaderFields(slots) })
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, which may be empty or in any encoding (RFC 9112 §4).
    pub fn reason_phrase(&self) -> &'b [u8] {
        self.reason
    }

    /// The digit behind `HTTP/1.`, 0 or 1. A higher one is taken as 1 (RFC 9110 §2.5).
    pub fn minor_version(&self) -> u8 {
        self.minor
    }

    /// The header fields.
    pub fn fields(&self) -> &HeaderFields<'b> {
        &self.fields
    }
}

/// The header fields of a head, in order.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderFields<'b>(Vec<httparse::Header<'b>>);

impl<'b> HeaderFields<'b> {
    /// All fields: the name as it was written, the value without whitespace around it.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'b str, &'b [u8])> {
        self.0.iter().map(|field| (field.name, field.value))
    }

    /// How many field lines there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Values live as long as the buffer, not only as long as the parsed head.
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

/// Room for the fields that the head has, not for as many as it might have.
fn slots<'b>(head: &'b [u8], limits: &HeadLimits) -> Result<Vec<httparse::Header<'b>>, HeadError> {
    if head.len() > limits.max_head_bytes {
        return Err(HeadError::TooLarge { max_head_bytes: limits.max_head_bytes });
    }
    // A split at each LF gives the start line, the fields, the empty line and what is behind it.
    let fields = head.split(|&byte| byte == b'\n').count().saturating_sub(3);
    if fields > limits.max_fields {
        return Err(HeadError::TooManyFields { max_fields: limits.max_fields });
    }
    Ok(vec![httparse::EMPTY_HEADER; fields])
}

/// A server SHOULD ignore empty lines in front of a request (RFC 9112 §2.2).
fn without_empty_lines(mut head: &[u8]) -> &[u8] {
    while let [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] = head {
        head = rest;
    }
    head
}

/// Refuses anything but one head with nothing behind it.
fn whole(head: &[u8], status: httparse::Result<usize>) -> Result<(), HeadError> {
    match status {
        Ok(httparse::Status::Complete(length)) if length == head.len() => Ok(()),
        Ok(_) => Err(HeadError::Incomplete),
        Err(error) => Err(explain(error, head)),
    }
}

/// The start line as one of HTTP/1.1, behind which the head ends, where the parser refused a later
/// minor version: that is read as the latest that is known (RFC 9110 §2.5).
fn later_minor(head: &[u8], status: httparse::Result<usize>) -> Option<Vec<u8>> {
    if status != Err(httparse::Error::Version) {
        return None;
    }
    let mut line = start_line(head).to_vec();
    let words = line.split(|&byte| byte == b' ').scan(0, |at, word| {
        let begin = *at;
        *at += word.len() + 1;
        Some((begin, word))
    });
    // A status line has it first, a request line third and last.
    let mut versions = words.enumerate().filter(|(i, _)| *i == 0 || *i == 2);
    let is_later =
        |word: &[u8]| matches!(word, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9']);
    let (_, (begin, _)) = versions.find(|(_, (_, word))| is_later(word))?;
    line[begin + b"HTTP/1.".len()] = b'1';
    line.extend_from_slice(b"\r\n\r\n");
    Some(line)
}

/// Reads the fields behind the start line, and returns how many there are.
fn field_slots<'b>(head: &'b [u8], slots: &mut [httparse::Header<'b>]) -> Result<usize, HeadError> {
    let begin = head.iter().position(|&byte| byte == b'\n').map_or(head.len(), |end| end + 1);
    match httparse::parse_headers(&head[begin..], slots) {
        Ok(httparse::Status::Complete((length, fields))) if begin + length == head.len() => {
            Ok(fields.len())
        }
        Ok(_) => Err(HeadError::Incomplete),
        Err(error) => Err(explain(error, head)),
    }
}

/// Turns the parser's terse error into one with a line; runs only once a head is refused.
fn explain(error: httparse::Error, head: &[u8]) -> HeadError {
    match error {
        httparse::Error::Version if has_version(head) => HeadError::Version,
        httparse::Error::Version | httparse::Error::Token | httparse::Error::Status => {
            HeadError::StartLine
        }
        _ => explain_field(head).unwrap_or(HeadError::StartLine),
    }
}

/// Whether a version stands where it should, so that it is only not the one we speak.
fn has_version(head: &[u8]) -> bool {
    let mut words = start_line(head).split(|&byte| byte == b' ');
    let is_version = |word: &[u8]| {
        matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit())
    };
    // A status line has it first, a request line third.
    words.next().is_some_and(is_version) || words.nth(1).is_some_and(is_version)
}

/// The first field line that is wrong.
fn explain_field(head: &[u8]) -> Option<HeadError> {
    field_lines(head).find_map(|(line, text)| {
        let colon = text.iter().position(|&byte| byte == b':');
        let (name, value) = text.split_at(colon.unwrap_or(text.len()));
        let control = |byte: &u8| matches!(byte, 0..=8 | 10..=31 | 127);
        if matches!(text, [b' ' | b'\t', ..]) {
            Some(HeadError::Folded { line })
        } else if colon.is_some() && trim_ows(name) != name {
            Some(HeadError::SpaceBeforeColon { line })
        } else if colon.is_none() || !is_token(name) {
            Some(HeadError::FieldName { line })
        } else if value.iter().any(control) {
            Some(HeadError::FieldValue { line })
        } else {
            None
        }
    })
}

/// The field lines with their numbers, without the ends of lines.
fn field_lines(head: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = head.split(|&byte| byte == b'\n').zip(1..).skip(1);
    lines
        .map(|(text, line)| (line, text.strip_suffix(b"\r").unwrap_or(text)))
        .take_while(|(_, text)| !text.is_empty())
}

/// The parser drops phrases that are not ASCII; this does not.
fn reason_phrase(head: &[u8]) -> &[u8] {
    // `HTTP/1.1 101 ` goes before it.
    trim_ows(start_line(head).get(13..).unwrap_or_default())
}

fn start_line(head: &[u8]) -> &[u8] {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests;
