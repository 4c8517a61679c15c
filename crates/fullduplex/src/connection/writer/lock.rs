//! The lock of a writer, under which no foreign code runs.
//!
//! Wakers, the `Drop` of payloads, of transports and of spans, and the `tracing` subscriber are
//! foreign code: they may use the connection whose lock is held, or panic. So what must be woken or
//! dropped is collected while the lock is held, and woken or dropped after its release.
//!
//! At the end of the connection that is everything it holds, the transport included. So the end
//! does not wait until the application drops the last half.

use std::io;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;
use std::task::Waker;

use fullduplex_proto::{CloseCause, CloseInfo, ReadyState, Role, SendBuffer};

use crate::base::guard;
use crate::base::guard::{DeferredDrop, Panicked, caught};
use crate::connection::observer::{Registration, SharedObserver};
use crate::connection::shared_frames::PendingFrames;
use crate::connection::writer::delivery::LaggingQueue;
use crate::connection::writer::pings::ControlWatch;
use crate::connection::writer::waiters::Waiters;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::halves::WriteHalf;

/// Why a [`WriterGuard`] has its lock whenever it is used.
const LOCKED: &str = "the lock is released only at the end";

/// The locked state of a writer. After the release, it runs what was collected meanwhile.
pub(crate) struct WriterGuard<'a, S> {
    writer: &'a Writer<S>,
    /// `None` after the release. An `Option`, so that the release can be a separate function that
    /// takes the guard by value: without an address, it stays in registers.
    state: Option<MutexGuard<'a, WriterState<S>>>,
}

/// A set of things to do when the lock is released. One byte, as each connection has it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UnlockFlags(u8);

impl UnlockFlags {
    /// Wake the task that reads.
    pub(crate) const READER: Self = Self(1);
    /// Drop what the thread has deferred, see [`guard::defer_drop`].
    pub(crate) const HELD: Self = Self(2);
    /// Report a panic of the transport.
    pub(crate) const PANIC: Self = Self(4);
    /// Wake the tasks that wait.
    const WAITERS: Self = Self(8);
    /// Check whether the connection has ended.
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

/// What was collected under a writer's lock: to be woken, dropped and reported.
pub(crate) struct DeferredDrops<S> {
    waiters: Vec<Waker>,
    read_waker: Option<Waker>,
    /// Whether the thread holds values to drop.
    holds: bool,
    /// Values that the thread held, if another thread drops them.
    held: Vec<DeferredDrop>,
    /// Whether the transport has panicked.
    panicked: bool,
    ended: Option<HeldUntilEnd<S>>,
}

/// The resources that a connection holds until its end.
pub(crate) struct HeldUntilEnd<S> {
    registration: Option<Registration>,
    info: Option<CloseInfo>,
    write_half: WriteHalf<S>,
    keeps_transport: bool,
    unsent: Option<Box<SendBuffer>>,
    pending: Option<PendingFrames>,
    lagging: LaggingQueue,
    control: ControlWatch,
}

impl<'a, S> WriterGuard<'a, S> {
    #[inline]
    pub(crate) fn new(writer: &'a Writer<S>, state: MutexGuard<'a, WriterState<S>>) -> Self {
        Self { writer, state: Some(state) }
    }

    /// Releases the lock while the caller holds another one. Returns what was collected, for which
    /// the caller must call [`DeferredDrops::finish`] without locks.
    #[inline]
    pub(crate) fn unlock(mut self) -> Option<DeferredDrops<S>> {
        let mut state = self.state.take()?;
        state.has_unlock_actions().then(|| {
            let mut collected = state.collect();
            if mem::take(&mut collected.holds) {
                collected.held = guard::take_deferred();
            }
            collected
        })
    }
}

impl<S> Drop for WriterGuard<'_, S> {
    #[inline]
    fn drop(&mut self) {
        if let Some(state) = self.state.take()
            && state.has_unlock_actions()
        {
            unlock_and_finish(self.writer, state);
        }
    }
}

/// Releases the lock, and runs what was collected.
#[cold]
fn unlock_and_finish<S>(writer: &Writer<S>, mut state: MutexGuard<'_, WriterState<S>>) {
    let collected = state.collect();
    drop(state);
    collected.finish(writer);
}

impl<S> Deref for WriterGuard<'_, S> {
    type Target = WriterState<S>;

    #[inline]
    fn deref(&self) -> &WriterState<S> {
        self.state.as_ref().expect(LOCKED)
    }
}

impl<S> DerefMut for WriterGuard<'_, S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut WriterState<S> {
        self.state.as_mut().expect(LOCKED)
    }
}

impl<S> WriterState<S> {
    /// Returns whether anything must be done when the lock is released.
    #[inline]
    fn has_unlock_actions(&self) -> bool {
        !self.on_unlock.is_nothing()
            || (!self.released && self.session.state() == ReadyState::Closed)
    }

    #[cold]
    fn collect(&mut self) -> DeferredDrops<S> {
        let on_unlock = mem::take(&mut self.on_unlock);
        let ends = !self.released && self.session.state() == ReadyState::Closed;
        DeferredDrops {
            waiters: self.take_waiting(|waiters| mem::take(&mut waiters.to_wake)),
            read_waker: self.read_waker.take_if(|_| on_unlock.has(UnlockFlags::READER)),
            holds: on_unlock.has(UnlockFlags::HELD),
            held: Vec::new(),
            panicked: on_unlock.has(UnlockFlags::PANIC),
            ended: ends.then(|| self.take_held()),
        }
    }

    /// Takes the resources of the connection, which has ended.
    pub(crate) fn take_held(&mut self) -> HeldUntilEnd<S> {
        self.released = true;
        self.needs_flush = false;
        if self.shut_down {
            self.write_half.give_up();
        }
        let keeps_transport = self.keeps_transport();
        HeldUntilEnd {
            registration: self.registration.take(),
            info: self.session.close_info().cloned(),
            write_half: mem::replace(&mut self.write_half, WriteHalf::Gone),
            keeps_transport,
            unsent: self.session.take_unsent(),
            pending: self.pending.take(),
            lagging: self.take_waiting(|waiters| mem::take(&mut waiters.lagging)),
            control: self.take_waiting(|waiters| mem::take(&mut waiters.control)),
        }
    }

    /// Takes something of what waits.
    fn take_waiting<T: Default>(&mut self, take: impl FnOnce(&mut Waiters) -> T) -> T {
        let Some(waiters) = &mut self.waiters else { return T::default() };
        let taken = take(waiters);
        if waiters.is_empty() {
            self.waiters = None;
        }
        taken
    }

    /// Returns whether the transport must live until the halves are dropped: a client that has
    /// ended its side of an HTTP/2 stream would reset the stream by dropping it before the server
    /// has ended, too (RFC 9113 §5.4.2).
    pub(crate) fn keeps_transport(&self) -> bool {
        self.shut_down
            && self.write_error.is_none()
            && !self.session.read_ended()
            && self.session.role() == Role::Client
            && self.session.close_info().is_some_and(CloseInfo::is_clean)
    }

    /// Wakes the tasks that wait for capacity, for an empty queue, or for the end, after the
    /// release.
    #[inline]
    pub(crate) fn wake_waiters(&mut self) {
        if self.waiters.is_some() {
            self.wake_all();
        }
    }

    #[cold]
    fn wake_all(&mut self) {
        let wakers = self.take_waiting(Waiters::take_wakers);
        self.wake_later(wakers);
    }

    /// Wakes tasks when the lock is released.
    pub(crate) fn wake_later(&mut self, mut wakers: Vec<Waker>) {
        if wakers.is_empty() {
            return;
        }
        self.on_unlock.add(UnlockFlags::WAITERS);
        self.waiters.get_or_insert_default().to_wake.append(&mut wakers);
    }

    /// Wakes the task that reads when the lock is released.
    #[inline]
    pub(crate) fn wake_reader(&mut self) {
        self.on_unlock.add(UnlockFlags::READER);
    }

    /// Drops a value when the lock is released.
    pub(crate) fn drop_later(&mut self, held: DeferredDrop) {
        guard::defer_drop(held);
        self.on_unlock.add(UnlockFlags::HELD);
    }
}

impl<S> DeferredDrops<S> {
    /// Wakes, drops and reports what was collected. No lock of the library may be held.
    #[cold]
    pub(crate) fn finish(mut self, writer: &Writer<S>) {
        let mut panicked = self.panicked.then_some("a transport");
        let mut observer = None;
        // Before tasks are woken, so that they find the end complete.
        if let Some(ended) = self.ended {
            observer = ended.observer();
            if let Err(Panicked) = ended.release(writer) {
                panicked = Some("what a connection held");
            }
        }
        for waker in self.waiters.into_iter().chain(self.read_waker) {
            if let Err(Panicked) = caught(|| waker.wake()) {
                panicked = Some("a waker");
            }
        }
        let dropped = guard::drop_all(&mut self.held);
        // Within a poll of another connection's transport, the thread also holds values of that
        // connection, which is still locked. Then all of them are dropped after that poll.
        let holds = self.holds && !guard::polls_transport();
        let also = if holds { guard::drop_deferred() } else { Ok(()) };
        if let Err(Panicked) = dropped.and(also) {
            panicked = Some("the owner of a payload");
        }
        if let Some(what) = panicked {
            writer.report_panic(what, observer);
        }
    }
}

impl<S> HeldUntilEnd<S> {
    pub(crate) fn observer(&self) -> Option<SharedObserver> {
        self.registration.as_ref().map(|registration| registration.observer().clone())
    }

    pub(crate) fn release(self, writer: &Writer<S>) -> Result<(), Panicked> {
        let Self {
            registration,
            info,
            write_half,
            keeps_transport,
            unsent,
            pending,
            lagging,
            control,
        } = self;
        if let Some(registration) = registration {
            registration.end(info.as_ref(), writer.counters.snapshot());
        }
        // Each guarded separately, so that a panic in one does not keep the others.
        let transport =
            caught(|| if keeps_transport { drop(write_half) } else { write_half.close() });
        let payloads = caught(|| drop(unsent));
        let reported = caught(|| control.end(info.as_ref()));
        caught(|| drop((pending, lagging))).and(payloads).and(transport).and(reported)
    }
}

impl<S> Writer<S> {
    /// Ends the connection as foreign code that it called has panicked, and reports that to its
    /// owner.
    #[cold]
    pub(crate) fn report_panic(&self, what: &'static str, observer: Option<SharedObserver>) {
        let mut state = self.lock_leaving_pending();
        let registered = || state.registration.as_ref().map(|owner| owner.observer().clone());
        let observer = observer.or_else(registered);
        state.cut(CloseCause::Dropped, self.driver.now());
        drop(state);
        if let Some(observer) = observer {
            observer.panicked(what);
        }
    }
}

impl<S> WriterState<S> {
    /// Ends the connection at once.
    pub(crate) fn cut(&mut self, cause: CloseCause, now: std::time::Duration) {
        self.session.handle_end(cause, now);
        self.write_error.get_or_insert(io::ErrorKind::ConnectionAborted);
        self.wake_reader();
        self.wake_waiters();
    }
}
