//! The lock of a writer, under which no code runs that is not the library's.
//!
//! Wakers, the `Drop` of payloads, of the transport and of spans, and the `tracing` subscriber
//! may do anything: use the connection whose lock is held, or panic. So what is to be woken or
//! dropped is collected while the lock is held, and let go of when it is released. At the end of
//! the connection that is all it holds, so that nothing waits for the last half to be dropped.

use std::io;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, MutexGuard};
use std::task::Waker;

use fullduplex_proto::{CloseCause, CloseInfo, ReadyState, Role, SendBuffer};

use crate::base::guard;
use crate::base::guard::{DeferredDrop, Panicked, caught};
use crate::connection::observer::{Registration, SharedObserver};
use crate::connection::shared_frames::PendingFrames;
use crate::connection::writer::delivery::LaggingQueue;
use crate::connection::writer::driven::WriteWaker;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::halves::WriteHalf;

/// A writer that is locked. What is collected meanwhile is let go of after the release.
pub(crate) struct WriterGuard<'a, S> {
    writer: &'a Writer<S>,
    /// `None` from the release on. By value, so that the release can be a function of its own
    /// that takes no address of this: it stays in registers.
    inner: Option<MutexGuard<'a, WriterState<S>>>,
}

/// What is to be done when the lock is released, as a set: small, as each connection has it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UnlockFlags(u8);

impl UnlockFlags {
    /// The task that reads is to be woken.
    pub(crate) const READER: Self = Self(1);
    /// The thread holds what is to be dropped.
    pub(crate) const HELD: Self = Self(2);
    /// A panic of the transport is to be counted.
    pub(crate) const PANIC: Self = Self(4);
    /// Tasks that wait are to be woken.
    const WAITERS: Self = Self(8);
    /// The connection may have ended just now.
    pub(crate) const END: Self = Self(16);

    #[inline]
    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    #[inline]
    pub(crate) fn is_nothing(self) -> bool {
        self.0 == 0
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What a writer lets go of.
pub(crate) struct DeferredDrops<S> {
    #[allow(clippy::box_collection, reason = "as the writer has it")]
    waiters: Option<Box<Vec<Waker>>>,
    reader: Option<Waker>,
    /// The thread holds what is to be dropped.
    holds: bool,
    /// What it held, where another thread is to drop it.
    held: Vec<DeferredDrop>,
    /// The transport has panicked.
    panicked: bool,
    ended: Option<HeldUntilEnd<S>>,
}

/// What a connection holds until its end.
pub(crate) struct HeldUntilEnd<S> {
    registration: Option<Registration>,
    info: Option<CloseInfo>,
    write_half: WriteHalf<S>,
    leaves_end: bool,
    write_waker: Option<Arc<WriteWaker<S>>>,
    unsent: Option<Box<SendBuffer>>,
    published: Option<PendingFrames>,
    parked: Option<Box<LaggingQueue>>,
}

impl<'a, S> WriterGuard<'a, S> {
    #[inline]
    pub(crate) fn new(writer: &'a Writer<S>, inner: MutexGuard<'a, WriterState<S>>) -> Self {
        Self { writer, inner: Some(inner) }
    }

    /// Releases the lock under another one: what was collected is the caller's to let go of.
    #[inline]
    pub(crate) fn unlock(mut self) -> Option<DeferredDrops<S>> {
        let mut inner = self.inner.take()?;
        inner.owes().then(|| {
            let mut collected = inner.collect();
            if mem::take(&mut collected.holds) {
                collected.held = guard::take_held();
            }
            collected
        })
    }
}

impl<S> Drop for WriterGuard<'_, S> {
    #[inline]
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && inner.owes()
        {
            release_owing(self.writer, inner);
        }
    }
}

/// Releases the lock, and does what is to be done then.
#[cold]
fn release_owing<S>(writer: &Writer<S>, mut inner: MutexGuard<'_, WriterState<S>>) {
    let collected = inner.collect();
    drop(inner);
    collected.let_go(writer);
}

impl<S> Deref for WriterGuard<'_, S> {
    type Target = WriterState<S>;

    #[inline]
    fn deref(&self) -> &WriterState<S> {
        self.inner.as_ref().expect(LOCKED)
    }
}

impl<S> DerefMut for WriterGuard<'_, S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut WriterState<S> {
        self.inner.as_mut().expect(LOCKED)
    }
}

const LOCKED: &str = "the lock is released only at the end";

impl<S> WriterState<S> {
    /// Whether anything is to be done when the lock is released.
    #[inline]
    fn owes(&self) -> bool {
        !self.owed.is_nothing() || (!self.released && self.session.state() == ReadyState::Closed)
    }

    #[cold]
    fn collect(&mut self) -> DeferredDrops<S> {
        let owed = mem::take(&mut self.owed);
        let ends = !self.released && self.session.state() == ReadyState::Closed;
        DeferredDrops {
            waiters: self.woken.take(),
            reader: self.reader.take_if(|_| owed.has(UnlockFlags::READER)),
            holds: owed.has(UnlockFlags::HELD),
            held: Vec::new(),
            panicked: owed.has(UnlockFlags::PANIC),
            ended: ends.then(|| self.release()),
        }
    }

    /// Gives up what the connection holds, as it has ended.
    pub(crate) fn release(&mut self) -> HeldUntilEnd<S> {
        self.released = true;
        self.unflushed = false;
        if self.shut_down {
            self.write_half.give_up();
        }
        let leaves_end = self.leaves_end();
        HeldUntilEnd {
            registration: self.registration.take(),
            info: self.session.close_info().cloned(),
            write_half: mem::replace(&mut self.write_half, WriteHalf::Gone),
            leaves_end,
            write_waker: self.write_waker.take(),
            unsent: self.session.take_unsent(),
            published: self.published.take(),
            parked: self.parked.take(),
        }
    }

    /// Whether the transport is left to the halves' drop: a client has ended its side of a stream
    /// first, and to drop that before the server's end would reset it (RFC 9113 §5.4.2).
    pub(crate) fn leaves_end(&self) -> bool {
        self.shut_down
            && self.broken.is_none()
            && !self.session.read_ended()
            && self.session.role() == Role::Client
            && self.session.close_info().is_some_and(CloseInfo::is_clean)
    }

    /// Has those woken who wait for room, for an empty queue, or for the end.
    #[inline]
    pub(crate) fn wake_waiters(&mut self) {
        if self.waiters.is_some() {
            self.wake_all();
        }
    }

    #[cold]
    fn wake_all(&mut self) {
        let Some(waiters) = &mut self.waiters else { return };
        let wakers = waiters.take_wakers();
        if waiters.is_empty() {
            self.waiters = None;
        }
        self.wake_later(wakers);
    }

    /// Has wakers woken when the lock is released.
    pub(crate) fn wake_later(&mut self, mut wakers: Vec<Waker>) {
        if wakers.is_empty() {
            return;
        }
        self.owed.add(UnlockFlags::WAITERS);
        match &mut self.woken {
            Some(woken) => woken.append(&mut wakers),
            None => self.woken = Some(Box::new(wakers)),
        }
    }

    /// Has the task woken that reads.
    #[inline]
    pub(crate) fn wake_reader(&mut self) {
        self.owed.add(UnlockFlags::READER);
    }

    /// Has something dropped when the lock is released.
    pub(crate) fn drop_later(&mut self, held: DeferredDrop) {
        guard::hold(held);
        self.owed.add(UnlockFlags::HELD);
    }
}

impl<S> DeferredDrops<S> {
    /// Wakes and drops what was collected, with no lock of the library's held.
    #[cold]
    pub(crate) fn let_go(mut self, writer: &Writer<S>) {
        let mut panicked = self.panicked.then_some("a transport");
        let mut observer = None;
        // Before others are woken, so that they find it done.
        if let Some(ended) = self.ended {
            observer = ended.observer();
            if let Err(Panicked) = ended.let_go(writer) {
                panicked = Some("what a connection held");
            }
        }
        for waker in self.waiters.into_iter().flat_map(|waiters| *waiters).chain(self.reader) {
            if let Err(Panicked) = caught(|| waker.wake()) {
                panicked = Some("a waker");
            }
        }
        let dropped = guard::drop_all(&mut self.held);
        // Within a poll of another connection's transport, the thread also holds what belongs to
        // that one, which is still locked: what is held here is then dropped with it.
        let holds = self.holds && !guard::polls_transport();
        let also = if holds { guard::drop_held() } else { Ok(()) };
        if let Err(Panicked) = dropped.and(also) {
            panicked = Some("the owner of a payload");
        }
        if let Some(what) = panicked {
            writer.note_panic(what, observer);
        }
    }
}

impl<S> HeldUntilEnd<S> {
    pub(crate) fn observer(&self) -> Option<SharedObserver> {
        self.registration.as_ref().map(|registration| registration.observer().clone())
    }

    pub(crate) fn let_go(self, writer: &Writer<S>) -> Result<(), Panicked> {
        let Self {
            registration,
            info,
            write_half,
            leaves_end,
            write_waker,
            unsent,
            published,
            parked,
        } = self;
        if let Some(registration) = registration {
            registration.end(info.as_ref(), writer.counters.read());
        }
        // Each by itself, so that one does not keep the others.
        let transport = caught(|| if leaves_end { drop(write_half) } else { write_half.close() });
        drop(write_waker);
        let payloads = caught(|| drop(unsent));
        caught(|| drop((published, parked))).and(payloads).and(transport)
    }
}

impl<S> Writer<S> {
    /// Foreign code that this connection called has panicked: that costs the connection, and is
    /// reported to its owner.
    #[cold]
    pub(crate) fn note_panic(&self, what: &'static str, observer: Option<SharedObserver>) {
        let mut inner = self.lock_unsettled();
        let registered = || inner.registration.as_ref().map(|owner| owner.observer().clone());
        let observer = observer.or_else(registered);
        inner.cut(CloseCause::Dropped, self.driver.now());
        drop(inner);
        if let Some(observer) = observer {
            observer.panicked(what);
        }
    }
}

impl<S> WriterState<S> {
    /// Ends the connection at once.
    pub(crate) fn cut(&mut self, cause: CloseCause, now: std::time::Duration) {
        self.session.handle_end(cause, now);
        self.broken.get_or_insert(io::ErrorKind::ConnectionAborted);
        self.wake_reader();
        self.wake_waiters();
    }
}
