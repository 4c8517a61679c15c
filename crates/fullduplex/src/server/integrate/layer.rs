//! A tower layer that opens WebSockets in front of a service.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::request::Parts;
use http::{Request, Response};

use crate::base::error::Error;
use crate::connection::websocket::WebSocket;
use crate::server::config::{ServerConfig, config_setters};
use crate::server::handshake::authenticate;
use crate::server::handshake::authenticate::Authenticate;
use crate::server::handshake::handshake::check_final;
use crate::server::handshake::response::internal_error;
use crate::server::integrate::rejection::Rejection;
use crate::server::integrate::upgrade::{UpgradeRequest, is_websocket, join_split_cookies};
use crate::server::output::HandlerOutput;
use crate::server::output::private::Output as _;
use crate::server::state::handle::ServerHandle;
use crate::server::state::rejection::{
    OnRejected, RejectedClient, RejectionReason, RejectionReports,
};
use crate::server::state::stats::StatsRecorder;
use crate::server::state::trace;

type Handler = dyn Fn(WebSocket, Request<()>) -> BoxFuture<'static, ()> + Send + Sync;
type Filter = dyn Fn(&Parts) -> bool + Send + Sync;
type BeforeAccept = dyn Fn(&mut UpgradeRequest) + Send + Sync;
type OnFailed = dyn Fn(Error) + Send + Sync;

/// A tower layer that opens WebSockets in front of a service, in a server that hyper runs.
/// Requests for a WebSocket go to a handler, all others to the service.
///
/// Split cookies of HTTP/2 are joined (RFC 9113 §8.2.3), for the service, too.
///
/// As for [`upgrade`](crate::server::upgrade), the connection must be served `with_upgrades`; on
/// HTTP/2, with `enable_connect_protocol` (RFC 8441).
///
/// ```
/// use bytes::Bytes;
/// use fullduplex::server::WebSocketLayer;
/// use http::Response;
///
/// #[derive(Clone)]
/// struct User(String);
///
/// let layer = WebSocketLayer::new(|mut websocket, request| async move {
///     // What `authenticate`, or a layer around this one, has found out.
///     let user = request.extensions().get::<User>().map_or("nobody", |user| &user.0);
///     websocket.send(format!("hello {user}")).await?;
///     while let Some(message) = websocket.next().await {
///         websocket.send(message?).await?;
///     }
///     Ok::<_, fullduplex::Error>(())
/// })
/// .filter(|head| head.uri.path().starts_with("/socket/"))
/// .authenticate(|mut request| async move {
///     let Some(token) = request.headers().get("authorization") else {
///         return Err(Response::builder().status(401).body(Bytes::new()).unwrap());
///     };
///     let user = User(format!("owner of a token of {} bytes", token.len()));
///     request.extensions_mut().insert(user);
///     Ok(request)
/// })
/// .before_accept(|request| {
///     let newest = request.subprotocols().iter().find(|name| name.starts_with("chat.")).cloned();
///     request.set_subprotocol(newest);
///     request.add_header("x-served-by", "fullduplex");
/// })
/// .max_message_size(64 << 10);
/// ```
#[derive(Clone)]
#[doc(alias = "middleware")]
#[doc(alias = "on_upgrade")]
pub struct WebSocketLayer {
    handler: Arc<Handler>,
    filter: Option<Arc<Filter>>,
    authenticate: Option<Authenticate>,
    before_accept: Option<Arc<BeforeAccept>>,
    on_failed_upgrade: Option<Arc<OnFailed>>,
    on_rejected: Option<OnRejected>,
    config: Arc<ServerConfig>,
    tracked: Option<ServerHandle>,
}

impl WebSocketLayer {
    /// Creates a layer that runs `handler` in a separate task for each WebSocket, with its
    /// request. Requests that break a rule are rejected.
    ///
    /// The request has the extensions that the layers around this one have set. The handler may
    /// return a `Result`; see [`HandlerOutput`].
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
                        trace::upgrade_handler_failed(error);
                    }
                })
            }),
            filter: None,
            authenticate: None,
            before_accept: None,
            on_failed_upgrade: None,
            on_rejected: None,
            config: Arc::default(),
            tracked: None,
        }
    }

    /// Sets the configuration; see [`UpgradeRequest::accept`] for settings without effect. Call it
    /// before the methods that change single settings.
    #[must_use]
    pub fn config(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.config = config.into();
        self
    }

    config_setters!();

    fn with_config(mut self, change: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        self.config = Arc::new(change(Arc::unwrap_or_clone(self.config)));
        self
    }

    /// Opens WebSockets only for requests for which `filter` returns true, such as those for a
    /// path. The others go to the service. Default: all requests for a WebSocket.
    #[must_use]
    pub fn filter(mut self, filter: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(Arc::new(filter));
        self
    }

    /// Authenticates each request for a WebSocket before it is accepted. `authenticate` returns
    /// the request, perhaps with more extensions, or the response that rejects it. If it takes
    /// longer than `handshake_timeout`, the response is 503; if it panics, 500.
    #[must_use]
    pub fn authenticate<A, F>(mut self, authenticate: A) -> Self
    where
        A: Fn(Request<()>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Request<()>, Response<Bytes>>> + Send + 'static,
    {
        self.authenticate = Some(Arc::new(move |request| Box::pin(authenticate(request))));
        self
    }

    /// Calls `before_accept` with each request that is about to be accepted, to set its
    /// subprotocol or header fields of the response.
    #[must_use]
    pub fn before_accept(
        mut self,
        before_accept: impl Fn(&mut UpgradeRequest) + Send + Sync + 'static,
    ) -> Self {
        self.before_accept = Some(Arc::new(before_accept));
        self
    }

    /// Calls `callback` with each rejected request for a WebSocket, as
    /// [`Server::on_rejected`](crate::server::Server::on_rejected) does. The client's address is
    /// known only if a [`Server`](crate::server::Server) runs the service.
    #[must_use]
    pub fn on_rejected(
        mut self,
        callback: impl Fn(&RejectedClient<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.on_rejected = Some(Arc::new(callback));
        self
    }

    /// Calls `callback` if a connection fails before its WebSocket is open: the client has left.
    #[must_use]
    pub fn on_failed_upgrade(mut self, callback: impl Fn(Error) + Send + Sync + 'static) -> Self {
        self.on_failed_upgrade = Some(Arc::new(callback));
        self
    }

    /// Registers the WebSockets with `handle`: they are counted there, and closed by
    /// [`drain`](ServerHandle::drain). After that, requests for one are answered 503.
    #[must_use]
    pub fn track(mut self, handle: &ServerHandle) -> Self {
        self.tracked = Some(handle.clone());
        self
    }
}

impl fmt::Debug for WebSocketLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketLayer").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The settings of a layer that are in use, and where it reports rejected requests.
pub(super) struct Opener {
    layer: WebSocketLayer,
    record: StatsRecorder,
    reports: RejectionReports,
}

/// How a layer answers a request.
pub(super) enum Answer<B> {
    /// A request for the service.
    Service(Request<B>),
    Response(Response<Bytes>),
    /// The response, once the request is authenticated.
    Authenticating(BoxFuture<'static, Response<Bytes>>),
}

impl Opener {
    pub(super) fn new(mut layer: WebSocketLayer) -> Self {
        let record = layer.tracked.as_ref().map(|handle| handle.0.record.clone());
        let record = record.unwrap_or_default();
        let reports = RejectionReports::new(record.clone());
        if let Some(on_rejected) = layer.on_rejected.take() {
            reports.set_callback(on_rejected);
        }
        Self { layer, record, reports }
    }

    /// Answers a request for a WebSocket.
    pub(super) fn answer<B>(self: &Arc<Self>, mut request: Request<B>) -> Answer<B> {
        let version = request.version();
        join_split_cookies(version, request.headers_mut());
        if !is_websocket(&request) {
            return Answer::Service(request);
        }
        let (parts, body) = request.into_parts();
        if self.layer.filter.as_ref().is_some_and(|filter| !filter(&parts)) {
            return Answer::Service(Request::from_parts(parts, body));
        }
        let request = match UpgradeRequest::take(Request::from_parts(parts, ())) {
            Ok(request) => request,
            Err((rejection, request)) => {
                return Answer::Response(self.deny(request.request(), rejection));
            }
        };
        match &self.layer.authenticate {
            // Authentication may be expensive: it is not done for a request that is rejected
            // anyway.
            Some(_) if !request.breaks_a_rule(&self.layer.config) => {
                Answer::Authenticating(Box::pin(self.clone().authenticate(request)))
            }
            _ => Answer::Response(self.accept(request)),
        }
    }

    async fn authenticate(self: Arc<Self>, mut request: UpgradeRequest) -> Response<Bytes> {
        let Some(authenticate) = &self.layer.authenticate else { return self.accept(request) };
        let limit = self.layer.config.handshake_limits.handshake_timeout;
        let head = request.request().clone();
        match authenticate::authenticate(authenticate, head, limit, &self.record).await {
            Ok(authenticated) => {
                *request.request_mut() = authenticated;
                self.accept(request)
            }
            Err(denied) => {
                let head = request.request();
                let response = match check_final(denied.response.status(), head.method()) {
                    Ok(()) => denied.response.clone(),
                    Err(_) => internal_error(),
                };
                self.report(head, &response, denied.reason());
                response
            }
        }
    }

    /// Accepts a request, and runs the handler when its WebSocket is open.
    fn accept(self: &Arc<Self>, mut request: UpgradeRequest) -> Response<Bytes> {
        let layer = &self.layer;
        if let Some(handle) = &layer.tracked {
            request.track(handle);
        }
        if let Some(before_accept) = &layer.before_accept {
            before_accept(&mut request);
        }
        let (response, upgrade) = match request.try_accept(layer.config.clone()) {
            Ok(accepted) => accepted,
            Err((rejection, request)) => return self.deny(request.request(), rejection),
        };
        let (handler, on_failed) = (layer.handler.clone(), layer.on_failed_upgrade.clone());
        upgrade.spawn_in_span(|mut upgrade| async move {
            match (&mut upgrade).await {
                Ok(websocket) => {
                    // Not kept while the handler runs.
                    let handling = handler(websocket, upgrade.into_request());
                    drop((handler, on_failed));
                    handling.await;
                }
                Err(error) => {
                    if let Some(on_failed) = on_failed {
                        on_failed(error);
                    }
                }
            }
        });
        response.map(|()| Bytes::new())
    }

    /// Reports a request that is rejected, and returns the response to it.
    fn deny(&self, request: &Request<()>, rejection: Rejection) -> Response<Bytes> {
        let why = rejection.to_string();
        let response = rejection.into_response();
        self.report(request, &response, RejectionReason::Denied(&why));
        response
    }

    fn report(
        &self,
        request: &Request<()>,
        response: &Response<Bytes>,
        reason: RejectionReason<'_>,
    ) {
        RejectedClient::request(request, response.status(), reason).report(Some(&self.reports));
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layer.fmt(f)
    }
}
