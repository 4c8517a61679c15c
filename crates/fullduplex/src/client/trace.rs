//! Events for the crate `tracing`, with the feature of that name: attempts to open a WebSocket,
//! and how WebSockets ended, in a span `websocket` with the host, the path and the version of HTTP.
//!
//! They never contain a payload, a query, the value of a header field, or the text of an error or a
//! Close, in which all of these may occur.

#[cfg(feature = "tracing")]
mod on {
    use http::{StatusCode, Version};
    use tracing::field::{Empty, debug as debug_value};
    use tracing::{debug, debug_span, error};

    use crate::base::error::Error;
    use crate::base::span::Span;
    use crate::base::stats::ConnectionStats;
    use crate::base::uri::WsUri;
    use crate::connection::close_kind::CloseKind;

    /// Creates the span of a WebSocket that is about to be opened, inside the current span, and
    /// logs that the attempt starts.
    pub(crate) fn connecting(target: &WsUri) -> Span {
        let host = target.authority.as_str();
        let span = debug_span!("websocket", host, path = target.path(), version = Empty);
        debug!(parent: &span, "connecting");
        span
    }

    /// Returns a span that is not traced.
    pub(crate) fn no_span() -> Span {
        Span::none()
    }

    /// Logs that a WebSocket is open. Its subprotocol is not logged: some applications send a
    /// token as one.
    pub(crate) fn opened(span: &Span, version: Version, deflate: bool) {
        span.record("version", debug_value(version));
        debug!(parent: span, deflate, "opened");
    }

    /// Logs that the attempt has failed.
    pub(crate) fn failed(span: &Span, error: &Error) {
        let status = error.response().map(|response| response.status().as_u16());
        debug!(parent: span, kind = ?error.kind(), status, "connecting failed");
    }

    /// Logs that the attempt was cancelled.
    pub(crate) fn cancelled(span: &Span) {
        debug!(parent: span, "connecting was cancelled");
    }

    /// Logs that a redirection is followed, in the current span.
    pub(crate) fn redirected(status: Option<StatusCode>, next: &WsUri) {
        let status = status.map(|status| status.as_u16());
        debug!(status, host = next.authority.as_str(), path = next.path(), "redirected");
    }

    /// Logs that a WebSocket has ended.
    pub(crate) fn closed(span: &Span, end: CloseKind, traffic: &ConnectionStats) {
        let CloseKind { code, cause } = end;
        let (received, sent) = (&traffic.received, &traffic.sent);
        let (received, sent) = (received.text + received.binary, sent.text + sent.binary);
        debug!(parent: span, code, cause, received, sent, "closed");
    }

    /// Logs a panic of the application.
    pub(crate) fn panicked(what: &'static str) {
        error!("{what} panicked");
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use http::{StatusCode, Version};

    use crate::base::error::Error;
    use crate::base::span::Span;
    use crate::base::stats::ConnectionStats;
    use crate::base::uri::WsUri;
    use crate::connection::close_kind::CloseKind;

    pub(crate) fn connecting(_: &WsUri) -> Span {
        Span
    }

    pub(crate) fn no_span() -> Span {
        Span
    }

    pub(crate) fn opened(_: &Span, _: Version, _: bool) {}
    pub(crate) fn failed(_: &Span, _: &Error) {}
    pub(crate) fn cancelled(_: &Span) {}
    pub(crate) fn redirected(_: Option<StatusCode>, _: &WsUri) {}
    pub(crate) fn closed(_: &Span, _: CloseKind, _: &ConnectionStats) {}
    pub(crate) fn panicked(_: &'static str) {}
}

#[cfg(not(feature = "tracing"))]
pub(super) use off::*;
#[cfg(feature = "tracing")]
pub(super) use on::*;
