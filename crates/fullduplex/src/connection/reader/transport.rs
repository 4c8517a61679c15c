//! How a reader reads its transport, and what it does at the end.

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
use crate::connection::reader::{EndResult, Reader};
use crate::connection::writer::Writer;
use crate::transport::Transport;
use crate::transport::halves::ReadHalf;

/// So many bytes are a step of a task's turn, which ends after 1 MiB.
const STEP: usize = 8 << 10;

/// From this many bytes on, the rest of a message is read straight to its place.
const DIRECT: u64 = 16 << 10;

impl<S: Transport> Reader<S> {
    /// Reads more, where a long message can be read straight to its place: up to `most` bytes
    /// of it.
    pub(super) fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
        most: usize,
    ) -> Poll<EndResult<Option<Message>>> {
        let remaining = self.receiver.payload_remaining();
        if remaining < DIRECT || self.told || self.read_ended {
            return self.poll_read(cx, writer).map(|end| end.map(|read| read.map(|()| None)));
        }
        let (buffer, room) = self.assembler.reserve(remaining);
        let start = buffer.len();
        let read = {
            let mut limited = buffer.limit(room.min(most - start));
            writer.reading(|| pin!(self.read_half.read_buf(&mut limited)).poll(cx))
        };
        match ready!(self.after_read(cx, writer, read)) {
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
    ) -> Poll<EndResult<()>> {
        // An incomplete header or control frame, at most, is carried over.
        let mut carried = mem::take(&mut self.input).into_bytes();
        if carried.is_empty() {
            // Lets go of the thread's block.
            carried = BytesMut::new();
        }
        let mut block = buffers::take_read();
        block.extend_from_slice(&carried);
        drop(carried);
        let read = writer.reading(|| pin!(self.read_half.read_buf(&mut block)).poll(cx));
        if !block.is_empty() {
            self.input = hold(&mut block, read.is_pending());
        }
        buffers::return_read(block);
        self.after_read(cx, writer, read)
    }

    /// What a read came to: bytes, the end, or a wait.
    fn after_read(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
        read: Poll<io::Result<usize>>,
    ) -> Poll<EndResult<()>> {
        match read {
            Poll::Ready(Ok(bytes @ 1..)) => {
                self.at_once = writer.record_received(bytes);
                coop::consume(cx, bytes, STEP);
                Poll::Ready(Some(Ok(())))
            }
            Poll::Ready(Ok(0)) => self.at_read_end(cx, writer).map(|end| end.map(Err)),
            // TLS that ends without close_notify (RFC 8446 §6.1): whatever its peers make of
            // that, whether a WebSocket is complete is for its Close to say.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.at_read_end(cx, writer).map(|end| end.map(Err))
            }
            Poll::Ready(Err(error)) => {
                Poll::Ready(self.ended(CloseCause::TransportError, Some(error), writer).map(Err))
            }
            Poll::Pending => self.wait(cx, writer).map(|end| end.map(Err)),
        }
    }

    /// The peer has ended its direction. Without its Close that is an error at once; with it,
    /// the connection ends when what is queued has left, our Close included.
    fn at_read_end(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
    ) -> Poll<Option<Error>> {
        self.read_ended = true;
        self.input.bytes_mut().clear();
        writer.end_reading();
        let unclean = writer.close_info().filter(|info| !info.close_received);
        if let Some(info) = unclean
            && !self.tell_end()
        {
            return Poll::Ready(Some(Error::ended(&info)));
        }
        self.wait(cx, writer)
    }

    /// The transport has nothing to read now. What is queued leaves before this task waits.
    fn wait(&mut self, cx: &mut Context<'_>, writer: &Arc<Writer<S>>) -> Poll<Option<Error>> {
        match writer.before_wait(cx) {
            Some(cause) => Poll::Ready(self.ended(cause, None, writer)),
            None => Poll::Pending,
        }
    }

    /// The transport is done with: tells the application, once, if anything may be lost.
    fn ended(
        &mut self,
        cause: CloseCause,
        source: Option<io::Error>,
        writer: &Arc<Writer<S>>,
    ) -> Option<Error> {
        let drops = writer.end(cause);
        self.input = ReceiveBuffer::default();
        self.assembler = Assembler::with_allocator(&MEMORY);
        self.receiver.drain();
        if drops {
            self.give_up(writer);
        }
        let told = self.tell_end();
        let info = writer.close_info()?;
        if told || info.is_clean() || info.cause == CloseCause::Handshake {
            return None;
        }
        let error = Error::ended(&info);
        Some(match source {
            Some(source) => error.with_source(source),
            None => error,
        })
    }
}

impl<S> Reader<S> {
    /// Lets go of the transport, whose `Drop` may be anybody's.
    pub(crate) fn give_up(&mut self, writer: &Writer<S>) {
        let ahead = self.agreed.as_mut().and_then(|agreed| agreed.ahead.take());
        if let Some(ReadAheadState::Reading(reading)) = ahead
            && let Some(mut incoming) = reading.give_up()
        {
            incoming.give_up(writer);
        }
        let read_half = mem::replace(&mut self.read_half, ReadHalf::Gone);
        if caught(|| drop(read_half)).is_err() {
            writer.report_panic("what a connection held", None);
        }
    }
}

/// Takes what was read out of the thread's block.
#[inline]
fn hold(block: &mut BytesMut, waits: bool) -> ReceiveBuffer {
    let copy = if waits {
        // In memory of its own: it may be long till the rest comes.
        ReceiveBuffer::from(BytesMut::from(&block[..]))
    } else if let Some(copy) = message_memory::copy_shared(block) {
        ReceiveBuffer::shared(copy)
    } else {
        return ReceiveBuffer::from(block.split());
    };
    block.clear();
    copy
}

/// Reads to the end without listening, so that what is queued and the Close frame of a connection
/// whose owner is gone arrive; the close timeout bounds it.
pub(crate) async fn linger<S: Transport>(mut incoming: Box<Reader<S>>, writer: Arc<Writer<S>>) {
    let reading = async {
        poll_fn(|cx| incoming.poll_take_back(cx, &writer)).await;
        incoming.forget_ahead(&writer);
        incoming.told = true;
        // An error is the peer's, and what is queued leaves all the same.
        while poll_fn(|cx| incoming.poll_chunk(cx, &writer)).await.is_some() {}
    };
    if let Err(Panicked) = guard::caught_in(reading).await {
        writer.report_panic("a transport", None);
    }
    incoming.give_up(&writer);
}
