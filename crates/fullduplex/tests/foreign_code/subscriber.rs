//! A `tracing` subscriber whose calls are a test's own.

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// What a test does when the library reports something.
pub(crate) trait Calls: Send + Sync + 'static {
    fn event(&self, event: &Event<'_>);

    fn end_of_a_span(&self) {}
}

struct Calling<C>(C);

impl<C: Calls> Subscriber for Calling<C> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("fullduplex")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.event(event);
    }

    fn try_close(&self, _: Id) -> bool {
        self.0.end_of_a_span();
        true
    }
}

/// Makes `calls` the subscriber of this thread, until what is returned is dropped.
pub(crate) fn subscribe(calls: impl Calls) -> (DefaultGuard, Dispatch) {
    // While there is just one subscriber, an event that another thread's test comes to first is
    // switched off for all threads. So there is a second one.
    (set_default(Calling(calls)), Dispatch::new(NoSubscriber::new()))
}
