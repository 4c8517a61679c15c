//! The application's handler, and the task that runs it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::future::BoxFuture;
use pin_project_lite::pin_project;

use crate::base::span;
use crate::base::span::Span;
use crate::connection::websocket::WebSocket;
use crate::server::handshake::handshake::Handshake;
use crate::server::output::HandlerOutput;
use crate::server::output::private::Output as _;
use crate::server::state::panics::PanicWatch;
use crate::server::state::trace;
use crate::server::state::trace::Instrumented;

/// Spawns a task for each request or WebSocket.
///
/// The function that spawns knows the type of the handler's future. The task of an open
/// connection therefore stores that future, and no space for the handshake, which is boxed.
pub(crate) enum Handler {
    /// A handler of requests.
    Requests(SpawnTask<Handshake>),
    /// A handler of open WebSockets.
    WebSockets(SpawnTask<WebSocket>),
}

type SpawnTask<T> = Box<dyn Fn(HandshakeFuture<T>) + Send + Sync>;

/// The part of a connection's task before its handler; `None` if the handler is not called.
pub(crate) type HandshakeFuture<T> = BoxFuture<'static, Option<HandlerInput<T>>>;

/// The argument of the handler, and the context that it runs in.
pub(crate) struct HandlerInput<T> {
    pub(crate) input: T,
    pub(crate) span: Span,
    pub(crate) panic_watch: PanicWatch,
}

impl Handler {
    pub(crate) fn of_requests<H, F>(handler: H) -> Self
    where
        H: Fn(Handshake) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        Self::Requests(spawn_with(handler))
    }

    pub(crate) fn of_websockets<H, F>(handler: H) -> Self
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        Self::WebSockets(spawn_with(handler))
    }
}

/// Returns a function that spawns a task for the handshake and then the handler.
fn spawn_with<T, H, F>(handler: H) -> SpawnTask<T>
where
    T: 'static,
    H: Fn(T) -> F + Send + Sync + 'static,
    F: Future<Output: HandlerOutput> + Send + 'static,
{
    let handler = Arc::new(handler);
    Box::new(move |handshake| {
        tokio::spawn(ConnectionTask::Handshaking { handshake, handler: handler.clone() });
    })
}

pin_project! {
    /// The task of a connection. The handler's future takes the place of the handshake.
    #[project = Projected]
    enum ConnectionTask<T, H, F> {
        Handshaking {
            handshake: HandshakeFuture<T>,
            handler: Arc<H>,
        },
        Handling {
            #[pin]
            handling: Instrumented<F>,
            _panic_watch: PanicWatch,
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
            let (handshake, handler) = match self.as_mut().project() {
                Projected::Handshaking { handshake, handler } => (handshake, handler),
                Projected::Handling { mut handling, .. } => {
                    let output = ready!(handling.as_mut().poll(cx));
                    if let Some(error) = output.error() {
                        trace::handler_failed(&handling, error);
                    }
                    return Poll::Ready(());
                }
            };
            let Some(ready) = ready!(handshake.as_mut().poll(cx)) else { return Poll::Ready(()) };
            let HandlerInput { input, span, panic_watch } = ready;
            // The handler may trace before it returns its future, too.
            let handling = span::in_scope(&span, || handler(input));
            let handling = trace::instrument(span, handling);
            self.set(Self::Handling { handling, _panic_watch: panic_watch });
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

    /// A subscriber that counts the entered spans.
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

    /// A subscriber that sends the parent span and the fields of each event.
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
            let mut fields = String::new();
            event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                // Writing to a string can't fail.
                let _ = write!(fields, "{field}={value:?} ");
            });
            let _ = self.0.send((event.parent().cloned(), fields));
        }

        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[tokio::test]
    async fn handler_failure_is_logged_in_its_span() {
        let (sender, mut events) = mpsc::unbounded_channel();
        let _default = tracing::subscriber::set_default(Events(sender));
        let spawn_task = spawn_with(|succeeds: bool| async move {
            if succeeds { Ok(()) } else { Err("the database is gone") }
        });
        for input in [true, false] {
            let span = tracing::info_span!("websocket");
            let panic_watch = PanicWatch(StatsRecorder::default());
            let ready = HandlerInput { input, span, panic_watch };
            spawn_task(Box::pin(async { Some(ready) }));
        }
        let (span, fields) = events.recv().await.unwrap();
        assert_eq!(span, Some(Id::from_u64(7)));
        assert!(fields.contains("the handler failed"), "{fields}");
        assert!(fields.contains("error=the database is gone"), "{fields}");
        assert!(events.try_recv().is_err(), "one of them succeeds");
    }

    #[tokio::test]
    async fn handler_runs_in_its_span() {
        let depth = Depth::default();
        let _default = tracing::subscriber::set_default(depth.clone());
        let panic_watch = PanicWatch(StatsRecorder::default());
        let span = tracing::info_span!("websocket");
        let ready = HandlerInput { input: (), span, panic_watch };
        let (sender, mut depths) = mpsc::unbounded_channel();
        let entered = depth.clone();
        let spawn_task = spawn_with(move |()| {
            let (entered, sender) = (entered.clone(), sender.clone());
            let entered = move || entered.0.load(Ordering::Relaxed);
            sender.send(entered()).unwrap();
            async move {
                sender.send(entered()).unwrap();
                tokio::task::yield_now().await;
                sender.send(entered()).unwrap();
            }
        });
        spawn_task(Box::pin(async { Some(ready) }));
        drop(spawn_task);
        for _ in 0..3 {
            assert_eq!(depths.recv().await, Some(1));
        }
        assert_eq!(depths.recv().await, None);
        assert_eq!(depth.0.load(Ordering::Relaxed), 0);
    }
}
