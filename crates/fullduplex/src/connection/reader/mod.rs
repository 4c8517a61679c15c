//! The receiving half of a connection: reads the transport, assembles messages, and reports control
//! frames and errors to the writer.
//!
//! Messages are made here, `transport.rs` reads and handles the end, and `read_ahead.rs` reads for
//! an application that only sends.

mod read_ahead;
mod transport;

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use fullduplex_proto::{
    Assembler, DeflateParams, Message, MessageEvent, MessageKind, OwnedEvent, ProtocolError,
    ReceiveBuffer, Receiver,
};

use crate::base::coop;
use crate::base::error::Error;
use crate::base::message_memory::MEMORY;
use crate::connection::reader::read_ahead::ReadAheadState;
use crate::connection::writer::Writer;
use crate::transport::Transport;
use crate::transport::halves::ReadHalf;

pub(crate) use transport::read_until_closed;

/// The inflated bytes that cost one step of the task's cooperative budget. Little input may inflate
/// to a lot, and 64 KiB take some tenths of a millisecond: they are a whole turn.
const INFLATED_STEP: usize = 512;

/// The receiving side of a connection, used by one task at a time.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, kept small")]
pub(crate) struct Reader<S> {
    read_half: ReadHalf<S>,
    receiver: Receiver,
    /// Received bytes that were not decoded yet.
    input: ReceiveBuffer,
    /// The part of an unfinished message that was received.
    assembler: Assembler,
    mode: ReadMode,
    /// Whether the end was reported to the application. After that it gets `None`, and received
    /// messages are of no use. Set with any mode.
    end_reported: bool,
    /// Whether the peer has ended its direction of the transport.
    read_ended: bool,
    /// Whether the last read returned less than there was capacity for, so that probably nothing
    /// else is there.
    drained: bool,
    /// Whether the last read returned bytes as soon as they arrived, so that a Pong in them is a
    /// measure of the round trip.
    read_promptly: bool,
    /// The number of driver turns, roughly, in which the application has sent since it last asked
    /// for a message.
    turns_sent_since_next: u8,
    /// Whether `None` was returned to the application.
    terminated: bool,
    /// Boxed, as most connections have none.
    options: Option<Box<ConnectionOptions<S>>>,
}

/// How the current message is read.
///
/// ```text
///           first chunk                   reader dropped,
///           by poll_chunk                 or poll_message
///  Whole ─────────────────▶ Chunked ─────────────────────▶ Skipping
///    ▲                         │                               │
///    └──────── last chunk ─────┴────────── last chunk ─────────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadMode {
    /// Between messages, or while `poll_message` assembles one.
    Whole,
    /// Within a message that is read in chunks. The assembler is empty.
    Chunked,
    /// Within such a message, of which the application does not want the rest.
    Skipping,
}

/// The negotiated options, and what else most connections do without.
pub(crate) struct ConnectionOptions<S> {
    pub(crate) subprotocol: Option<Box<str>>,
    pub(crate) deflate: Option<DeflateParams>,
    read_ahead: Option<ReadAheadState<S>>,
}

impl<S> Default for ConnectionOptions<S> {
    fn default() -> Self {
        Self { subprotocol: None, deflate: None, read_ahead: None }
    }
}

/// A chunk of a message.
pub(crate) struct MessageChunk {
    pub(crate) kind: MessageKind,
    pub(crate) payload: Bytes,
    /// Whether the message ends with this chunk.
    pub(crate) last: bool,
}

/// The next item or an error, or `None` after the end.
type NextItem<T> = Option<Result<T, Error>>;

impl<S: Transport> Reader<S> {
    pub(crate) fn new(read_half: ReadHalf<S>, receiver: Receiver, leftover: BytesMut) -> Self {
        Self {
            read_half,
            receiver,
            input: ReceiveBuffer::from(leftover),
            assembler: Assembler::with_allocator(&MEMORY),
            mode: ReadMode::Whole,
            end_reported: false,
            read_ended: false,
            drained: false,
            read_promptly: false,
            turns_sent_since_next: 0,
            terminated: false,
            options: None,
        }
    }

    /// Adds an observer of what is received, what was received before included.
    #[cfg(feature = "tap")]
    pub(crate) fn add_tap(&mut self, queue: &Arc<crate::transport::tap::TapQueue>) {
        let before = self.input.bytes_mut();
        queue.push(crate::transport::tap::Direction::Received, [&before[..]], before.len());
        self.read_half = mem::replace(&mut self.read_half, ReadHalf::Gone).tapped(queue);
    }

    /// Returns whether `None` was returned to the application.
    pub(crate) fn is_terminated(&self) -> bool {
        self.terminated
    }

    pub(crate) fn options(&self) -> Option<&ConnectionOptions<S>> {
        self.options.as_deref()
    }

    pub(crate) fn set_subprotocol(&mut self, subprotocol: Option<Box<str>>) {
        if subprotocol.is_some() {
            self.options.get_or_insert_default().subprotocol = subprotocol;
        }
    }

    pub(crate) fn set_deflate(&mut self, deflate: Option<DeflateParams>) {
        if deflate.is_some() {
            self.options.get_or_insert_default().deflate = deflate;
        }
    }

    /// Returns whether compression was negotiated.
    #[inline]
    fn inflates(&self) -> bool {
        self.options().is_some_and(|options| options.deflate.is_some())
    }

    /// Returns whether messages are not compressed, and none were read ahead.
    #[inline]
    fn is_plain(&self) -> bool {
        self.options()
            .is_none_or(|options| options.deflate.is_none() && options.read_ahead.is_none())
    }

    /// Returns how many bytes of an unfinished message are held.
    pub(crate) fn assembled_len(&self) -> usize {
        self.assembler.len()
    }

    /// Returns whether there are received bytes that may hold further messages.
    #[inline]
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Receives the next message. Returns `None` after the peer's Close, and after an error.
    #[allow(clippy::inline_always, reason = "a call, and the move of its result, cost a tenth")]
    #[inline(always)]
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
    ) -> Poll<NextItem<Message>> {
        self.turns_sent_since_next = 0;
        // The fast path: a whole frame that is in the buffer. If the turn of the task may be over,
        // the slow path checks that, and waits.
        if self.mode == ReadMode::Whole
            && self.is_plain()
            && !writer.has_rate_limits()
            && coop::charge_message()
            && let Some(message) = self.input.next_single_frame(&mut self.receiver, &self.assembler)
        {
            writer.record_message(message.kind(), true, message.len());
            // Returned from here, so that it is moved once.
            return Poll::Ready(Some(Ok(message)));
        }
        self.poll_message_within(cx, writer, usize::MAX)
    }

    /// Receives the next message, in any form.
    ///
    /// Returns `Pending` without registering a waker once `limit` bytes of an unfinished message
    /// are [held](Self::assembled_len); the caller must not wait for a wake-up then.
    pub(crate) fn poll_message_within(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
        limit: usize,
    ) -> Poll<NextItem<Message>> {
        if let Some(message) = ready!(self.poll_read_ahead(cx, writer)) {
            return Poll::Ready(Some(message));
        }
        self.skip_rest();
        loop {
            ready!(self.poll_turn(cx));
            if self.mode == ReadMode::Skipping {
                match ready!(self.poll_chunk(cx, writer)) {
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                }
            }
            if let Some(message) = self.input.next_single_frame(&mut self.receiver, &self.assembler)
            {
                // It was not compressed, so no inflating is charged.
                return Poll::Ready(Some(self.count_message(message, writer)));
            }
            let has_any = self.has_input() || self.receiver.has_more();
            let next = if has_any {
                self.input.next_within(&mut self.receiver, &mut self.assembler, limit)
            } else {
                Ok(None)
            };
            match next {
                Ok(Some(MessageEvent::Message(message))) => {
                    self.spend(cx, message.len());
                    return Poll::Ready(Some(self.count_message(message, writer)));
                }
                Ok(Some(control)) => {
                    if let Err(error) = self.handle_control(&control, writer) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Ok(None) if self.assembler.len() >= limit => return Poll::Pending,
                Ok(None) => match ready!(self.poll_more(cx, writer, limit)) {
                    Some(Ok(Some(message))) => {
                        return Poll::Ready(Some(self.count_message(message, writer)));
                    }
                    Some(Ok(None)) => {}
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                },
                Err(error) => return Poll::Ready(Some(Err(self.fail(error, writer)))),
            }
        }
    }

    /// Receives the next chunk of a message. The first call starts a message, and the chunk with
    /// `last` ends it.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
    ) -> Poll<NextItem<MessageChunk>> {
        self.turns_sent_since_next = 0;
        if let Some(message) = ready!(self.poll_read_ahead(cx, writer)) {
            return Poll::Ready(Some(message.map(|message| MessageChunk {
                kind: message.kind(),
                payload: message.into_bytes(),
                last: true,
            })));
        }
        loop {
            ready!(self.poll_turn(cx));
            if !self.assembler.is_empty() {
                // A dropped `poll_message` has assembled a part of this message.
                let kind = self.receiver.message_kind().unwrap_or(MessageKind::Binary);
                let payload: Bytes = self.assembler.take_partial().into();
                self.start_chunks();
                let chunk = MessageChunk { kind, payload, last: false };
                return Poll::Ready(Some(self.count_chunk(chunk, writer)));
            }
            match self.input.next_chunk(&mut self.receiver) {
                Ok(Some(OwnedEvent::Data { kind, payload, last, .. })) => {
                    self.spend(cx, payload.len());
                    if last {
                        self.mode = ReadMode::Whole;
                    } else {
                        self.start_chunks();
                    }
                    return Poll::Ready(Some(
                        self.count_chunk(MessageChunk { kind, payload, last }, writer),
                    ));
                }
                Ok(Some(OwnedEvent::Control(control))) => {
                    if let Err(error) = self.handle_control(&control, writer) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Ok(None) => match ready!(self.poll_read(cx, writer)) {
                    Some(Ok(())) => {}
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                },
                Err(error) => return Poll::Ready(Some(Err(self.fail(error, writer)))),
            }
        }
    }

    /// Waits for the task's next turn if this one is spent, before buffered bytes are decoded: no
    /// read would make the task wait, and the application may have spent the turn on the last
    /// message. With compression a message costs more, so the budget is looked at each time.
    #[inline]
    fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inflates() { coop::poll_proceed(cx) } else { coop::poll_message(cx) }
    }

    /// Charges inflated bytes to the task's cooperative budget.
    #[inline]
    fn spend(&self, cx: &mut Context<'_>, inflated: usize) {
        if self.inflates() {
            coop::consume(cx, inflated, INFLATED_STEP);
        }
    }

    /// Counts a message for the application. Fails if it exceeds a rate limit.
    #[inline]
    fn count_message(
        &mut self,
        message: Message,
        writer: &Arc<Writer<S>>,
    ) -> Result<Message, Error> {
        writer.record_message(message.kind(), true, message.len());
        if writer.has_rate_limits() { self.check_rates(message, writer) } else { Ok(message) }
    }

    /// Fails if a message, which was counted, exceeds a rate limit.
    #[cold]
    fn check_rates(&mut self, message: Message, writer: &Arc<Writer<S>>) -> Result<Message, Error> {
        match writer.check_rates(true, message.len()) {
            Ok(()) => Ok(message),
            Err(error) => Err(self.stop_after_failure(error)),
        }
    }

    /// Counts a chunk for the application. Fails if it exceeds a rate limit.
    fn count_chunk(
        &mut self,
        chunk: MessageChunk,
        writer: &Arc<Writer<S>>,
    ) -> Result<MessageChunk, Error> {
        writer.record_message(chunk.kind, chunk.last, chunk.payload.len());
        if writer.has_rate_limits()
            && let Err(error) = writer.check_rates(chunk.last, chunk.payload.len())
        {
            return Err(self.stop_after_failure(error));
        }
        Ok(chunk)
    }

    /// Stops decoding after a failure of the connection that the writer knows of.
    #[cold]
    fn stop_after_failure(&mut self, error: ProtocolError) -> Error {
        self.receiver.discard_input();
        self.report_end();
        Error::of(error)
    }

    /// Records that the end is reported to the application, and drops the part of a message that
    /// was received. Returns whether the end was reported before.
    fn report_end(&mut self) -> bool {
        self.assembler.take_partial();
        mem::replace(&mut self.end_reported, true)
    }

    /// Enters a message in chunks, unless it is being skipped.
    fn start_chunks(&mut self) {
        if self.mode != ReadMode::Skipping {
            self.mode = ReadMode::Chunked;
        }
    }

    /// Skips the rest of a message whose reader was dropped.
    pub(crate) fn skip_rest(&mut self) {
        if self.mode == ReadMode::Chunked {
            self.mode = ReadMode::Skipping;
        }
    }

    /// Returns whether the next chunks are of a message to be skipped.
    pub(crate) fn is_skipping(&self) -> bool {
        self.mode == ReadMode::Skipping
    }

    /// Reports a control frame to the writer, which answers it.
    fn handle_control(
        &mut self,
        control: &MessageEvent,
        writer: &Arc<Writer<S>>,
    ) -> Result<(), Error> {
        let Some(event) = control.control() else { return Ok(()) };
        writer
            .handle_event(&event, self.read_promptly)
            .map_err(|error| self.stop_after_failure(error))
    }

    /// Fails the connection (RFC 6455 §7.1.7), and returns the error for the application.
    fn fail(&mut self, error: ProtocolError, writer: &Arc<Writer<S>>) -> Error {
        writer.fail(error);
        self.report_end();
        Error::of(error)
    }
}
