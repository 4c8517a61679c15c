//! Events for the crate `tracing`, with the feature of that name: accepted and rejected
//! handshakes, and how WebSockets ended. They never contain a payload, a query or the value of a
//! header field.
//!
//! A handler runs inside a span `websocket` with the client, the path and the version of HTTP,
//! so that its events can be attributed.

#[cfg(feature = "tracing")]
mod on {
    use std::fmt::Display;
    use std::future::Future;

    use fullduplex_proto::CloseInfo;
    use http::Request;
    use tracing::{debug, debug_span, error, info};

    use crate::base::error::Error;
    use crate::base::span::Span;
    use crate::base::stats::ConnectionStats;
    use crate::server::policy::connect_info::ConnectInfo;
    use crate::server::policy::peer::PeerAddr;

    /// Creates the span of a WebSocket, or of a request for one, inside the current span. The
    /// request is built only if the span is enabled.
    pub(crate) fn span<'a>(request: impl FnOnce() -> &'a Request<()>) -> Span {
        span_of(request())
    }

    fn span_of(request: &Request<()>) -> Span {
        let remote = request.extensions().get::<ConnectInfo>();
        let client = remote.map(|remote| tracing::field::display(remote.client.clone()));
        let path = request.uri().path();
        debug_span!("websocket", client, path, version = ?request.version())
    }

    /// A future that runs inside a span.
    pub(crate) type Instrumented<F> = tracing::instrument::Instrumented<F>;

    /// Makes a future run inside a span.
    pub(crate) fn instrument<F: Future>(span: Span, future: F) -> Instrumented<F> {
        tracing::Instrument::instrument(future, span)
    }

    /// Logs that a WebSocket is open.
    pub(crate) fn opened(span: &Span, subprotocol: Option<&str>, deflate: bool) {
        debug!(parent: span, subprotocol, deflate, "opened");
    }

    /// Logs that a request was rejected, in the span of its handler if that runs.
    pub(crate) fn rejected(request: &Request<()>, span: Option<&Span>, status: u16, reason: &str) {
        let span = span.cloned().unwrap_or_else(|| span_of(request));
        info!(parent: &span, status, reason, "rejected");
    }

    /// Logs that a connection failed before a request was read.
    pub(crate) fn request_failed(peer: &PeerAddr, error: &Error) {
        debug!(%peer, %error, "reading the request failed");
    }

    /// Logs that a connection was rejected because a limit is reached.
    pub(crate) fn limit_reached(peer: &PeerAddr, reason: &dyn Display) {
        info!(%peer, %reason, "rejected");
    }

    /// Logs that accepting a connection failed, such as for too many open files (`EMFILE`).
    pub(crate) fn accept_failed(error: &std::io::Error) {
        error!(%error, "accepting a connection failed");
    }

    /// Logs that a WebSocket has ended.
    pub(crate) fn closed(span: &Span, info: Option<&CloseInfo>, traffic: &ConnectionStats) {
        let end = info.map(ToString::to_string).unwrap_or_default();
        let (received, sent) = (&traffic.received, &traffic.sent);
        let (received, sent) = (received.text + received.binary, sent.text + sent.binary);
        debug!(parent: span, end, received, sent, "closed");
    }

    /// Logs that a handler returned an error.
    pub(crate) fn handler_failed<F>(handling: &Instrumented<F>, error: &dyn Display) {
        debug!(parent: handling.span(), %error, "the handler failed");
    }

    /// Logs that a handler in a server that hyper runs returned an error, in the current span.
    #[cfg(feature = "hyper")]
    pub(crate) fn upgrade_handler_failed(error: &dyn Display) {
        debug!(%error, "the handler failed");
    }

    /// Logs a panic of the application.
    pub(crate) fn panicked(what: &'static str) {
        error!("{what} panicked");
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::fmt::Display;

    use fullduplex_proto::CloseInfo;
    use http::Request;

    use crate::base::error::Error;
    use crate::base::span::Span;
    use crate::base::stats::ConnectionStats;
    use crate::server::policy::peer::PeerAddr;

    pub(crate) fn span<'a>(_: impl FnOnce() -> &'a Request<()>) -> Span {
        Span
    }

    pub(crate) type Instrumented<F> = F;

    pub(crate) fn instrument<F>(_: Span, future: F) -> F {
        future
    }

    pub(crate) fn opened(_: &Span, _: Option<&str>, _: bool) {}
    pub(crate) fn rejected(_: &Request<()>, _: Option<&Span>, _: u16, _: &str) {}
    pub(crate) fn request_failed(_: &PeerAddr, _: &Error) {}
    pub(crate) fn limit_reached(_: &PeerAddr, _: &dyn Display) {}
    pub(crate) fn closed(_: &Span, _: Option<&CloseInfo>, _: &ConnectionStats) {}
    pub(crate) fn handler_failed<F>(_: &Instrumented<F>, _: &dyn Display) {}
    #[cfg(feature = "hyper")]
    pub(crate) fn upgrade_handler_failed(_: &dyn Display) {}
    pub(crate) fn panicked(_: &'static str) {}
    pub(crate) fn accept_failed(_: &std::io::Error) {}
}

#[cfg(not(feature = "tracing"))]
pub(crate) use off::*;
#[cfg(feature = "tracing")]
pub(crate) use on::*;
