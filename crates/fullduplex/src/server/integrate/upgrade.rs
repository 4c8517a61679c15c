//! WebSockets in servers that hyper runs, such as axum's.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
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
use crate::server::handshake::unanswered::{UnansweredRequest, request_methods};
use crate::server::http::upgraded::take_connection;
use crate::server::integrate::rejection::Rejection;
use crate::server::output::HandlerOutput;
use crate::server::output::private::Output as _;
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
#[doc(alias = "on_upgrade")]
#[doc(alias = "noServer")]
#[doc(alias = "handleUpgrade")]
pub fn upgrade<B>(
    request: &mut Request<B>,
    config: impl Into<Arc<ServerConfig>>,
) -> Result<(Response<()>, Upgrade), Rejection> {
    UpgradeRequest::new(request)?.accept(config)
}

/// Returns whether a request asks for a WebSocket, validly or not, rather than being ordinary HTTP.
///
/// ```
/// use fullduplex::server::integrate::is_websocket;
///
/// let request = http::Request::get("/chat").header("upgrade", "websocket").body(()).unwrap();
/// assert!(is_websocket(&request));
/// assert!(!is_websocket(&http::Request::get("/").body(()).unwrap()));
/// ```
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
///
/// ```
/// use fullduplex::server::ServerConfig;
/// use fullduplex::server::integrate::{Rejection, UpgradeRequest};
/// use http::{Request, Response};
///
/// fn open<B>(request: &mut Request<B>) -> Result<Response<()>, Rejection> {
///     let mut upgrade = UpgradeRequest::new(request)?;
///     let newest = upgrade.subprotocols().iter().find(|name| *name == "chat.v2").cloned();
///     upgrade.set_subprotocol(newest);
///     upgrade.add_header("set-cookie", "seen=1");
///     let (response, websocket) = upgrade.accept(ServerConfig::default())?;
///     websocket.spawn(|opened| async move {
///         let mut websocket = opened?;
///         websocket.send("hello").await
///     });
///     Ok(response)
/// }
/// ```
pub struct UpgradeRequest {
    pending: Box<UnansweredRequest>,
    on_upgrade: OnUpgrade,
}

impl UpgradeRequest {
    /// Validates a request against the rules of the opening handshake. It takes hyper's upgrade
    /// out of the request, so it works once for a request.
    ///
    /// Split cookies of HTTP/2 are joined (RFC 9113 §8.2.3), in `request`, too. Extensions are
    /// cloned.
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
        Self::copied(head, request.extensions_mut())
    }

    /// Validates the head of a request, as [`new`](Self::new) does.
    ///
    /// # Errors
    /// Fails where `new` does.
    pub fn from_parts(parts: &mut Parts) -> Result<Self, Rejection> {
        join_split_cookies(parts.version, &mut parts.headers);
        let mut head = Request::new(());
        *head.method_mut() = parts.method.clone();
        *head.uri_mut() = parts.uri.clone();
        *head.version_mut() = parts.version;
        *head.headers_mut() = parts.headers.clone();
        Self::copied(head, &mut parts.extensions)
    }

    /// Takes a copy of a request, whose extensions are still missing.
    fn copied(mut head: Request<()>, extensions: &mut Extensions) -> Result<Self, Rejection> {
        head.extensions_mut().clone_from(extensions);
        let upgrade = Self::take(head).map_err(|(rejection, _)| rejection)?;
        extensions.remove::<OnUpgrade>();
        Ok(upgrade)
    }

    /// Validates a request, whose split cookies are joined. On an error, the request comes back.
    pub(crate) fn take(request: Request<()>) -> Result<Self, (Rejection, Box<IncomingRequest>)> {
        let protocol = protocol_of(request.extensions()).map(Into::into);
        let mut request = IncomingRequest::new(request, protocol, &[]);
        if let Err(rejection) = request.offer() {
            let cause = RejectionCause::InvalidRequest(rejection);
            let rejection = Rejection::new(cause, request.is_websocket);
            return Err((rejection, request));
        }
        let Some(on_upgrade) = request.take_extension::<OnUpgrade>() else {
            let why = "the connection is served without upgrades";
            let cause = RejectionCause::Policy(501, why.to_owned());
            return Err((Rejection::new(cause, true), request));
        };
        Ok(Self { pending: Box::new(UnansweredRequest::new(request)), on_upgrade })
    }

    request_methods!();

    fn unanswered(&self) -> &UnansweredRequest {
        &self.pending
    }

    fn unanswered_mut(&mut self) -> &mut UnansweredRequest {
        &mut self.pending
    }

    /// Whether `accept` will reject the request whatever the application does.
    #[cfg(feature = "tower")]
    pub(crate) fn breaks_a_rule(&self, config: &ServerConfig) -> bool {
        self.pending.request.breaks_a_rule(config)
    }

    /// Returns the subprotocol that was [set](Self::set_subprotocol).
    pub fn subprotocol(&self) -> Option<&str> {
        self.pending.request.subprotocol.as_deref()
    }

    /// Returns the response that opens the WebSocket, and a future of the WebSocket.
    ///
    /// The settings for connections and proxies have no effect, as hyper has the connection:
    /// `limits`, `forwarding`, `http2`, and of `handshake_limits` all except `handshake_timeout`.
    ///
    /// # Errors
    /// If a policy of the server rejects the request, the server of `track` drains, or the
    /// application has set an invalid response or a setting that is out of range.
    pub fn accept(
        self,
        config: impl Into<Arc<ServerConfig>>,
    ) -> Result<(Response<()>, Upgrade), Rejection> {
        self.try_accept(config.into()).map_err(|(rejection, _)| rejection)
    }

    /// Accepts the request; see [`accept`](Self::accept). On an error, the request comes back.
    pub(crate) fn try_accept(
        self,
        config: Arc<ServerConfig>,
    ) -> Result<(Response<()>, Upgrade), (Rejection, Box<IncomingRequest>)> {
        let Self { mut pending, on_upgrade } = self;
        if let Err(error) = config.validate() {
            let cause = RejectionCause::Misuse(Error::of(error));
            return Err((Rejection::new(cause, true), pending.request));
        }
        pending.request.choose_subprotocol(&config.subprotocols);
        let accepted = pending.accept(&config).and_then(|accepted| {
            let response = accepted.response().map_err(RejectionCause::Misuse)?;
            Ok((accepted, response))
        });
        let (accepted, mut response) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                return Err((Rejection::new(cause, true), pending.request));
            }
        };
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
///
/// ```
/// use fullduplex::server::{self, ServerConfig};
/// use http::{Request, Response};
///
/// fn open<B>(request: &mut Request<B>) -> Option<Response<()>> {
///     let (response, upgrade) = server::upgrade(request, ServerConfig::default()).ok()?;
///     // In a task of its own, as it waits for the response.
///     upgrade.spawn(|opened| async move {
///         let mut websocket = opened?;
///         websocket.send("hello").await
///     });
///     Some(response)
/// }
/// ```
#[must_use = "the WebSocket is open when this is ready"]
pub struct Upgrade {
    connection: BoxFuture<'static, Result<(NetStream, BytesMut), Error>>,
    config: Arc<ServerConfig>,
    deflate: Option<PerMessageDeflate>,
    pending: Box<UnansweredRequest>,
}

impl Upgrade {
    /// Runs `handle` with the WebSocket, or the error, in a separate task. It may return a
    /// `Result`; see [`HandlerOutput`].
    ///
    /// With the feature `tracing`, the task runs in the span of the WebSocket, whose parent is
    /// the span in which the request was accepted.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<H, F>(self, handle: H)
    where
        H: FnOnce(Result<WebSocket, Error>) -> F + Send + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        self.spawn_in_span(|upgrade| async move {
            if let Some(error) = handle(upgrade.await).await.error() {
                trace::upgrade_handler_failed(error);
            }
        });
    }

    /// Spawns a task in the span of the WebSocket.
    pub(crate) fn spawn_in_span<F>(self, run: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let span = self.pending.span.clone();
        let span = span.unwrap_or_else(|| trace::span(|| self.pending.request()));
        tokio::spawn(trace::instrument(span, run(self)));
    }

    /// Returns the request.
    #[cfg(feature = "tower")]
    pub(crate) fn into_request(self) -> Request<()> {
        self.pending.request.into_request()
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
