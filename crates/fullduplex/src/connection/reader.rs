//! The receiving half: reads the transport, makes messages, and tells the writer what is
//! owed for what came.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{io, mem};

use bytes::{BufMut, Bytes, BytesMut};
use fullduplex_proto::{
    Assembler, CloseCause, DeflateParams, Limits, Message, MessageEvent as Found, MessageKind,
    OwnedEvent, ProtocolError, ReceiveBuffer, Receiver,
};
use tokio::io::AsyncReadExt;

use crate::base::buffers;
use crate::base::coop;
use crate::base::error::Error;
use crate::base::guard;
use crate::base::guard::{Panicked, caught};
use crate::base::message_memory;
use crate::base::message_memory::MEMORY;
use crate::connection::read_ahead::{ReadAhead, ReadAheadQueue};
use crate::connection::writer::Writer;
use crate::transport::Transport;
use crate::transport::halves::ReadHalf;

/// So many bytes are a step of a task's turn, which ends after 1 MiB.
const STEP: usize = 8 << 10;

/// So many that were inflated are one: a little input may be a lot of them, and 64 KiB take
/// some tenths of a millisecond.
const INFLATED: usize = 512;

/// From this many bytes on, the rest of a message is read straight to its place.
const DIRECT: u64 = 16 << 10;

/// An application that sends in this many turns of the driver, and asks for no message meanwhile,
/// only sends, so that a task must read in its place.
const UNREAD_SENDS: u8 = 4;

#[allow(clippy::struct_excessive_bools, reason = "independent facts, kept small")]
pub(crate) struct Reader<S> {
    read_half: ReadHalf<S>,
    receiver: Receiver,
    input: ReceiveBuffer,
    assembler: Assembler,
    /// The rest of a message that was read in part is passed over.
    skipping: bool,
    /// A message is being read piece by piece.
    in_pieces: bool,
    /// The end was told to the application.
    told: bool,
    /// The peer has ended its direction of the transport.
    read_ended: bool,
    /// The last read found its bytes when they arrived, not later.
    at_once: bool,
    /// In how many turns of the driver, roughly, the application has sent since it last asked for
    /// a message.
    unread_sends: u8,
    /// Boxed, as for most it is nothing.
    agreed: Option<Box<ConnectionOptions<S>>>,
}

/// What the opening handshake agreed on, and what else most connections do without.
pub(crate) struct ConnectionOptions<S> {
    pub(crate) subprotocol: Option<Box<str>>,
    pub(crate) deflate: Option<DeflateParams>,
    ahead: Option<ReadAheadState<S>>,
}

impl<S> Default for ConnectionOptions<S> {
    fn default() -> Self {
        Self { subprotocol: None, deflate: None, ahead: None }
    }
}

/// What is read before the application asks for it.
enum ReadAheadState<S> {
    /// A task has all of this in its hands but what was agreed on.
    Reading(ReadAhead<S>),
    /// It has read these.
    Read(ReadAheadQueue),
}

/// A piece of a message that is read piece by piece.
pub(crate) struct MessageChunk {
    pub(crate) kind: MessageKind,
    pub(crate) payload: Bytes,
    pub(crate) last: bool,
}

type EndResult<T> = Option<Result<T, Error>>;

impl<S: Transport> Reader<S> {
    pub(crate) fn new(read_half: ReadHalf<S>, receiver: Receiver, leftover: BytesMut) -> Self {
        Self {
            read_half,
            receiver,
            input: ReceiveBuffer::from(leftover),
            assembler: Assembler::with_allocator(&MEMORY),
            skipping: false,
            in_pieces: false,
            told: false,
            read_ended: false,
            at_once: false,
            unread_sends: 0,
            agreed: None,
        }
    }

    pub(crate) fn agreed(&self) -> Option<&ConnectionOptions<S>> {
        self.agreed.as_deref()
    }

    pub(crate) fn set_subprotocol(&mut self, subprotocol: Option<Box<str>>) {
        if subprotocol.is_some() {
            self.agreed.get_or_insert_default().subprotocol = subprotocol;
        }
    }

    pub(crate) fn set_deflate(&mut self, deflate: Option<DeflateParams>) {
        if deflate.is_some() {
            self.agreed.get_or_insert_default().deflate = deflate;
        }
    }

    #[inline]
    fn inflates(&self) -> bool {
        self.agreed().is_some_and(|agreed| agreed.deflate.is_some())
    }

    /// Messages are not compressed, and none were read ahead.
    #[inline]
    fn is_plain(&self) -> bool {
        self.agreed().is_none_or(|agreed| agreed.deflate.is_none() && agreed.ahead.is_none())
    }

    /// Counts a message that the application sends, unless it is one of a burst: several messages
    /// may answer one. Returns whether it is time to [read ahead](Self::read_ahead).
    #[inline]
    pub(crate) fn note_send(&mut self, writer: &Writer<S>) -> bool {
        if writer.awaits_driver() {
            return false;
        }
        self.unread_sends = self.unread_sends.saturating_add(1);
        self.unread_sends == UNREAD_SENDS
    }

    /// Has a task read, for an application that only sends, if there is room for what it reads.
    #[cold]
    pub(crate) fn read_ahead(&mut self, writer: &Arc<Writer<S>>) {
        if let Some(ReadAheadState::Reading(reading)) = self.ahead() {
            // It may have stopped, for an application that wanted it back and does no more.
            let Some(half) = reading.try_take_back() else { return };
            self.put_back(half, writer);
        }
        let mut agreed = self.agreed.take().unwrap_or_default();
        let received = match agreed.ahead.take() {
            Some(ReadAheadState::Read(received)) => received,
            _ => ReadAheadQueue::default(),
        };
        if self.assembler.len() >= received.room() {
            agreed.ahead = Some(ReadAheadState::Read(received));
            self.agreed = Some(agreed);
            writer.set_unread(true);
            return;
        }
        let none = Receiver::new(writer.role(), Limits::default());
        let mut shell = Self::new(ReadHalf::Gone, none, BytesMut::new());
        shell.unread_sends = UNREAD_SENDS;
        let mut incoming = Box::new(mem::replace(self, shell));
        incoming.set_deflate(agreed.deflate);
        agreed.ahead = Some(ReadAheadState::Reading(ReadAhead::start(incoming, received, writer)));
        self.agreed = Some(agreed);
    }

    #[inline]
    fn ahead(&self) -> Option<&ReadAheadState<S>> {
        self.agreed().and_then(|agreed| agreed.ahead.as_ref())
    }

    /// Ends the task that reads ahead, if there is one. Waits while that polls the transport.
    #[inline]
    pub(crate) fn poll_take_back(&mut self, cx: &mut Context<'_>, writer: &Writer<S>) -> Poll<()> {
        if let Some(ReadAheadState::Reading(reading)) = self.ahead() {
            let half = ready!(reading.poll_take_back(cx));
            self.put_back(half, writer);
        }
        Poll::Ready(())
    }

    /// Goes on with what the task has read, and where it was.
    #[cold]
    fn put_back(&mut self, (incoming, received): (Box<Self>, ReadAheadQueue), writer: &Writer<S>) {
        writer.set_unread(false);
        let mut agreed = self.agreed.take().unwrap_or_default();
        agreed.ahead = received.some().map(ReadAheadState::Read);
        *self = *incoming;
        self.agreed = Some(agreed);
        self.unread_sends = 0;
    }

    /// The next message of those that were read ahead.
    #[inline]
    fn poll_ahead(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Writer<S>,
    ) -> Poll<Option<Result<Message, Error>>> {
        if self.ahead().is_none() { Poll::Ready(None) } else { self.poll_ahead_cold(cx, writer) }
    }

    #[cold]
    fn poll_ahead_cold(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Writer<S>,
    ) -> Poll<Option<Result<Message, Error>>> {
        ready!(self.poll_take_back(cx, writer));
        writer.set_unread(false);
        let Some(agreed) = &mut self.agreed else { return Poll::Ready(None) };
        let Some(ReadAheadState::Read(received)) = &mut agreed.ahead else {
            return Poll::Ready(None);
        };
        let first = received.pop();
        if received.is_empty() {
            agreed.ahead = None;
        }
        Poll::Ready(first)
    }

    /// Drops what was read ahead.
    fn forget_ahead(&mut self, writer: &Writer<S>) {
        writer.set_unread(false);
        if let Some(agreed) = &mut self.agreed {
            agreed.ahead = None;
        }
    }

    /// How many bytes of an unfinished message are held.
    pub(crate) fn assembled(&self) -> usize {
        self.assembler.len()
    }

    /// Whether received bytes wait that may hold further messages.
    #[inline]
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// The next message; `None` once after the peer's Close, and for ever after any end.
    #[inline]
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
    ) -> Poll<EndResult<Message>> {
        self.unread_sends = 0;
        // Where the turn may be over, the long way waits for the next one.
        if !self.skipping
            && !self.in_pieces
            && self.is_plain()
            && coop::charge_message()
            && let Some(message) = self.input.next_single_frame(&mut self.receiver, &self.assembler)
        {
            return Poll::Ready(Some(self.whole(message, writer)));
        }
        self.poll_within(cx, writer, usize::MAX)
    }

    /// The next message, whatever it is made of. Pending also where no more is read because
    /// `most` bytes or more of an unfinished message are [held](Self::assembled).
    pub(crate) fn poll_within(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
        most: usize,
    ) -> Poll<EndResult<Message>> {
        if let Some(message) = ready!(self.poll_ahead(cx, writer)) {
            return Poll::Ready(Some(message));
        }
        self.skipping |= mem::take(&mut self.in_pieces);
        loop {
            ready!(self.poll_turn(cx));
            if self.skipping {
                match ready!(self.poll_chunk(cx, writer)) {
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                }
            }
            if self.inflates()
                && let Some(message) =
                    self.input.next_single_frame(&mut self.receiver, &self.assembler)
            {
                // It was not compressed, so there is nothing to spend.
                return Poll::Ready(Some(self.whole(message, writer)));
            }
            match self.input.next_within(&mut self.receiver, &mut self.assembler, most) {
                Ok(Some(Found::Message(message))) => {
                    self.spend(cx, message.len());
                    return Poll::Ready(Some(self.whole(message, writer)));
                }
                Ok(Some(control)) => {
                    if let Err(error) = self.handle_control(&control, writer) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                Ok(None) if self.assembler.len() >= most => return Poll::Pending,
                Ok(None) => match ready!(self.poll_more(cx, writer, most)) {
                    Some(Ok(Some(message))) => {
                        return Poll::Ready(Some(self.whole(message, writer)));
                    }
                    Some(Ok(None)) => {}
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                },
                Err(error) => return Poll::Ready(Some(Err(self.fail(error, writer)))),
            }
        }
    }

    /// The next piece of a message: the first call begins one, the one that gives `last`
    /// ends it.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
    ) -> Poll<EndResult<MessageChunk>> {
        self.unread_sends = 0;
        if let Some(message) = ready!(self.poll_ahead(cx, writer)) {
            return Poll::Ready(Some(message.map(|message| MessageChunk {
                kind: message.kind(),
                payload: message.into_bytes(),
                last: true,
            })));
        }
        loop {
            ready!(self.poll_turn(cx));
            if !self.assembler.is_empty() {
                // What `poll_message` had begun to collect before it was dropped.
                let kind = self.receiver.message_kind().unwrap_or(MessageKind::Binary);
                let payload: Bytes = self.assembler.take_partial().into();
                self.in_pieces = true;
                let chunk = MessageChunk { kind, payload, last: false };
                return Poll::Ready(Some(self.piece(chunk, writer)));
            }
            match self.input.next_chunk(&mut self.receiver) {
                Ok(Some(OwnedEvent::Data { kind, payload, last, .. })) => {
                    self.spend(cx, payload.len());
                    self.in_pieces = !last && !self.skipping;
                    self.skipping &= !last;
                    return Poll::Ready(Some(
                        self.piece(MessageChunk { kind, payload, last }, writer),
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

    /// Looks at the task's turn before it makes more of what was read, perhaps long ago: the
    /// application may have spent the turn on the last message. Where messages are compressed,
    /// there is more to be made of it.
    #[inline]
    fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inflates() { coop::poll_turn(cx) } else { coop::poll_message(cx) }
    }

    #[inline]
    fn spend(&self, cx: &mut Context<'_>, inflated: usize) {
        if self.inflates() {
            coop::spend(cx, inflated, INFLATED);
        }
    }

    /// Counts what is handed out.
    #[inline]
    fn whole(&mut self, message: Message, writer: &Arc<Writer<S>>) -> Result<Message, Error> {
        match writer.note_message(message.kind(), true, message.len()) {
            Ok(()) => Ok(message),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn piece(
        &mut self,
        chunk: MessageChunk,
        writer: &Arc<Writer<S>>,
    ) -> Result<MessageChunk, Error> {
        match writer.note_message(chunk.kind, chunk.last, chunk.payload.len()) {
            Ok(()) => Ok(chunk),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The writer knows already that the connection was failed.
    #[cold]
    fn failed(&mut self, error: ProtocolError) -> Error {
        self.receiver.drain();
        self.tell_end();
        error.into()
    }

    /// The end is reported to the application; returns whether it was before. Nothing of a
    /// message that was begun is left to read.
    fn tell_end(&mut self) -> bool {
        self.assembler.take_partial();
        mem::replace(&mut self.told, true)
    }

    /// Passes over the rest of a message whose reader was dropped.
    pub(crate) fn skip_rest(&mut self) {
        self.skipping |= mem::take(&mut self.in_pieces);
    }

    pub(crate) fn is_skipping(&self) -> bool {
        self.skipping
    }

    fn handle_control(&mut self, control: &Found, writer: &Arc<Writer<S>>) -> Result<(), Error> {
        let Some(event) = control.control() else { return Ok(()) };
        writer.handle_event(&event, self.at_once).map_err(|error| self.failed(error))
    }

    fn fail(&mut self, error: ProtocolError, writer: &Arc<Writer<S>>) -> Error {
        writer.fail(error);
        self.tell_end();
        error.into()
    }

    /// Reads more, where a long message can be read straight to its place: up to `most` bytes
    /// of it.
    fn poll_more(
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
                writer.note_piece();
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
    fn poll_read(&mut self, cx: &mut Context<'_>, writer: &Arc<Writer<S>>) -> Poll<EndResult<()>> {
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
        buffers::give_read(block);
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
                self.at_once = writer.note_received(bytes);
                coop::spend(cx, bytes, STEP);
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
            writer.note_panic("what a connection held", None);
        }
    }
}

/// Takes what was read out of the thread's block.
#[inline]
fn hold(block: &mut BytesMut, waits: bool) -> ReceiveBuffer {
    let copy = if waits {
        // In memory of its own: it may be long till the rest comes.
        ReceiveBuffer::from(BytesMut::from(&block[..]))
    } else if let Some(copy) = message_memory::place(block) {
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
        writer.note_panic("a transport", None);
    }
    incoming.give_up(&writer);
}
