//! Where everything that a connection sends goes through: the session with its queue, and
//! the writing half of the transport.
//!
//! It is shared by the sending half, the receiving half (for the pongs and Closes that it
//! owes) and the driver (for deferred writes and timers). Its lock is held for queueing and
//! for one attempt to write, never while anybody waits, and reading takes no lock. Code of the
//! application is called when it has been released; see [`WriterGuard`].
//!
//! The transport's writing side knows one waker, the writer's own, whoever polls it; tasks
//! that wait for room or for the end are woken by the writer.

mod close;
mod control;
pub(crate) mod delivery;
mod driven;
mod flush;
mod lock;
mod permit;
mod publish;
mod receive;
mod send;
mod waiters;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32};
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};

use fullduplex_proto::{MessageKind, ReadyState, Role, Session};

use crate::base::error::Error;
use crate::base::guard;
use crate::base::sync::Mutex;
use crate::connection::driver::{DeadlineNanos, Driver};
use crate::connection::observer::Registration;
use crate::connection::shared_frames::PendingFrames;
use crate::connection::stats::ConnectionCounters;
use crate::connection::writer::delivery::LaggingQueue;
use crate::transport::Transport;
use crate::transport::halves::WriteHalf;

use crate::connection::writer::driven::WriteWaker;
use crate::connection::writer::lock::{UnlockFlags, WriterGuard};
use crate::connection::writer::waiters::Waiters;
pub(crate) use send::{Flush, OutgoingMessage};
pub(crate) use waiters::{Wait, WaiterKey};

pub(crate) struct Writer<S> {
    driver: Arc<Driver>,
    /// Small, as each connection has it.
    low_water: u32,
    /// What arrives is counted against budgets.
    has_rates: bool,
    /// What is sent may be compressed.
    compresses: bool,
    /// What is published is sent as it is to all.
    shares: bool,
    /// The reader waits for the transport, rather than the transport for a reader.
    listening: AtomicBool,
    /// A message arrived, or a piece of one, since the idle timeout last looked.
    talked: AtomicBool,
    /// Handed to the driver and not flushed by it yet; so it is there once at most.
    deferred: AtomicBool,
    /// How many sinks were told that there is room, and have not used it yet: no more than
    /// there are sending halves. At its largest it says only that there are many. The lock is
    /// held when it changes; it is here because here is room for it.
    promised: AtomicU16,
    /// Sending halves of the application.
    senders: AtomicU32,
    /// What went over it.
    counters: ConnectionCounters,
    inner: Mutex<WriterState<S>>,
}

#[allow(clippy::struct_excessive_bools, reason = "independent facts, kept small")]
pub(crate) struct WriterState<S> {
    pub(crate) session: Session,
    write_half: WriteHalf<S>,
    /// Made when the transport first takes no more.
    write_waker: Option<Arc<WriteWaker<S>>>,
    /// Writing failed. Reading goes on, as the peer may have said why.
    broken: Option<io::ErrorKind>,
    /// The application dropped the receiving half, and a task of ours reads in its place.
    pub(crate) lingers: bool,
    /// Tasks that wait for room, for an empty queue, or for the end.
    waiters: Option<Box<Waiters>>,
    /// The wakers of those that are to be woken when the lock is released.
    #[allow(clippy::box_collection, reason = "for most it is never needed")]
    woken: Option<Box<Vec<Waker>>>,
    /// The task that reads, while it waits.
    reader: Option<Waker>,
    /// What is to be done when the lock is released.
    owed: UnlockFlags,
    /// The connection has ended, and what it held was given up.
    released: bool,
    /// The driver's entry that counts.
    scheduled: DeadlineNanos,
    /// A message left at once since the last turn, so the next ones are gathered.
    hot: bool,
    /// The transport took bytes that `poll_flush` has yet to push on.
    unflushed: bool,
    shut_down: bool,
    /// Published messages that are to be queued before anything else is done.
    published: Option<PendingFrames>,
    /// Published messages for which there was no room.
    parked: Option<Box<LaggingQueue>>,
    /// Its entry with its owner, such as a server.
    registration: Option<Registration>,
}

impl<S: Transport> Writer<S> {
    pub(crate) fn new(
        mut session: Session,
        write_half: WriteHalf<S>,
        low_water: usize,
    ) -> Arc<Self> {
        // Who is woken has to find room.
        let low_water = low_water.min(session.high_water() - 1);
        let driver = Driver::current();
        session.open(driver.now());
        let (has_rates, compresses) = (session.has_rate_limits(), session.compresses());
        let shares = session.can_share_frames();
        let inner = WriterState {
            session,
            write_half,
            write_waker: None,
            broken: None,
            lingers: false,
            waiters: None,
            woken: None,
            reader: None,
            owed: UnlockFlags::default(),
            released: false,
            scheduled: DeadlineNanos::NEVER,
            hot: false,
            unflushed: false,
            shut_down: false,
            published: None,
            parked: None,
            registration: None,
        };
        let this = Arc::new(Self {
            driver,
            low_water: u32::try_from(low_water).unwrap_or(u32::MAX),
            has_rates,
            compresses,
            shares,
            listening: AtomicBool::new(false),
            talked: AtomicBool::new(false),
            deferred: AtomicBool::new(false),
            promised: AtomicU16::new(0),
            senders: AtomicU32::new(1),
            counters: ConnectionCounters::default(),
            inner: Mutex::new(inner),
        });
        this.schedule(&mut this.lock());
        this
    }

    /// Sets the owner that is notified of the connection's end.
    pub(crate) fn register(&self, registration: Registration) {
        let mut inner = self.lock();
        inner.registration = Some(registration);
        // If the connection has ended already, this is reported when the lock is released.
        inner.released = false;
    }

    #[inline]
    pub(crate) fn lock(&self) -> WriterGuard<'_, S> {
        let mut inner = self.lock_unsettled();
        if inner.published.is_some() {
            inner.settle();
        }
        inner
    }

    /// Locks it for a caller that makes a [`WriterGuard`] of this if there is more to be done than
    /// to release the lock: it costs less than to leave that to the `Drop` of a `WriterGuard`.
    #[inline]
    fn lock_bare(&self) -> MutexGuard<'_, WriterState<S>> {
        let mut inner = self.lock_inner();
        if inner.published.is_some() {
            inner.settle();
        }
        inner
    }

    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }

    /// The same of what is sent. The lock is held.
    #[inline]
    fn note_sent(&self, kind: MessageKind, last: bool, payload: usize) {
        self.counters.sent.payload(payload);
        if last {
            self.counters.sent.message(kind);
        }
    }

    /// Waits until all that was queued has left.
    pub(crate) fn poll_flush(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: Option<&mut WaiterKey>,
    ) -> Poll<Result<(), Error>> {
        let mut inner = self.lock();
        self.write(&mut inner);
        if inner.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        // Nobody else would write what is left.
        let _ = self.check_runtime(&mut inner);
        if inner.broken.is_some() || inner.session.state() == ReadyState::Closed {
            return Poll::Ready(Err(inner.unsent()));
        }
        self.wait(&mut inner, cx, key);
        Poll::Pending
    }

    pub(crate) fn role(&self) -> Role {
        self.lock().session.role()
    }
}

impl<S> Writer<S> {
    /// Locks it with what was published left where it is.
    #[inline]
    fn lock_unsettled(&self) -> WriterGuard<'_, S> {
        WriterGuard::new(self, self.lock_inner())
    }

    #[inline]
    fn lock_inner(&self) -> MutexGuard<'_, WriterState<S>> {
        self.inner.try_lock().unwrap_or_else(|| self.lock_contended())
    }

    #[cold]
    fn lock_contended(&self) -> MutexGuard<'_, WriterState<S>> {
        // It would wait for itself. The panic ends that poll, and the connection.
        assert!(
            !guard::polls_transport_of(self.address()),
            "a transport may not use its own connection while it is polled"
        );
        self.inner.lock()
    }

    /// The same, where a transport that is polled may be the caller: then `None` rather than
    /// wait, for itself or for one who waits for it.
    #[inline]
    fn lock_unless_polled(&self) -> Option<WriterGuard<'_, S>> {
        match self.inner.try_lock() {
            Some(inner) => Some(WriterGuard::new(self, inner)),
            None if guard::polls_transport() => None,
            None => Some(self.lock_unsettled()),
        }
    }

    /// Polls the transport for reading. The writing half may share a lock with it.
    #[inline]
    pub(crate) fn reading<T>(&self, poll: impl FnOnce() -> T) -> T {
        guard::polled_unlocked(self.address(), poll)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}
