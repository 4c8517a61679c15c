//! How whole messages are taken, and which of them are compressed.

use core::ops::Range;

use bytes::Bytes;

use super::Sender;
use super::batch::FrameBatch;
use super::config::{COALESCE, SendError};
use super::frame_start::FrameStart;
#[cfg(feature = "deflate")]
use crate::deflate::PreparedMessage;
use crate::deflate::{CompressedMessage, Compression};
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
    pub(crate) fn send_promised(
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

    /// Queues a message that stays the caller's, if it becomes shorter by compression, or is short
    /// enough to be copied. Returns whether it did.
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
        let copies = payload.len() <= self.coalesce();
        if copies {
            self.push_copied(FrameStart::of(kind, false), true, payload);
        }
        Ok(copies)
    }

    /// Queues a message that is sent to many.
    #[cfg(feature = "deflate")]
    pub(crate) fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.check_message()?;
        let message = prepared.message();
        if let Some(deflate) = &mut self.deflate
            && deflate.wants(message.len(), Compression::Auto)
            && let Some(compressed) = prepared.compressed(deflate.window_bits())
        {
            deflate.note_sent(message.as_bytes());
            self.push_message(FrameStart::of(prepared.kind(), true), compressed);
        } else if message.len() <= self.coalesce() {
            self.push_copied(FrameStart::of(prepared.kind(), false), true, message.as_bytes());
        } else {
            self.push_fragments(
                FrameStart::of(prepared.kind(), false),
                message.clone().into_bytes(),
            );
        }
        Ok(())
    }

    /// Whether frames that were made for others can be sent, too: they are neither masked nor
    /// compressed nor cut.
    pub(crate) fn shares_frames(&self) -> bool {
        self.masks.is_none() && self.deflate.is_none() && self.fragment_size >= COALESCE
    }

    /// Queues frames of a batch, together, as one message would be.
    pub(crate) fn send_batch(
        &mut self,
        batch: &FrameBatch,
        range: Range<usize>,
    ) -> Result<(), SendError> {
        assert!(self.shares_frames(), "this sender must make its own frames");
        self.check_message()?;
        let frames = batch.frames(range);
        self.buffer.get_or_insert_default().tail.extend_from_slice(frames);
        self.buffered += frames.len();
        Ok(())
    }

    /// How many bytes more may wait before it is [`Full`](SendError::Full), if whole messages
    /// can be sent.
    pub(crate) fn room(&self) -> usize {
        match self.check_message() {
            Ok(()) => self.high_water - self.buffered,
            Err(_) => 0,
        }
    }

    #[inline]
    fn check_message(&self) -> Result<(), SendError> {
        self.check_ready()?;
        if self.fragmenting.is_some() { Err(SendError::MessageUnderWay) } else { Ok(()) }
    }

    /// Queues a message compressed, if that is wanted and makes it shorter. Apart from those who
    /// call it, which stay small where nothing is compressed.
    #[inline(never)]
    fn compress(&mut self, kind: MessageKind, payload: &[u8], compression: Compression) -> bool {
        // Put aside, as what comes out goes to the queue.
        let Some(mut deflate) = self.deflate.take() else { return false };
        let lead = FrameStart::of(kind, true);
        let compressed = deflate.wants(payload.len(), compression)
            && deflate.compress(payload, |output| match output {
                CompressedMessage::Short(bytes) if bytes.len() <= self.coalesce() => {
                    self.push_copied(lead, true, bytes);
                }
                CompressedMessage::Short(bytes) => {
                    self.push_message(lead, Bytes::copy_from_slice(bytes));
                }
                CompressedMessage::Long(bytes) => self.push_message(lead, bytes),
            });
        self.deflate = Some(deflate);
        compressed
    }
}
