//! The service that a [`WebSocketLayer`](crate::server::WebSocketLayer) makes, and its response.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::server::http::service::FullBody;
use crate::server::integrate::layer::{Answer, Opener, WebSocketLayer};

/// A service with WebSockets in front of it; see [`WebSocketLayer`].
///
/// ```
/// use std::convert::Infallible;
///
/// use fullduplex::server::WebSocketLayer;
/// use http::{Request, Response};
/// use tower::{Layer, service_fn};
///
/// async fn page(_: Request<()>) -> Result<Response<String>, Infallible> {
///     Ok(Response::new("a page".to_owned()))
/// }
///
/// let layer = WebSocketLayer::new(|mut websocket, _request| async move {
///     websocket.send("hello").await
/// });
/// let service = layer.layer(service_fn(page));
/// ```
#[derive(Clone, Debug)]
pub struct WebSocketService<S> {
    inner: S,
    opener: Arc<Opener>,
}

impl<S> Layer<S> for WebSocketLayer {
    type Service = WebSocketService<S>;

    fn layer(&self, inner: S) -> WebSocketService<S> {
        WebSocketService { inner, opener: Arc::new(Opener::new(self.clone())) }
    }
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
        let (upgrade, inner) = match self.opener.answer(request) {
            Answer::Response(response) => (Some(UpgradeResponse::Ready { response }), None),
            Answer::Authenticating(response) => {
                (Some(UpgradeResponse::Authenticating { response }), None)
            }
            Answer::Service(request) => (None, Some(self.inner.call(request))),
        };
        ResponseFuture { upgrade, inner }
    }
}

pin_project! {
    /// The future of a [`WebSocketService`], which returns its response.
    pub struct ResponseFuture<F> {
        // The response to a request for a WebSocket.
        upgrade: Option<UpgradeResponse>,
        // The future of the inner service, for other requests.
        #[pin]
        inner: Option<F>,
    }
}

/// The response to a request for a WebSocket.
enum UpgradeResponse {
    Ready { response: Response<Bytes> },
    Authenticating { response: BoxFuture<'static, Response<Bytes>> },
}

impl UpgradeResponse {
    /// Returns the response. Not to be called again after that.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Response<Bytes>> {
        match self {
            Self::Ready { response } => Poll::Ready(std::mem::take(response)),
            Self::Authenticating { response } => response.as_mut().poll(cx),
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(upgrade) = this.upgrade {
            let response = ready!(upgrade.poll(cx));
            *this.upgrade = None;
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
