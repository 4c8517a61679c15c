//! One small task for each runtime that does what no task of the application may be there
//! to do: it writes what was queued and not flushed before its task went to wait for
//! something else, and keeps the time of all connections.
//!
//! A connection is in the heap of timers once, with its next deadline; a deadline that
//! moved nearer is added, and the older entry is ignored when it comes up. An entry keeps the
//! memory of its connection, so those of connections that are gone are taken out when they are
//! half of all: whoever has many that are short would else keep those of the last 20 s.

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

use crate::base::sync::Mutex;
use crate::connection::driver::task::DriverTask;
use crate::connection::driver::timer::Timer;
use crate::connection::stats::ConnectionStats;

pub(crate) use timer::DeadlineNanos;

/// What the driver drives: a connection's writer.
pub(crate) trait DrivenConnection: Send + Sync {
    /// Writes what waits.
    fn flush_deferred(self: Arc<Self>);
    /// Does what is due; returns the next deadline, if the one of `at` is the current one.
    fn fire(self: Arc<Self>, at: DeadlineNanos, now: Duration) -> DeadlineNanos;
    /// Begins the closing handshake, from any thread; gives whether that was still to do.
    fn close(self: Arc<Self>, frame: Option<CloseFrame>) -> bool;
    /// Ends the transport at once, from any thread.
    fn cut(self: Arc<Self>);
    /// What went over it so far.
    fn stats(&self) -> ConnectionStats;
}

/// The handle of a runtime's driver.
pub(crate) struct Driver {
    epoch: Instant,
    handle: Handle,
    /// The runtime is shut down, and with it the driver's task.
    gone: AtomicBool,
    shared: Mutex<DriverShared>,
}

#[derive(Default)]
struct DriverShared {
    deferred: VecDeque<Arc<dyn DrivenConnection>>,
    /// What is dropped in the next turn.
    dropping: Vec<Box<dyn Send>>,
    timers: BinaryHeap<Reverse<Timer>>,
    /// How many connections have gone since the heap was last cleaned.
    gone: usize,
    waker: Option<Waker>,
}

static DRIVERS: Mutex<Vec<(Id, Arc<Driver>)>> = Mutex::new(Vec::new());

thread_local! {
    /// The driver that this thread used last, so that new connections of many runtimes do not
    /// wait for each other.
    static LAST: RefCell<Weak<Driver>> = const { RefCell::new(Weak::new()) };
}

impl Driver {
    /// The driver of the runtime that this is called on.
    ///
    /// # Panics
    /// Outside a tokio runtime, as all of tokio's I/O does.
    pub(crate) fn current() -> Arc<Self> {
        let handle = Handle::current();
        let last = LAST.with_borrow(Weak::upgrade);
        if let Some(driver) = last.filter(|last| last.handle.id() == handle.id() && !last.is_gone())
        {
            return driver;
        }
        let driver = Self::of(&handle);
        drop(LAST.replace(Arc::downgrade(&driver)));
        driver
    }

    /// The driver of a runtime, which is started if there is none yet.
    fn of(handle: &Handle) -> Arc<Self> {
        // Declared before the lock is taken, so dropped after it is released.
        let _gone: Vec<_>;
        let mut drivers = DRIVERS.lock();
        _gone = drivers.extract_if(.., |(_, driver)| driver.is_gone()).collect();
        if let Some((_, driver)) = drivers.iter().find(|(id, _)| *id == handle.id()) {
            return driver.clone();
        }
        let driver = Arc::new(Self {
            epoch: Instant::now(),
            handle: handle.clone(),
            gone: AtomicBool::new(false),
            shared: Mutex::default(),
        });
        // What it does in one turn has an end, while tokio's budget would refuse the writes of
        // all but the first hundred connections, to have them tried again.
        handle.spawn(tokio::task::coop::unconstrained(DriverTask::new(driver.clone())));
        drivers.push((handle.id(), driver.clone()));
        driver
    }

    /// Time as the protocol core counts it here.
    pub(crate) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// The runtime.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Whether it takes no work any more, as its runtime is shut down.
    #[inline]
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Relaxed)
    }

    /// Has `driven` flushed when the tasks that can run now have run. `driven` is not the last
    /// reference to it.
    pub(crate) fn defer(&self, driven: Arc<dyn DrivenConnection>) {
        let mut shared = self.shared.lock();
        if self.is_gone() {
            return;
        }
        shared.deferred.push_back(driven);
        if shared.deferred.len() == 1 {
            shared.wake();
        }
    }

    /// Drops something in the driver's next turn, where no lock is held; gives it back if there
    /// is no such turn.
    pub(crate) fn drop_later(&self, value: Box<dyn Send>) -> Result<(), Box<dyn Send>> {
        let mut shared = self.shared.lock();
        if self.is_gone() {
            return Err(value);
        }
        shared.dropping.push(value);
        shared.wake();
        Ok(())
    }

    /// Has `driven` fired at `at`.
    pub(crate) fn schedule(&self, at: DeadlineNanos, driven: Weak<dyn DrivenConnection>) {
        let mut shared = self.shared.lock();
        if self.is_gone() {
            return;
        }
        let is_next = shared.timers.peek().is_none_or(|Reverse(next)| at < next.at);
        shared.timers.push(Reverse(Timer { at, driven }));
        if is_next {
            shared.wake();
        }
    }

    /// A connection is gone, and so need not be fired.
    pub(crate) fn note_gone(&self) {
        let mut shared = self.shared.lock();
        shared.gone += 1;
        if shared.gone > FEW + shared.timers.len() / 2 {
            shared.gone = 0;
            let timers = std::mem::take(&mut shared.timers).into_iter();
            let (live, gone): (Vec<_>, Vec<_>) =
                timers.partition(|Reverse(timer)| timer.driven.strong_count() > 0);
            shared.timers = live.into();
            drop(shared);
            // Frees them, without the lock.
            drop(gone);
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

/// So many that are gone are not worth looking for.
const FEW: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::base::deadline::FAR;

    /// Counts how often it is fired.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl DrivenConnection for Counting {
        fn flush_deferred(self: Arc<Self>) {}
        fn fire(self: Arc<Self>, _: DeadlineNanos, _: Duration) -> DeadlineNanos {
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

    /// Has a new connection fired in 20 s.
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
            driver.note_gone();
            assert!(held() <= 2 * (live.len() + FEW) + 1, "{}", held());
        }
        let alive = |timers: &BinaryHeap<Reverse<Timer>>| {
            timers.iter().filter(|Reverse(timer)| timer.driven.strong_count() > 0).count()
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
        tokio::time::sleep(FAR + Duration::from_secs(86_400)).await;
        let due = connect(&driver);
        tokio::time::sleep(Duration::from_secs(19)).await;
        assert_eq!(due.0.load(Relaxed), 0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(due.0.load(Relaxed), 1);
    }
}
