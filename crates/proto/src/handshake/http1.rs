//! The head of an HTTP/1.1 request or response, without I/O (RFC 9112).

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::grammar::is_token;
use super::server::{RequestLine, Version};

/// Finds the end of a head in bytes that arrive in any pieces, looking at each byte once.
#[derive(Clone, Copy, Debug)]
pub struct HeadFinder {
    max_size: usize,
    max_fields: usize,
    scanned: usize,
    lines: usize,
    /// Bytes of the line under way, without its end.
    line: usize,
}

impl HeadFinder {
    /// A finder that refuses a head of more bytes or fields.
    pub fn new(max_size: usize, max_fields: usize) -> Self {
        Self { max_size, max_fields, scanned: 0, lines: 0, line: 0 }
    }

    /// Looks at the bytes of `received`, all that came so far, which are new since the last
    /// call. Gives the length of the head, its last empty line included, when it is whole.
    pub fn find(&mut self, received: &[u8]) -> Result<Option<usize>, HeadError> {
        while let Some(&byte) = received.get(self.scanned) {
            self.scanned += 1;
            match byte {
                // RFC 9112 §2.2: a bare LF may end a line.
                b'\n' if self.line == 0 && self.lines > 0 => return Ok(Some(self.scanned)),
                // ... and empty lines before the first are skipped.
                b'\n' if self.line == 0 => {}
                b'\n' => {
                    self.lines += 1;
                    self.line = 0;
                }
                b'\r' => {}
                _ => self.line += 1,
            }
            if self.scanned > self.max_size {
                return Err(HeadError::TooLarge { limit: self.max_size });
            }
            // One line is the request's or the status.
            if self.lines > self.max_fields + 1 {
                return Err(HeadError::TooManyFields { limit: self.max_fields });
            }
        }
        Ok(None)
    }
}

/// A request's head.
#[derive(Clone, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a str,
    /// The request target as it stands.
    pub target: &'a str,
    /// The minor version of HTTP/1.
    pub minor: u8,
    /// The header fields.
    pub fields: Vec<(&'a str, &'a [u8])>,
}

impl RequestHead<'_> {
    /// What [`super::server::check`] wants to know of it.
    pub fn line(&self) -> RequestLine<'_> {
        let version = if self.minor == 0 { Version::Http10 } else { Version::Http11 };
        RequestLine { method: self.method, version, protocol: None }
    }
}

/// A response's head.
#[derive(Clone, Debug)]
pub struct ResponseHead<'a> {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub fields: Vec<(&'a str, &'a [u8])>,
}

/// Parses a whole head of a request.
pub fn parse_request(head: &[u8], max_fields: usize) -> Result<RequestHead<'_>, HeadError> {
    let mut fields = vec![httparse::EMPTY_HEADER; max_fields];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(head).map_err(|e| HeadError::from_parser(e, max_fields))?;
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(HeadError::Malformed("an end is missing"));
    };
    Ok(RequestHead { method, target, minor, fields: pairs(request.headers) })
}

/// Parses a whole head of a response.
pub fn parse_response(head: &[u8], max_fields: usize) -> Result<ResponseHead<'_>, HeadError> {
    let mut fields = vec![httparse::EMPTY_HEADER; max_fields];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(head).map_err(|e| HeadError::from_parser(e, max_fields))?;
    let status = response.code.ok_or(HeadError::Malformed("an end is missing"))?;
    Ok(ResponseHead { status, fields: pairs(response.headers) })
}

fn pairs<'a>(fields: &[httparse::Header<'a>]) -> Vec<(&'a str, &'a [u8])> {
    fields.iter().map(|f| (f.name, f.value)).collect()
}

/// Writes the head of a request.
///
/// Nothing that could end a line early or add one is let through.
pub fn write_request<N: AsRef<str>, V: AsRef<[u8]>>(
    method: &str,
    target: &str,
    fields: &[(N, V)],
) -> Result<Vec<u8>, HeadError> {
    if !is_token(method.as_bytes()) || !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(HeadError::Unwritable);
    }
    let mut head = Vec::with_capacity(256);
    for part in [method, " ", target, " HTTP/1.1\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    write_fields(head, fields)
}

/// Writes the head of a response.
pub fn write_response<N: AsRef<str>, V: AsRef<[u8]>>(
    status: u16,
    fields: &[(N, V)],
) -> Result<Vec<u8>, HeadError> {
    let head = alloc::format!("HTTP/1.1 {status:03} {}\r\n", reason_phrase(status));
    write_fields(head.into_bytes(), fields)
}

fn write_fields<N: AsRef<str>, V: AsRef<[u8]>>(
    mut head: Vec<u8>,
    fields: &[(N, V)],
) -> Result<Vec<u8>, HeadError> {
    for (name, value) in fields {
        let (name, value) = (name.as_ref().as_bytes(), value.as_ref());
        let clean = |b: &u8| *b == b'\t' || (*b >= b' ' && *b != 0x7f);
        if !is_token(name) || !value.iter().all(clean) {
            return Err(HeadError::Unwritable);
        }
        for part in [name, b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

/// The words beside a status that this library sends by itself (RFC 9110 §15); others
/// go without, as RFC 9112 §4 allows.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    }
}

/// A guess of what speaks there, from the first bytes of what is no HTTP/1 head.
pub fn guess_protocol(received: &[u8]) -> Option<&'static str> {
    match received {
        [0x16, 0x03, ..] => Some("TLS; is this a wss URL on a plain port?"),
        [0x15, 0x03, ..] => Some("TLS; is this a ws URL on a TLS port?"),
        [b'P', b'R', b'I', b' ', b'*', ..] | [0, 0, _, 4, ..] => Some("HTTP/2"),
        [b'S', b'S', b'H', b'-', ..] => Some("SSH"),
        _ => None,
    }
}

/// A head that is not taken, or can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// More bytes than `max_head_size`.
    TooLarge {
        /// The setting.
        limit: usize,
    },
    /// More fields than `max_head_fields`.
    TooManyFields {
        /// The setting.
        limit: usize,
    },
    /// Not HTTP/1, with what the parser found.
    Malformed(&'static str),
    /// A header or target to be sent has characters that may not stand there.
    Unwritable,
}

impl HeadError {
    fn from_parser(error: httparse::Error, max_fields: usize) -> Self {
        use httparse::Error as E;
        match error {
            E::HeaderName => Self::Malformed("a header name is wrong"),
            E::HeaderValue => Self::Malformed("a header value is wrong"),
            E::NewLine => Self::Malformed("a line end is wrong"),
            E::Status => Self::Malformed("the status is wrong"),
            E::Token => Self::Malformed("the first line is wrong"),
            E::TooManyHeaders => Self::TooManyFields { limit: max_fields },
            E::Version => Self::Malformed("the version is not HTTP/1.0 or HTTP/1.1"),
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => {
                write!(f, "the HTTP head is larger than max_head_size ({limit} bytes)")
            }
            Self::TooManyFields { limit } => {
                write!(f, "the HTTP head has more fields than max_head_fields ({limit})")
            }
            Self::Malformed(what) => write!(f, "not an HTTP/1.1 head: {what} (RFC 9112 §2)"),
            Self::Unwritable => {
                f.write_str("a header or target has a character that may not be sent (RFC 9112 §5)")
            }
        }
    }
}

impl core::error::Error for HeadError {}
