//! What all connections of a server share, and how their requests come to the handler.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::{Method, Request, Response};

use crate::base::deadline::within;
use crate::server::config::ServerConfig;
use crate::server::handler::{Handler, HandlerInput};
use crate::server::handshake::handshake::Handshake;
use crate::server::handshake::request::{IncomingRequest, RejectionCause};
use crate::server::handshake::responder::Responder;
use crate::server::handshake::response::{SHUTTING_DOWN, plain, shutting_down};
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::peer::PeerAddr;
use crate::server::state::connection_limit::LimitReached;
use crate::server::state::panics::{PanicWatch, caught_in, note_handler};
use crate::server::state::permit::ConnectionPermit;
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::state::permit::MultiplexedPermit;
use crate::server::state::rejection::{RejectedClient, RejectionReason};
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::state::server_state::DrainSignal;
use crate::server::state::server_state::{Admission, ServerState};
use crate::server::state::trace;
use crate::transport::net_stream::NetStream;

/// Looks at a request before the handler does.
pub(crate) type Authenticate = Arc<
    dyn Fn(Request<()>) -> BoxFuture<'static, Result<Request<()>, Response<Bytes>>> + Send + Sync,
>;

/// What all connections of a server share.
pub(crate) struct ServerContext {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) state: Arc<ServerState>,
    pub(crate) handler: Handler,
    pub(crate) authenticate: Option<Authenticate>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::server::tls::ServerTls>,
    #[cfg(feature = "hyper")]
    pub(crate) service: Option<Arc<dyn crate::server::http::service::HttpService>>,
}

/// Counts a panic in the opening of a connection, as a [`PanicWatch`] does, by the reference to the
/// context that the opening needs anyway: it is no larger for it.
struct WatchedContext(Arc<ServerContext>);

impl WatchedContext {
    /// Returns what watches the handler in its place.
    fn watch_handler(self) -> PanicWatch {
        PanicWatch(self.0.state.record.clone())
    }
}

impl Drop for WatchedContext {
    fn drop(&mut self) {
        if std::thread::panicking() {
            note_handler(&self.0.state.record);
        }
    }
}

impl ServerContext {
    #[cfg(feature = "tls")]
    fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    fn is_secure(&self) -> bool {
        false
    }

    /// Counts a connection, if there is room for it.
    pub(crate) fn enter(&self, peer: &PeerAddr) -> Result<Arc<ConnectionPermit>, LimitReached> {
        self.state.enter((!self.config.is_exempt_per_address(peer)).then_some(peer))
    }

    /// Counts a connection for its client, once that is known.
    pub(crate) fn settle(
        &self,
        permit: &mut Arc<ConnectionPermit>,
        peer: &PeerAddr,
    ) -> Result<(), LimitReached> {
        let permit = Arc::get_mut(permit).and_then(ConnectionPermit::limiter_permit_mut);
        match permit {
            Some(permit) if !self.config.is_exempt_per_address(peer) => permit.reassign(peer),
            _ => Ok(()),
        }
    }

    /// A handshake has given way to others, or to the end of the server.
    pub(crate) fn report_evicted(&self, peer: PeerAddr) {
        if !self.state.is_over() {
            RejectedClient::gave_way(peer).report(Some(&self.state.rejections));
        }
    }

    /// Answers a connection for which there is no room, if that takes no time, and returns the
    /// status of the answer.
    pub(crate) fn reject_over_limit(&self, stream: &NetStream, full: LimitReached) -> Option<u16> {
        if self.is_secure() {
            return None;
        }
        let (status, phrase) = match full {
            LimitReached::PerAddress(_) => (429, "Too Many Requests"),
            LimitReached::Total(_) => (503, "Service Unavailable"),
        };
        let head = "Content-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
        let answer = format!("HTTP/1.1 {status} {phrase}\r\n{head}");
        let tcp = stream.as_tcp()?;
        let told = tcp.try_write(answer.as_bytes()).ok().map(|_| status);
        // Closed over a request that nobody has read, the socket would take the answer back.
        let mut left = self.config.handshake.max_head_bytes;
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = tcp.try_read(&mut bytes) {
            let Some(rest) = left.checked_sub(read) else { break };
            left = rest;
        }
        told
    }

    /// Checks the client and the host of a request, and returns its permit: the connection's, or
    /// a new one if it is for a WebSocket.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn admit_request(
        &self,
        multiplexed: &MultiplexedPermit,
        request: &mut IncomingRequest,
        remote: &ConnectInfo,
    ) -> Result<Arc<ConnectionPermit>, RejectionCause> {
        request.check_remote(remote.clone(), &self.config)?;
        let client = request.remote().map(|remote| remote.client.to_peer());
        let stranger = client
            .filter(|client| request.is_websocket && !self.config.is_exempt_per_address(client));
        let Some(client) = stranger else { return Ok(multiplexed.permit().clone()) };
        let permit = multiplexed.permit_for(&client, &self.state.limiter);
        permit.map_err(|full| RejectionCause::Policy(429, full.to_string()))
    }

    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn draining(&self) -> DrainSignal {
        self.state.draining()
    }

    /// The service that answers a request, if it is ordinary HTTP and there is one.
    #[cfg(feature = "hyper")]
    pub(crate) fn service_for(
        &self,
        request: &IncomingRequest,
    ) -> Option<&dyn crate::server::http::service::HttpService> {
        let is_ordinary = !request.is_websocket && request.request().method() != Method::CONNECT;
        self.service.as_deref().filter(|_| is_ordinary && !self.state.is_draining())
    }

    /// Returns a request for the handler.
    pub(crate) fn handshake(
        &self,
        request: Box<IncomingRequest>,
        responder: impl Into<Responder<NetStream>>,
        permit: Arc<ConnectionPermit>,
    ) -> Handshake {
        let admission = Admission { server: self.state.clone(), permit };
        Handshake::new(request, responder.into(), self.config.clone()).with_admission(admission)
    }

    /// Answers a request that a policy of the server's forbids.
    pub(crate) async fn reject(
        &self,
        request: &IncomingRequest,
        responder: impl Into<Responder<NetStream>>,
        cause: &RejectionCause,
    ) {
        let response = cause.response();
        let why = cause.to_string();
        let (head, status) = (request.request(), response.status());
        RejectedClient::request(head, status, RejectionReason::Denied(&why))
            .report(Some(&self.state.rejections));
        let timeout = self.config.handshake.handshake_timeout;
        // The cause was reported; a failed write of the response adds nothing to it.
        let _ = responder.into().respond(response, head.method().clone(), timeout).await;
    }

    /// Lets the handler answer a request, in a new task.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn handle(self: &Arc<Self>, handshake: Handshake) {
        self.run(|_| std::future::ready(Some(handshake)));
    }

    /// Has the handler answer the request that comes of `opening`, if one does, all in one task.
    /// That is called in the task, as what it gives is large to be moved.
    pub(crate) fn run<F>(self: &Arc<Self>, opening: impl FnOnce(Arc<Self>) -> F + Send + 'static)
    where
        F: Future<Output = Option<Handshake>> + Send + 'static,
    {
        let watched = WatchedContext(self.clone());
        match &self.handler {
            Handler::Requests(begin) => begin(Box::pin(async move {
                let given = watched.0.admitted(opening(watched.0.clone()).await?).await?;
                let span = trace::span(|| given.request());
                let given = given.with_span(span.clone());
                Some(HandlerInput { given, span, watch: watched.watch_handler() })
            })),
            Handler::WebSockets(begin) => begin(Box::pin(async move {
                let handshake = watched.0.admitted(opening(watched.0.clone()).await?).await?;
                let span = trace::span(|| handshake.request());
                // What is wrong is answered to the peer.
                let handshake = handshake.with_span(span.clone());
                let given = trace::inside(span.clone(), handshake.accept()).await.ok()?;
                Some(HandlerInput { given, span, watch: watched.watch_handler() })
            })),
        }
    }

    /// Lets a request through to the handler, or answers it.
    async fn admitted(&self, handshake: Handshake) -> Option<Handshake> {
        if self.admits_at_once(&handshake) {
            return Some(handshake);
        }
        Box::pin(self.admit(handshake)).await
    }

    /// Whether there is nothing to be done before the handler has a request.
    fn admits_at_once(&self, handshake: &Handshake) -> bool {
        handshake.is_websocket() && self.authenticate.is_none() && !self.state.is_draining()
    }

    /// The same, where there is something to be done first.
    async fn admit(&self, mut handshake: Handshake) -> Option<Handshake> {
        if self.state.is_draining() {
            let _ = handshake
                .respond_with_reason(shutting_down(), RejectionReason::Denied(SHUTTING_DOWN))
                .await;
            return None;
        }
        // A CONNECT that is for no WebSocket would have a proxy here (RFC 9110 §9.3.6).
        if handshake.request().method() == Method::CONNECT && !handshake.is_websocket() {
            drop(handshake.accept().await);
            return None;
        }
        let Some(authenticate) = self.authenticate.as_ref().filter(|_| handshake.is_websocket())
        else {
            return Some(handshake);
        };
        // What will be refused in any case is not looked up.
        if handshake.breaks_a_rule() {
            drop(handshake.accept().await);
            return None;
        }
        let after = self.config.handshake.handshake_timeout;
        let request = handshake.request().clone();
        let looked = async { authenticate(request).await };
        let looked = caught_in(&self.state.record, "authenticate", looked);
        match within("handshake_timeout", after, looked).await {
            Ok(Ok(Ok(request))) => {
                *handshake.request_mut() = request;
                return Some(handshake);
            }
            Ok(Ok(Err(response))) => drop(handshake.respond(response).await),
            Ok(Err(_panicked)) => {
                // What went wrong is not for the client to know.
                let answer = plain(500, "the request could not be looked at");
                drop(
                    handshake
                        .respond_with_reason(
                            answer,
                            RejectionReason::Denied("authenticate panicked"),
                        )
                        .await,
                );
            }
            Err(late) => {
                let why = late.to_string();
                drop(
                    handshake
                        .respond_with_reason(plain(503, &why), RejectionReason::Denied(&why))
                        .await,
                );
            }
        }
        None
    }
}
