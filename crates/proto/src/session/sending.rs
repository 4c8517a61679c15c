//! What a session sends: messages, pings and pongs, and the bytes for the transport.

use alloc::boxed::Box;
use core::ops::Range;

use bytes::Bytes;

use super::{ReadyState, Session};
use crate::deflate::Compression;
#[cfg(feature = "deflate")]
use crate::deflate::PreparedMessage;
use crate::message::Message;
use crate::receive::MessageKind;
use crate::send::{ControlKind, FrameBatch, Outgoing, SendBuffer, SendError};

impl Session {
    /// Whether messages may be compressed.
    pub fn compresses(&self) -> bool {
        self.sender.compresses()
    }

    /// Whether a message of this length would be compressed now, or tried to.
    pub fn would_compress(&self, len: usize, compression: Compression) -> bool {
        self.sender.would_compress(len, compression)
    }

    /// Returns the window for which [`PreparedMessage`]s are compressed that are sent here, and the
    /// length from which on they are; `None` if messages are not compressed.
    #[cfg(feature = "deflate")]
    pub fn prepared_window(&self) -> Option<(u8, usize)> {
        self.sender.prepared_window()
    }

    /// Returns how many bytes wait for the transport when no more messages are taken: at least 1;
    /// see [`SendConfig::high_water`](crate::SendConfig::high_water).
    pub fn high_water(&self) -> usize {
        self.sender.high_water()
    }

    /// Whether a message would be taken now, and if not, why.
    #[inline]
    pub fn check_ready(&self) -> Result<(), SendError> {
        if self.state == ReadyState::Open {
            self.sender.check_ready()
        } else {
            Err(SendError::Closing)
        }
    }

    /// Queues a whole message. That text is UTF-8 is the caller's duty.
    #[inline]
    pub fn send(&mut self, kind: MessageKind, payload: Bytes) -> Result<(), (SendError, Bytes)> {
        self.send_with(kind, payload, Compression::Auto)
    }

    /// Queues a whole message, and says whether it is to be compressed.
    #[inline]
    pub fn send_with(
        &mut self,
        kind: MessageKind,
        payload: Bytes,
        compression: Compression,
    ) -> Result<(), (SendError, Bytes)> {
        if self.state != ReadyState::Open {
            return Err((SendError::Closing, payload));
        }
        self.sender.send_with(kind, payload, compression)?;
        self.timers.note_message();
        Ok(())
    }

    /// Queues a [`Message`], which comes back as one if it is refused.
    #[inline]
    pub fn send_message(
        &mut self,
        message: Message,
        compression: Compression,
    ) -> Result<(), (SendError, Message)> {
        let kind = message.kind();
        let sent = self.send_with(kind, message.into_bytes(), compression);
        sent.map_err(|(error, payload)| (error, Message::checked(kind, payload)))
    }

    /// Queues a whole message even if [`high_water`](crate::SendConfig::high_water) has been
    /// reached: for a caller who found room before, and must not refuse the message now.
    pub fn send_promised(
        &mut self,
        message: Message,
        compression: Compression,
    ) -> Result<(), (SendError, Message)> {
        if self.state != ReadyState::Open {
            return Err((SendError::Closing, message));
        }
        let kind = message.kind();
        let sent = self.sender.send_promised(kind, message.into_bytes(), compression);
        sent.map_err(|(error, payload)| (error, Message::checked(kind, payload)))?;
        self.timers.note_message();
        Ok(())
    }

    /// Queues a message that stays the caller's: compressed, if that is wanted and makes it
    /// shorter, or by a copy, if it is short. Returns whether it did. What is long is not copied,
    /// and is for [`send_message`](Self::send_message): uncompressed, as that was tried here.
    #[inline]
    pub fn send_copy(
        &mut self,
        message: &Message,
        compression: Compression,
    ) -> Result<bool, SendError> {
        if self.state != ReadyState::Open {
            return Err(SendError::Closing);
        }
        let copied = self.sender.send_copy(message.kind(), message.as_bytes(), compression)?;
        if copied {
            self.timers.note_message();
        }
        Ok(copied)
    }

    /// Queues a message that is sent to many: it is not copied, and compressed only if it
    /// has not been before.
    #[cfg(feature = "deflate")]
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.send_prepared(prepared)?;
        self.timers.note_message();
        Ok(())
    }

    /// Whether [`send_batch`](Self::send_batch) can be used: frames that are sent here are neither
    /// masked nor compressed, nor cut where a batch would not cut them.
    pub fn shares_frames(&self) -> bool {
        self.sender.shares_frames()
    }

    /// Queues frames that were made for many connections: a range that [`FrameBatch::push`]
    /// returned, or several that follow one another. They are taken together, as one message would
    /// be; how many may be is what [`room`](Self::room) returns.
    ///
    /// # Panics
    /// While the connection is open: unless [`shares_frames`](Self::shares_frames), or if the batch
    /// ends before the range.
    pub fn send_batch(&mut self, batch: &FrameBatch, range: Range<usize>) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.send_batch(batch, range)?;
        self.timers.note_message();
        Ok(())
    }

    /// How many bytes more may wait before it is [`Full`](SendError::Full); none if no whole
    /// message can be sent.
    pub fn room(&self) -> usize {
        if self.state == ReadyState::Open { self.sender.room() } else { 0 }
    }

    /// Queues a piece of a message that is sent as it is made (§5.4). The first call
    /// begins the message, with its `kind` and whether it is to be compressed; the one with
    /// `last` ends it.
    ///
    /// A compressor gathers pieces until they are worth a block: what shall leave before
    /// the message goes on is brought out by [`flush_fragment`](Self::flush_fragment).
    pub fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        last: bool,
        compression: Compression,
    ) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.send_fragment(kind, payload, last, compression)?;
        self.timers.note_message();
        Ok(())
    }

    /// Queues what the compressor holds back of a message that was begun by
    /// [`send_fragment`](Self::send_fragment).
    pub fn flush_fragment(&mut self) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.flush_fragment()
    }

    /// Gives up what memory compression can do without. With `history`, also what later
    /// messages could refer to, so that they become longer.
    pub fn release_memory(&mut self, history: bool) {
        self.sender.release_memory(history);
    }

    /// Whether a message begun by [`send_fragment`](Self::send_fragment) is unfinished.
    pub fn is_fragmenting(&self) -> bool {
        self.sender.is_fragmenting()
    }

    /// Queues a Ping of the application (§5.5.2), which overtakes data that has not begun to leave.
    /// While the last one waits, it is refused as [`SendError::Full`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(ControlKind::Ping, payload)
    }

    /// Queues a Pong that no Ping asked for (§5.5.3), which overtakes data that has not begun to
    /// leave. While the last one waits, it is refused as [`SendError::Full`].
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(ControlKind::Pong, payload)
    }

    fn control(&mut self, kind: ControlKind, payload: &[u8]) -> Result<(), SendError> {
        if self.state != ReadyState::Open {
            return Err(SendError::Closing);
        }
        self.sender.send_control(kind, payload)
    }

    /// Returns a view of the bytes for the transport, in order.
    #[inline]
    pub fn outgoing(&mut self) -> Outgoing<'_> {
        self.sender.outgoing()
    }

    /// Whether there is anything for the transport.
    #[inline]
    pub fn wants_write(&self) -> bool {
        self.sender.wants_write()
    }

    /// Returns how many bytes were taken and have not left yet, headers included.
    #[inline]
    pub fn buffered(&self) -> usize {
        self.sender.buffered()
    }

    /// Whether a buffer lent now would be used.
    #[inline]
    pub fn wants_buffer(&self) -> bool {
        self.sender.wants_buffer()
    }

    /// Lends an empty buffer to hold messages in, unless there is one.
    #[inline]
    pub fn lend(&mut self, buffer: Box<SendBuffer>) {
        self.sender.lend(buffer);
    }

    /// Takes the buffer back, once all is written.
    #[inline]
    pub fn reclaim(&mut self) -> Option<Box<SendBuffer>> {
        self.sender.reclaim()
    }

    /// Takes out what was queued and did not leave before the end, so that it can be dropped
    /// where that is allowed to take its time; `None` before. [`buffered`](Self::buffered)
    /// counts it still, as the WebSocket API's `bufferedAmount` does.
    pub fn take_unsent(&mut self) -> Option<Box<SendBuffer>> {
        if self.state == ReadyState::Closed { self.sender.take_unsent() } else { None }
    }
}
