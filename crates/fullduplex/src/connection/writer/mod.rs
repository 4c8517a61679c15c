//! The writer: everything that a connection sends goes through it. It has the session with the send
//! queue, and the writing half of the transport.
//!
//! It is shared by the sending halves, the receiving half (for Pongs and Closes) and the driver
//! (for deferred writes and timers). Its methods are in these files, by subject:
//!
//! * here: the fields, [`Writer::new`] and the lock;
//! * `send.rs`: messages in one step, as `send` and `try_send` do;
//! * `permit.rs`: messages in two steps, as `Sink` and `AsyncWrite` do;
//! * `control.rs`: Pings and Pongs of the application;
//! * `pings.rs`: what waits for Pings and Pongs of the peer;
//! * `publish.rs`: messages of a broadcast group, with the vocabulary in `delivery.rs`;
//! * `receive.rs`: what the receiving half reports;
//! * `close.rs`: closing, the end, and dropped halves;
//! * `flush.rs`: when and how the queue is written to the transport;
//! * `driven.rs`: calls by the driver, and the waker of the transport;
//! * `waiters.rs`: tasks that wait for capacity, for an empty queue or for the end;
//! * `lock.rs`: what is done when the lock is released.
//!
//! # The lock
//! The lock is held for queueing and for one attempt to write, never while a task waits. Reading
//! takes no lock. Code of the application runs only after the lock is released; see
//! [`WriterGuard`].
//!
//! # Wake-ups
//! A transport keeps one waker for its writing side, that of the last poll. If each task that sends
//! polled it with its own waker, the task that the transport wakes might be one that was dropped
//! or has stopped sending, and all others would wait forever. So the transport is always polled
//! with the writer's own waker ([`WriteWaker`]). That has the driver write on, and the writer wakes
//! the tasks that wait when there is something for them to do.
//!
//! The driver clears `deferred` before it writes. So a wake-up during that write registers the
//! writer again, and brings another turn.

mod close;
mod control;
pub(crate) mod delivery;
mod driven;
mod flush;
mod lock;
mod permit;
mod pings;
mod publish;
mod receive;
mod send;
mod waiters;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32};
use std::sync::{Arc, MutexGuard};
use std::task::Waker;

use fullduplex_proto::{Role, Session};

use crate::base::guard;
use crate::base::stats::ConnectionCounters;
use crate::base::sync::Mutex;
use crate::connection::driver::{DeadlineNanos, Driver};
use crate::connection::observer::Registration;
use crate::connection::shared_frames::PendingFrames;
use crate::transport::Transport;
use crate::transport::addresses::ConnectionEnd;
use crate::transport::halves::WriteHalf;

use crate::connection::writer::lock::{UnlockFlags, WriterGuard};
use crate::connection::writer::waiters::Waiters;
pub(crate) use close::close_frame;
pub(crate) use send::{FlushPolicy, OutgoingMessage, SendOptions};
pub(crate) use waiters::{Wait, WaiterKey};

/// The sending side of a connection, shared by its halves and the driver.
pub(crate) struct Writer<S> {
    driver: Arc<Driver>,
    /// The queued bytes up to which tasks that wait for capacity are woken. A `u32`, as each
    /// connection has this field.
    low_water: u32,
    /// Whether received messages count against rate limits.
    has_rate_limits: bool,
    /// Whether compression was negotiated.
    compresses: bool,
    /// Whether the shared frames of broadcast messages can be sent here as they are.
    can_share_frames: bool,
    /// Whether the application waits for the transport to bring something. If it does not, silence
    /// proves nothing about the peer, and the keepalive does not give it up.
    ///
    /// Relaxed, as are `saw_message` and the counters: the timers that read it tolerate a value
    /// that is a moment old.
    app_is_reading: AtomicBool,
    /// Whether a message or a chunk of one arrived since the idle timeout was last checked.
    saw_message: AtomicBool,
    /// Whether the driver has yet to flush this writer. So it is in the driver's queue at most
    /// once.
    deferred: AtomicBool,
    /// The number of sinks whose `poll_ready` has reserved capacity that `start_send` has not used
    /// yet: at most one for each sending half. `u16::MAX` means that or more.
    ///
    /// It changes only under the lock. It is not in the state, as here it fits into padding.
    reserved: AtomicU16,
    /// The number of sending halves.
    senders: AtomicU32,
    counters: ConnectionCounters,
    state: Mutex<WriterState<S>>,
}

/// The part of a [`Writer`] that its lock guards.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, kept small")]
pub(crate) struct WriterState<S> {
    pub(crate) session: Session,
    write_half: WriteHalf<S>,
    /// The error of writing, if it failed. Reading goes on, as the peer may have sent the reason.
    write_error: Option<io::ErrorKind>,
    /// Whether the receiving half was dropped, and a background task reads.
    pub(crate) reader_detached: bool,
    /// What waits for capacity, for an empty queue, for a Pong, or for the end.
    waiters: Option<Box<Waiters>>,
    /// The waker of the task that reads, while it waits.
    read_waker: Option<Waker>,
    /// What must be done when the lock is released.
    on_unlock: UnlockFlags,
    /// Whether the connection has ended and its resources were released.
    released: bool,
    /// The deadline of the driver's current entry; it ignores entries with any other.
    scheduled: DeadlineNanos,
    /// Whether something was written at once since the driver's last turn or the reader's last
    /// wait. Then the next messages are gathered.
    wrote_this_turn: bool,
    /// Whether the transport was written to and not flushed since.
    needs_flush: bool,
    /// Whether the writing side of the transport was shut down.
    shut_down: bool,
    /// Whether the writer of the fragmented message was dropped before its end.
    message_abandoned: bool,
    /// Frames of broadcast messages that must be queued before anything else is done.
    pending: Option<PendingFrames>,
    /// Where the end is reported; set by a server.
    registration: Option<Registration>,
}

impl<S: Transport> Writer<S> {
    pub(crate) fn new(
        mut session: Session,
        write_half: WriteHalf<S>,
        low_water: usize,
    ) -> Arc<Self> {
        // A task that is woken must find capacity.
        let low_water = low_water.min(session.high_water() - 1);
        let driver = Driver::current();
        session.open(driver.now());
        let (has_rate_limits, compresses) = (session.has_rate_limits(), session.compresses());
        let can_share_frames = session.can_share_frames();
        let state = WriterState {
            session,
            write_half,
            write_error: None,
            reader_detached: false,
            waiters: None,
            read_waker: None,
            on_unlock: UnlockFlags::default(),
            released: false,
            scheduled: DeadlineNanos::NEVER,
            wrote_this_turn: false,
            needs_flush: false,
            shut_down: false,
            message_abandoned: false,
            pending: None,
            registration: None,
        };
        let this = Arc::new(Self {
            driver,
            low_water: u32::try_from(low_water).unwrap_or(u32::MAX),
            has_rate_limits,
            compresses,
            can_share_frames,
            app_is_reading: AtomicBool::new(false),
            saw_message: AtomicBool::new(false),
            deferred: AtomicBool::new(false),
            reserved: AtomicU16::new(0),
            senders: AtomicU32::new(1),
            counters: ConnectionCounters::default(),
            state: Mutex::new(state),
        });
        this.schedule(&mut this.lock());
        this
    }

    /// Sets the owner that is notified of the connection's end.
    pub(crate) fn register(&self, registration: Registration) {
        let mut state = self.lock();
        state.registration = Some(registration);
        // If the connection has ended already, the end is reported when the lock is released.
        state.released = false;
    }

    /// Adds an observer of what is sent.
    #[cfg(feature = "tap")]
    pub(crate) fn add_tap(&self, queue: &Arc<crate::transport::tap::TapQueue>) {
        let mut state = self.lock();
        let write_half = std::mem::replace(&mut state.write_half, WriteHalf::Gone);
        state.write_half = write_half.tapped(queue);
    }

    /// Locks the state, and queues pending broadcast frames, which come before anything else.
    #[inline]
    pub(crate) fn lock(&self) -> WriterGuard<'_, S> {
        let mut state = self.lock_leaving_pending();
        if state.pending.is_some() {
            state.queue_pending();
        }
        state
    }

    /// Locks the state without a [`WriterGuard`], whose `Drop` costs more.
    ///
    /// The caller must make a `WriterGuard` of it if `on_unlock` is set when it is done.
    #[inline]
    fn lock_bare(&self) -> MutexGuard<'_, WriterState<S>> {
        let mut state = self.lock_state();
        if state.pending.is_some() {
            state.queue_pending();
        }
        state
    }

    /// Returns the driver of the runtime that the connection was opened on.
    pub(crate) fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Returns the role of this end.
    pub(crate) fn role(&self) -> Role {
        self.lock().session.role()
    }
}

impl<S: Transport> WriterState<S> {
    /// Returns an address of the TCP connection.
    pub(crate) fn address(&self, end: ConnectionEnd) -> io::Result<SocketAddr> {
        self.write_half.address(end)
    }
}

impl<S> Writer<S> {
    /// Locks the state, and leaves pending broadcast frames pending.
    #[inline]
    fn lock_leaving_pending(&self) -> WriterGuard<'_, S> {
        WriterGuard::new(self, self.lock_state())
    }

    #[inline]
    fn lock_state(&self) -> MutexGuard<'_, WriterState<S>> {
        self.state.try_lock().unwrap_or_else(|| self.lock_contended())
    }

    #[cold]
    fn lock_contended(&self) -> MutexGuard<'_, WriterState<S>> {
        // This thread has the lock already, for the poll: waiting would be a deadlock. The panic
        // ends the poll, and the connection.
        assert!(
            !guard::polls_transport_of(self.address()),
            "a transport may not use its own connection while it is polled"
        );
        self.state.lock()
    }

    /// Locks the state, or returns `None` if the caller is a transport that is polled and would
    /// have to wait. The owner of the lock may be waiting for that transport's connection.
    #[inline]
    fn lock_unless_polled(&self) -> Option<WriterGuard<'_, S>> {
        match self.state.try_lock() {
            Some(state) => Some(WriterGuard::new(self, state)),
            None if guard::polls_transport() => None,
            None => Some(self.lock_leaving_pending()),
        }
    }

    /// Polls the transport for reading, without the lock of the writer.
    ///
    /// The thread is marked as polling, as the two halves of a transport may share a lock.
    #[inline]
    pub(crate) fn poll_unlocked<T>(&self, poll: impl FnOnce() -> T) -> T {
        guard::polled_unlocked(self.address(), poll)
    }

    /// Returns the address, by which the guard knows the connection.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}
