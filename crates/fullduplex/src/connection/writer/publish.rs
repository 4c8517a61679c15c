//! Queueing of broadcast messages.
//!
//! Of a short message, only its range in the group's shared frames is recorded first. So publishing
//! touches little memory of each member, and a member needs no send buffer while its transport
//! takes everything. Any other taker of the lock queues these frames first (see
//! [`Writer::lock`]), so that the order of messages is kept.

use std::sync::Arc;

use crate::base::guard;
use crate::base::guard::DeferredDrop;
use crate::connection::shared_frames::{FrameRange, PendingFrames};
use crate::connection::writer::delivery::{
    BroadcastMessage, Deliver, DeliveryOutcome, LagDecision, LagPolicy,
};
use crate::connection::writer::lock::DeferredDrops;
use crate::connection::writer::send::FlushPolicy;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Records the range of a message's shared frame. Returns whether that was possible.
    #[inline]
    fn append_pending(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        broadcast: &BroadcastMessage<'_>,
    ) -> bool {
        let Some(frames) = &broadcast.frames else { return false };
        if !state.pending.as_mut().is_some_and(|pending| pending.extend(frames)) {
            if !self.can_share_frames
                || self.check_runtime(state).is_err()
                || !state.start_pending(frames)
            {
                return false;
            }
            self.defer_locked();
        }
        let message = broadcast.message.message();
        self.record_sent(message.kind(), true, message.len());
        if state.pending.as_ref().is_some_and(PendingFrames::is_full) {
            state.queue_pending();
            self.apply_flush(state, FlushPolicy::Deferred);
        }
        true
    }
}

impl<S: Transport> WriterState<S> {
    /// Queues the recorded frames.
    pub(crate) fn queue_pending(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        self.ensure_buffer();
        let queued = self.session.send_batch(&pending.lock(), pending.range());
        debug_assert_eq!(queued, Ok(()), "nothing was done since there was capacity");
    }

    /// Records the first range, if the session has capacity for it.
    fn start_pending(&mut self, frames: &FrameRange) -> bool {
        self.queue_pending();
        let capacity =
            if self.check_writer().is_ok() { self.session.remaining_capacity() } else { 0 };
        self.pending = (capacity > 0).then(|| PendingFrames::new(frames, capacity));
        capacity > 0
    }
}

impl<S: Transport> Deliver for Writer<S> {
    /// Delivers a message while the group is locked. So everything that may run foreign code is
    /// left to the driver, or, if its runtime is shut down, held by the thread until the group is
    /// unlocked.
    fn deliver(
        self: Arc<Self>,
        broadcast: &BroadcastMessage<'_>,
        policy: LagPolicy,
    ) -> DeliveryOutcome {
        let mut state = self.lock_leaving_pending();
        let delivered = self.deliver_locked(&mut state, broadcast, policy);
        if let Some(collected) = state.unlock() {
            let later = DropLater(self.clone(), Some(collected));
            hold_rejected(self.driver.drop_later(Box::new(later)));
        }
        hold_rejected(self.drop_reference());
        delivered
    }
}

/// Holds a value that the driver did not take, as its runtime is shut down.
fn hold_rejected(dropping: Result<(), Box<dyn Send>>) {
    if let Err(rejected) = dropping {
        guard::defer_drop(DeferredDrop::Call(Box::new(|| drop(rejected))));
    }
}

/// Runs what was collected under a writer's lock when this is dropped.
struct DropLater<S>(Arc<Writer<S>>, Option<DeferredDrops<S>>);

impl<S> Drop for DropLater<S> {
    fn drop(&mut self) {
        if let Some(collected) = self.1.take() {
            collected.finish(&self.0);
        }
    }
}

impl<S: Transport> Writer<S> {
    /// Delivers a message with the writer locked.
    #[inline]
    fn deliver_locked(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        broadcast: &BroadcastMessage<'_>,
        policy: LagPolicy,
    ) -> DeliveryOutcome {
        if self.append_pending(state, broadcast) {
            return DeliveryOutcome::Queued;
        }
        state.queue_pending();
        let sent = self.send_prepared(state, broadcast.message, FlushPolicy::Deferred);
        let Err(error) = sent else { return DeliveryOutcome::Queued };
        match policy.decide(error) {
            LagDecision::Queue { keep } => {
                let lagging = &mut state.waiters.get_or_insert_default().lagging;
                let message = broadcast.message.clone();
                let mut dropped = Vec::new();
                let missed = lagging.push(broadcast.key, message, keep, |old| dropped.push(old));
                for old in dropped {
                    state.drop_later(DeferredDrop::Prepared(old));
                }
                if missed { DeliveryOutcome::Dropped } else { DeliveryOutcome::Waiting }
            }
            LagDecision::Close(frame) => {
                self.close_locked(state, frame);
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
    use fullduplex_proto::{Config, Message, PreparedMessage, Session};
    use tokio::io::DuplexStream;

    use super::*;
    use crate::connection::writer::send::OutgoingMessage;
    use crate::transport::halves;

    /// Records whether it is dropped while a lock is held.
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

    /// Returns whether the payload of a queued message is dropped without the lock that is held
    /// while `publish` delivers to the writer and drops the last reference to it.
    fn is_dropped_unlocked(publish: impl FnOnce(Arc<Writer<DuplexStream>>, &Mutex<()>)) -> bool {
        let lock = Arc::new(Mutex::new(()));
        let dropped_unlocked = Arc::new(AtomicBool::new(false));
        let (stream, _peer) = tokio::io::duplex(1);
        let (_reader, write_half) = halves::split::<DuplexStream>(stream);
        let session = Session::server(&Config::default());
        let writer = Writer::new(session, write_half, 1024);
        let owner = Owner { lock: lock.clone(), dropped_unlocked: dropped_unlocked.clone() };
        let message = Message::Binary(Bytes::from_owner(owner));
        let mut outgoing = Some(OutgoingMessage::Message(message));
        writer.send(&mut outgoing, FlushPolicy::Now.into()).unwrap();
        publish(writer, &lock);
        dropped_unlocked.load(Ordering::SeqCst)
    }

    fn deliver(writer: Arc<Writer<DuplexStream>>) {
        let prepared = PreparedMessage::new(Message::text("published"));
        let broadcast = BroadcastMessage { message: &prepared, key: None, frames: None };
        let _: DeliveryOutcome = writer.deliver(&broadcast, LagPolicy::DropNewest);
    }

    #[test]
    fn drop_of_the_last_reference_does_not_happen_under_the_lock_of_a_group() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let turn = || runtime.block_on(tokio::task::yield_now());
        assert!(is_dropped_unlocked(|writer, lock| {
            // The driver keeps a reference until it has written.
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
            guard::drop_deferred().unwrap();
        }));
    }
}
