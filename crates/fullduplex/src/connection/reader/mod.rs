//! The receiving half: reads the transport, makes messages, and tells the writer what is
//! owed for what came.

mod read_ahead;
mod transport;

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use fullduplex_proto::{
    Assembler, DeflateParams, Message, MessageEvent as Found, MessageKind, OwnedEvent,
    ProtocolError, ReceiveBuffer, Receiver,
};

use crate::base::coop;
use crate::base::error::Error;
use crate::base::message_memory::MEMORY;
use crate::connection::reader::read_ahead::ReadAheadState;
use crate::connection::writer::Writer;
use crate::transport::Transport;
use crate::transport::halves::ReadHalf;

pub(crate) use transport::linger;

/// So many that were inflated are one: a little input may be a lot of them, and 64 KiB take
/// some tenths of a millisecond.
const INFLATED: usize = 512;

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
        if self.inflates() { coop::poll_proceed(cx) } else { coop::poll_message(cx) }
    }

    #[inline]
    fn spend(&self, cx: &mut Context<'_>, inflated: usize) {
        if self.inflates() {
            coop::consume(cx, inflated, INFLATED);
        }
    }

    /// Counts what is handed out.
    #[inline]
    fn whole(&mut self, message: Message, writer: &Arc<Writer<S>>) -> Result<Message, Error> {
        match writer.record_message(message.kind(), true, message.len()) {
            Ok(()) => Ok(message),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn piece(
        &mut self,
        chunk: MessageChunk,
        writer: &Arc<Writer<S>>,
    ) -> Result<MessageChunk, Error> {
        match writer.record_message(chunk.kind, chunk.last, chunk.payload.len()) {
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
}
