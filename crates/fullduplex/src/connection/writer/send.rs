//! How a writer takes what its WebSocket sends: messages, pieces of them, pings and pongs.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fullduplex_proto::{Compression, Message, PreparedMessage, SendError};

use crate::base::coop;
use crate::base::error::Error;
use crate::base::guard::DeferredDrop;
use crate::connection::writer::lock::WriterGuard;
use crate::connection::writer::waiters::WaiterKey;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

/// A message on its way into the queue.
pub(crate) enum OutgoingMessage {
    Message(Message, Compression),
    Prepared(PreparedMessage),
}

/// When what is queued is to leave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Now.
    Now,
    /// Now, unless the last message has just done so: then with those that follow it.
    Soon,
    /// When the tasks that can run now have run.
    Gathered,
}

/// Charges what it took to compress so many bytes to the task's turn.
pub(crate) fn charge_compression(len: usize) {
    coop::charge(coop::COMPRESSION + len / coop::COMPRESSED);
}

impl<S: Transport> Writer<S> {
    /// Queues a message whole, or leaves it where it is.
    #[inline]
    pub(crate) fn send(
        self: &Arc<Self>,
        parcel: &mut Option<OutgoingMessage>,
        leave: Flush,
    ) -> Result<(), SendError> {
        coop::charge(1);
        if self.compresses {
            self.prepare(parcel.as_ref());
        }
        // A transport that logs to its own connection finds it full.
        let mut inner = self.lock_unless_polled().ok_or(SendError::Full)?;
        inner.settle();
        self.send_locked(&mut inner, parcel, leave)?;
        drop(inner);
        *parcel = None;
        Ok(())
    }

    /// Compresses a prepared message, unless it has been, before the lock is taken.
    pub(super) fn prepare(&self, parcel: Option<&OutgoingMessage>) {
        let Some(OutgoingMessage::Prepared(prepared)) = parcel else { return };
        let window = self.lock_unless_polled().and_then(|inner| inner.session.prepared_window());
        if let Some((bits, min_size)) = window
            && prepared.message().len() >= min_size
            && prepared.compress(bits)
        {
            charge_compression(prepared.message().len());
        }
    }

    /// What it succeeds with is to be taken out of `parcel` then, which needs no lock. (A
    /// transport that panics here leaves it there, though it was queued.)
    #[inline]
    pub(super) fn send_locked(
        self: &Arc<Self>,
        inner: &mut WriterState<S>,
        parcel: &mut Option<OutgoingMessage>,
        leave: Flush,
    ) -> Result<(), SendError> {
        let Some(given) = parcel else { return Ok(()) };
        let (message, compression) = match given {
            OutgoingMessage::Message(message, compression) => (message, *compression),
            OutgoingMessage::Prepared(prepared) => {
                return self.send_prepared(inner, prepared, leave);
            }
        };
        self.check_runtime(inner)?;
        inner.check_unparked()?;
        inner.lend();
        let (kind, len) = (message.kind(), message.len());
        if self.compresses {
            inner.queue_compressing(parcel)?;
        } else if !inner.session.send_copy(message, compression)? {
            inner.send_whole(parcel, Compression::Off, false)?;
        }
        self.note_sent(kind, true, len);
        // It was ready a moment ago.
        let full = inner.session.buffered() >= inner.session.high_water();
        self.leave_if(inner, leave, full);
        Ok(())
    }

    pub(crate) fn send_prepared(
        self: &Arc<Self>,
        inner: &mut WriterState<S>,
        prepared: &PreparedMessage,
        leave: Flush,
    ) -> Result<(), SendError> {
        self.check_runtime(inner)?;
        inner.check_unparked()?;
        inner.lend();
        inner.session.send_prepared(prepared)?;
        let message = prepared.message();
        self.note_sent(message.kind(), true, message.len());
        self.leave(inner, leave);
        Ok(())
    }

    /// Waits for room, then queues the message, which is taken out of `parcel` just then.
    #[inline]
    pub(crate) fn poll_send(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
        parcel: &mut Option<OutgoingMessage>,
        leave: Flush,
    ) -> Poll<Result<(), Error>> {
        ready!(coop::poll_message(cx));
        if self.compresses {
            self.prepare(parcel.as_ref());
        }
        let mut inner = self.lock_bare();
        let sent = self.send_locked(&mut inner, parcel, leave);
        // It was open when the message was queued, so whatever ended it since has said so.
        if sent.is_err() || !inner.owed.is_nothing() {
            return self.poll_sent(WriterGuard::new(self, inner), sent, cx, key, parcel, leave);
        }
        drop(inner);
        *parcel = None;
        Poll::Ready(Ok(()))
    }

    /// Goes on with what [`poll_send`](Self::poll_send) began, where the message was not queued at
    /// once, or more is to be done than to release the lock.
    #[cold]
    fn poll_sent(
        self: &Arc<Self>,
        mut inner: WriterGuard<'_, S>,
        mut sent: Result<(), SendError>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
        parcel: &mut Option<OutgoingMessage>,
        leave: Flush,
    ) -> Poll<Result<(), Error>> {
        while let Err(error) = sent {
            if error != SendError::Full {
                return Poll::Ready(Err(inner.refused(error)));
            }
            ready!(self.poll_room(&mut inner, cx, Some(key)))?;
            sent = self.send_locked(&mut inner, parcel, leave);
        }
        drop(inner);
        *parcel = None;
        Poll::Ready(Ok(()))
    }

    /// Waits for room, having found that there is none.
    pub(super) fn poll_room(
        self: &Arc<Self>,
        inner: &mut WriterState<S>,
        cx: &mut Context<'_>,
        key: Option<&mut WaiterKey>,
    ) -> Poll<Result<(), Error>> {
        self.write(inner);
        match inner.check_ready() {
            Ok(()) => Poll::Ready(Ok(())),
            Err(SendError::Full) => {
                self.wait(inner, cx, key);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(inner.refused(error))),
        }
    }
}

impl<S: Transport> WriterState<S> {
    /// Queues a message where messages may be compressed, or leaves it where it is.
    #[inline(never)]
    fn queue_compressing(&mut self, parcel: &mut Option<OutgoingMessage>) -> Result<(), SendError> {
        let Some(OutgoingMessage::Message(message, compression)) = parcel else { return Ok(()) };
        let (len, compression) = (message.len(), *compression);
        let compresses = self.session.would_compress(len, compression);
        if !self.session.send_copy(message, compression)? {
            // If that was wanted, it did not become shorter.
            self.send_whole(parcel, Compression::Off, false)?;
        }
        if compresses {
            charge_compression(len);
        }
        Ok(())
    }

    /// Queues a message that is long or may be compressed, or leaves it where it is. If room was
    /// promised for it, it need not be there.
    pub(super) fn send_whole(
        &mut self,
        parcel: &mut Option<OutgoingMessage>,
        compression: Compression,
        promised: bool,
    ) -> Result<(), SendError> {
        let Some(OutgoingMessage::Message(message, asked)) = parcel.take() else { return Ok(()) };
        if !message.is_unique() {
            // It may be dropped when it is compressed or copied, and have an owner.
            self.drop_later(DeferredDrop::Payload(message.clone().into_bytes()));
        }
        let sent = if promised {
            self.session.send_reserved(message, compression)
        } else {
            self.session.send_message(message, compression)
        };
        sent.map_err(|(error, back)| {
            *parcel = Some(OutgoingMessage::Message(back, asked));
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

    /// Where messages are compressed, and the peer, who does not read.
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
            let mut parcel = Some(OutgoingMessage::Message(message.clone(), Compression::Auto));
            let mut inner = writer.lock();
            writer.send_locked(&mut inner, &mut parcel, Flush::Gathered).unwrap();
            assert!(inner.owed == UnlockFlags::default(), "{len} bytes");
            // It is dropped when the lock is released.
            assert!(parcel.is_some(), "{len} bytes");
        }
    }

    /// Whether anything is left of a turn in which so many messages were sent.
    async fn leaves_some(
        count: usize,
        mut parcel: impl FnMut() -> OutgoingMessage + Send + 'static,
    ) -> bool {
        let (writer, _rest) = compressing();
        // In a turn of its own.
        tokio::spawn(async move {
            for _ in 0..count {
                writer.send(&mut Some(parcel()), Flush::Gathered).unwrap();
            }
            has_budget_remaining()
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn compression_is_charged_only_where_it_is_done() {
        let zeros = Message::from(vec![0; 1000]);
        let message = |compression| {
            let zeros = zeros.clone();
            move || OutgoingMessage::Message(zeros.clone(), compression)
        };
        assert!(leaves_some(60, message(Compression::Off)).await);
        let short = || OutgoingMessage::Message(Message::text("short"), Compression::Auto);
        assert!(leaves_some(200, short).await);
        let prepared = PreparedMessage::new(Message::from(vec![0; 1000]));
        assert!(leaves_some(200, move || OutgoingMessage::Prepared(prepared.clone())).await);
        assert!(!leaves_some(60, message(Compression::Auto)).await);
    }

    #[tokio::test]
    async fn compression_is_charged_once_however_often_a_message_waits() {
        let (writer, _rest) = compressing();
        let first = Message::from(vec![7; 70_000]);
        writer.lock().session.send_message(first, Compression::Off).unwrap();
        let full = tokio::spawn(async move {
            let mut parcel =
                Some(OutgoingMessage::Message(vec![0; 10_000].into(), Compression::Auto));
            for _ in 0..40 {
                let sent = writer.send(&mut parcel, Flush::Gathered);
                assert_eq!(sent, Err(SendError::Full));
            }
            has_budget_remaining()
        });
        assert!(full.await.unwrap(), "it was charged though it waits");
    }
}
