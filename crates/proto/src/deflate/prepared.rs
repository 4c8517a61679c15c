//! A message that is compressed once and sent on many connections.

use alloc::sync::Arc;
use core::fmt;
use std::sync::OnceLock;

use bytes::Bytes;

use super::compress::{CompressedMessage, compress_message};
use super::pool::{self, FixedParams};
use super::{DeflateConfig, MAX_WINDOW_BITS};
use crate::message::Message;
use crate::receive::MessageKind;

/// The smallest window of zlib, as a power of two.
const MIN_ZLIB_WINDOW_BITS: u8 = 9;
/// The number of window sizes of zlib.
const WINDOW_SIZES: usize = (MAX_WINDOW_BITS - MIN_ZLIB_WINDOW_BITS + 1) as usize;

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
    level: u8,
    /// The compressed message for each window size. `None` inside if it would not become shorter.
    compressed: [OnceLock<Option<Bytes>>; WINDOW_SIZES],
}

impl PreparedMessage {
    /// Prepares a message that is compressed with level 6.
    pub fn new(message: impl Into<Message>) -> Self {
        Self::with_level(message, 6)
    }

    /// Prepares a message that is compressed with the given [level](DeflateConfig::level), from 1
    /// to 9, instead of that of the connections.
    pub fn with_level(message: impl Into<Message>, level: u8) -> Self {
        let (message, level) = (message.into(), level.clamp(1, 9));
        let shared = PreparedShared { message, level, compressed: Default::default() };
        Self { shared: Arc::new(shared) }
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
        self.cell(self.effective_bits(window_bits)).get().is_some()
    }

    /// Returns the message compressed for a window, if that makes it shorter.
    pub(crate) fn compressed(&self, window_bits: u8) -> Option<Bytes> {
        let effective_bits = self.effective_bits(window_bits);
        let PreparedShared { message, level, .. } = &*self.shared;
        self.cell(effective_bits)
            .get_or_init(|| compress(message.as_bytes(), *level, effective_bits))
            .clone()
    }

    /// Returns the window with which the message is compressed for connections with `window_bits`.
    fn effective_bits(&self, window_bits: u8) -> u8 {
        // A window as long as the message is as good as a longer one. zlib refers back by at most
        // 262 bytes less than its window.
        let needed = usize::BITS - (self.shared.message.len() + 262).leading_zeros();
        let needed = u8::try_from(needed).unwrap_or(MAX_WINDOW_BITS);
        window_bits.min(needed).clamp(MIN_ZLIB_WINDOW_BITS, MAX_WINDOW_BITS)
    }

    fn cell(&self, effective_bits: u8) -> &OnceLock<Option<Bytes>> {
        &self.shared.compressed[usize::from(effective_bits - MIN_ZLIB_WINDOW_BITS)]
    }
}

fn compress(message: &[u8], level: u8, window_bits: u8) -> Option<Bytes> {
    let memory_level = DeflateConfig::balanced().memory_level;
    let mut workspace = pool::take_compressor(FixedParams { level, memory_level, window_bits });
    let mut compressed = None;
    compress_message(workspace.get(), message, |output| {
        compressed = Some(match output {
            CompressedMessage::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            CompressedMessage::Owned(bytes) => bytes,
        });
    });
    pool::put_compressor(workspace);
    compressed
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
