//! The `tracing` span of a WebSocket, without content if that feature is off.

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
