//! The step of connecting at which a future waits or fails.

use std::fmt::{Display, Write as _};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::base::deadline::{WAITING, Waiting};
use crate::base::error::{ConnectStep, Error};

/// Adds the step to the errors of a future, and to that of a deadline around it, which also says
/// "timed out: … while `what`".
pub(crate) fn at_step<F: Future, W: Display>(
    step: ConnectStep,
    what: W,
    future: F,
) -> AtStep<F, W> {
    AtStep { future, step, what }
}

pin_project! {
    /// A future with a description of what it waits for.
    pub(crate) struct AtStep<F, W> {
        #[pin]
        future: F,
        step: ConnectStep,
        what: W,
    }
}

impl<F: Future, W: Display> Future for AtStep<F, W>
where
    F::Output: HasStep,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        WAITING.with_borrow_mut(Waiting::clear);
        let polled = this.future.poll(cx);
        if polled.is_pending() {
            WAITING.with_borrow_mut(|waiting| {
                if waiting.what.is_empty() {
                    waiting.step = Some(*this.step);
                    // Into memory that the thread has already. It does not fail.
                    let _ = write!(waiting.what, "{}", this.what);
                }
            });
        }
        polled.map(|output| output.with_step(*this.step))
    }
}

/// An output that may have an error, which says at which step it occurred.
pub(crate) trait HasStep {
    /// Sets the step of the error, if there is one and it has none.
    fn with_step(self, step: ConnectStep) -> Self;
}

impl<T> HasStep for Result<T, Error> {
    fn with_step(self, step: ConnectStep) -> Self {
        self.map_err(|error| error.with_step(step))
    }
}
