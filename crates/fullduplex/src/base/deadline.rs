//! Time limits on waits, named by their setting.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Timeout, timeout_at};

use crate::base::error::{ConnectStep, Error};

/// The longest wait, a year: it bounds times, as an `Instant` can't be arbitrarily far off.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(86_400 * 365);

/// Limits a future to the time `after` from now. Its output is the future's, or an error that names
/// the setting.
pub(crate) fn within<F: Future>(setting: &'static str, after: Duration, future: F) -> Timed<F> {
    Deadline::new(setting, after).bound(future)
}

/// A time limit of a setting for several steps together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    setting: &'static str,
    after: Duration,
    at: Instant,
}

impl Deadline {
    /// Creates a deadline that passes the time `after` from now.
    pub(crate) fn new(setting: &'static str, after: Duration) -> Self {
        Self { setting, after, at: Instant::now() + after.min(MAX_WAIT) }
    }

    /// Limits a future to this deadline. Its output is the future's, or an error that names the
    /// setting.
    pub(crate) fn bound<F: Future>(&self, future: F) -> Timed<F> {
        Timed { future: timeout_at(self.at, future), setting: self.setting, after: self.after }
    }
}

pin_project! {
    /// A future with a deadline. It is not an `async` function because that would have space for
    /// the future twice: as an argument and while it is polled.
    pub(crate) struct Timed<F> {
        #[pin]
        future: Timeout<F>,
        setting: &'static str,
        after: Duration,
    }
}

impl<F: Future> Future for Timed<F> {
    type Output = Result<F::Output, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        WAITING.with_borrow_mut(Waiting::clear);
        // Polled first, as it records what it waits for.
        let output = ready!(this.future.poll(cx));
        Poll::Ready(output.map_err(|_| {
            let Waiting { step, what } = WAITING.take();
            Error::timeout(this.setting, *this.after).while_waiting(step, &what)
        }))
    }
}

/// What a future waits for.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) step: Option<ConnectStep>,
    pub(super) what: String,
}

impl Waiting {
    pub(super) fn clear(&mut self) {
        self.step = None;
        self.what.clear();
    }
}

thread_local! {
    /// What the future that this thread polls waits for: that of the innermost `AtStep`.
    pub(super) static WAITING: RefCell<Waiting> =
        const { RefCell::new(Waiting { step: None, what: String::new() }) };
}
