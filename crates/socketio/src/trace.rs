//! Spans and events for the crate `tracing`, with the feature of that name. They have no payload,
//! no query, no value of a header field, and of the id of a session only the beginning.
//!
//! A subscriber is foreign code: nothing here is called with a lock held.

#[cfg(feature = "tracing")]
mod on {
    use std::fmt::{Debug, Display};
    use std::future::Future;

    pub(crate) use tracing::Span;
    use tracing::{debug, debug_span, error, info};

    /// A future that runs inside a span.
    pub(crate) type Instrumented<F> = tracing::instrument::Instrumented<F>;

    /// Makes a future run inside a span.
    pub(crate) fn instrument<F: Future>(span: Span, future: F) -> Instrumented<F> {
        tracing::Instrument::instrument(future, span)
    }

    /// Creates the span of a session.
    pub(crate) fn session_span(id: &dyn Debug, client: &dyn Display) -> Span {
        debug_span!("session", ?id, %client)
    }

    /// Logs that a session was opened.
    pub(crate) fn opened(span: &Span, transport: &str) {
        debug!(parent: span, transport, "opened");
    }

    /// Logs that a WebSocket carries the session, or that polling goes on.
    pub(crate) fn upgrade_ended(is_complete: bool) {
        if is_complete {
            debug!("upgraded");
        } else {
            debug!("the upgrade was not completed");
        }
    }

    /// Logs that a session has ended.
    pub(crate) fn ended(reason: &str, transport: &str) {
        debug!(reason, transport, "ended");
    }

    /// Logs that a request was rejected.
    pub(crate) fn rejected(status: u16, reason: &str) {
        info!(status, reason, "rejected");
    }

    /// Creates the span of a socket, inside that of its session.
    pub(crate) fn socket_span(namespace: &str, id: &dyn Display) -> Span {
        debug_span!("socket", namespace, %id)
    }

    /// Logs that a client has connected to a namespace.
    pub(crate) fn connected(span: &Span, is_recovered: bool) {
        debug!(parent: span, is_recovered, "connected");
    }

    /// Logs that a client was refused.
    pub(crate) fn refused(namespace: &str) {
        info!(namespace, "refused");
    }

    /// Logs that a client that came back has lost something.
    pub(crate) fn not_recovered(namespace: &str, why: &str) {
        debug!(namespace, why, "not recovered");
    }

    /// Logs that a socket was disconnected.
    pub(crate) fn disconnected(span: &Span, reason: &str) {
        debug!(parent: span, reason, "disconnected");
    }

    /// Logs that a handler has panicked.
    pub(crate) fn panicked(span: &Span) {
        error!(parent: span, "a handler panicked");
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::fmt::{Debug, Display};

    /// A span without content, as the feature `tracing` is off.
    #[derive(Clone)]
    pub(crate) struct Span;

    pub(crate) type Instrumented<F> = F;

    pub(crate) fn instrument<F>(_: Span, future: F) -> F {
        future
    }

    pub(crate) fn session_span(_: &dyn Debug, _: &dyn Display) -> Span {
        Span
    }

    pub(crate) fn socket_span(_: &str, _: &dyn Display) -> Span {
        Span
    }

    pub(crate) fn opened(_: &Span, _: &str) {}
    pub(crate) fn upgrade_ended(_: bool) {}
    pub(crate) fn ended(_: &str, _: &str) {}
    pub(crate) fn rejected(_: u16, _: &str) {}
    pub(crate) fn connected(_: &Span, _: bool) {}
    pub(crate) fn refused(_: &str) {}
    pub(crate) fn not_recovered(_: &str, _: &str) {}
    pub(crate) fn disconnected(_: &Span, _: &str) {}
    pub(crate) fn panicked(_: &Span) {}
}

#[cfg(not(feature = "tracing"))]
pub(crate) use off::*;
#[cfg(feature = "tracing")]
pub(crate) use on::*;
