//! Waiting no longer than a setting allows for a peer that moves nothing.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::error::Error;

/// Bounds each wait, not all of them together: whoever goes on has time.
#[derive(Debug)]
pub(crate) struct Patience {
    /// `stall_timeout`.
    after: Duration,
    /// While there is a wait.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(stall_timeout: Duration) -> Self {
        Self { after: stall_timeout, waiting: None }
    }

    /// What was polled, or an error if it has been pending for too long.
    pub(crate) fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<T>,
    ) -> Poll<Result<T, Error>> {
        match polled {
            Poll::Ready(done) => {
                self.waiting = None;
                Poll::Ready(Ok(done))
            }
            Poll::Pending => {
                let after = self.after;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(after)));
                waiting.as_mut().poll(cx).map(|()| Err(Error::timeout("stall_timeout", after)))
            }
        }
    }
}
