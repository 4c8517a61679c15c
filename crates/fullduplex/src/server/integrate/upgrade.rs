//! WebSockets in servers that hyper runs, such as axum's.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use fullduplex_proto::PerMessageDeflate;
use futures_core::future::BoxFuture;
use http::request::Parts;
use http::{Extensions, HeaderMap, Request, Response, Version};
use hyper::upgrade::OnUpgrade;

use crate::base::deadline::within;
use crate::base::error::Error;
use crate::base::header_fields::{join_cookies, mark_sensitive};
use crate::connection::websocket::WebSocket;
use crate::server::config::ServerConfig;
use crate::server::handshake::handshake;
use crate::server::handshake::request::{IncomingRequest, RejectionCause, handshake_request};
use crate::server::handshake::unanswered::UnansweredRequest;
use crate::server::http::upgraded::take_connection;
use crate::server::integrate::rejection::Rejection;
use crate::server::state::handle::ServerHandle;
use crate::server::state::trace;
use crate::transport::net_stream::NetStream;

/// Opens a WebSocket in a server that hyper runs. Returns the response to send, and a future of
/// the WebSocket that will be open when the response was sent.
///
/// The connection must be served `with_upgrades`; on HTTP/2, with `enable_connect_protocol`
/// (RFC 8441). Await the [`Upgrade`] on another task than the one that returns the response.
///
/// # Errors
/// If the request breaks a rule of the protocol or of the server's policies, or hyper serves the
/// connection without upgrades. The [`Rejection`] contains the response.
///
/// ```
/// # use std::{convert::Infallible, sync::Arc};
/// # use http::{Request, Response};
/// # use fullduplex::server::{self, ServerConfig};
/// async fn respond<B>(mut request: Request<B>) -> Result<Response<String>, Infallible> {
///     let (response, upgrade) = match server::upgrade(&mut request, ServerConfig::default()) {
///         Ok(upgrade) => upgrade,
///         Err(rejection) => return Ok(rejection.into_response().map(|why| {
///             String::from_utf8_lossy(&why).into_owned()
///         })),
///     };
///     tokio::spawn(async move {
///         let Ok(mut websocket) = upgrade.await else { return };
///         while let Some(Ok(message)) = websocket.next().await {
///             let _ = websocket.send(message).await;
///         }
///     });
///     Ok(response.map(|()| String::new()))
/// }
/// ```
pub fn upgrade<B>(
    request: &mut Request<B>,
    config: impl Into<Arc<ServerConfig>>,
) -> Result<(Response<()>, Upgrade), Rejection> {
    UpgradeRequest::new(request)?.accept(config)
}

/// Returns whether a request asks for a WebSocket, validly or not, rather than being ordinary HTTP.
pub fn is_websocket<B>(request: &Request<B>) -> bool {
    handshake_request(request, protocol_of(request.extensions())).is_websocket()
}

/// Joins cookies on HTTP/2 and later, where they may be split; hyper does not.
pub(crate) fn join_split_cookies(version: Version, headers: &mut HeaderMap) {
    if version >= Version::HTTP_2 {
        join_cookies(headers);
    }
}

#[cfg(feature = "http2")]
fn protocol_of(extensions: &Extensions) -> Option<&str> {
    extensions.get().map(hyper::ext::Protocol::as_str)
}

#[cfg(not(feature = "http2"))]
fn protocol_of(_: &Extensions) -> Option<&str> {
    None
}

/// A request for a WebSocket that was not answered yet, in a server that hyper runs. It does
/// step by step what [`upgrade`] does at once.
pub struct UpgradeRequest {
    pending: Box<UnansweredRequest>,
    on_upgrade: OnUpgrade,
}

impl UpgradeRequest {
    /// Validates a request against the rules of the opening handshake. It takes hyper's upgrade
    /// out of the request, so it works once for a request.
    ///
    /// Split cookies of HTTP/2 are joined (RFC 9113 §8.2.3), in `request`, too.
    ///
    /// # Errors
    /// If the request breaks a rule, or hyper serves the connection without upgrades.
    pub fn new<B>(request: &mut Request<B>) -> Result<Self, Rejection> {
        join_split_cookies(request.version(), request.headers_mut());
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.version_mut() = request.version();
        *head.headers_mut() = request.headers().clone();
        Self::take(head, request.extensions_mut())
    }

    /// Validates the head of a request, as [`new`](Self::new) does.
    pub fn from_parts(parts: &mut Parts) -> Result<Self, Rejection> {
        join_split_cookies(parts.version, &mut parts.headers);
        let mut head = Request::new(());
        *head.method_mut() = parts.method.clone();
        *head.uri_mut() = parts.uri.clone();
        *head.version_mut() = parts.version;
        *head.headers_mut() = parts.headers.clone();
        Self::take(head, &mut parts.extensions)
    }

    fn take(head: Request<()>, extensions: &mut Extensions) -> Result<Self, Rejection> {
        let request = IncomingRequest::new(head, protocol_of(extensions).map(Into::into), &[]);
        if let Err(rejection) = request.offer() {
            let cause = RejectionCause::InvalidRequest(rejection);
            return Err(Rejection::new(cause, request.is_websocket));
        }
        let Some(on_upgrade) = extensions.remove::<OnUpgrade>() else {
            let why = "the connection is served without upgrades";
            return Err(Rejection::new(RejectionCause::Policy(501, why.to_owned()), true));
        };
        Ok(Self { pending: Box::new(UnansweredRequest::new(request)), on_upgrade })
    }

    /// Returns the request, without its extensions.
    ///
    /// An extended CONNECT of HTTP/2 (RFC 8441) has the method `CONNECT`, and its authority in
    /// the URI instead of `Host`.
    pub fn request(&self) -> &Request<()> {
        self.pending.request()
    }

    /// Returns the subprotocols that the client offers, its favourite first.
    pub fn subprotocols(&self) -> &[String] {
        self.pending.request.subprotocols()
    }

    /// Returns the subprotocol that was [set](Self::set_subprotocol).
    pub fn subprotocol(&self) -> Option<&str> {
        self.pending.request.subprotocol.as_deref()
    }

    /// Sets the subprotocol that `accept` will select, in place of the client's favourite among
    /// the server's. The client must have offered it.
    pub fn set_subprotocol(&mut self, subprotocol: Option<String>) {
        self.pending.request.subprotocol = subprotocol;
    }

    /// Adds a header field to the response that opens the WebSocket.
    ///
    /// Fields that the protocol sets itself, such as `Sec-WebSocket-Protocol` and
    /// `Content-Length`, and invalid ones are errors: `accept` then returns a rejection that
    /// names the field, and whose response is 500.
    pub fn add_header(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.pending.add_header(name, value);
    }

    /// Registers the WebSocket with `handle`: it is counted there, and closed by
    /// [`drain`](ServerHandle::drain). While that server drains, requests are rejected with 503.
    #[must_use]
    pub fn track(mut self, handle: &ServerHandle) -> Self {
        self.pending.tracked = Some(handle.clone());
        self
    }

    /// Returns the response that opens the WebSocket, and a future of the WebSocket.
    ///
    /// The settings for connections and proxies have no effect, as hyper has the connection:
    /// `limits`, `forwarding`, `http2`, and of `handshake` all except `handshake_timeout`.
    ///
    /// # Errors
    /// If a policy of the server rejects the request, the server of `track` drains, or the
    /// application has set an invalid response.
    pub fn accept(
        self,
        config: impl Into<Arc<ServerConfig>>,
    ) -> Result<(Response<()>, Upgrade), Rejection> {
        let Self { mut pending, on_upgrade } = self;
        let config = config.into();
        let rejected = |cause| Rejection::new(cause, true);
        pending.request.choose_subprotocol(&config.subprotocols);
        let accepted = pending.accept(&config).map_err(rejected)?;
        let response = accepted.response().map_err(|error| rejected(RejectionCause::Misuse(error)));
        let mut response = response?;
        mark_sensitive(response.headers_mut());
        let limit = config.handshake_limits.handshake_timeout;
        let taken =
            async move { within("handshake_timeout", limit, take_connection(on_upgrade)).await? };
        let (connection, deflate) = (Box::pin(taken), accepted.deflate);
        // Made now, while the span of the request is the current one, to become its parent.
        pending.span = Some(trace::span(|| pending.request()));
        Ok((response, Upgrade { connection, config, deflate, pending }))
    }
}

impl fmt::Debug for UpgradeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        handshake::fmt_request(f, "UpgradeRequest", self.request())
    }
}

/// The future of a WebSocket. It is ready when the response was sent, and fails if that takes
/// longer than `handshake_timeout`.
///
/// # Cancel safety
/// If it is dropped before it is ready, the connection is dropped when the response was sent.
#[must_use = "the WebSocket is open when this is ready"]
pub struct Upgrade {
    connection: BoxFuture<'static, Result<(NetStream, BytesMut), Error>>,
    config: Arc<ServerConfig>,
    deflate: Option<PerMessageDeflate>,
    pending: Box<UnansweredRequest>,
}

impl Upgrade {
    /// Runs `handle` with the WebSocket, or the error, in a separate task.
    ///
    /// With the feature `tracing`, the task runs in the span of the WebSocket, whose parent is
    /// the span in which the request was accepted.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<H, F>(self, handle: H)
    where
        H: FnOnce(Result<WebSocket, Error>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let span = self.pending.span.clone();
        let span = span.unwrap_or_else(|| trace::span(|| self.pending.request()));
        tokio::spawn(trace::instrument(span, async move { handle(self.await).await }));
    }

    /// Returns the negotiated subprotocol.
    pub fn subprotocol(&self) -> Option<&str> {
        self.pending.request.subprotocol.as_deref()
    }
}

impl Future for Upgrade {
    type Output = Result<WebSocket, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.connection.as_mut().poll(cx).map(|connection| {
            let Self { config, deflate, pending, .. } = &mut *self;
            Ok(pending.open(connection?, config, deflate.as_ref()))
        })
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        handshake::fmt_request(f, "Upgrade", self.pending.request())
    }
}
