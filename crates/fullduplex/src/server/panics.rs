//! Panics of the application, which are counted and cost one request.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use super::lifecycle::Shared;
use super::trace;

/// Something of the application's has panicked. What it was is on the standard error.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Calls what is the application's; a panic is counted.
pub(crate) fn caught<T>(
    shared: &Shared,
    what: &'static str,
    call: impl FnOnce() -> T,
) -> Result<T, Panicked> {
    // Whatever it left half done is its own, and is dropped with the request.
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| {
        note(shared, what);
        Panicked
    })
}

/// The same with a future.
pub(crate) async fn caught_in<F: Future>(
    shared: &Shared,
    what: &'static str,
    future: F,
) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|cx| match caught(shared, what, || future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panicked) => std::task::Poll::Ready(Err(panicked)),
    })
    .await
}

fn note(shared: &Shared, what: &'static str) {
    shared.record.panic();
    trace::panicked(what);
}

/// Counts if the handler panics while this is held. The panic goes on: it is what tells its
/// WebSocket to close with 1011.
pub(crate) struct PanicWatch(pub(crate) Arc<Shared>);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            note(&self.0, "the handler");
        }
    }
}
