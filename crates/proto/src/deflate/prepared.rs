//! A message that is compressed once and sent on many connections.

use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;

use super::CompressedForms;
use crate::config_error::ConfigError;
use crate::message::Message;
use crate::receive::MessageKind;

/// A message to send on many connections.
///
/// It is compressed at most once for each window size in use, and not copied for any connection.
/// It does not refer to earlier messages, so every connection that negotiated compression can
/// send it. With context takeover, later messages may refer to it. Clones share one message.
///
/// ```
/// use fullduplex_proto::deflate::PreparedMessage;
///
/// let prepared = PreparedMessage::new("for all members of the room");
/// assert_eq!(prepared.message().as_text(), Some("for all members of the room"));
/// ```
#[derive(Clone)]
pub struct PreparedMessage {
    shared: Arc<PreparedShared>,
}

struct PreparedShared {
    message: Message,
    compressed: CompressedForms,
}

impl PreparedMessage {
    /// Prepares a message that is compressed with level 6.
    pub fn new(message: impl Into<Message>) -> Self {
        Self::compressed_with(message.into(), 6)
    }

    /// Prepares a message that is compressed with the given
    /// [level](super::DeflateConfig#structfield.level), from 1 to 9, instead of 6.
    ///
    /// # Errors
    /// Fails if the level is out of range.
    pub fn with_level(message: impl Into<Message>, level: u8) -> Result<Self, ConfigError> {
        ConfigError::require((1..=9).contains(&level), "level", "be from 1 to 9")?;
        Ok(Self::compressed_with(message.into(), level))
    }

    fn compressed_with(message: Message, level: u8) -> Self {
        let compressed = CompressedForms::new(level);
        Self { shared: Arc::new(PreparedShared { message, compressed }) }
    }

    /// Returns the message.
    pub fn message(&self) -> &Message {
        &self.shared.message
    }

    pub(crate) fn kind(&self) -> MessageKind {
        self.shared.message.kind()
    }

    /// Compresses the message in advance for connections with this window, which
    /// [`Session::prepared_window`](crate::Session::prepared_window) returns. Returns `false` if
    /// that was done before.
    pub fn compress(&self, window_bits: u8) -> bool {
        let is_new = !self.is_compressed(window_bits);
        if is_new {
            self.compressed(window_bits);
        }
        is_new
    }

    /// Returns whether the message was compressed for this window.
    pub fn is_compressed(&self, window_bits: u8) -> bool {
        let PreparedShared { message, compressed } = &*self.shared;
        compressed.has(message.as_bytes(), window_bits)
    }

    /// Returns the message compressed for a window, if that makes it shorter.
    pub(crate) fn compressed(&self, window_bits: u8) -> Option<Bytes> {
        let PreparedShared { message, compressed } = &*self.shared;
        compressed.get(message.as_bytes(), window_bits)
    }
}

impl<M: Into<Message>> From<M> for PreparedMessage {
    fn from(message: M) -> Self {
        Self::new(message)
    }
}

impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PreparedMessage").field(&self.shared.message).finish()
    }
}
