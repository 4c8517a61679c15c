//! The error codes of HTTP/3 and QPACK, and violations of their rules.

use std::fmt;

use http::StatusCode;

/// An error code with which a stream or a connection is closed (RFC 9114 §8.1, RFC 9204 §6).
///
/// It is complete: a code is a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u64);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal $text:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// Returns the name of the code in its RFC, if it has one.
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
    /// No error.
    NO_ERROR = 0x100 "H3_NO_ERROR";
    /// A violation of a rule without a more specific code.
    GENERAL_PROTOCOL_ERROR = 0x101 "H3_GENERAL_PROTOCOL_ERROR";
    /// An internal error of the sender.
    INTERNAL_ERROR = 0x102 "H3_INTERNAL_ERROR";
    /// A stream that is not accepted, or of a type that the peer may not open.
    STREAM_CREATION_ERROR = 0x103 "H3_STREAM_CREATION_ERROR";
    /// A stream that must stay open was closed.
    CLOSED_CRITICAL_STREAM = 0x104 "H3_CLOSED_CRITICAL_STREAM";
    /// A frame that is not allowed in the current state or on this stream.
    FRAME_UNEXPECTED = 0x105 "H3_FRAME_UNEXPECTED";
    /// A frame with an invalid layout or size.
    FRAME_ERROR = 0x106 "H3_FRAME_ERROR";
    /// The peer causes excessive load.
    EXCESSIVE_LOAD = 0x107 "H3_EXCESSIVE_LOAD";
    /// A stream or push identifier is used incorrectly.
    ID_ERROR = 0x108 "H3_ID_ERROR";
    /// The SETTINGS frame has an invalid payload.
    SETTINGS_ERROR = 0x109 "H3_SETTINGS_ERROR";
    /// The first frame of the control stream is not SETTINGS.
    MISSING_SETTINGS = 0x10a "H3_MISSING_SETTINGS";
    /// The request was not processed, and may be sent again.
    REQUEST_REJECTED = 0x10b "H3_REQUEST_REJECTED";
    /// The request or its response is no longer needed. Equivalent to a TCP reset of a tunnel
    /// (RFC 9220 §3).
    REQUEST_CANCELLED = 0x10c "H3_REQUEST_CANCELLED";
    /// The stream ended before the request was complete.
    REQUEST_INCOMPLETE = 0x10d "H3_REQUEST_INCOMPLETE";
    /// A message is malformed.
    MESSAGE_ERROR = 0x10e "H3_MESSAGE_ERROR";
    /// The TCP connection of a CONNECT request failed.
    CONNECT_ERROR = 0x10f "H3_CONNECT_ERROR";
    /// The request must be sent again over HTTP/1.1.
    VERSION_FALLBACK = 0x110 "H3_VERSION_FALLBACK";
    /// A field section can't be decoded.
    QPACK_DECOMPRESSION_FAILED = 0x200 "QPACK_DECOMPRESSION_FAILED";
    /// An instruction on the encoder stream is invalid.
    QPACK_ENCODER_STREAM_ERROR = 0x201 "QPACK_ENCODER_STREAM_ERROR";
    /// An instruction on the decoder stream is invalid.
    QPACK_DECODER_STREAM_ERROR = 0x202 "QPACK_DECODER_STREAM_ERROR";
}

/// Writes the name of the code, or its number if it has no name.
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

/// A violation of a rule by the peer: a stream error or a connection error (RFC 9114 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleViolation {
    /// The code with which the stream or connection is closed.
    pub code: ErrorCode,
    /// The broken rule, with the section of the RFC.
    pub reason: &'static str,
    /// Whether the connection is closed, rather than only the stream.
    pub is_connection_error: bool,
    /// The status of the response that broke the rule, if it has one.
    pub status: Option<StatusCode>,
}

impl RuleViolation {
    pub(crate) const fn connection_error(code: ErrorCode, reason: &'static str) -> Self {
        Self { code, reason, is_connection_error: true, status: None }
    }

    pub(crate) const fn stream_error(code: ErrorCode, reason: &'static str) -> Self {
        Self { code, reason, is_connection_error: false, status: None }
    }
}

impl fmt::Display for RuleViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        if let Some(status) = self.status {
            write!(f, ", in a response with status {}", status.as_u16())?;
        }
        write!(f, " ({})", self.code)
    }
}

impl std::error::Error for RuleViolation {}
