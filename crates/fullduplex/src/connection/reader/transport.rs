//! Reading of the transport, and its end.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use bytes::{BufMut, BytesMut};
use fullduplex_proto::{Assembler, CloseCause, Message, ReceiveBuffer};
use tokio::io::AsyncReadExt;

use crate::base::buffers;
use crate::base::coop;
use crate::base::error::Error;
use crate::base::guard;
use crate::base::guard::{Panicked, caught};
use crate::base::message_memory;
use crate::base::message_memory::MEMORY;
use crate::connection::reader::read_ahead::ReadAheadState;
use crate::connection::reader::{NextItem, Reader};
use crate::connection::writer::Writer;
use crate::transport::Transport;
use crate::transport::halves::ReadHalf;

/// The received bytes that cost one step of the task's cooperative budget: 2 MiB are a turn, so
/// that a message of 1 MiB can be answered in the turn in which it was received, while it is in the
/// processor's cache.
const RECEIVED_STEP: usize = 16 << 10;

/// The remaining bytes of a message from which on they are read straight into the message, which
/// saves a copy.
const MIN_DIRECT: u64 = 16 << 10;

/// The most bytes of one read straight into a message. They are unmasked at once, while they are
/// in the processor's cache.
const MAX_DIRECT: usize = 256 << 10;

impl<S: Transport> Reader<S> {
    /// Reads more: straight into a long message, of which no more than `limit` bytes are held, or
    /// else into the input. Returns the message if that is complete.
    pub(super) fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
        limit: usize,
    ) -> Poll<NextItem<Option<Message>>> {
        let remaining = self.receiver.payload_remaining();
        if remaining < MIN_DIRECT || self.end_reported || self.read_ended {
            return self.poll_read(cx, writer).map(|end| end.map(|read| read.map(|()| None)));
        }
        if self.input.is_empty() {
            // Its bytes are in the message: the thread's block, to which it still refers, can be
            // used again by others while this message goes on.
            self.input = ReceiveBuffer::default();
        }
        let (buffer, capacity) = self.assembler.reserve(remaining);
        let start = buffer.len();
        let read = {
            let mut limited = buffer.limit(capacity.min(limit - start).min(MAX_DIRECT));
            writer.poll_unlocked(|| pin!(self.read_half.read_buf(&mut limited)).poll(cx))
        };
        match ready!(self.on_read(cx, writer, read)) {
            Some(Ok(())) => {
                writer.record_activity();
                match self.assembler.commit(&mut self.receiver, start) {
                    Ok(message) => Poll::Ready(Some(Ok(message))),
                    Err(error) => Poll::Ready(Some(Err(self.fail(error, writer)))),
                }
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => Poll::Ready(None),
        }
    }

    /// Reads more into the input.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
    ) -> Poll<NextItem<()>> {
        // Most often the task has to wait now, for which no block of memory is needed.
        if mem::take(&mut self.drained) && self.input.is_empty() {
            // Drops the last reference into the thread's block, which can then be used again.
            self.input = ReceiveBuffer::default();
            if writer.poll_unlocked(|| self.read_half.poll_readable(cx)).is_pending() {
                return self.poll_wait(cx, writer).map(|end| end.map(Err));
            }
        }
        // What is left is an incomplete header or control frame at most: a few bytes to copy.
        let mut leftover = mem::take(&mut self.input).into_bytes();
        if leftover.is_empty() {
            // Drops the last reference into the thread's block, which can then be used again.
            leftover = BytesMut::new();
        }
        let mut block = buffers::take_read();
        block.extend_from_slice(&leftover);
        drop(leftover);
        let read = writer.poll_unlocked(|| pin!(self.read_half.read_buf(&mut block)).poll(cx));
        self.drained = read.is_ready() && block.len() < block.capacity();
        if !block.is_empty() {
            self.input = take_block(&mut block, read.is_pending());
        }
        buffers::return_read(block);
        self.on_read(cx, writer, read)
    }

    /// Handles the result of a read: bytes, the end, an error, or a wait.
    fn on_read(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
        read: Poll<io::Result<usize>>,
    ) -> Poll<NextItem<()>> {
        match read {
            Poll::Ready(Ok(bytes @ 1..)) => {
                self.read_promptly = writer.record_received(bytes);
                coop::consume(cx, bytes, RECEIVED_STEP);
                Poll::Ready(Some(Ok(())))
            }
            Poll::Ready(Ok(0)) => self.on_read_end(cx, writer).map(|end| end.map(Err)),
            // TLS that ends without close_notify (RFC 8446 §6.1). Truncation is not a risk here: a
            // WebSocket is complete only with the peer's Close.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.on_read_end(cx, writer).map(|end| end.map(Err))
            }
            Poll::Ready(Err(error)) => {
                Poll::Ready(self.on_end(CloseCause::TransportError, Some(error), writer).map(Err))
            }
            Poll::Pending => self.poll_wait(cx, writer).map(|end| end.map(Err)),
        }
    }

    /// Handles the end of the peer's direction. Without the peer's Close this is an error at once.
    /// With it, the connection ends when what is queued has left, this end's Close included.
    fn on_read_end(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
    ) -> Poll<Option<Error>> {
        self.read_ended = true;
        self.input.bytes_mut().clear();
        writer.end_reading();
        let unclean = writer.close_info().filter(|info| !info.close_received);
        if let Some(info) = unclean
            && !self.report_end()
        {
            return Poll::Ready(Some(Error::ended(&info)));
        }
        self.poll_wait(cx, writer)
    }

    /// Waits for the transport, after having written what is queued. The writer may know a reason
    /// not to wait.
    fn poll_wait(&mut self, cx: &mut Context<'_>, writer: &Arc<Writer<S>>) -> Poll<Option<Error>> {
        match writer.before_wait(cx) {
            Some(cause) => Poll::Ready(self.on_end(cause, None, writer)),
            None => Poll::Pending,
        }
    }

    /// Ends the connection. Returns an error for the application, once, if anything may be lost.
    fn on_end(
        &mut self,
        cause: CloseCause,
        source: Option<io::Error>,
        writer: &Arc<Writer<S>>,
    ) -> Option<Error> {
        let must_drop = writer.end(cause);
        self.discard_received();
        if must_drop {
            self.drop_transport(writer);
        }
        let reported = self.report_end();
        let unclean = writer
            .close_info()
            .filter(|info| !reported && !info.is_clean() && info.cause != CloseCause::Handshake);
        let Some(info) = unclean else {
            self.terminated = true;
            return None;
        };
        let error = Error::ended(&info);
        Some(match source {
            Some(source) => error.with_source(source),
            None => error,
        })
    }
}

impl<S> Reader<S> {
    /// Drops the transport and what was received, as the application has aborted the connection.
    pub(crate) fn abort(&mut self, writer: &Writer<S>) {
        self.discard_received();
        self.drop_transport(writer);
    }

    /// Drops what was received and not returned yet.
    fn discard_received(&mut self) {
        self.input = ReceiveBuffer::default();
        self.assembler = Assembler::with_allocator(&MEMORY);
        self.receiver.discard_input();
    }

    /// Drops the transport, whose `Drop` is foreign code, and that of the task that reads ahead.
    pub(crate) fn drop_transport(&mut self, writer: &Writer<S>) {
        let read_ahead = self.options.as_mut().and_then(|options| options.read_ahead.take());
        if let Some(ReadAheadState::Running(task)) = read_ahead
            && let Some(mut reader) = task.drop_transport()
        {
            reader.drop_transport(writer);
        }
        let read_half = mem::replace(&mut self.read_half, ReadHalf::Gone);
        if caught(|| drop(read_half)).is_err() {
            writer.report_panic("what a connection held", None);
        }
    }
}

/// Takes the received bytes out of the thread's block.
#[inline]
fn take_block(block: &mut BytesMut, waits: bool) -> ReceiveBuffer {
    let copy = if waits {
        // An exact copy: it may take long until the rest arrives, and keep a whole block until
        // then.
        ReceiveBuffer::from(BytesMut::from(&block[..]))
    } else if let Some(copy) = message_memory::copy_shared(block) {
        ReceiveBuffer::shared(copy)
    } else {
        return ReceiveBuffer::from(block.split());
    };
    block.clear();
    copy
}

/// Reads a connection until it is closed, and drops the messages.
///
/// This is for a connection whose receiving half was dropped: Pings are answered while the sending
/// half still works, and the closing handshake completes. `close_timeout` bounds the latter.
pub(crate) async fn read_until_closed<S: Transport>(
    mut reader: Box<Reader<S>>,
    writer: Arc<Writer<S>>,
) {
    let reading = async {
        poll_fn(|cx| reader.poll_take_back(cx, &writer)).await;
        reader.drop_read_ahead(&writer);
        reader.end_reported = true;
        // After an error of the peer, what is queued leaves all the same.
        while poll_fn(|cx| reader.poll_chunk(cx, &writer)).await.is_some() {}
    };
    if let Err(Panicked) = guard::caught_in(reading).await {
        writer.report_panic("a transport", None);
    }
    reader.drop_transport(&writer);
}
