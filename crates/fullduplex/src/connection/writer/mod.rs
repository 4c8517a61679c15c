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

pub(crate) mod delivery;
pub(crate) mod flush;
mod locked;
pub(crate) mod publish;
pub(crate) mod send;
mod waiting;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};

use fullduplex_proto::{
    CloseCause, CloseCode, CloseFrame, CloseInfo, Event, MessageKind, ProtocolError, ReadyState,
    Role, Session, TransportAction as Need,
};

use crate::base::error::Error;
use crate::base::guard;
use crate::base::guard::{DeferredDrop, caught};
use crate::base::sync::Mutex;
use crate::connection::driver::{DeadlineNanos, Driver};
use crate::connection::observer::Registration;
use crate::connection::shared_frames::PendingFrames;
use crate::connection::stats::ConnectionCounters;
use crate::connection::writer::delivery::LaggingQueue;
use crate::transport::Transport;
use crate::transport::halves::WriteHalf;

use crate::connection::writer::flush::WriteWaker;
use crate::connection::writer::locked::{UnlockFlags, WriterGuard};
use crate::connection::writer::waiting::Waiters;
pub(crate) use send::{Flush, OutgoingMessage};
pub(crate) use waiting::{Wait, WaiterKey};

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

    /// Counts received bytes. Returns whether the reader was waiting for them.
    #[inline]
    pub(crate) fn note_received(&self, bytes: usize) -> bool {
        let was_waiting = self.listening.load(Ordering::Relaxed);
        self.listening.store(false, Ordering::Relaxed);
        self.counters.received.wire(bytes);
        was_waiting
    }

    /// Nobody waits for what the transport brings.
    #[inline]
    pub(crate) fn stop_listening(&self) {
        self.listening.store(false, Ordering::Relaxed);
    }

    /// As much waits for the application as may, so nothing more is read; or it has asked for a
    /// message.
    #[cold]
    pub(crate) fn set_unread(&self, unread: bool) {
        self.lock().session.set_unread(unread);
    }

    /// A piece of a message was received.
    #[inline]
    pub(crate) fn note_piece(&self) {
        self.talked.store(true, Ordering::Relaxed);
    }

    /// A message was received, or a piece for the application, with so much payload.
    #[inline]
    pub(crate) fn note_message(
        self: &Arc<Self>,
        kind: MessageKind,
        last: bool,
        payload: usize,
    ) -> Result<(), ProtocolError> {
        self.note_piece();
        self.counters.received.payload(payload);
        if last {
            self.counters.received.message(kind);
        }
        if self.has_rates { self.count_message(last, payload) } else { Ok(()) }
    }

    #[cold]
    fn count_message(self: &Arc<Self>, last: bool, payload: usize) -> Result<(), ProtocolError> {
        let mut inner = self.lock();
        let counted = inner.session.count_message(last, payload, self.driver.now());
        if counted.is_err() {
            self.write(&mut inner);
            self.schedule(&mut inner);
        }
        counted
    }

    /// The same of what is sent. The lock is held.
    #[inline]
    fn note_sent(&self, kind: MessageKind, last: bool, payload: usize) {
        self.counters.sent.payload(payload);
        if last {
            self.counters.sent.message(kind);
        }
    }

    /// Begins the closing handshake, unless that was done.
    pub(crate) fn close(self: &Arc<Self>, frame: Option<CloseFrame>) -> bool {
        self.close_locked(&mut self.lock(), frame)
    }

    fn close_locked(
        self: &Arc<Self>,
        inner: &mut WriterState<S>,
        frame: Option<CloseFrame>,
    ) -> bool {
        self.note_total(inner);
        let begins = inner.session.close(frame, self.driver.now());
        if begins {
            self.write(inner);
            self.schedule(inner);
            // The reader has to wait for the peer's answer from now on.
            inner.wake_reader();
        }
        begins
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

    /// Waits until the connection is closed.
    pub(crate) fn poll_closed(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
    ) -> Poll<()> {
        let mut inner = self.lock();
        if self.check_runtime(&mut inner).is_err() {
            // Nobody keeps its deadlines any more.
            inner.session.handle_end(CloseCause::TransportError, self.driver.now());
        }
        if inner.session.state() == ReadyState::Closed {
            return Poll::Ready(());
        }
        self.wait(&mut inner, cx, Some(key));
        Poll::Pending
    }

    /// What the receiving half found: as soon as it arrived, or later.
    pub(crate) fn handle_event(
        self: &Arc<Self>,
        event: &Event<'_>,
        at_once: bool,
    ) -> Result<(), ProtocolError> {
        let mut inner = self.lock();
        if !at_once && matches!(event, Event::Pong(_)) {
            // The time that it waited for its reader is not the way's.
            inner.session.discard_round_trip();
        }
        if matches!(event, Event::Close(_)) {
            self.note_total(&mut inner);
        }
        let awaited = inner.session.awaits_pong();
        let result = inner.session.handle_event(event, self.driver.now());
        if let (Some(registration), Some(took)) = (&inner.registration, inner.session.round_trip())
            && awaited
            && !inner.session.awaits_pong()
        {
            registration.observer().round_trip(took);
        }
        self.write(&mut inner);
        self.schedule(&mut inner);
        result
    }

    /// Tells the session what has arrived: what comes from now on counts as progress.
    fn note_total(&self, inner: &mut WriterState<S>) {
        inner.session.record_received_total(self.counters.received.wire_total());
    }

    /// The task that waits for messages, which is to be woken in another way from now on.
    pub(crate) fn take_reader(&self) -> Option<Waker> {
        self.lock().reader.take()
    }

    pub(crate) fn role(&self) -> Role {
        self.lock().session.role()
    }

    /// Keeps this end open for sending when the peer has sent all.
    pub(crate) fn allow_half_close(&self) {
        self.lock().session.allow_half_close();
    }

    /// The receiving half found that the peer broke a rule.
    pub(crate) fn fail(self: &Arc<Self>, error: ProtocolError) {
        let mut inner = self.lock();
        inner.session.fail(error, self.driver.now());
        self.write(&mut inner);
        self.schedule(&mut inner);
    }

    /// The peer ended its direction of the transport: what is queued still leaves.
    pub(crate) fn end_reading(self: &Arc<Self>) {
        let mut inner = self.lock();
        inner.session.handle_read_end(self.driver.now());
        self.write(&mut inner);
        self.schedule(&mut inner);
        // Those who wait for room wait in vain.
        inner.wake_waiters();
    }

    /// Both directions of the transport ended, or it is to be dropped. Gives whether the reader
    /// is to be dropped at once, too, and with both of them a socket.
    pub(crate) fn end(&self, cause: CloseCause) -> bool {
        let mut inner = self.lock();
        inner.session.handle_end(cause, self.driver.now());
        inner.wake_waiters();
        inner.write_half.give_up();
        cause != CloseCause::Dropped || !inner.leaves_end()
    }

    /// Called by the receiving half before it waits: writes what is queued. Gives the cause
    /// if there is nothing to wait for.
    pub(crate) fn before_wait(self: &Arc<Self>, cx: &mut Context<'_>) -> Option<CloseCause> {
        let mut inner = self.lock();
        inner.hot = false;
        self.write(&mut inner);
        let _ = self.check_runtime(&mut inner);
        self.listening.store(true, Ordering::Relaxed);
        if !inner.reader.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            let before = inner.reader.replace(cx.waker().clone());
            if let Some(before) = before {
                inner.drop_later(DeferredDrop::Waker(before));
            }
        }
        match inner.session.transport() {
            _ if inner.broken.is_some() => Some(CloseCause::TransportError),
            Need::Drop => Some(CloseCause::Dropped),
            _ => None,
        }
    }

    /// Counts a new sending half.
    pub(crate) fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// A sending half was dropped. With the last one the connection ends, if its receiving
    /// half is gone too.
    pub(crate) fn drop_sender(self: &Arc<Self>) {
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 && self.lock().lingers {
            self.close_dropped();
        }
    }

    /// The receiving half was dropped. Gives whether somebody must read in its place: to
    /// finish the closing, or because the sending half still works.
    pub(crate) fn drop_reader(self: &Arc<Self>) -> bool {
        let mut inner = self.lock();
        if inner.session.state() == ReadyState::Closed {
            return false;
        }
        inner.lingers = true;
        inner.session.end_half_close();
        drop(inner);
        if self.senders.load(Ordering::Acquire) == 0 {
            self.close_dropped();
        }
        true
    }

    /// Nobody uses the connection any more, and nobody closed it.
    fn close_dropped(self: &Arc<Self>) {
        let code = if std::thread::panicking() {
            CloseCode::INTERNAL_ERROR
        } else {
            CloseCode::GOING_AWAY
        };
        self.close(CloseFrame::new(code, "").ok());
    }

    pub(crate) fn close_info(&self) -> Option<CloseInfo> {
        self.lock().session.close_info().cloned()
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

impl<S> Drop for Writer<S> {
    fn drop(&mut self) {
        let inner = self.inner.get_mut();
        inner.write_half.give_up();
        let wakers = (inner.waiters.take(), inner.woken.take(), inner.reader.take());
        let ended = inner.release();
        inner.session.handle_end(CloseCause::Dropped, self.driver.now());
        let unsent = inner.session.take_unsent();
        let observer = ended.observer();
        // This may be within a panic, where another one would end the process.
        let dropped = ended.let_go(self).and(caught(|| drop((wakers, unsent))));
        if let (Err(_), Some(observer)) = (dropped, observer) {
            observer.panicked("what a connection held");
        }
        self.driver.note_gone();
    }
}
