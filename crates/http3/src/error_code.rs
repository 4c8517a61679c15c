//! Error codes of HTTP/3 and QPACK.

use std::fmt;

use http::StatusCode;

/// Why a stream or a connection was ended (RFC 9114 §8.1, RFC 9204 §6).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u64);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal $text:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The name that the RFC gives it, if it does.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// Nothing is wrong.
    NO_ERROR = 0x100 "H3_NO_ERROR";
    /// A rule was broken for which there is no code of its own.
    GENERAL_PROTOCOL_ERROR = 0x101 "H3_GENERAL_PROTOCOL_ERROR";
    /// A fault of this end.
    INTERNAL_ERROR = 0x102 "H3_INTERNAL_ERROR";
    /// A stream that is not accepted, or of a kind that may not be opened.
    STREAM_CREATION_ERROR = 0x103 "H3_STREAM_CREATION_ERROR";
    /// A stream ended that must stay open.
    CLOSED_CRITICAL_STREAM = 0x104 "H3_CLOSED_CRITICAL_STREAM";
    /// A frame stands where it may not.
    FRAME_UNEXPECTED = 0x105 "H3_FRAME_UNEXPECTED";
    /// A frame is laid out wrongly.
    FRAME_ERROR = 0x106 "H3_FRAME_ERROR";
    /// The peer makes too much work.
    EXCESSIVE_LOAD = 0x107 "H3_EXCESSIVE_LOAD";
    /// A stream or push identifier is used wrongly.
    ID_ERROR = 0x108 "H3_ID_ERROR";
    /// The SETTINGS are wrong.
    SETTINGS_ERROR = 0x109 "H3_SETTINGS_ERROR";
    /// The control stream does not begin with SETTINGS.
    MISSING_SETTINGS = 0x10a "H3_MISSING_SETTINGS";
    /// A request was not looked at, and may be sent again.
    REQUEST_REJECTED = 0x10b "H3_REQUEST_REJECTED";
    /// A request or its response is no longer wanted; RST in the words of TCP (RFC 9220 §3).
    REQUEST_CANCELLED = 0x10c "H3_REQUEST_CANCELLED";
    /// The stream ended within a request.
    REQUEST_INCOMPLETE = 0x10d "H3_REQUEST_INCOMPLETE";
    /// A message is malformed.
    MESSAGE_ERROR = 0x10e "H3_MESSAGE_ERROR";
    /// The TCP connection behind a CONNECT failed.
    CONNECT_ERROR = 0x10f "H3_CONNECT_ERROR";
    /// The request is to be made on HTTP/1.1.
    VERSION_FALLBACK = 0x110 "H3_VERSION_FALLBACK";
    /// A field section can't be decoded.
    QPACK_DECOMPRESSION_FAILED = 0x200 "QPACK_DECOMPRESSION_FAILED";
    /// An instruction on the encoder stream is wrong.
    QPACK_ENCODER_STREAM_ERROR = 0x201 "QPACK_ENCODER_STREAM_ERROR";
    /// An instruction on the decoder stream is wrong.
    QPACK_DECODER_STREAM_ERROR = 0x202 "QPACK_DECODER_STREAM_ERROR";
}

/// The name, or the number where there is none.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "the error code {:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A rule that the peer broke: the code to end the stream or connection with, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleViolation {
    /// The code that goes with it.
    pub code: ErrorCode,
    /// What was wrong, with the section of the RFC.
    pub why: &'static str,
    /// Whether it is the whole connection that ends, and not the stream alone.
    pub is_of_connection: bool,
    /// The status of the response that broke the rule, where it had one.
    pub status: Option<StatusCode>,
}

impl RuleViolation {
    pub(crate) const fn connection(code: ErrorCode, why: &'static str) -> Self {
        Self { code, why, is_of_connection: true, status: None }
    }

    pub(crate) const fn stream(code: ErrorCode, why: &'static str) -> Self {
        Self { code, why, is_of_connection: false, status: None }
    }
}

impl fmt::Display for RuleViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)?;
        if let Some(status) = self.status {
            write!(f, ", in a response with status {}", status.as_u16())?;
        }
        write!(f, " ({})", self.code)
    }
}

impl std::error::Error for RuleViolation {}
