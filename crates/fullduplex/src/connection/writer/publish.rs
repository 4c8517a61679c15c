//! How a writer takes what is published to many.
//!
//! A short message is first only noted: from where to where it lies in what the group has
//! published. So to publish touches little of each member, and a member needs no memory while
//! its transport takes all. Whoever takes the lock to do anything else queues it before.

use std::sync::Arc;

use crate::base::guard;
use crate::base::guard::DeferredDrop;
use crate::connection::shared_frames::{FrameRange, PendingFrames};
use crate::connection::writer::delivery::{
    BroadcastMessage, Deliver, DeliveryOutcome, LagDecision, LagPolicy,
};
use crate::connection::writer::lock::DeferredDrops;
use crate::connection::writer::send::Flush;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Takes a message as a note of where it lies; gives whether that was possible.
    #[inline]
    fn note(
        self: &Arc<Self>,
        inner: &mut WriterState<S>,
        publication: &BroadcastMessage<'_>,
    ) -> bool {
        let Some(frames) = &publication.frames else { return false };
        if !inner.published.as_mut().is_some_and(|noted| noted.extend(frames)) {
            if !self.shares || self.check_runtime(inner).is_err() || !inner.begin(frames) {
                return false;
            }
            self.defer_locked();
        }
        let message = publication.message.message();
        self.note_sent(message.kind(), true, message.len());
        if inner.published.as_ref().is_some_and(PendingFrames::is_full) {
            inner.settle();
            self.leave(inner, Flush::Gathered);
        }
        true
    }
}

impl<S: Transport> WriterState<S> {
    /// Queues what was published.
    pub(crate) fn settle(&mut self) {
        let Some(noted) = self.published.take() else { return };
        self.lend();
        let queued = self.session.send_batch(&noted.lock(), noted.range());
        debug_assert_eq!(queued, Ok(()), "nothing was done since there was room");
    }

    /// Notes the first frames, if the session could take them now.
    fn begin(&mut self, frames: &FrameRange) -> bool {
        self.settle();
        let room =
            if self.check_unparked().is_ok() { self.session.remaining_capacity() } else { 0 };
        self.published = (room > 0).then(|| PendingFrames::new(frames, room));
        room > 0
    }
}

impl<S: Transport> Deliver for Writer<S> {
    /// The group is locked, so what may run foreign code is left to the driver. With its runtime
    /// gone, the thread holds it until the group is unlocked.
    fn deliver(
        self: Arc<Self>,
        publication: &BroadcastMessage<'_>,
        slow: LagPolicy,
    ) -> DeliveryOutcome {
        let mut inner = self.lock_unsettled();
        let delivered = self.take(&mut inner, publication, slow);
        if let Some(collected) = inner.unlock() {
            let later = DropLater(self.clone(), Some(collected));
            hold_refused(self.driver.drop_later(Box::new(later)));
        }
        hold_refused(self.release());
        delivered
    }
}

/// Holds what a driver does not drop any more.
fn hold_refused(dropping: Result<(), Box<dyn Send>>) {
    if let Err(refused) = dropping {
        guard::hold(DeferredDrop::Call(Box::new(|| drop(refused))));
    }
}

/// What a writer collected, to be let go of by dropping this.
struct DropLater<S>(Arc<Writer<S>>, Option<DeferredDrops<S>>);

impl<S> Drop for DropLater<S> {
    fn drop(&mut self) {
        if let Some(collected) = self.1.take() {
            collected.let_go(&self.0);
        }
    }
}

impl<S: Transport> Writer<S> {
    #[inline]
    fn take(
        self: &Arc<Self>,
        inner: &mut WriterState<S>,
        publication: &BroadcastMessage<'_>,
        slow: LagPolicy,
    ) -> DeliveryOutcome {
        if self.note(inner, publication) {
            return DeliveryOutcome::Queued;
        }
        inner.settle();
        let sent = self.send_prepared(inner, publication.message, Flush::Gathered);
        let Err(error) = sent else { return DeliveryOutcome::Queued };
        match slow.verdict(error) {
            LagDecision::Park { keep } => {
                let parked = inner.parked.get_or_insert_default();
                let message = publication.message.clone();
                let mut gone = Vec::new();
                let missed = parked.park(publication.key, message, keep, |old| gone.push(old));
                for old in gone {
                    inner.drop_later(DeferredDrop::Prepared(old));
                }
                if missed { DeliveryOutcome::Dropped } else { DeliveryOutcome::Waiting }
            }
            LagDecision::Close(frame) => {
                self.close_locked(inner, frame);
                DeliveryOutcome::Closed
            }
            LagDecision::Drop => DeliveryOutcome::Dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use bytes::Bytes;
    use fullduplex_proto::{Compression, Config, Message, PreparedMessage, Session};
    use tokio::io::DuplexStream;

    use super::*;
    use crate::connection::writer::send::OutgoingMessage;
    use crate::transport::halves;

    /// Notes whether it is dropped while a lock is held.
    struct Owner {
        lock: Arc<Mutex<()>>,
        dropped_unlocked: Arc<AtomicBool>,
    }

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &[7; 8192]
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            self.dropped_unlocked.store(self.lock.try_lock().is_ok(), Ordering::SeqCst);
        }
    }

    /// Whether the payload of a message that a connection holds is dropped without the lock
    /// that is held when something is delivered to it: what is then the last reference to it.
    fn is_dropped_unlocked(publish: impl FnOnce(Arc<Writer<DuplexStream>>, &Mutex<()>)) -> bool {
        let lock = Arc::new(Mutex::new(()));
        let dropped_unlocked = Arc::new(AtomicBool::new(false));
        let (stream, _peer) = tokio::io::duplex(1);
        let (_reader, write_half) = halves::split::<DuplexStream>(stream);
        let session = Session::server(&Config::default());
        let writer = Writer::new(session, write_half, 1024);
        let owner = Owner { lock: lock.clone(), dropped_unlocked: dropped_unlocked.clone() };
        let message = Message::Binary(Bytes::from_owner(owner));
        let mut parcel = Some(OutgoingMessage::Message(message, Compression::default()));
        writer.send(&mut parcel, Flush::Now).unwrap();
        publish(writer, &lock);
        dropped_unlocked.load(Ordering::SeqCst)
    }

    fn deliver(writer: Arc<Writer<DuplexStream>>) {
        let prepared = PreparedMessage::new(Message::text("published"));
        let publication = BroadcastMessage { message: &prepared, key: None, frames: None };
        let _: DeliveryOutcome = writer.deliver(&publication, LagPolicy::DropNewest);
    }

    #[test]
    fn drop_of_the_last_reference_does_not_happen_under_the_lock_of_a_group() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let turn = || runtime.block_on(tokio::task::yield_now());
        assert!(is_dropped_unlocked(|writer, lock| {
            // The driver holds one as long as it has yet to write.
            turn();
            assert_eq!(Arc::strong_count(&writer), 1);
            let held = lock.lock().unwrap();
            deliver(writer);
            drop(held);
            turn();
            turn();
        }));
    }

    #[test]
    fn drop_of_the_last_reference_waits_for_the_group_also_without_a_driver() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let entered = handle.enter();
        assert!(is_dropped_unlocked(|writer, lock| {
            drop(entered);
            drop(runtime);
            assert_eq!(Arc::strong_count(&writer), 1);
            let held = lock.lock().unwrap();
            deliver(writer);
            drop(held);
            // As the group does.
            guard::drop_held().unwrap();
        }));
    }
}
