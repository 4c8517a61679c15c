//! How an outlet takes what is published to many.
//!
//! A short message is first only noted: from where to where it lies in what the group has
//! published. So to publish touches little of each member, and a member needs no memory while
//! its transport takes all. Whoever takes the lock to do anything else queues it before.

use std::sync::Arc;

use super::{Inner, Leave, Outlet};
use crate::batch::{Frames, Noted};
use crate::group::{Deliver, Delivered, Publication, Slow, Verdict};
use crate::halves::Transport;

impl<S: Transport> Outlet<S> {
    /// Takes a message as a note of where it lies; gives whether that was possible.
    #[inline]
    fn note(self: &Arc<Self>, inner: &mut Inner<S>, publication: &Publication<'_>) -> bool {
        let Some(frames) = &publication.frames else { return false };
        if !inner.published.as_mut().is_some_and(|noted| noted.extend(frames)) {
            if !self.shares || !inner.begin(frames) {
                return false;
            }
            self.defer_locked();
        }
        let message = publication.message.message();
        self.note_sent(message.kind(), true, message.len());
        if inner.published.as_ref().is_some_and(Noted::is_full) {
            inner.settle();
            self.leave(inner, Leave::Gathered);
        }
        true
    }
}

impl<S: Transport> Inner<S> {
    /// Queues what was published.
    pub(super) fn settle(&mut self) {
        let Some(noted) = self.published.take() else { return };
        self.lend();
        let queued = self.session.send_batch(&noted.lock(), noted.range());
        debug_assert_eq!(queued, Ok(()), "nothing was done since there was room");
    }

    /// Notes the first frames, if the session could take them now.
    fn begin(&mut self, frames: &Frames) -> bool {
        self.settle();
        let room = if self.check_unparked().is_ok() { self.session.room() } else { 0 };
        self.published = (room > 0).then(|| Noted::new(frames, room));
        room > 0
    }
}

impl<S: Transport> Deliver for Outlet<S> {
    fn deliver(self: Arc<Self>, publication: &Publication<'_>, slow: Slow) -> Delivered {
        let mut inner = self.lock_unsettled();
        if self.note(&mut inner, publication) {
            return Delivered::Queued;
        }
        inner.settle();
        let sent = self.send_prepared(&mut inner, publication.message, Leave::Gathered);
        let Err(error) = sent else { return Delivered::Queued };
        match slow.verdict(error) {
            Verdict::Park { keep } => {
                let parked = inner.parked.get_or_insert_default();
                let message = publication.message.clone();
                let missed = parked.park(publication.key, message, keep);
                if missed { Delivered::Dropped } else { Delivered::Waiting }
            }
            Verdict::Close(frame) => {
                drop(inner);
                self.close(frame);
                Delivered::Closed
            }
            Verdict::Drop => Delivered::Dropped,
        }
    }
}
