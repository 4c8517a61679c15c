//! Sending in two steps, as `Sink` and `AsyncWrite` do: wait for capacity, then queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use fullduplex_proto::{Compression, Message, MessageKind, SendError};

use crate::base::coop;
use crate::base::error::Error;
use crate::connection::writer::lock::WriterGuard;
use crate::connection::writer::send::{FlushPolicy, OutgoingMessage, charge_compression};
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Waits for capacity, and reserves it for one message of a `Sink`.
    /// [`send_reserved`](Self::send_reserved) then takes that message, even if others have filled
    /// the queue in between.
    pub(crate) fn poll_ready(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let permit = ready!(self.poll_permit(cx))?;
        let halves = u16::try_from(self.senders.load(Ordering::Relaxed)).unwrap_or(u16::MAX);
        let reserved = self.reserved.load(Ordering::Relaxed).saturating_add(1).min(halves);
        self.reserved.store(reserved, Ordering::Relaxed);
        drop(permit);
        Poll::Ready(Ok(()))
    }

    /// Queues a message of a `Sink`. With reserved capacity it may exceed `high_water`, and pass
    /// broadcast messages that wait.
    pub(crate) fn send_reserved(self: &Arc<Self>, message: Message) -> Result<(), Error> {
        let mut outgoing = Some(OutgoingMessage::Message(message, Compression::Auto));
        coop::charge(1);
        if self.compresses {
            self.compress_prepared(outgoing.as_ref());
        }
        let mut state = self.lock();
        let reserved = self.reserved.load(Ordering::Relaxed);
        if (1..u16::MAX).contains(&reserved) {
            self.reserved.store(reserved - 1, Ordering::Relaxed);
        }
        let mut sent = self.send_locked(&mut state, &mut outgoing, FlushPolicy::Deferred);
        if reserved > 0 && sent == Err(SendError::Full) {
            sent = self.send_beyond(&mut state, &mut outgoing);
        }
        drop(state);
        drop(outgoing);
        sent.map_err(Into::into)
    }

    /// Queues a message above `high_water`. On an error the message stays in `outgoing`.
    fn send_beyond(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        outgoing: &mut Option<OutgoingMessage>,
    ) -> Result<(), SendError> {
        let Some(OutgoingMessage::Message(message, compression)) = outgoing else { return Ok(()) };
        let (kind, len, compression) = (message.kind(), message.len(), *compression);
        state.ensure_buffer();
        let compresses = state.session.would_compress(len, compression);
        state.send_whole(outgoing, compression, true)?;
        if compresses {
            charge_compression(len);
        }
        self.record_sent(kind, true, len);
        self.apply_flush(state, FlushPolicy::Deferred);
        Ok(())
    }

    /// Waits for capacity for a message or a chunk of one. The permit holds the lock, so nothing
    /// else can use the capacity meanwhile.
    pub(crate) fn poll_permit(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SendPermit<'_, S>, Error>> {
        ready!(coop::poll_message(cx));
        let mut state = self.lock();
        match self.check_runtime(&mut state).and_then(|()| state.check_ready()) {
            Err(SendError::Full) => ready!(self.poll_capacity(&mut state, cx, None))?,
            Err(error) => return Poll::Ready(Err(state.send_error(error))),
            Ok(()) => {}
        }
        Poll::Ready(Ok(SendPermit { writer: self, state }))
    }
}

/// A permit to queue a chunk of a message. It holds the lock under which there was capacity.
pub(crate) struct SendPermit<'a, S: Transport> {
    writer: &'a Arc<Writer<S>>,
    state: WriterGuard<'a, S>,
}

impl<S: Transport> SendPermit<'_, S> {
    /// Queues a chunk, as a fragment (RFC 6455 §5.4).
    pub(crate) fn send(
        mut self,
        kind: MessageKind,
        chunk: &[u8],
        last: bool,
        compression: Compression,
    ) -> Result<(), Error> {
        let (writer, state) = (self.writer, &mut *self.state);
        if writer.compresses && compression != Compression::Off {
            charge_compression(chunk.len());
        }
        state.ensure_buffer();
        if let Err(error) = state.session.send_fragment(kind, chunk, last, compression) {
            return Err(state.send_error(error));
        }
        writer.record_sent(kind, last, chunk.len());
        writer.apply_flush(state, if last { FlushPolicy::Now } else { FlushPolicy::Deferred });
        Ok(())
    }

    /// Queues what the compressor holds back of the message.
    pub(crate) fn flush(mut self) -> Result<(), Error> {
        let state = &mut *self.state;
        state.ensure_buffer();
        let sent = state.session.flush_fragment();
        sent.map_err(|error| state.send_error(error))
    }
}
