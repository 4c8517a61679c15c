//! The `tracing` span of a WebSocket, without content if that feature is off.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
#[cfg(feature = "tracing")]
pub(crate) use tracing::Span;

/// A span without content, as the feature `tracing` is off.
#[cfg(not(feature = "tracing"))]
#[derive(Clone)]
pub(crate) struct Span;

/// Calls a function inside a span.
#[cfg(feature = "tracing")]
pub(crate) fn in_scope<T>(span: &Span, call: impl FnOnce() -> T) -> T {
    span.in_scope(call)
}

/// Calls a function.
#[cfg(not(feature = "tracing"))]
pub(crate) fn in_scope<T>(_: &Span, call: impl FnOnce() -> T) -> T {
    call()
}

pin_project! {
    /// A future that runs inside a span. It borrows the span, whose drop is its owner's to guard.
    pub(crate) struct Within<'a, F> {
        #[pin]
        future: F,
        span: Option<&'a Span>,
    }
}

/// Makes a future run inside a span, if there is one.
pub(crate) fn within<F: Future>(span: Option<&Span>, future: F) -> Within<'_, F> {
    Within { future, span }
}

impl<F: Future> Future for Within<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        match this.span {
            Some(span) => in_scope(span, || this.future.poll(cx)),
            None => this.future.poll(cx),
        }
    }
}
