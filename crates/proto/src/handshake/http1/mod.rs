//! Heads of HTTP/1.1 messages: found, read and written without I/O (RFC 9112).
//!
//! A head arrives in pieces of any size. [`HeadFinder`] looks at each byte once, tells where the
//! head ends and enforces [`HeadLimits`] on the way; [`RequestHead`] and [`ResponseHead`] then
//! read it in place. What lies behind the head belongs to the next protocol: the caller keeps it.

mod head_finder;
mod read;
mod target;
mod write;

use core::fmt;

pub use head_finder::HeadFinder;
pub use read::{HeaderFields, RequestHead, ResponseHead};
pub use target::RequestTarget;
pub use write::{HeadWriteError, write_request, write_response};

/// How large a head may grow before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// Bytes from the first to the end of the empty line; 16 KiB unless set.
    pub max_head_bytes: usize,
    /// Header field lines; 100 unless set.
    pub max_fields: usize,
}

impl HeadLimits {
    /// Sets [`max_head_bytes`](Self::max_head_bytes).
    #[must_use]
    pub const fn with_max_head_bytes(mut self, bytes: usize) -> Self {
        self.max_head_bytes = bytes;
        self
    }

    /// Sets [`max_fields`](Self::max_fields).
    #[must_use]
    pub const fn with_max_fields(mut self, fields: usize) -> Self {
        self.max_fields = fields;
        self
    }
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { max_head_bytes: 16 * 1024, max_fields: 100 }
    }
}

/// Why bytes were refused as the head of an HTTP/1.1 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// The head does not end within the limit.
    TooLarge {
        /// [`HeadLimits::max_head_bytes`].
        max_head_bytes: usize,
    },
    /// The head has more field lines than the limit.
    TooManyFields {
        /// [`HeadLimits::max_fields`].
        max_fields: usize,
    },
    /// The peer speaks TLS, so one side has the wrong scheme or port.
    LooksLikeTls,
    /// The peer speaks HTTP/2 without having agreed on it (RFC 9113 §3.4).
    LooksLikeHttp2,
    /// The bytes are the start of no HTTP/1.x message.
    NotHttp,
    /// The request line or status line is malformed (RFC 9112 §3, §4).
    StartLine,
    /// The version is none of HTTP/1 (RFC 9112 §2.3).
    Version,
    /// The request target is of no form that its method allows (RFC 9112 §3.2).
    Target,
    /// A field line has no valid name (RFC 9112 §5).
    FieldName {
        /// The line within the head, the start line being 1.
        line: usize,
    },
    /// A field value holds a control character (RFC 9110 §5.5).
    FieldValue {
        /// The line within the head, the start line being 1.
        line: usize,
    },
    /// Whitespace stands between a field name and its colon (RFC 9112 §5.1).
    SpaceBeforeColon {
        /// The line within the head, the start line being 1.
        line: usize,
    },
    /// A field line continues the one before, or stands indented (RFC 9112 §2.2, §5.2).
    Folded {
        /// The line within the head, the start line being 1.
        line: usize,
    },
    /// The bytes to be read are not one whole head.
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
            Self::LooksLikeTls => f.write_str("this looks like TLS, expected plain HTTP/1.1"),
            Self::LooksLikeHttp2 => f.write_str("this looks like HTTP/2, expected HTTP/1.1"),
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
                write!(f, "whitespace in front of the colon in line {line} (RFC 9112 §5.1)")
            }
            Self::Folded { line } => {
                write!(f, "line {line} is folded, which is obsolete (RFC 9112 §5.2)")
            }
            Self::Incomplete => f.write_str("not one whole head"),
        }
    }
}

impl core::error::Error for HeadError {}
