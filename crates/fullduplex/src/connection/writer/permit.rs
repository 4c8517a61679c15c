//! How a writer takes messages and pieces of them in two steps, as a `Sink` and an `AsyncWrite` do:
//! a wait for room, then the message.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use fullduplex_proto::{Compression, Message, MessageKind, SendError};

use crate::base::coop;
use crate::base::error::Error;
use crate::connection::writer::lock::WriterGuard;
use crate::connection::writer::send::{Flush, OutgoingMessage, charge_compression};
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Waits for room for a message of a sink, which [`send_promised`](Self::send_promised)
    /// then takes whatever comes between.
    pub(crate) fn poll_ready(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let room = ready!(self.poll_piece(cx))?;
        let halves = u16::try_from(self.senders.load(Ordering::Relaxed)).unwrap_or(u16::MAX);
        let promised = self.promised.load(Ordering::Relaxed).saturating_add(1).min(halves);
        self.promised.store(promised, Ordering::Relaxed);
        drop(room);
        Poll::Ready(Ok(()))
    }

    /// Queues a message of a sink. Where room was promised to it, that may be one message above
    /// `high_water`, and before published messages that wait.
    pub(crate) fn send_promised(self: &Arc<Self>, message: Message) -> Result<(), Error> {
        let mut parcel = Some(OutgoingMessage::Message(message, Compression::Auto));
        coop::charge(1);
        if self.compresses {
            self.prepare(parcel.as_ref());
        }
        let mut inner = self.lock();
        let promised = self.promised.load(Ordering::Relaxed);
        if (1..u16::MAX).contains(&promised) {
            self.promised.store(promised - 1, Ordering::Relaxed);
        }
        let mut sent = self.send_locked(&mut inner, &mut parcel, Flush::Gathered);
        if promised > 0 && sent == Err(SendError::Full) {
            sent = self.send_beyond(&mut inner, &mut parcel);
        }
        drop(inner);
        drop(parcel);
        sent.map_err(Into::into)
    }

    /// Queues a message though there is no room, or leaves it where it is.
    fn send_beyond(
        self: &Arc<Self>,
        inner: &mut WriterState<S>,
        parcel: &mut Option<OutgoingMessage>,
    ) -> Result<(), SendError> {
        let Some(OutgoingMessage::Message(message, compression)) = parcel else { return Ok(()) };
        let (kind, len, compression) = (message.kind(), message.len(), *compression);
        inner.lend();
        let compresses = inner.session.would_compress(len, compression);
        inner.send_whole(parcel, compression, true)?;
        if compresses {
            charge_compression(len);
        }
        self.note_sent(kind, true, len);
        self.leave(inner, Flush::Gathered);
        Ok(())
    }

    /// Waits for room for a piece of a message that is made bit by bit. Nothing else can take
    /// the room while the result is held.
    pub(crate) fn poll_piece(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SendPermit<'_, S>, Error>> {
        ready!(coop::poll_message(cx));
        let mut inner = self.lock();
        match self.check_runtime(&mut inner).and_then(|()| inner.check_ready()) {
            Err(SendError::Full) => ready!(self.poll_room(&mut inner, cx, None))?,
            Err(error) => return Poll::Ready(Err(inner.refused(error))),
            Ok(()) => {}
        }
        Poll::Ready(Ok(SendPermit { writer: self, inner }))
    }
}

/// Room for a piece of a message, with the lock held under which it was found.
pub(crate) struct SendPermit<'a, S: Transport> {
    writer: &'a Arc<Writer<S>>,
    inner: WriterGuard<'a, S>,
}

impl<S: Transport> SendPermit<'_, S> {
    /// Queues a piece.
    pub(crate) fn send(
        mut self,
        kind: MessageKind,
        piece: &[u8],
        last: bool,
        compression: Compression,
    ) -> Result<(), Error> {
        let (writer, inner) = (self.writer, &mut *self.inner);
        if writer.compresses && compression != Compression::Off {
            charge_compression(piece.len());
        }
        inner.lend();
        if let Err(error) = inner.session.send_fragment(kind, piece, last, compression) {
            return Err(inner.refused(error));
        }
        writer.note_sent(kind, last, piece.len());
        writer.leave(inner, if last { Flush::Now } else { Flush::Gathered });
        Ok(())
    }

    /// Queues what a compressor holds back of the message.
    pub(crate) fn flush(mut self) -> Result<(), Error> {
        let inner = &mut *self.inner;
        inner.lend();
        let sent = inner.session.flush_fragment();
        sent.map_err(|error| inner.refused(error))
    }
}
