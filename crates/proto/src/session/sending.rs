//! Sending of messages, pings and pongs, and the bytes for the transport.

use alloc::boxed::Box;
use core::ops::Range;

use bytes::Bytes;

use super::{ReadyState, Session};
use crate::deflate::{Compression, PreparedMessage};
use crate::message::Message;
use crate::receive::MessageKind;
use crate::send::{ControlKind, FrameBatch, Outgoing, SendBuffer, SendError};

impl Session {
    /// Returns whether messages may be compressed.
    pub fn compresses(&self) -> bool {
        self.sender.compresses()
    }

    /// Returns whether a message of this length would be compressed now, or compression attempted.
    pub fn would_compress(&self, len: usize, compression: Compression) -> bool {
        self.sender.would_compress(len, compression)
    }

    /// Returns the window (as a number of bits) for which [`PreparedMessage`]s are compressed that
    /// are sent here, and the length in bytes from which on they are; `None` if messages are not
    /// compressed.
    pub fn prepared_window(&self) -> Option<(u8, usize)> {
        self.sender.prepared_window()
    }

    /// Returns the number of queued bytes from which on no more messages are taken, at least 1; see
    /// [`SendConfig::high_water`](crate::SendConfig::high_water).
    #[inline]
    pub fn high_water(&self) -> usize {
        self.sender.high_water()
    }

    /// Returns whether a message would be taken now.
    ///
    /// # Errors
    /// The reason why it would not.
    #[inline]
    pub fn check_ready(&self) -> Result<(), SendError> {
        if self.state == ReadyState::Open {
            self.sender.check_ready()
        } else {
            Err(SendError::Closing)
        }
    }

    /// Queues a whole message. The caller must ensure that text is UTF-8.
    ///
    /// # Errors
    /// Returns the payload with the reason why it was not taken.
    #[inline]
    pub fn send(&mut self, kind: MessageKind, payload: Bytes) -> Result<(), (SendError, Bytes)> {
        self.send_with(kind, payload, Compression::Auto)
    }

    /// Queues a whole message, with a choice of whether to compress it. The caller must ensure that
    /// text is UTF-8.
    ///
    /// # Errors
    /// Returns the payload with the reason why it was not taken.
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
        self.saw_message = true;
        Ok(())
    }

    /// Queues a [`Message`].
    ///
    /// # Errors
    /// Returns the message with the reason why it was not taken.
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
    /// reached: for a caller that has reserved capacity before, and must not fail now.
    ///
    /// # Errors
    /// Returns the message with the reason why it was not taken, which is never
    /// [`SendError::Full`].
    pub fn send_reserved(
        &mut self,
        message: Message,
        compression: Compression,
    ) -> Result<(), (SendError, Message)> {
        if self.state != ReadyState::Open {
            return Err((SendError::Closing, message));
        }
        let kind = message.kind();
        let sent = self.sender.send_reserved(kind, message.into_bytes(), compression);
        sent.map_err(|(error, payload)| (error, Message::checked(kind, payload)))?;
        self.saw_message = true;
        Ok(())
    }

    /// Queues a copy of a message: compressed, if that is wanted and makes it shorter, or
    /// uncompressed, if it is short. Returns whether it did. The caller must ensure that text is
    /// UTF-8.
    ///
    /// A long message is not copied: send it by [`send_message`](Self::send_message), without
    /// compression, as that was tried here.
    #[inline]
    pub fn send_copy(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        compression: Compression,
    ) -> Result<bool, SendError> {
        if self.state != ReadyState::Open {
            return Err(SendError::Closing);
        }
        let copied = self.sender.send_copy(kind, payload, compression)?;
        if copied {
            self.saw_message = true;
        }
        Ok(copied)
    }

    /// Queues a message that is sent on many connections: it is not copied, and compressed only if
    /// it has not been before for the same window.
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.send_prepared(prepared)?;
        self.saw_message = true;
        Ok(())
    }

    /// Returns whether [`send_batch`](Self::send_batch) can be used: frames sent here are neither
    /// masked nor compressed, nor fragmented where a batch would not be.
    pub fn can_share_frames(&self) -> bool {
        self.sender.can_share_frames()
    }

    /// Queues frames that were encoded once for many connections: a range that [`FrameBatch::push`]
    /// returned, or several adjacent ones. They are taken together, as one message would be;
    /// [`remaining_capacity`](Self::remaining_capacity) bounds how many can be.
    ///
    /// # Panics
    /// If the connection is open and not [`can_share_frames`](Self::can_share_frames), or if the
    /// range exceeds the batch.
    pub fn send_batch(&mut self, batch: &FrameBatch, range: Range<usize>) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.send_batch(batch, range)?;
        self.saw_message = true;
        Ok(())
    }

    /// Returns how many more bytes can be queued before the session is [`Full`](SendError::Full); 0
    /// if no whole message can be sent.
    pub fn remaining_capacity(&self) -> usize {
        if self.state == ReadyState::Open { self.sender.remaining_capacity() } else { 0 }
    }

    /// Queues a fragment of a message that is sent while it is produced (§5.4). The first call
    /// starts the message, with its `kind` and whether to compress it; the one with `last` ends it.
    ///
    /// A compressor gathers input until it is worth a block. To send what it holds back, call
    /// [`flush_fragment`](Self::flush_fragment).
    pub fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        last: bool,
        compression: Compression,
    ) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.send_fragment(kind, payload, last, compression)?;
        self.saw_message = true;
        Ok(())
    }

    /// Queues what the compressor holds back of a message that was started by
    /// [`send_fragment`](Self::send_fragment).
    pub fn flush_fragment(&mut self) -> Result<(), SendError> {
        self.check_ready()?;
        self.sender.flush_fragment()
    }

    /// Frees memory that compression can do without. With `history`, also the history that later
    /// messages could refer to, which makes them longer.
    pub fn release_memory(&mut self, history: bool) {
        self.sender.release_memory(history);
    }

    /// Returns whether a message started by [`send_fragment`](Self::send_fragment) is unfinished.
    pub fn is_fragmenting(&self) -> bool {
        self.sender.is_fragmenting()
    }

    /// Queues a Ping of the application (§5.5.2). It overtakes messages of which nothing was
    /// written yet.
    ///
    /// # Errors
    /// [`SendError::Full`] while the previous one is queued.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(ControlKind::Ping, payload)
    }

    /// Queues an unsolicited Pong (§5.5.3). It overtakes messages of which nothing was written yet.
    ///
    /// # Errors
    /// [`SendError::Full`] while the previous one is queued.
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

    /// Returns whether there are bytes for the transport.
    #[inline]
    pub fn wants_write(&self) -> bool {
        self.sender.wants_write()
    }

    /// Returns the number of bytes that are queued and not written yet, headers included.
    #[inline]
    pub fn buffered(&self) -> usize {
        self.sender.buffered()
    }

    /// Returns whether a buffer lent now would be used.
    #[inline]
    pub fn wants_buffer(&self) -> bool {
        self.sender.wants_buffer()
    }

    /// Lends an empty buffer to queue messages in, unless the session has one.
    #[inline]
    pub fn lend_buffer(&mut self, buffer: Box<SendBuffer>) {
        self.sender.lend_buffer(buffer);
    }

    /// Takes the buffer back once all is written; `None` before, or if there is no buffer.
    #[inline]
    pub fn take_buffer(&mut self) -> Option<Box<SendBuffer>> {
        self.sender.take_buffer()
    }

    /// Takes what was queued and not written before the end, so that the caller can drop it where
    /// that may take time; `None` while the session is not closed. [`buffered`](Self::buffered)
    /// still counts it, as the WebSocket API's `bufferedAmount` does.
    pub fn take_unsent(&mut self) -> Option<Box<SendBuffer>> {
        if self.state == ReadyState::Closed { self.sender.take_unsent() } else { None }
    }
}
