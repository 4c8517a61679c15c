//! Catches and counts panics of the application; each costs one request.

use std::future::Future;

use crate::base::guard;
pub(crate) use crate::base::guard::{Panicked, SUBSCRIBER};
use crate::server::state::stats::StatsRecorder;
use crate::server::state::trace;

/// Calls code of the application, and catches and counts a panic of it.
pub(crate) fn caught<T>(
    record: &StatsRecorder,
    what: &'static str,
    call: impl FnOnce() -> T,
) -> Result<T, Panicked> {
    // Unwind safe: state that the panic left inconsistent is dropped with the request.
    guard::caught(call).inspect_err(|_| record_panic(record, what))
}

/// Awaits a future of the application, and catches and counts a panic of it.
pub(crate) async fn caught_in<F: Future>(
    record: &StatsRecorder,
    what: &'static str,
    future: F,
) -> Result<F::Output, Panicked> {
    guard::caught_in(future).await.inspect_err(|_| record_panic(record, what))
}

/// Counts and logs a panic. A panic of the `tracing` subscriber is caught but not counted.
pub(crate) fn record_panic(record: &StatsRecorder, what: &'static str) {
    record.panic();
    let _ = guard::caught(|| trace::panicked(what));
}

/// A guard that counts a panic of the task of a connection or a request. The panic is not caught:
/// unwinding closes the WebSocket with 1011.
pub(crate) struct PanicWatch(pub(crate) StatsRecorder);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            record_handler_panic(&self.0);
        }
    }
}

/// Counts and logs a panic of the handler, or of a callback before it.
#[cold]
pub(crate) fn record_handler_panic(record: &StatsRecorder) {
    record_panic(record, "the handler or a callback before it");
}
