//! The payload of a Close frame (RFC 6455 §5.5.1).

use alloc::string::String;
use core::fmt;

use crate::close_code::CloseCode;
use crate::error::ProtocolError;

/// The most bytes of a close reason: 125 less the two of the code (§5.5).
pub const MAX_REASON_LEN: usize = 123;

/// The code and reason of a Close frame.
///
/// It is complete: a Close has no other parts (§5.5.1).
///
/// ```
/// use fullduplex_proto::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame::new(CloseCode::new(4000), "the room is closed").unwrap();
/// assert_eq!(frame.code, 4000);
/// // At most 123 bytes.
/// assert!(CloseFrame::new(CloseCode::NORMAL, &"x".repeat(124)).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CloseFrame {
    /// The close code.
    pub code: CloseCode,
    /// The reason, for a developer rather than a user (§7.1.6); at most 123 bytes.
    pub reason: String,
}

impl CloseFrame {
    /// Creates a Close frame.
    ///
    /// # Errors
    /// If the code must not be sent or the reason is longer than 123 bytes.
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Result<Self, InvalidClose> {
        let reason = reason.into();
        if !code.is_sendable() {
            return Err(InvalidClose::Code(code));
        }
        if reason.len() > MAX_REASON_LEN {
            return Err(InvalidClose::ReasonTooLong(reason.len()));
        }
        Ok(Self { code, reason })
    }

    /// Returns the frame with what can be sent of it: `None` if its code can't be, and a reason
    /// that is cut to the limit. Its fields are public, so they may be anything.
    pub(crate) fn sendable(self) -> Option<Self> {
        self.code.is_sendable().then(|| Self::truncated(self.code, self.reason))
    }

    /// Creates a Close frame of this library, with a reason that is cut to the limit.
    pub(crate) fn truncated(code: CloseCode, mut reason: String) -> Self {
        let mut end = reason.len().min(MAX_REASON_LEN);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        Self { code, reason }
    }

    /// Parses the payload of a received Close frame; `None` if it is empty (code 1005).
    ///
    /// # Errors
    /// If the payload breaks a rule of §5.5.1 or §7.4.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            // §5.5.1: if there is a body, its first two bytes are the code.
            [_] => return Err(ProtocolError::ClosePayloadTooShort),
            [a, b, reason @ ..] => (CloseCode::new(u16::from_be_bytes([*a, *b])), reason),
        };
        if !code.is_sendable() {
            return Err(ProtocolError::CloseCode(code));
        }
        let reason = core::str::from_utf8(reason).map_err(|_| ProtocolError::CloseReason)?;
        Ok(Some(Self { code, reason: reason.into() }))
    }
}

impl fmt::Display for CloseFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reason.is_empty() {
            write!(f, "{}", self.code)
        } else {
            write!(f, "{}: {:?}", self.code, self.reason)
        }
    }
}

/// The error for a Close frame that must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidClose {
    /// The code must not be sent (§7.4).
    Code(CloseCode),
    /// The reason has this many bytes; 123 are allowed (§5.5).
    ReasonTooLong(usize),
}

impl fmt::Display for InvalidClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(
                f,
                "close code {} may not be sent; \
                 use 1000–1003, 1007–1014 or 3000–4999 (RFC 6455 §7.4)",
                code.get()
            ),
            Self::ReasonTooLong(len) => write!(
                f,
                "a close reason of {len} bytes is too long; \
                 {MAX_REASON_LEN} are allowed (RFC 6455 §5.5)"
            ),
        }
    }
}

impl core::error::Error for InvalidClose {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_payloads_are_read() {
        use ProtocolError as E;
        assert_eq!(CloseFrame::parse(b""), Ok(None));
        assert_eq!(CloseFrame::parse(b"\x03"), Err(E::ClosePayloadTooShort));
        assert_eq!(
            CloseFrame::parse(b"\x03\xe8bye"),
            Ok(Some(CloseFrame::new(CloseCode::NORMAL, "bye").unwrap()))
        );
        assert_eq!(CloseFrame::parse(b"\x03\xe8\xff"), Err(E::CloseReason));
        // nats-server sends this one.
        assert_eq!(CloseFrame::parse(b"\x03\xed"), Err(E::CloseCode(CloseCode::NO_STATUS)));
    }

    #[test]
    fn close_that_may_not_be_sent_is_refused() {
        assert!(CloseFrame::new(CloseCode::ABNORMAL, "").is_err());
        assert!(CloseFrame::new(CloseCode::NORMAL, "x".repeat(123)).is_ok());
        let error = CloseFrame::new(CloseCode::NORMAL, "x".repeat(124)).unwrap_err();
        assert!(alloc::format!("{error}").contains("123"));
        let cut = CloseFrame::truncated(CloseCode::NORMAL, "é".repeat(100));
        assert_eq!(cut.reason.len(), 122);
    }
}
