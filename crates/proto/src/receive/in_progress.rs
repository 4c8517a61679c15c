//! The frame and the message that are being received.

use super::event::MessageKind;
use crate::error::ProtocolError;
use crate::limits::BYTES_PER_FRAGMENT;
use crate::utf8::Utf8Validator;

/// The data frame whose payload is being received.
#[derive(Debug, Default)]
pub(super) struct FrameInProgress {
    pub(super) remaining: u64,
    pub(super) key: Option<[u8; 4]>,
    pub(super) fin: bool,
}

/// The message being received, from its first frame's header to its last byte.
#[derive(Debug, Default)]
pub(super) struct MessageInProgress {
    pub(super) kind: Option<MessageKind>,
    /// Whether a chunk of it was returned.
    pub(super) started: bool,
    pub(super) utf8: Utf8Validator,
    pub(super) fragments: u32,
    /// The payload length that the headers of its frames so far announce, in bytes.
    pub(super) len: u64,
    pub(super) compressed: bool,
}

impl MessageInProgress {
    /// Counts one more frame of the message against the limit on fragments.
    pub(super) fn count_fragment(
        &mut self,
        limit: u32,
        inflated: u64,
    ) -> Result<(), ProtocolError> {
        self.fragments = self.fragments.saturating_add(1);
        let earned = self.len.max(inflated) / BYTES_PER_FRAGMENT;
        // The first fragment is not counted here.
        if u64::from(self.fragments) + 1 > u64::from(limit) + earned {
            return Err(ProtocolError::TooManyFragments { limit });
        }
        Ok(())
    }

    #[inline]
    pub(super) fn check_text(&mut self, chunk: &[u8], last: bool) -> Result<(), ProtocolError> {
        // §8.1: a message that is not UTF-8 fails the connection.
        if self.utf8.push(chunk).is_err() || (last && !self.utf8.is_complete()) {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok(())
    }
}
