//! The engine as a tower service, by itself or in front of another one.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fullduplex::server::integrate::is_websocket;
use futures_core::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::engine::Engine;
use crate::http::body::{Content, ResponseBody};
use crate::http::respond::respond_to;
use crate::http::websocket;

/// A tower layer that answers the requests for the engine's path; see [`Engine::layer`].
///
/// ```
/// use fullduplex_socketio::engine::{Engine, EngineConfig};
///
/// # fn main() -> Result<(), fullduplex::ConfigError> {
/// let engine = Engine::new(EngineConfig::default(), |_session| async {})?;
/// let app: axum::Router = axum::Router::new().layer(engine.layer());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EngineLayer {
    engine: Engine,
}

/// A tower service that answers the requests for the engine's path, and passes on all others.
///
/// ```
/// use fullduplex_socketio::engine::{Engine, EngineConfig};
///
/// # fn main() -> Result<(), fullduplex::ConfigError> {
/// let engine = Engine::new(EngineConfig::default(), |_session| async {})?;
/// let app: axum::Router = axum::Router::new().route_service("/engine.io/", engine.service());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EngineService<S = NotFound> {
    engine: Engine,
    inner: S,
}

/// A service that answers every request with 404.
///
/// ```
/// use fullduplex_socketio::engine::{Engine, EngineConfig};
/// use fullduplex_socketio::http::{EngineService, NotFound};
///
/// fn service(engine: &Engine) -> EngineService<NotFound> {
///     engine.service()
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NotFound;

impl<B> Service<Request<B>> for NotFound {
    type Response = Response<ResponseBody<Empty>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new(ResponseBody::inner(Empty));
        *response.status_mut() = StatusCode::NOT_FOUND;
        ready(Ok(response))
    }
}

/// The content of a response that has none.
///
/// ```
/// use fullduplex_socketio::http::Empty;
/// use http_body::Body;
///
/// assert!(Empty.is_end_stream());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl HttpBody for Empty {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

impl Engine {
    /// Returns a service that answers the requests for the path of the settings, with and without
    /// a WebSocket, and all others with 404. It is for servers that hyper runs, such as axum's: the
    /// connections must be served `with_upgrades`, and on HTTP/2 with `enable_connect_protocol`.
    ///
    /// To limit the sessions of an address, let a layer around it put the client's
    /// [`PeerAddr`](fullduplex::server::policy::PeerAddr) into the extensions of its requests. A
    /// [`Server`](fullduplex::server::Server) does so by itself.
    pub fn service(&self) -> EngineService {
        EngineService { engine: self.clone(), inner: NotFound }
    }

    /// Returns a layer that answers the requests for the path of the settings, and passes all
    /// others on.
    pub fn layer(&self) -> EngineLayer {
        EngineLayer { engine: self.clone() }
    }
}

impl<S> Layer<S> for EngineLayer {
    type Service = EngineService<S>;

    fn layer(&self, inner: S) -> EngineService<S> {
        EngineService { engine: self.engine.clone(), inner }
    }
}

impl<S, B, R> Service<Request<B>> for EngineService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: HttpBody + Send + 'static,
    B::Data: Send,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !self.engine.config().is_path(request.uri().path()) {
            return ResponseFuture { kind: Kind::Inner { future: self.inner.call(request) } };
        }
        let own: BoxFuture<'static, _> = if is_websocket(&request) {
            Box::pin(ready(websocket::upgrade(&self.engine, request)))
        } else {
            Box::pin(respond_to(self.engine.clone(), request))
        };
        ResponseFuture { kind: Kind::Own { response: own } }
    }
}

pin_project! {
    /// The future of an [`EngineService`], which returns its response.
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = Projected]
    enum Kind<F> {
        Own { response: BoxFuture<'static, Response<Content>> },
        Inner { #[pin] future: F },
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            Projected::Own { response } => {
                response.as_mut().poll(cx).map(|response| Ok(response.map(ResponseBody::own)))
            }
            Projected::Inner { future } => {
                future.poll(cx).map(|done| done.map(|response| response.map(ResponseBody::inner)))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
