//! A tower layer that opens WebSockets in front of a service.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::connection::websocket::WebSocket;
use crate::server::config::ServerConfig;
use crate::server::http::service::FullBody;
use crate::server::integrate::rejection::Rejection;
use crate::server::integrate::upgrade::join_split_cookies;
use crate::server::integrate::upgrade::{UpgradeRequest, is_websocket};
use crate::server::output::HandlerOutput;
use crate::server::output::private::Output as _;
use crate::server::state::handle::ServerHandle;
use crate::server::state::trace;

type Handler = dyn Fn(WebSocket, Request<()>) -> BoxFuture<'static, ()> + Send + Sync;
type Filter = dyn Fn(&Parts) -> bool + Send + Sync;

/// A tower layer that opens WebSockets in front of a service, in a server that hyper runs.
/// Requests for a WebSocket go to a handler, all others to the service.
///
/// Split cookies of HTTP/2 are joined (RFC 9113 §8.2.3), for the service, too.
///
/// As for [`upgrade`](crate::server::upgrade), the connection must be served `with_upgrades`; on
/// HTTP/2, with `enable_connect_protocol` (RFC 8441).
///
/// ```
/// use fullduplex::server::WebSocketLayer;
///
/// let layer = WebSocketLayer::new(|mut websocket, request| async move {
///     println!("{}", request.uri().path());
///     while let Some(Ok(message)) = websocket.next().await {
///         let _ = websocket.send(message).await;
///     }
/// });
/// let layer = layer.filter(|head| head.uri.path().starts_with("/socket/"));
/// ```
#[derive(Clone)]
pub struct WebSocketLayer {
    handler: Arc<Handler>,
    filter: Option<Arc<Filter>>,
    config: Arc<ServerConfig>,
    tracked: Option<ServerHandle>,
}

impl WebSocketLayer {
    /// Creates a layer that runs `handler` in a separate task for each WebSocket, with its
    /// request without the extensions. Requests that break a rule are rejected.
    pub fn new<H, F>(handler: H) -> Self
    where
        H: Fn(WebSocket, Request<()>) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        Self {
            handler: Arc::new(move |websocket, request| {
                let handling = handler(websocket, request);
                Box::pin(async move {
                    if let Some(error) = handling.await.error() {
                        trace::layer_handler_failed(error);
                    }
                })
            }),
            filter: None,
            config: Arc::default(),
            tracked: None,
        }
    }

    /// Sets the configuration; see [`UpgradeRequest::accept`] for settings without effect.
    #[must_use]
    pub fn config(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.config = config.into();
        self
    }

    /// Opens WebSockets only for requests for which `filter` returns true, such as those for a
    /// path. The others go to the service. Default: all requests for a WebSocket.
    #[must_use]
    pub fn filter(mut self, filter: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// Registers the WebSockets with `handle`: they are counted there, and closed by
    /// [`drain`](ServerHandle::drain). After that, requests for one are answered 503.
    #[must_use]
    pub fn track(mut self, handle: &ServerHandle) -> Self {
        self.tracked = Some(handle.clone());
        self
    }

    /// Returns the response to a request for a WebSocket, or the request if it is another one.
    #[allow(clippy::result_large_err, reason = "the request is passed on at once")]
    fn respond<B>(&self, mut request: Request<B>) -> Result<Response<Bytes>, Request<B>> {
        let version = request.version();
        join_split_cookies(version, request.headers_mut());
        if !is_websocket(&request) {
            return Err(request);
        }
        let (mut parts, body) = request.into_parts();
        if self.filter.as_ref().is_some_and(|filter| !filter(&parts)) {
            return Err(Request::from_parts(parts, body));
        }
        Ok(self.open(&mut parts).unwrap_or_else(Rejection::into_response))
    }

    fn open(&self, parts: &mut Parts) -> Result<Response<Bytes>, Rejection> {
        let mut request = UpgradeRequest::from_parts(parts)?;
        if let Some(handle) = &self.tracked {
            request = request.track(handle);
        }
        let head = request.request().clone();
        let (response, upgrade) = request.accept(self.config.clone())?;
        let handler = self.handler.clone();
        upgrade.spawn(|opened| async move {
            // On an error, the client has left.
            if let Ok(websocket) = opened {
                handler(websocket, head).await;
            }
        });
        Ok(response.map(|()| Bytes::new()))
    }
}

impl fmt::Debug for WebSocketLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketLayer").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for WebSocketLayer {
    type Service = WebSocketService<S>;

    fn layer(&self, inner: S) -> WebSocketService<S> {
        WebSocketService { inner, layer: Arc::new(self.clone()) }
    }
}

/// A service with WebSockets in front of it; see [`WebSocketLayer`].
#[derive(Clone, Debug)]
pub struct WebSocketService<S> {
    inner: S,
    layer: Arc<WebSocketLayer>,
}

impl<S, B, R> Service<Request<B>> for WebSocketService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.respond(request) {
            Ok(response) => ResponseFuture { upgrade: Some(response), inner: None },
            Err(request) => ResponseFuture { upgrade: None, inner: Some(self.inner.call(request)) },
        }
    }
}

pin_project! {
    /// The future of a [`WebSocketService`], which returns its response.
    pub struct ResponseFuture<F> {
        // The response to a request for a WebSocket.
        upgrade: Option<Response<Bytes>>,
        // The future of the inner service, for other requests.
        #[pin]
        inner: Option<F>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(response) = this.upgrade.take() {
            return Poll::Ready(Ok(response.map(ResponseBody::upgrade)));
        }
        let Some(inner) = this.inner.as_pin_mut() else { return Poll::Pending };
        let response = ready!(inner.poll(cx));
        Poll::Ready(response.map(|response| response.map(ResponseBody::inner)))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// The content of a response of a [`WebSocketService`]: that of the inner service, or a line
    /// that says why a request was rejected.
    pub struct ResponseBody<B> {
        #[pin]
        kind: ResponseBodyKind<B>,
    }
}

pin_project! {
    #[project = Projected]
    enum ResponseBodyKind<B> {
        Upgrade { #[pin] line: FullBody<Infallible> },
        Inner { #[pin] body: B },
    }
}

impl<B> ResponseBody<B> {
    fn upgrade(line: Bytes) -> Self {
        Self { kind: ResponseBodyKind::Upgrade { line: FullBody::new(line) } }
    }

    fn inner(body: B) -> Self {
        Self { kind: ResponseBodyKind::Inner { body } }
    }
}

impl<B: HttpBody<Data = Bytes>> HttpBody for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            Projected::Upgrade { line } => {
                line.poll_frame(cx).map(|frame| frame.map(|f| f.map_err(|never| match never {})))
            }
            Projected::Inner { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            ResponseBodyKind::Upgrade { line } => line.is_end_stream(),
            ResponseBodyKind::Inner { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            ResponseBodyKind::Upgrade { line } => line.size_hint(),
            ResponseBodyKind::Inner { body } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
