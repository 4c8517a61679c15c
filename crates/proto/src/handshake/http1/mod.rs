//! Heads of HTTP/1.1 messages: found, parsed and written without I/O (RFC 9112).
//!
//! A head arrives in pieces of any size. [`HeadFinder`] reads each byte once, finds the end of the
//! head, and enforces [`HeadLimits`]. [`RequestHead`] and [`ResponseHead`] then parse the head in
//! place. The bytes after the head belong to the next protocol, and the caller keeps them.

mod head_finder;
mod read;
mod target;
mod write;

use core::fmt;

pub use head_finder::HeadFinder;
pub use read::{HeaderFields, RequestHead, ResponseHead};
pub use target::RequestTarget;
pub use write::{HeadWriteError, write_request, write_response};

use crate::setters::setters;

/// The maximum size of a head. A larger one is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// The maximum length in bytes, including the empty line. Default: 16 KiB.
    pub max_head_bytes: usize,
    /// The maximum number of header field lines. Default: 100.
    pub max_fields: usize,
}

impl HeadLimits {
    setters! {
        max_head_bytes: usize, ".";
        max_fields: usize, ".";
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { max_head_bytes: 16 * 1024, max_fields: 100 }
    }
}

/// The error of bytes that are not a valid head of an HTTP/1.1 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// The head is larger than the limit.
    TooLarge {
        /// [`HeadLimits::max_head_bytes`].
        max_head_bytes: usize,
    },
    /// The head has more field lines than the limit.
    TooManyFields {
        /// [`HeadLimits::max_fields`].
        max_fields: usize,
    },
    /// The peer uses TLS, so one side has the wrong scheme or port.
    LooksLikeTls,
    /// The peer uses HTTP/2 without negotiating it (RFC 9113 §3.4).
    LooksLikeHttp2,
    /// The bytes are not the start of an HTTP/1.x message.
    NotHttp,
    /// The request line or status line is malformed (RFC 9112 §3, §4).
    StartLine,
    /// The major version is not HTTP/1 (RFC 9112 §2.3).
    Version,
    /// The request target is not valid for its method (RFC 9112 §3.2).
    Target,
    /// A field line has no valid name (RFC 9112 §5).
    FieldName {
        /// The number of the line within the head. The start line is 1.
        line: usize,
    },
    /// A field value contains a control character (RFC 9110 §5.5).
    FieldValue {
        /// The number of the line within the head. The start line is 1.
        line: usize,
    },
    /// There is whitespace between a field name and its colon (RFC 9112 §5.1).
    SpaceBeforeColon {
        /// The number of the line within the head. The start line is 1.
        line: usize,
    },
    /// A field line begins with whitespace: it continues the line before (RFC 9112 §2.2, §5.2).
    Folded {
        /// The number of the line within the head. The start line is 1.
        line: usize,
    },
    /// The bytes are not exactly one complete head.
    Incomplete,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { max_head_bytes } => {
                write!(f, "the head is larger than max_head_bytes = {max_head_bytes}")
            }
            Self::TooManyFields { max_fields } => {
                write!(f, "the head has more fields than max_fields = {max_fields}")
            }
            Self::LooksLikeTls => f.write_str("this looks like TLS; expected plain HTTP/1.1"),
            Self::LooksLikeHttp2 => f.write_str("this looks like HTTP/2; expected HTTP/1.1"),
            Self::NotHttp => f.write_str("this is not HTTP/1.x"),
            Self::StartLine => f.write_str("malformed start line (RFC 9112 §3, §4)"),
            Self::Version => f.write_str("the version is not HTTP/1.1 (RFC 9112 §2.3)"),
            Self::Target => f.write_str("invalid request target (RFC 9112 §3.2)"),
            Self::FieldName { line } => {
                write!(f, "invalid field name in line {line} (RFC 9112 §5)")
            }
            Self::FieldValue { line } => {
                write!(f, "control character in the field value of line {line} (RFC 9110 §5.5)")
            }
            Self::SpaceBeforeColon { line } => {
                write!(f, "whitespace before the colon in line {line} (RFC 9112 §5.1)")
            }
            Self::Folded { line } => {
                write!(f, "line {line} is folded, which is obsolete (RFC 9112 §5.2)")
            }
            Self::Incomplete => f.write_str("not exactly one complete head"),
        }
    }
}

impl core::error::Error for HeadError {}
