//! Waiting no longer than a setting allows.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Timeout, timeout_at};

use crate::base::error::Error;

/// A year: a wait that ends later than that never ends. It bounds waits, as an
/// `Instant` can't be arbitrarily far off.
pub(crate) const FAR: Duration = Duration::from_secs(86_400 * 365);

/// What the future gives, or an error that names the setting once it has taken so long.
pub(crate) fn within<F: Future>(setting: &'static str, after: Duration, future: F) -> Timed<F> {
    Deadline::new(setting, after).bound(future)
}

/// The end of the time that a setting allows, for several steps together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    setting: &'static str,
    after: Duration,
    at: Instant,
}

impl Deadline {
    /// So long from now.
    pub(crate) fn new(setting: &'static str, after: Duration) -> Self {
        Self { setting, after, at: Instant::now() + after.min(FAR) }
    }

    /// What the future gives, or an error that names the setting.
    pub(crate) fn bound<F: Future>(&self, future: F) -> Timed<F> {
        Timed { future: timeout_at(self.at, future), setting: self.setting, after: self.after }
    }
}

pin_project! {
    /// An `async` function would have room for the future twice: as what it is given, and as
    /// what it waits for.
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
        WAITING.with_borrow_mut(String::clear);
        // Polls what is waited for first, which then says what it is at.
        let output = ready!(this.future.poll(cx));
        Poll::Ready(output.map_err(|_| {
            let what = WAITING.take();
            Error::timeout(this.setting, *this.after).while_doing(&what)
        }))
    }
}

thread_local! {
    /// What the future that this thread polls waits for, the innermost that says so.
    static WAITING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Says what it waits for in the error of a deadline around it: "timed out: … while `what`".
pub(crate) fn doing<F: Future>(what: impl Into<String>, future: F) -> Doing<F> {
    Doing { future, what: what.into() }
}

pin_project! {
    pub(crate) struct Doing<F> {
        #[pin]
        future: F,
        what: String,
    }
}

impl<F: Future> Future for Doing<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        WAITING.with_borrow_mut(String::clear);
        let polled = this.future.poll(cx);
        if polled.is_pending() {
            WAITING.with_borrow_mut(|waiting| {
                if waiting.is_empty() {
                    waiting.clone_from(this.what);
                }
            });
        }
        polled
    }
}
