//! What a server tells `tracing`, with the feature of that name: handshakes, what was refused
//! and why, and how WebSockets ended. Never a payload, a query or a header field's value.
//!
//! A handler runs inside a span `websocket` with the client, the path, and the version of
//! HTTP, so that its own events are told apart.

#[cfg(feature = "tracing")]
mod on {
    use std::fmt::Display;
    use std::future::Future;

    use fullduplex_proto::CloseInfo;
    use http::Request;
    use tracing::{Span, debug, debug_span, error, info};

    use crate::base::error::Error;
    use crate::connection::stats::ConnectionStats;
    use crate::server::policy::connect_info::ConnectInfo;
    use crate::server::policy::peer::PeerAddr;

    /// The span of a WebSocket, or of a request for one: within the current span, such as that of
    /// the request in a server of others. The request is made only if it is needed.
    pub(crate) fn span<'a>(request: impl FnOnce() -> &'a Request<()>) -> Span {
        span_of(request())
    }

    fn span_of(request: &Request<()>) -> Span {
        let remote = request.extensions().get::<ConnectInfo>();
        let client = remote.map(|remote| tracing::field::display(remote.client.clone()));
        let path = request.uri().path();
        debug_span!("websocket", client, path, version = ?request.version())
    }

    /// Calls something inside a span.
    pub(crate) fn within<T>(span: &Span, call: impl FnOnce() -> T) -> T {
        span.in_scope(call)
    }

    /// A future that runs inside a span.
    pub(crate) type Instrumented<F> = tracing::instrument::Instrumented<F>;

    pub(crate) fn inside<F: Future>(span: Span, future: F) -> Instrumented<F> {
        tracing::Instrument::instrument(future, span)
    }

    /// A WebSocket is open.
    pub(crate) fn opened(span: &Span, protocol: Option<&str>, deflate: bool) {
        debug!(parent: span, protocol, deflate, "opened");
    }

    /// A request was refused, in the span of its handler if it has come to that.
    pub(crate) fn refused(request: &Request<()>, span: Option<&Span>, status: u16, why: &str) {
        let span = span.cloned().unwrap_or_else(|| span_of(request));
        info!(parent: &span, status, why, "refused");
    }

    /// A connection came to no request.
    pub(crate) fn failed(peer: &PeerAddr, error: &Error) {
        debug!(%peer, %error, "no request");
    }

    /// There was no room for a connection.
    pub(crate) fn no_room(peer: &PeerAddr, why: &dyn Display) {
        info!(%peer, %why, "no room");
    }

    /// No connection can be accepted for now, such as for want of open files.
    pub(crate) fn not_accepted(error: &std::io::Error) {
        error!(%error, "no connection can be accepted");
    }

    /// A WebSocket has ended.
    pub(crate) fn closed(span: &Span, info: Option<&CloseInfo>, traffic: &ConnectionStats) {
        let how = info.map(ToString::to_string).unwrap_or_default();
        let (received, sent) = (&traffic.received, &traffic.sent);
        let in_all = (received.text + received.binary, sent.text + sent.binary);
        debug!(parent: span, how, received = in_all.0, sent = in_all.1, "closed");
    }

    /// A handler ended with an error.
    pub(crate) fn handler_failed<F>(handling: &Instrumented<F>, error: &dyn Display) {
        debug!(parent: handling.span(), %error, "the handler failed");
    }

    /// The same, in no span.
    #[cfg(feature = "tower")]
    pub(crate) fn layer_handler_failed(error: &dyn Display) {
        debug!(%error, "the handler failed");
    }

    /// Something of the application's panicked.
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
    use crate::connection::stats::ConnectionStats;
    use crate::server::policy::peer::PeerAddr;

    /// Stands for a span.
    #[derive(Clone)]
    pub(crate) struct Span;

    pub(crate) fn span<'a>(_: impl FnOnce() -> &'a Request<()>) -> Span {
        Span
    }

    pub(crate) fn within<T>(_: &Span, call: impl FnOnce() -> T) -> T {
        call()
    }

    pub(crate) type Instrumented<F> = F;

    pub(crate) fn inside<F>(_: Span, future: F) -> F {
        future
    }

    pub(crate) fn opened(_: &Span, _: Option<&str>, _: bool) {}
    pub(crate) fn refused(_: &Request<()>, _: Option<&Span>, _: u16, _: &str) {}
    pub(crate) fn failed(_: &PeerAddr, _: &Error) {}
    pub(crate) fn no_room(_: &PeerAddr, _: &dyn Display) {}
    pub(crate) fn closed(_: &Span, _: Option<&CloseInfo>, _: &ConnectionStats) {}
    pub(crate) fn handler_failed<F>(_: &Instrumented<F>, _: &dyn Display) {}
    #[cfg(feature = "tower")]
    pub(crate) fn layer_handler_failed(_: &dyn Display) {}
    pub(crate) fn panicked(_: &'static str) {}
    pub(crate) fn not_accepted(_: &std::io::Error) {}
}

#[cfg(not(feature = "tracing"))]
pub(crate) use off::*;
#[cfg(feature = "tracing")]
pub(crate) use on::*;
#[cfg(feature = "tracing")]
pub(crate) use tracing::Span;
