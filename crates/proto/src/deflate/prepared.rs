//! A message that is encoded once and sent to many.

use alloc::sync::Arc;
use core::fmt;
use std::sync::OnceLock;

use bytes::Bytes;

use super::compress::{CompressedMessage, compress_whole};
use super::pool::{self, FixedParams};
use super::{DeflateConfig, MAX_WINDOW_BITS};
use crate::message::Message;
use crate::receive::MessageKind;

/// zlib's smallest window.
const FIRST_BITS: u8 = 9;
const WINDOWS: usize = (MAX_WINDOW_BITS - FIRST_BITS + 1) as usize;

/// A message to be sent on many connections: compressed at most once for each window size
/// that is asked for, and not copied for any of them.
///
/// It is compressed by itself, which every connection that has agreed to compression can
/// take: also one with context takeover, whose later messages may then refer to it. Clones
/// share it.
///
/// ```
/// use fullduplex_proto::deflate::PreparedMessage;
///
/// let prepared = PreparedMessage::new("the same for everybody");
/// assert_eq!(prepared.message().as_text(), Some("the same for everybody"));
/// ```
#[derive(Clone)]
pub struct PreparedMessage {
    shared: Arc<PreparedShared>,
}

struct PreparedShared {
    message: Message,
    level: u8,
    /// By window; `None` inside if it would not become shorter.
    compressed: [OnceLock<Option<Bytes>>; WINDOWS],
}

impl PreparedMessage {
    /// Prepares a message.
    pub fn new(message: impl Into<Message>) -> Self {
        Self::with_level(message, 6)
    }

    /// Prepares a message that is compressed with a [level](DeflateConfig::level) of its
    /// own, 1 to 9, whatever the connections' is. [`new`](Self::new) takes 6.
    pub fn with_level(message: impl Into<Message>, level: u8) -> Self {
        let (message, level) = (message.into(), level.clamp(1, 9));
        let shared = PreparedShared { message, level, compressed: Default::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.shared.message
    }

    pub(crate) fn kind(&self) -> MessageKind {
        self.shared.message.kind()
    }

    /// Compresses the message for connections with this window (see
    /// [`Session::prepared_window`](crate::Session::prepared_window)), so that sending it there
    /// does not. Returns whether that was yet to do.
    pub fn compress(&self, window_bits: u8) -> bool {
        let is_new = !self.is_compressed(window_bits);
        if is_new {
            self.compressed(window_bits);
        }
        is_new
    }

    /// Whether the message was compressed for this window.
    pub fn is_compressed(&self, window_bits: u8) -> bool {
        self.slot(self.bits(window_bits)).get().is_some()
    }

    /// The message compressed for a window, if that makes it shorter.
    pub(crate) fn compressed(&self, window_bits: u8) -> Option<Bytes> {
        let bits = self.bits(window_bits);
        let PreparedShared { message, level, .. } = &*self.shared;
        self.slot(bits).get_or_init(|| compress(message.as_bytes(), *level, bits)).clone()
    }

    /// The window that it is compressed with, for a connection with this one.
    fn bits(&self, window_bits: u8) -> u8 {
        // A window that reaches over all of the message is as good as any longer one. zlib
        // refers back by 262 bytes less than its window.
        let needed = usize::BITS - (self.shared.message.len() + 262).leading_zeros();
        let needed = u8::try_from(needed).unwrap_or(MAX_WINDOW_BITS);
        window_bits.min(needed).clamp(FIRST_BITS, MAX_WINDOW_BITS)
    }

    fn slot(&self, bits: u8) -> &OnceLock<Option<Bytes>> {
        &self.shared.compressed[usize::from(bits - FIRST_BITS)]
    }
}

fn compress(message: &[u8], level: u8, window_bits: u8) -> Option<Bytes> {
    let memory_level = DeflateConfig::balanced().memory_level;
    let mut workspace = pool::take_deflating(FixedParams { level, memory_level, window_bits });
    let mut compressed = None;
    compress_whole(workspace.get(), message, |output| {
        compressed = Some(match output {
            CompressedMessage::Short(bytes) => Bytes::copy_from_slice(bytes),
            CompressedMessage::Long(bytes) => bytes,
        });
    });
    pool::give_deflating(workspace);
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
