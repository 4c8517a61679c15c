//! One background task for each runtime, which flushes connections whose own task does not, and
//! runs the timers of all connections.
//!
//! A message that was queued must leave even if the task that queued it goes on to wait for
//! something else, or ends. So a connection that has queued something registers itself here, at
//! most once, and is flushed when the tasks that can run now have run. This is what lets a
//! connection gather several messages in one write without ever leaving one behind.
//!
//! # Timers
//! A connection is in the heap of timers with its next deadline. If that moves nearer, a second
//! entry is added, and the older one is ignored when it expires. An entry keeps the memory of its
//! connection, though not the connection. So entries of dropped connections are removed when they
//! are half of the heap: otherwise a program with many short connections would keep the memory of
//! those of the last 20 s, the time to the first check of the keepalive.

mod task;
mod timer;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use fullduplex_proto::CloseFrame;
use tokio::runtime::{Handle, Id};
use tokio::time::Instant;

use crate::base::stats::ConnectionStats;
use crate::base::sync::Mutex;
use crate::connection::driver::task::DriverTask;
use crate::connection::driver::timer::Timer;

pub(crate) use timer::DeadlineNanos;

/// The fewest dropped connections for which the heap of timers is cleaned.
const MIN_STALE_TIMERS: usize = 32;

/// A connection as its driver and its owner see it: the writer.
pub(crate) trait DrivenConnection: Send + Sync {
    /// Writes what is queued. Called by the driver after [`Driver::defer`].
    fn flush_deferred(self: Arc<Self>);
    /// Runs the timers that are due, and returns the next deadline. Does nothing if `at` is not the
    /// current deadline, and returns [`DeadlineNanos::NEVER`].
    fn on_timer(self: Arc<Self>, at: DeadlineNanos, now: Duration) -> DeadlineNanos;
    /// Starts the closing handshake, from any thread. Returns whether it was not started before.
    fn close(self: Arc<Self>, frame: Option<CloseFrame>) -> bool;
    /// Ends the connection and its transport at once, from any thread.
    fn cut(self: Arc<Self>);
    /// Returns the counts of messages and bytes so far.
    fn stats(&self) -> ConnectionStats;
}

/// The handle of a runtime's driver.
pub(crate) struct Driver {
    epoch: Instant,
    handle: Handle,
    /// Set, with `shared` locked, when the runtime drops the driver's task.
    shut_down: AtomicBool,
    shared: Mutex<DriverShared>,
}

#[derive(Default)]
struct DriverShared {
    /// Connections to flush, each at most once.
    deferred: VecDeque<Arc<dyn DrivenConnection>>,
    /// Values to drop in the next turn of the task.
    dropping: Vec<Box<dyn Send>>,
    timers: BinaryHeap<Reverse<Timer>>,
    /// How many connections were dropped since the heap was last cleaned.
    dropped_connections: usize,
    /// The waker of the task, once it was polled.
    waker: Option<Waker>,
}

static DRIVERS: Mutex<Vec<(Id, Arc<Driver>)>> = Mutex::new(Vec::new());

thread_local! {
    /// The driver that this thread used last, so that threads of several runtimes do not contend
    /// for the lock of [`DRIVERS`] at each new connection.
    static LAST: RefCell<Weak<Driver>> = const { RefCell::new(Weak::new()) };
}

impl Driver {
    /// Returns the driver of the current runtime.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime, as all of tokio's I/O does.
    pub(crate) fn current() -> Arc<Self> {
        let handle = Handle::current();
        let last = LAST.with_borrow(Weak::upgrade);
        if let Some(driver) =
            last.filter(|last| last.handle.id() == handle.id() && !last.is_shut_down())
        {
            return driver;
        }
        let driver = Self::of(&handle);
        drop(LAST.replace(Arc::downgrade(&driver)));
        driver
    }

    /// Returns the driver of a runtime, and starts it if there is none yet.
    fn of(handle: &Handle) -> Arc<Self> {
        // Declared before the lock is taken, so the drivers are dropped after it is released.
        let _removed: Vec<_>;
        let mut drivers = DRIVERS.lock();
        _removed = drivers.extract_if(.., |(_, driver)| driver.is_shut_down()).collect();
        if let Some((_, driver)) = drivers.iter().find(|(id, _)| *id == handle.id()) {
            return driver.clone();
        }
        let driver = Arc::new(Self {
            epoch: Instant::now(),
            handle: handle.clone(),
            shut_down: AtomicBool::new(false),
            shared: Mutex::default(),
        });
        // One turn of the task is bounded anyway. Under tokio's budget, the writes of all but the
        // first hundred connections would be refused, and tried again in the next turn.
        handle.spawn(tokio::task::coop::unconstrained(DriverTask::new(driver.clone())));
        drivers.push((handle.id(), driver.clone()));
        driver
    }

    /// Returns the time since the driver was started, which is the clock of the protocol core.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Returns the runtime.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns whether the runtime is shut down, so that the driver takes no more work.
    #[inline]
    pub(crate) fn is_shut_down(&self) -> bool {
        self.shut_down.load(Relaxed)
    }

    /// Flushes a connection when the tasks that can run now have run. The caller keeps another
    /// reference, so that nothing is dropped here under the lock.
    pub(crate) fn defer(&self, connection: Arc<dyn DrivenConnection>) {
        let mut shared = self.shared.lock();
        if self.is_shut_down() {
            return;
        }
        shared.deferred.push_back(connection);
        // For the first one the task is woken; what its turn leaves it wakes itself for.
        if shared.deferred.len() == 1 {
            shared.wake();
        }
    }

    /// Drops a value in the next turn of the driver's task, where no lock is held. Returns it if
    /// the runtime is shut down, as there is no such turn.
    pub(crate) fn drop_later(&self, value: Box<dyn Send>) -> Result<(), Box<dyn Send>> {
        let mut shared = self.shared.lock();
        if self.is_shut_down() {
            return Err(value);
        }
        shared.dropping.push(value);
        shared.wake();
        Ok(())
    }

    /// Calls `fire` of a connection at a deadline.
    pub(crate) fn schedule(&self, at: DeadlineNanos, connection: Weak<dyn DrivenConnection>) {
        let mut shared = self.shared.lock();
        if self.is_shut_down() {
            return;
        }
        let is_next = shared.timers.peek().is_none_or(|Reverse(next)| at < next.at);
        shared.timers.push(Reverse(Timer { at, connection }));
        if is_next {
            shared.wake();
        }
    }

    /// Counts a dropped connection, and removes the timers of all of them if they are many.
    pub(crate) fn record_dropped(&self) {
        let mut shared = self.shared.lock();
        shared.dropped_connections += 1;
        if shared.dropped_connections > MIN_STALE_TIMERS + shared.timers.len() / 2 {
            shared.dropped_connections = 0;
            let timers = std::mem::take(&mut shared.timers).into_iter();
            let (live, stale): (Vec<_>, Vec<_>) =
                timers.partition(|Reverse(timer)| timer.connection.strong_count() > 0);
            shared.timers = live.into();
            drop(shared);
            // The last weak reference frees the memory of a connection: not under the lock.
            drop(stale);
        }
    }
}

impl DriverShared {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::base::deadline::MAX_WAIT;

    /// Counts how often its timer expires.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl DrivenConnection for Counting {
        fn flush_deferred(self: Arc<Self>) {}
        fn on_timer(self: Arc<Self>, _: DeadlineNanos, _: Duration) -> DeadlineNanos {
            self.0.fetch_add(1, Relaxed);
            DeadlineNanos::NEVER
        }
        fn close(self: Arc<Self>, _: Option<CloseFrame>) -> bool {
            false
        }
        fn cut(self: Arc<Self>) {}
        fn stats(&self) -> ConnectionStats {
            ConnectionStats::default()
        }
    }

    /// Returns a new connection whose timer expires in 20 s.
    fn connect(driver: &Driver) -> Arc<Counting> {
        let connection = Arc::new(Counting::default());
        let weak: Weak<Counting> = Arc::downgrade(&connection);
        driver.schedule(DeadlineNanos::new(Some(driver.now() + Duration::from_secs(20))), weak);
        connection
    }

    #[tokio::test(start_paused = true)]
    async fn driver_keeps_no_memory_of_ended_connections() {
        let driver = Driver::current();
        let held = || driver.shared.lock().timers.len();
        let live: Vec<_> = (0..100).map(|_| connect(&driver)).collect();
        for _ in 0..10_000 {
            drop(connect(&driver));
            driver.record_dropped();
            assert!(held() <= 2 * (live.len() + MIN_STALE_TIMERS) + 1, "{}", held());
        }
        let alive = |timers: &BinaryHeap<Reverse<Timer>>| {
            timers.iter().filter(|Reverse(timer)| timer.connection.strong_count() > 0).count()
        };
        assert_eq!(alive(&driver.shared.lock().timers), live.len());
        assert!(driver.shared.lock().timers.capacity() < 2000);
    }

    #[test]
    fn driver_of_a_thread_is_that_of_its_runtime() {
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let current = |runtime: &tokio::runtime::Runtime| {
            let _entered = runtime.enter();
            Driver::current()
        };
        let (one, two) = (runtime(), runtime());
        let (of_one, of_two) = (current(&one), current(&two));
        assert!(!Arc::ptr_eq(&of_one, &of_two));
        for _ in 0..2 {
            assert!(Arc::ptr_eq(&of_one, &current(&one)));
            assert!(Arc::ptr_eq(&of_two, &current(&two)));
        }
    }

    #[test]
    fn driver_is_found_without_the_list_of_all() {
        let (begin, begins) = std::sync::mpsc::channel();
        let (found, finds) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap();
            let _entered = runtime.enter();
            let first = Driver::current();
            found.send(true).unwrap();
            begins.recv().unwrap();
            found.send(Arc::ptr_eq(&first, &Driver::current())).unwrap();
        });
        let wait = || finds.recv_timeout(Duration::from_secs(30)).expect("it waits for the list");
        assert!(wait());
        let _all = DRIVERS.lock();
        begin.send(()).unwrap();
        assert!(wait());
    }

    #[tokio::test(start_paused = true)]
    async fn driver_keeps_time_after_a_year() {
        let driver = Driver::current();
        tokio::time::sleep(MAX_WAIT + Duration::from_secs(86_400)).await;
        let due = connect(&driver);
        tokio::time::sleep(Duration::from_secs(19)).await;
        assert_eq!(due.0.load(Relaxed), 0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(due.0.load(Relaxed), 1);
    }
}
