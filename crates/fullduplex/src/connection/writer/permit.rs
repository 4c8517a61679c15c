//! Sending in two steps, as `Sink` and `AsyncWrite` do: wait for capacity, then queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use fullduplex_proto::{Compression, Message, MessageKind, PreparedMessage, SendError};

use crate::base::coop;
use crate::base::error::Error;
use crate::connection::writer::lock::WriterGuard;
use crate::connection::writer::send::{FlushPolicy, OutgoingMessage, charge_compression};
use crate::connection::writer::waiters::WaiterKey;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Waits for capacity, and reserves it for one message of a `Sink`.
    /// [`send_reserved`](Self::send_reserved) then takes that message, even if others have filled
    /// the queue in between.
    pub(crate) fn poll_ready(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let permit = ready!(self.poll_permit(cx, None, false))?;
        let halves = u16::try_from(self.senders.load(Ordering::Relaxed)).unwrap_or(u16::MAX);
        let reserved = self.reserved.load(Ordering::Relaxed).saturating_add(1).min(halves);
        self.reserved.store(reserved, Ordering::Relaxed);
        drop(permit);
        Poll::Ready(Ok(()))
    }

    /// Queues a message of a `Sink`. With reserved capacity it may exceed `high_water`, and pass
    /// broadcast messages that wait.
    pub(crate) fn send_reserved(self: &Arc<Self>, message: Message) -> Result<(), Error> {
        let mut outgoing = Some(OutgoingMessage::Message(message));
        coop::charge(1);
        if self.compresses {
            self.compress_prepared(outgoing.as_ref());
        }
        let mut state = self.lock();
        let reserved = self.reserved.load(Ordering::Relaxed);
        if (1..u16::MAX).contains(&reserved) {
            self.reserved.store(reserved - 1, Ordering::Relaxed);
        }
        let mut sent = self.send_locked(&mut state, &mut outgoing, FlushPolicy::Deferred.into());
        if reserved > 0 {
            sent = match sent {
                Err(SendError::Full) => self.send_beyond(&mut state, &mut outgoing),
                Err(SendError::MessageUnderWay) if !state.message_abandoned => {
                    self.send_after_fragments(&mut state, &mut outgoing);
                    Ok(())
                }
                sent => sent,
            };
        }
        drop(state);
        drop(outgoing);
        sent.map_err(Error::of)
    }

    /// Lets a message wait until the writer of another message, which has begun since the capacity
    /// was reserved, ends it.
    fn send_after_fragments(
        &self,
        state: &mut WriterState<S>,
        outgoing: &mut Option<OutgoingMessage>,
    ) {
        let Some(OutgoingMessage::Message(message)) = outgoing.take() else { return };
        self.record_sent(message.kind(), true, message.len());
        let lagging = &mut state.waiters.get_or_insert_default().lagging;
        lagging.push(None, PreparedMessage::new(message), usize::MAX, drop);
    }

    /// Queues a message above `high_water`. On an error the message stays in `outgoing`.
    fn send_beyond(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        outgoing: &mut Option<OutgoingMessage>,
    ) -> Result<(), SendError> {
        let Some(OutgoingMessage::Message(message)) = outgoing else { return Ok(()) };
        let (kind, len, compression) = (message.kind(), message.len(), Compression::Auto);
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
    ///
    /// `is_begun` is whether the message of which some fragments are queued is the caller's. If it
    /// is another's, this waits for its end.
    pub(crate) fn poll_permit(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        mut key: Option<&mut WaiterKey>,
        is_begun: bool,
    ) -> Poll<Result<SendPermit<'_, S>, Error>> {
        ready!(coop::poll_message(cx));
        let mut state = self.lock();
        match self.check_runtime(&mut state).and_then(|()| state.check_ready()) {
            Err(SendError::Full) => {
                ready!(self.poll_capacity(&mut state, cx, key.as_deref_mut()))?;
            }
            Err(error) => return Poll::Ready(Err(state.send_error(error))),
            Ok(()) => {}
        }
        if !is_begun && state.session.is_fragmenting() {
            if state.message_abandoned {
                return Poll::Ready(Err(state.send_error(SendError::MessageUnderWay)));
            }
            self.wait(&mut state, cx, key);
            return Poll::Pending;
        }
        Poll::Ready(Ok(SendPermit { writer: self, state }))
    }
}

impl<S> Writer<S> {
    /// Records that the writer of a fragmented message was dropped before its end. Nothing else can
    /// be sent then, and those who wait for it fail.
    pub(crate) fn abandon_message(&self) {
        let mut state = self.lock_leaving_pending();
        state.message_abandoned = state.session.is_fragmenting();
        state.wake_waiters();
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
        if last {
            // Other messages have waited for the end of this one.
            state.wake_waiters();
        }
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
