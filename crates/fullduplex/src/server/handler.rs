//! The application's handler, and the task that it runs in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::future::BoxFuture;
use pin_project_lite::pin_project;

use crate::connection::websocket::WebSocket;
use crate::server::handshake::handshake::Handshake;
use crate::server::output::HandlerOutput;
use crate::server::output::private::Output as _;
use crate::server::state::panics::PanicWatch;
use crate::server::state::trace;
use crate::server::state::trace::{Instrumented, Span};

/// Begins the tasks, one for each request or WebSocket.
///
/// They know the type of the handler's future, so that the task of a connection which stands
/// open holds that, and nothing of its opening, which is boxed.
pub(crate) enum Handler {
    /// It is given requests.
    Requests(SpawnTask<Handshake>),
    /// It is given WebSockets that are open.
    WebSockets(SpawnTask<WebSocket>),
}

type SpawnTask<T> = Box<dyn Fn(HandshakeFuture<T>) + Send + Sync>;

/// What comes before the handler; `None` if there is nothing for it.
pub(crate) type HandshakeFuture<T> = BoxFuture<'static, Option<HandlerInput<T>>>;

/// What the handler is given, and what is around it.
pub(crate) struct HandlerInput<T> {
    pub(crate) given: T,
    pub(crate) span: Span,
    pub(crate) watch: PanicWatch,
}

impl Handler {
    pub(crate) fn of_requests<H, F>(handler: H) -> Self
    where
        H: Fn(Handshake) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        Self::Requests(begin(handler))
    }

    pub(crate) fn of_websockets<H, F>(handler: H) -> Self
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        Self::WebSockets(begin(handler))
    }
}

fn begin<T, H, F>(handler: H) -> SpawnTask<T>
where
    T: 'static,
    H: Fn(T) -> F + Send + Sync + 'static,
    F: Future<Output: HandlerOutput> + Send + 'static,
{
    let handler = Arc::new(handler);
    Box::new(move |opening| {
        tokio::spawn(ConnectionTask::Opening { opening, handler: handler.clone() });
    })
}

pin_project! {
    /// What a task does: one thing, then the other in its place.
    #[project = Now]
    enum ConnectionTask<T, H, F> {
        Opening {
            opening: HandshakeFuture<T>,
            handler: Arc<H>,
        },
        Handling {
            #[pin]
            handling: Instrumented<F>,
            _watch: PanicWatch,
        },
    }
}

impl<T, H, F> Future for ConnectionTask<T, H, F>
where
    H: Fn(T) -> F,
    F: Future<Output: HandlerOutput>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let (opening, handler) = match self.as_mut().project() {
                Now::Opening { opening, handler } => (opening, handler),
                Now::Handling { mut handling, .. } => {
                    let output = ready!(handling.as_mut().poll(cx));
                    if let Some(error) = output.error() {
                        trace::handler_failed(&handling, error);
                    }
                    return Poll::Ready(());
                }
            };
            let Some(opened) = ready!(opening.as_mut().poll(cx)) else { return Poll::Ready(()) };
            let HandlerInput { given, span, watch } = opened;
            let handling = trace::within(&span, || handler(given));
            let handling = trace::inside(span, handling);
            self.set(Self::Handling { handling, _watch: watch });
        }
    }
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use std::fmt::Write as _;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::mpsc;
    use tracing::span::{Attributes, Id};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;
    use crate::server::state::stats::StatsRecorder;

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

        fn record(&self, _: &Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn exit(&self, _: &Id) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Tells of events: the span that they name as theirs, and what they say.
    struct Events(mpsc::UnboundedSender<(Option<Id>, String)>);

    impl Subscriber for Events {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(7)
        }

        fn record(&self, _: &Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut said = String::new();
            event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                // A string takes whatever it is given.
                let _ = write!(said, "{field}={value:?} ");
            });
            let _ = self.0.send((event.parent().cloned(), said));
        }

        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[tokio::test]
    async fn handler_failure_is_logged_in_its_span() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let _default = tracing::subscriber::set_default(Events(tell));
        let begin = begin(|succeeds: bool| async move {
            if succeeds { Ok(()) } else { Err("the database is gone") }
        });
        let watch = || PanicWatch(StatsRecorder::default());
        for given in [true, false] {
            let span = tracing::info_span!("websocket");
            let opened = HandlerInput { given, span, watch: watch() };
            begin(Box::pin(async { Some(opened) }));
        }
        let (span, said) = told.recv().await.unwrap();
        assert_eq!(span, Some(Id::from_u64(7)));
        assert!(said.contains("the handler failed"), "{said}");
        assert!(said.contains("error=the database is gone"), "{said}");
        assert!(told.try_recv().is_err(), "one of them succeeds");
    }

    #[tokio::test]
    async fn handler_runs_in_its_span() {
        let depth = Depth::default();
        let _default = tracing::subscriber::set_default(depth.clone());
        let watch = PanicWatch(StatsRecorder::default());
        let opened = HandlerInput { given: (), span: tracing::info_span!("websocket"), watch };
        let (found, mut all) = mpsc::unbounded_channel();
        let entered = depth.clone();
        let begin = begin(move |()| {
            let (entered, found) = (entered.clone(), found.clone());
            let entered = move || entered.0.load(Ordering::Relaxed);
            found.send(entered()).unwrap();
            async move {
                found.send(entered()).unwrap();
                tokio::task::yield_now().await;
                found.send(entered()).unwrap();
            }
        });
        begin(Box::pin(async { Some(opened) }));
        drop(begin);
        for _ in 0..3 {
            assert_eq!(all.recv().await, Some(1));
        }
        assert_eq!(all.recv().await, None);
        assert_eq!(depth.0.load(Ordering::Relaxed), 0);
    }
}
