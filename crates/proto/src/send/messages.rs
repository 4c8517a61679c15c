//! Whole messages: whether they are taken, and which are compressed.

use core::ops::Range;

use bytes::Bytes;

use super::Sender;
use super::batch::FrameBatch;
use super::config::{MAX_INLINE, SendError};
use super::frame_start::FrameStart;
use crate::deflate::{CompressedMessage, Compression, PreparedMessage};
use crate::receive::MessageKind;

impl Sender {
    /// Queues a whole message.
    #[inline]
    pub(crate) fn send_with(
        &mut self,
        kind: MessageKind,
        payload: Bytes,
        compression: Compression,
    ) -> Result<(), (SendError, Bytes)> {
        match self.check_message() {
            Ok(()) => {
                self.queue_message(kind, payload, compression);
                Ok(())
            }
            Err(error) => Err((error, payload)),
        }
    }

    /// Queues a whole message even if [`high_water`](SendConfig::high_water) has been reached.
    pub(crate) fn send_reserved(
        &mut self,
        kind: MessageKind,
        payload: Bytes,
        compression: Compression,
    ) -> Result<(), (SendError, Bytes)> {
        match self.check_message() {
            Ok(()) | Err(SendError::Full) if self.fragmenting.is_none() => {
                self.queue_message(kind, payload, compression);
                Ok(())
            }
            Ok(()) | Err(SendError::Full) => Err((SendError::MessageUnderWay, payload)),
            Err(error) => Err((error, payload)),
        }
    }

    #[inline]
    fn queue_message(&mut self, kind: MessageKind, payload: Bytes, compression: Compression) {
        if self.deflate.is_none() || !self.compress(kind, &payload, compression) {
            self.push_message(FrameStart::of(kind, false), payload);
        }
    }

    /// Queues a copy of a message, if compression makes it shorter or it is short enough to be
    /// copied. Returns whether it did.
    #[inline]
    pub(crate) fn send_copy(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        compression: Compression,
    ) -> Result<bool, SendError> {
        self.check_message()?;
        if self.deflate.is_some() && self.compress(kind, payload, compression) {
            return Ok(true);
        }
        let copies = payload.len() <= self.max_inline_len();
        if copies {
            self.push_inline(FrameStart::of(kind, false), true, payload);
        }
        Ok(copies)
    }

    /// Queues a message that is sent on many connections.
    pub(crate) fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.check_message()?;
        let message = prepared.message();
        if let Some(deflate) = &mut self.deflate
            && deflate.should_compress(message.len(), Compression::Auto)
            && let Some(compressed) = prepared.compressed(deflate.window_bits())
        {
            deflate.record_sent(message.as_bytes());
            self.push_message(FrameStart::of(prepared.kind(), true), compressed);
        } else if message.len() <= self.max_inline_len() {
            self.push_inline(FrameStart::of(prepared.kind(), false), true, message.as_bytes());
        } else {
            self.push_fragments(
                FrameStart::of(prepared.kind(), false),
                message.clone().into_bytes(),
            );
        }
        Ok(())
    }

    /// Whether frames that were encoded for other connections can be sent, too: frames here are
    /// neither masked nor compressed nor fragmented.
    pub(crate) fn can_share_frames(&self) -> bool {
        self.masks.is_none() && self.deflate.is_none() && self.fragment_size as usize >= MAX_INLINE
    }

    /// Queues frames of a batch together, as one message would be.
    pub(crate) fn send_batch(
        &mut self,
        batch: &FrameBatch,
        range: Range<usize>,
    ) -> Result<(), SendError> {
        assert!(self.can_share_frames(), "this sender must make its own frames");
        self.check_message()?;
        let frames = batch.frames(range);
        self.buffer.get_or_insert_default().tail.extend_from_slice(frames);
        self.buffered += frames.len();
        Ok(())
    }

    /// Returns how many more bytes can be queued before the sender is [`Full`](SendError::Full); 0
    /// if no whole message can be sent.
    pub(crate) fn remaining_capacity(&self) -> usize {
        match self.check_message() {
            Ok(()) => self.high_water() - self.buffered,
            Err(_) => 0,
        }
    }

    #[inline]
    fn check_message(&self) -> Result<(), SendError> {
        self.check_ready()?;
        if self.fragmenting.is_some() { Err(SendError::MessageUnderWay) } else { Ok(()) }
    }

    /// Queues a message compressed, if that is wanted and makes it shorter. Returns whether it did.
    ///
    /// It is not inlined, so that its callers stay small for connections without compression.
    #[inline(never)]
    fn compress(&mut self, kind: MessageKind, payload: &[u8], compression: Compression) -> bool {
        // Taken out of `self` meanwhile, as its output is pushed to the queue.
        let Some(mut deflate) = self.deflate.take() else { return false };
        let start = FrameStart::of(kind, true);
        let compressed = deflate.should_compress(payload.len(), compression)
            && deflate.compress(payload, |output| match output {
                CompressedMessage::Borrowed(bytes) if bytes.len() <= self.max_inline_len() => {
                    self.push_inline(start, true, bytes);
                }
                CompressedMessage::Borrowed(bytes) => {
                    self.push_message(start, Bytes::copy_from_slice(bytes));
                }
                CompressedMessage::Owned(bytes) => self.push_message(start, bytes),
            });
        self.deflate = Some(deflate);
        compressed
    }
}
