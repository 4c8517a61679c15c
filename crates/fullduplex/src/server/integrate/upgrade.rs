//! For servers that hyper runs, such as axum's.

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
use crate::server::handshake::pending::PendingRequest;
use crate::server::handshake::request::{IncomingRequest, RejectionCause, handshake_request};
use crate::server::http::upgraded::finish;
use crate::server::integrate::rejection::Rejection;
use crate::server::state::handle::ServerHandle;
use crate::server::state::trace;
use crate::transport::net_stream::NetStream;

/// Opens a WebSocket in a server that hyper runs: checks the request, and gives the response
/// to send and the WebSocket that is open once it is sent.
///
/// The connection must be served `with_upgrades`; on HTTP/2, with `enable_connect_protocol`
/// (RFC 8441). [`Upgrade`] is to be awaited on another task than the one that answers.
///
/// ```
/// # use std::{convert::Infallible, sync::Arc};
/// # use http::{HandshakeRequest, Response};
/// # use fullduplex::server::{self, ServerConfig};
/// async fn respond<B>(mut request: HandshakeRequest<B>) -> Result<Response<String>, Infallible> {
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

/// Whether a request asks for a WebSocket, well or badly, rather than being ordinary HTTP.
pub fn is_websocket<B>(request: &Request<B>) -> bool {
    handshake_request(request, protocol_of(request.extensions())).is_websocket()
}

/// Joins cookies where the version of HTTP lets them be split; hyper does not.
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

/// A request for a WebSocket in a server that hyper runs, not answered yet: what [`upgrade`]
/// does, step by step.
pub struct UpgradeRequest {
    pending: Box<PendingRequest>,
    on_upgrade: OnUpgrade,
}

impl UpgradeRequest {
    /// Looks at a request, or says which rule of the opening handshake it breaks. A request for
    /// a WebSocket can be taken once.
    ///
    /// hyper hands over the cookies of HTTP/2 as they came, often one to a field: they are joined
    /// (RFC 9113 §8.2.3), also for those who look at the request afterwards.
    pub fn new<B>(request: &mut Request<B>) -> Result<Self, Rejection> {
        join_split_cookies(request.version(), request.headers_mut());
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.version_mut() = request.version();
        *head.headers_mut() = request.headers().clone();
        Self::take(head, request.extensions_mut())
    }

    /// Looks at a request without its content, as [`new`](Self::new) does.
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
        if let Err(refusal) = request.offer() {
            return Err(Rejection::new(
                RejectionCause::InvalidRequest(refusal),
                request.is_websocket,
            ));
        }
        let Some(on_upgrade) = extensions.remove::<OnUpgrade>() else {
            let why = "what serves this connection does not hand it over for a WebSocket";
            return Err(Rejection::new(RejectionCause::Policy(501, why.to_owned()), true));
        };
        Ok(Self { pending: Box::new(PendingRequest::new(request)), on_upgrade })
    }

    /// The request, without its extensions.
    ///
    /// An extended CONNECT of HTTP/2 (RFC 8441) has the method `CONNECT`, and its authority in
    /// the URI in place of `Host`.
    pub fn request(&self) -> &Request<()> {
        self.pending.request()
    }

    /// The subprotocols that the client offers, its favourite first.
    pub fn subprotocols(&self) -> &[String] {
        self.pending.request.subprotocols()
    }

    /// The subprotocol that was [set](Self::set_subprotocol).
    pub fn subprotocol(&self) -> Option<&str> {
        self.pending.request.subprotocol.as_deref()
    }

    /// Chooses another subprotocol than the client's favourite among the server's. It must be
    /// one that the client offers.
    pub fn set_subprotocol(&mut self, protocol: Option<String>) {
        self.pending.request.subprotocol = protocol;
    }

    /// Adds a header field to the response that accepts. The protocol's own, such as
    /// `Sec-WebSocket-Protocol` or `Content-Length`, can't be added.
    ///
    /// With one of those, or one that is not valid, `accept` gives an error that names it, whose answer
    /// is 500.
    pub fn add_header(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.pending.add_header(name, value);
    }

    /// Has the WebSocket counted, and closed when that is [drained](ServerHandle::drain). From
    /// then on requests are refused with 503.
    #[must_use]
    pub fn track(mut self, handle: &ServerHandle) -> Self {
        self.pending.tracked = Some(handle.clone());
        self
    }

    /// Gives the response that opens the WebSocket, and the WebSocket to be; or why there is
    /// none.
    ///
    /// Of the settings, those about connections and proxies have no meaning here, as the
    /// connection is somebody else's: `limits`, `forwarding`, `http2`, and of `handshake` all
    /// but its timeout.
    pub fn accept(
        self,
        config: impl Into<Arc<ServerConfig>>,
    ) -> Result<(Response<()>, Upgrade), Rejection> {
        let Self { mut pending, on_upgrade } = self;
        let config = config.into();
        let refused = |cause| Rejection::new(cause, true);
        pending.request.choose_subprotocol(&config.subprotocols);
        let accepted = pending.accept(&config).map_err(refused)?;
        let response = accepted.response().map_err(|error| refused(RejectionCause::Misuse(error)));
        let mut response = response?;
        mark_sensitive(response.headers_mut());
        let after = config.handshake.handshake_timeout;
        let finished = async move { within("handshake_timeout", after, finish(on_upgrade)).await? };
        let (finished, deflate) = (Box::pin(finished), accepted.deflate);
        // Here, as the span of the request is the current one here alone.
        pending.span = Some(trace::span(|| pending.request()));
        Ok((response, Upgrade { finished, config, deflate, pending }))
    }
}

impl fmt::Debug for UpgradeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        handshake::fmt_request(f, "UpgradeRequest", self.request())
    }
}

/// A WebSocket to be, once the response has been sent, for which there is `handshake_timeout`.
///
/// # Cancel safety
/// Dropped before it is ready, the connection is dropped once the response has been sent.
#[must_use = "the WebSocket is open when this is ready"]
pub struct Upgrade {
    finished: BoxFuture<'static, Result<(NetStream, BytesMut), Error>>,
    config: Arc<ServerConfig>,
    deflate: Option<PerMessageDeflate>,
    pending: Box<PendingRequest>,
}

impl Upgrade {
    /// Runs `handle` with the WebSocket, or with why there is none, on a task of its own. With the
    /// feature `tracing`, that is in the span of the WebSocket, which is within the span in which
    /// the request was accepted.
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
        tokio::spawn(trace::inside(span, async move { handle(self.await).await }));
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.pending.request.subprotocol.as_deref()
    }
}

impl Future for Upgrade {
    type Output = Result<WebSocket, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.finished.as_mut().poll(cx).map(|finished| {
            let Self { config, deflate, pending, .. } = &mut *self;
            Ok(pending.open(finished?, config, deflate.as_ref()))
        })
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        handshake::fmt_request(f, "Upgrade", self.pending.request())
    }
}
