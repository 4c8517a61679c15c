//! The state that all connections of a server share, and the way of a request to the handler.

use std::future::Future;
use std::sync::Arc;

use http::Method;

use crate::server::config::ServerConfig;
use crate::server::handler::{Handler, HandlerInput};
use crate::server::handshake::authenticate;
use crate::server::handshake::authenticate::Authenticate;
use crate::server::handshake::handshake::Handshake;
use crate::server::handshake::request::{IncomingRequest, RejectionCause};
use crate::server::handshake::responder::Responder;
use crate::server::handshake::response::{SHUTTING_DOWN, shutting_down};
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::peer::PeerAddr;
use crate::server::state::connection_limit::{LimitReached, Permit};
use crate::server::state::panics::{PanicWatch, record_handler_panic};
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::state::permit::MultiplexedPermit;
use crate::server::state::permit::RequestPermit;
use crate::server::state::rejection::{RejectedClient, RejectionReason};
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::state::server_state::DrainSignal;
use crate::server::state::server_state::{Admission, ServerState};
use crate::server::state::trace;
use crate::transport::net_stream::NetStream;

/// The configuration, state and callbacks that all connections of a server share.
pub(crate) struct ServerContext {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) state: Arc<ServerState>,
    pub(crate) handler: Handler,
    pub(crate) authenticate: Option<Authenticate>,
    #[cfg(feature = "_tls")]
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
            record_handler_panic(&self.0.state.record);
        }
    }
}

impl ServerContext {
    #[cfg(feature = "_tls")]
    fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "_tls"))]
    #[allow(clippy::unused_self, reason = "as with the feature")]
    fn is_secure(&self) -> bool {
        false
    }

    /// Returns the permit of a new connection, unless a limit is reached.
    pub(crate) fn acquire_permit(&self, peer: &PeerAddr) -> Result<Permit, LimitReached> {
        self.state.try_acquire((!self.config.is_exempt_per_address(peer)).then_some(peer))
    }

    /// Counts a connection for its client, once a proxy has named that.
    pub(crate) fn reassign_permit(
        &self,
        permit: &mut Permit,
        peer: &PeerAddr,
    ) -> Result<(), LimitReached> {
        if self.config.is_exempt_per_address(peer) { Ok(()) } else { permit.reassign(peer) }
    }

    /// Reports a handshake that was evicted for a newer one. One that the end of the server
    /// evicts is not reported.
    pub(crate) fn report_evicted(&self, peer: PeerAddr) {
        if !self.state.is_done() {
            RejectedClient::evicted(peer).report(Some(&self.state.rejections));
        }
    }

    /// Answers a connection beyond a limit, if that is possible without waiting, and returns the
    /// status that was sent.
    pub(crate) fn reject_over_limit(&self, stream: &NetStream, full: LimitReached) -> Option<u16> {
        if self.is_secure() {
            return None;
        }
        let (status, phrase) = match full {
            LimitReached::PerAddress(_) => (429, "Too Many Requests"),
            LimitReached::Total(_) => (503, "Service Unavailable"),
        };
        let head = "Content-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
        let response = format!("HTTP/1.1 {status} {phrase}\r\n{head}");
        let tcp = stream.as_tcp()?;
        let sent = tcp.try_write(response.as_bytes()).ok().map(|_| status);
        // Closing a socket with unread bytes sends a reset, which may destroy the response at the
        // client (RFC 9112 §9.6).
        let mut budget = self.config.handshake_limits.max_head_bytes;
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = tcp.try_read(&mut bytes) {
            let Some(left) = budget.checked_sub(read) else { break };
            budget = left;
        }
        sent
    }

    /// Checks client and host of a request on a connection of many, and returns its permit: it
    /// counts for the client if it is for a WebSocket.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn admit_request(
        &self,
        multiplexed: &MultiplexedPermit,
        request: &mut IncomingRequest,
        remote: &ConnectInfo,
    ) -> Result<RequestPermit, RejectionCause> {
        request.check_remote(remote.clone(), &self.config)?;
        let client = request.connect_info().map(|remote| remote.client.to_peer());
        let counted = client
            .filter(|client| request.is_websocket && !self.config.is_exempt_per_address(client));
        let Some(client) = counted else { return Ok(multiplexed.uncounted()) };
        let permit = multiplexed.permit_for(&client, &self.state.limiter);
        permit.map_err(|full| RejectionCause::Policy(429, full.to_string()))
    }

    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn draining(&self) -> DrainSignal {
        self.state.draining()
    }

    /// Returns the service for a request, if it is ordinary HTTP and there is a service.
    #[cfg(feature = "hyper")]
    pub(crate) fn service_for(
        &self,
        request: &IncomingRequest,
    ) -> Option<&dyn crate::server::http::service::HttpService> {
        let is_plain_http = !request.is_websocket && request.request().method() != Method::CONNECT;
        self.service.as_deref().filter(|_| is_plain_http && !self.state.is_draining())
    }

    /// Returns an admitted request in the form that the handler gets.
    pub(crate) fn handshake(
        &self,
        request: Box<IncomingRequest>,
        responder: impl Into<Responder<NetStream>>,
        permit: RequestPermit,
    ) -> Handshake {
        let admission = Admission { server: self.state.clone(), permit };
        Handshake::new(request, responder.into(), self.config.clone()).with_admission(admission)
    }

    /// Answers and reports a request that is rejected before the handler gets it.
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
        let timeout = self.config.handshake_limits.handshake_timeout;
        // The cause was reported; a failed write of the response adds nothing to it.
        let _ = responder.into().respond(response, head.method().clone(), timeout).await;
    }

    /// Spawns a task in which the handler answers a request.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn handle(self: &Arc<Self>, handshake: Handshake) {
        self.run(|_| std::future::ready(Some(handshake)));
    }

    /// Spawns a task that runs the future of `read`, and then the handler with the request that
    /// it returned. `read` is called in the task, as its future is large to move.
    pub(crate) fn run<F>(self: &Arc<Self>, read: impl FnOnce(Arc<Self>) -> F + Send + 'static)
    where
        F: Future<Output = Option<Handshake>> + Send + 'static,
    {
        let watched = WatchedContext(self.clone());
        match &self.handler {
            Handler::Requests(spawn_task) => spawn_task(Box::pin(async move {
                let handshake = watched.0.admit(read(watched.0.clone()).await?).await?;
                let span = trace::span(|| handshake.request());
                let input = handshake.with_span(span.clone());
                Some(HandlerInput { input, span, panic_watch: watched.watch_handler() })
            })),
            Handler::WebSockets(spawn_task) => spawn_task(Box::pin(async move {
                let handshake = watched.0.admit(read(watched.0.clone()).await?).await?;
                let span = trace::span(|| handshake.request());
                let handshake = handshake.with_span(span.clone());
                // `accept` answers the peer and reports the rejection itself.
                let input = trace::instrument(span.clone(), handshake.accept()).await.ok()?;
                Some(HandlerInput { input, span, panic_watch: watched.watch_handler() })
            })),
        }
    }

    /// Returns a request that may go to the handler, or answers it.
    async fn admit(&self, handshake: Handshake) -> Option<Handshake> {
        if self.can_skip_checks(&handshake) {
            return Some(handshake);
        }
        // Boxed, as the common case does not need its space.
        Box::pin(self.check(handshake)).await
    }

    /// Whether `check` would have nothing to do.
    fn can_skip_checks(&self, handshake: &Handshake) -> bool {
        handshake.is_websocket() && self.authenticate.is_none() && !self.state.is_draining()
    }

    /// Checks that the server does not drain and the application authenticates the request.
    async fn check(&self, mut handshake: Handshake) -> Option<Handshake> {
        if self.state.is_draining() {
            let _ = handshake
                .respond_with_reason(shutting_down(), RejectionReason::Denied(SHUTTING_DOWN))
                .await;
            return None;
        }
        // A CONNECT that is not for a WebSocket asks for a proxy (RFC 9110 §9.3.6).
        if handshake.request().method() == Method::CONNECT && !handshake.is_websocket() {
            drop(handshake.accept().await);
            return None;
        }
        let Some(authenticate) = self.authenticate.as_ref().filter(|_| handshake.is_websocket())
        else {
            return Some(handshake);
        };
        // Authentication may be expensive: it is not done for a request that is rejected anyway.
        if handshake.breaks_a_rule() {
            drop(handshake.accept().await);
            return None;
        }
        let limit = self.config.handshake_limits.handshake_timeout;
        let request = handshake.request().clone();
        match authenticate::authenticate(authenticate, request, limit, &self.state.record).await {
            Ok(request) => {
                *handshake.request_mut() = request;
                return Some(handshake);
            }
            Err(denied) => {
                let response = denied.response.clone();
                drop(handshake.respond_with_reason(response, denied.reason()).await);
            }
        }
        None
    }
}
