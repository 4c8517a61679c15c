//! Sending in one step: a message is queued as soon as there is capacity.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fullduplex_proto::{Compression, Message, MessageKind, PreparedMessage, SendError};

use crate::base::coop;
use crate::base::error::Error;
use crate::base::guard::DeferredDrop;
use crate::connection::writer::lock::WriterGuard;
use crate::connection::writer::waiters::WaiterKey;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

/// A message to be queued.
pub(crate) enum OutgoingMessage {
    /// A message, without other fields, so that it has the same layout and is moved as it is.
    Message(Message),
    /// A message with shared frames.
    Prepared(PreparedMessage),
}

/// How a message is queued.
#[derive(Clone, Copy)]
pub(crate) struct SendOptions {
    /// Whether it is compressed. A prepared message always is, if it can be.
    pub(crate) compression: Compression,
    /// When it is written.
    pub(crate) flush: FlushPolicy,
}

impl From<FlushPolicy> for SendOptions {
    #[inline]
    fn from(flush: FlushPolicy) -> Self {
        Self { compression: Compression::Auto, flush }
    }
}

/// When the send queue is written to the transport.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlushPolicy {
    /// At once.
    Now,
    /// At once, unless something was just written: then with the messages that follow.
    Auto,
    /// When the tasks that can run now have run.
    Deferred,
}

/// Charges the compression of `len` bytes to the task's cooperative budget.
pub(crate) fn charge_compression(len: usize) {
    coop::charge(coop::COMPRESSION + len / coop::COMPRESSED);
}

impl<S: Transport> Writer<S> {
    /// Queues a message without waiting, and takes it out of `outgoing`. On an error it stays
    /// there.
    #[inline]
    pub(crate) fn send(
        self: &Arc<Self>,
        outgoing: &mut Option<OutgoingMessage>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        coop::charge(1);
        if self.compresses {
            self.compress_prepared(outgoing.as_ref());
        }
        // To a transport that sends on its own connection within a poll, the queue is full.
        let mut state = self.lock_unless_polled().ok_or(SendError::Full)?;
        state.queue_pending();
        if let Err(error) = self.send_locked(&mut state, outgoing, options) {
            return Err(state.full_while_fragmenting(error));
        }
        drop(state);
        *outgoing = None;
        Ok(())
    }

    /// Compresses a prepared message before the lock is taken, unless that was done.
    pub(super) fn compress_prepared(&self, outgoing: Option<&OutgoingMessage>) {
        let Some(OutgoingMessage::Prepared(prepared)) = outgoing else { return };
        let window = self.lock_unless_polled().and_then(|state| state.session.prepared_window());
        if let Some((bits, min_size)) = window
            && prepared.message().len() >= min_size
            && prepared.compress(bits)
        {
            charge_compression(prepared.message().len());
        }
    }

    /// Queues a message. On success the caller must take it out of `outgoing`, without the lock, as
    /// its `Drop` may run foreign code. (If the transport panics here, the message is still there,
    /// though it was queued.)
    #[inline]
    pub(super) fn send_locked(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        outgoing: &mut Option<OutgoingMessage>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let Some(queueing) = outgoing else { return Ok(()) };
        let SendOptions { compression, flush } = options;
        let message = match queueing {
            OutgoingMessage::Message(message) => message,
            OutgoingMessage::Prepared(prepared) => {
                return self.send_prepared(state, prepared, flush);
            }
        };
        self.check_runtime(state)?;
        state.check_writer()?;
        state.ensure_buffer();
        // Taken once: each call looks whether the message is text or binary.
        let (kind, payload) = (message.kind(), message.as_bytes());
        let len = payload.len();
        if self.compresses {
            state.queue_compressing(outgoing, compression)?;
        } else if !state.session.send_copy(kind, payload, compression)? {
            state.send_whole(outgoing, Compression::Off, false)?;
        }
        self.record_sent(kind, true, len);
        // The other conditions of `check_ready` were checked above.
        let is_full = state.session.buffered() >= state.session.high_water();
        self.apply_flush_with(state, flush, is_full);
        Ok(())
    }

    /// Queues a prepared message.
    pub(crate) fn send_prepared(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        prepared: &PreparedMessage,
        flush: FlushPolicy,
    ) -> Result<(), SendError> {
        self.check_runtime(state)?;
        state.check_writer()?;
        state.ensure_buffer();
        state.session.send_prepared(prepared)?;
        let message = prepared.message();
        self.record_sent(message.kind(), true, message.len());
        self.apply_flush(state, flush);
        Ok(())
    }

    /// Waits for capacity, then queues the message and takes it out of `outgoing`.
    #[inline]
    pub(crate) fn poll_send(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
        outgoing: &mut Option<OutgoingMessage>,
        options: SendOptions,
    ) -> Poll<Result<(), Error>> {
        ready!(coop::poll_message(cx));
        if self.compresses {
            self.compress_prepared(outgoing.as_ref());
        }
        let mut state = self.lock_bare();
        let sent = self.send_locked(&mut state, outgoing, options);
        // `on_unlock` is enough to look at: the connection was open when the message was queued,
        // and whatever may have ended it since has set a flag.
        if sent.is_err() || !state.on_unlock.is_nothing() {
            return self.poll_send_cold(
                WriterGuard::new(self, state),
                sent,
                cx,
                key,
                outgoing,
                options,
            );
        }
        drop(state);
        *outgoing = None;
        Poll::Ready(Ok(()))
    }

    /// Goes on with [`poll_send`](Self::poll_send) if the message was not queued at once, or if
    /// something must be done when the lock is released.
    #[cold]
    fn poll_send_cold(
        self: &Arc<Self>,
        mut state: WriterGuard<'_, S>,
        mut sent: Result<(), SendError>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
        outgoing: &mut Option<OutgoingMessage>,
        options: SendOptions,
    ) -> Poll<Result<(), Error>> {
        while let Err(error) = sent {
            if error == SendError::MessageUnderWay && !state.message_abandoned {
                self.wait(&mut state, cx, Some(key));
                return Poll::Pending;
            }
            if error != SendError::Full {
                return Poll::Ready(Err(state.send_error(error)));
            }
            ready!(self.poll_capacity(&mut state, cx, Some(key)))?;
            sent = self.send_locked(&mut state, outgoing, options);
        }
        drop(state);
        *outgoing = None;
        Poll::Ready(Ok(()))
    }

    /// Writes to make capacity, and waits if there still is none.
    pub(super) fn poll_capacity(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        cx: &mut Context<'_>,
        key: Option<&mut WaiterKey>,
    ) -> Poll<Result<(), Error>> {
        self.write(state);
        match state.check_ready() {
            Ok(()) => Poll::Ready(Ok(())),
            Err(SendError::Full) => {
                self.wait(state, cx, key);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(state.send_error(error))),
        }
    }

    /// Counts a sent message, or a chunk of one. The lock must be held.
    #[inline]
    pub(super) fn record_sent(&self, kind: MessageKind, last: bool, payload: usize) {
        self.counters.sent.add_payload(payload);
        if last {
            self.counters.sent.add_message(kind);
        }
    }
}

impl<S: Transport> WriterState<S> {
    /// Returns the error of a message that is not sent as another one is being written: it may be
    /// sent later, unless the writer of that one was dropped.
    fn full_while_fragmenting(&self, error: SendError) -> SendError {
        match error {
            SendError::MessageUnderWay if !self.message_abandoned => SendError::Full,
            error => error,
        }
    }

    /// Queues a message on a connection with compression. On an error it stays in `outgoing`.
    #[inline(never)]
    fn queue_compressing(
        &mut self,
        outgoing: &mut Option<OutgoingMessage>,
        compression: Compression,
    ) -> Result<(), SendError> {
        let Some(OutgoingMessage::Message(message)) = outgoing else { return Ok(()) };
        let len = message.len();
        let compresses = self.session.would_compress(len, compression);
        if !self.session.send_copy(message.kind(), message.as_bytes(), compression)? {
            // If it should have been compressed, it did not become shorter.
            self.send_whole(outgoing, Compression::Off, false)?;
        }
        if compresses {
            charge_compression(len);
        }
        Ok(())
    }

    /// Queues a message that is long or may be compressed. On an error it stays in `outgoing`. With
    /// reserved capacity it may exceed `high_water`.
    pub(super) fn send_whole(
        &mut self,
        outgoing: &mut Option<OutgoingMessage>,
        compression: Compression,
        reserved: bool,
    ) -> Result<(), SendError> {
        let Some(OutgoingMessage::Message(message)) = outgoing.take() else { return Ok(()) };
        if !message.is_unique() {
            // The payload has an owner, whose `Drop` is foreign code. Compressing or copying drops
            // it under the lock, so another reference is kept until the release.
            self.drop_later(DeferredDrop::Payload(message.clone().into_bytes()));
        }
        let sent = if reserved {
            self.session.send_reserved(message, compression)
        } else {
            self.session.send_message(message, compression)
        };
        sent.map_err(|(error, back)| {
            *outgoing = Some(OutgoingMessage::Message(back));
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use fullduplex_proto::{Config, DeflateConfig, Session};
    use tokio::io::DuplexStream;
    use tokio::task::coop::has_budget_remaining;

    use super::*;
    use crate::connection::writer::lock::UnlockFlags;
    use crate::transport::halves;

    /// Returns a writer that compresses, and its peer, which does not read.
    fn compressing() -> (Arc<Writer<DuplexStream>>, impl Sized) {
        let (stream, peer) = tokio::io::duplex(1 << 20);
        let (reader, write_half) = halves::split::<DuplexStream>(stream);
        let config = DeflateConfig::balanced();
        let (_, deflate) = config.accept(&config.offers()).unwrap();
        let session = Session::server(&Config::default()).with_deflate(&deflate);
        (Writer::new(session, write_half, 1024), (reader, peer))
    }

    #[tokio::test]
    async fn compression_of_a_shared_payload_is_not_charged_twice() {
        let (writer, _rest) = compressing();
        for len in [10, 10_000] {
            let message = Message::from(vec![0; len]);
            let mut outgoing = Some(OutgoingMessage::Message(message.clone()));
            let mut state = writer.lock();
            writer.send_locked(&mut state, &mut outgoing, FlushPolicy::Deferred.into()).unwrap();
            assert!(state.on_unlock == UnlockFlags::default(), "{len} bytes");
            // The caller drops it after the lock is released.
            assert!(outgoing.is_some(), "{len} bytes");
        }
    }

    /// Returns whether any budget is left of a turn in which `count` messages were sent.
    async fn leaves_some(
        count: usize,
        compression: Compression,
        mut outgoing: impl FnMut() -> OutgoingMessage + Send + 'static,
    ) -> bool {
        let (writer, _rest) = compressing();
        let options = SendOptions { compression, flush: FlushPolicy::Deferred };
        // A task of its own has a full budget.
        tokio::spawn(async move {
            for _ in 0..count {
                writer.send(&mut Some(outgoing()), options).unwrap();
            }
            has_budget_remaining()
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn compression_is_charged_only_where_it_is_done() {
        let zeros = Message::from(vec![0; 1000]);
        let message = move || OutgoingMessage::Message(zeros.clone());
        assert!(leaves_some(60, Compression::Off, message.clone()).await);
        let short = || OutgoingMessage::Message(Message::text("short"));
        assert!(leaves_some(200, Compression::Auto, short).await);
        let prepared = PreparedMessage::new(Message::from(vec![0; 1000]));
        let prepared = move || OutgoingMessage::Prepared(prepared.clone());
        assert!(leaves_some(200, Compression::Auto, prepared).await);
        assert!(!leaves_some(60, Compression::Auto, message).await);
    }

    #[tokio::test]
    async fn compression_is_charged_once_however_often_a_message_waits() {
        let (writer, _rest) = compressing();
        let first = Message::from(vec![7; 70_000]);
        writer.lock().session.send_message(first, Compression::Off).unwrap();
        let waiting = tokio::spawn(async move {
            let mut outgoing = Some(OutgoingMessage::Message(vec![0; 10_000].into()));
            for _ in 0..40 {
                let sent = writer.send(&mut outgoing, FlushPolicy::Deferred.into());
                assert_eq!(sent, Err(SendError::Full));
            }
            has_budget_remaining()
        });
        assert!(waiting.await.unwrap(), "it was charged though it waits");
    }
}
