//! Panics of the application, which are counted and cost one request.

use std::future::Future;

use crate::base::guard;
pub(crate) use crate::base::guard::Panicked;
use crate::server::state::stats::StatsRecorder;
use crate::server::state::trace;

/// Calls what is the application's; a panic is counted.
pub(crate) fn caught<T>(
    record: &StatsRecorder,
    what: &'static str,
    call: impl FnOnce() -> T,
) -> Result<T, Panicked> {
    // Whatever it left half done is its own, and is dropped with the request.
    guard::caught(call).inspect_err(|_| note(record, what))
}

/// The same with a future.
pub(crate) async fn caught_in<F: Future>(
    record: &StatsRecorder,
    what: &'static str,
    future: F,
) -> Result<F::Output, Panicked> {
    guard::caught_in(future).await.inspect_err(|_| note(record, what))
}

/// Counts a panic. That the subscriber is told may be one more, which is not.
pub(crate) fn note(record: &StatsRecorder, what: &'static str) {
    record.panic();
    let _ = guard::caught(|| trace::panicked(what));
}

/// Counts if the task of a connection or a request panics while this is held, in the handler or
/// before it. The panic goes on: it is what tells its WebSocket to close with 1011.
pub(crate) struct PanicWatch(pub(crate) StatsRecorder);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            note_handler(&self.0);
        }
    }
}

/// Counts a panic of the handler, or of what is called before it.
#[cold]
pub(crate) fn note_handler(record: &StatsRecorder) {
    note(record, "the handler, or what is called before it,");
}

/// What is told of panics in `tracing`.
pub(crate) const SUBSCRIBER: &str = "the tracing subscriber";
