//! The application's handler, which has a task of its own for each request or WebSocket.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Handshake;
use super::lifecycle::Shared;
use super::panics::PanicWatch;
use super::trace::{self, Span};
use crate::websocket::WebSocket;

/// Begins the tasks.
///
/// They know the type of the handler's future, so that a connection which stands open is one
/// task that holds it, and nothing of its opening.
pub(crate) enum Handler {
    /// One for each request.
    Requests(Box<dyn Fn(Handshake, Task) + Send + Sync>),
    /// One for each WebSocket.
    WebSockets(Box<dyn Fn(WebSocket, Task) + Send + Sync>),
}

impl Handler {
    pub(crate) fn of_requests<H, F>(handler: H) -> Self
    where
        H: Fn(Handshake) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::Requests(Box::new(move |handshake, task| task.run(|| handler(handshake))))
    }

    pub(crate) fn of_websockets<H, F>(handler: H) -> Self
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::WebSockets(Box::new(move |websocket, task| task.run(|| handler(websocket))))
    }

    /// Gives it a request.
    pub(crate) async fn handle(&self, handshake: Handshake, shared: Arc<Shared>) {
        let (span, watch) = (trace::span(handshake.request()), PanicWatch(shared));
        match self {
            Self::Requests(begin) => begin(handshake, Task { span, watch }),
            Self::WebSockets(begin) => {
                // What was wrong has been answered to the peer.
                if let Ok(websocket) = trace::inside(span.clone(), handshake.accept()).await {
                    begin(websocket, Task { span, watch });
                }
            }
        }
    }
}

/// A task that is yet to be.
pub(crate) struct Task {
    span: Span,
    watch: PanicWatch,
}

impl Task {
    /// Calls the handler, and has its future run.
    fn run<F>(self, begin: impl FnOnce() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { span, watch } = self;
        let handling = trace::within(&span, begin);
        tokio::spawn(Watched { handling: trace::inside(span, handling), _watch: watch });
    }
}

pin_project! {
    /// An `async` block would have room for the handler's future twice: as what it is given, and
    /// as what it waits for.
    struct Watched<F> {
        #[pin]
        handling: F,
        _watch: PanicWatch,
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().handling.poll(cx)
    }
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::mpsc;
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// How many spans are entered.
    #[derive(Clone, Default)]
    struct Depth(Arc<AtomicUsize>);

    impl Subscriber for Depth {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn exit(&self, _: &Id) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn all_of_a_handler_is_in_its_span() {
        let depth = Depth::default();
        let _default = tracing::subscriber::set_default(depth.clone());
        let watch = PanicWatch(Shared::new(&super::super::ServerLimits::default()));
        let task = Task { span: tracing::info_span!("websocket"), watch };
        let (found, mut all) = mpsc::unbounded_channel();
        let entered = depth.clone();
        task.run(|| {
            let entered = move || entered.0.load(Ordering::Relaxed);
            found.send(entered()).unwrap();
            async move {
                found.send(entered()).unwrap();
                tokio::task::yield_now().await;
                found.send(entered()).unwrap();
            }
        });
        for _ in 0..3 {
            assert_eq!(all.recv().await, Some(1));
        }
        assert_eq!(all.recv().await, None);
        assert_eq!(depth.0.load(Ordering::Relaxed), 0);
    }
}
