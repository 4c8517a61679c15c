//! Reports of rejected clients to the statistics, to `tracing` and to the application.

use std::fmt;
use std::sync::{Arc, OnceLock};

use http::{Request, StatusCode, Version};

use crate::base::error::{Error, ErrorKind};
use crate::base::guard;
use crate::base::span::Span;
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::forwarded::ClientAddr;
use crate::server::policy::peer::PeerAddr;
use crate::server::state::connection_limit::LimitReached;
use crate::server::state::panics;
use crate::server::state::panics::SUBSCRIBER;
use crate::server::state::stats::{HandshakeOutcome, StatsRecorder};
use crate::server::state::trace;

/// The callback for each client that is rejected.
pub(crate) type OnRejected = Arc<dyn Fn(&RejectedClient<'_>) + Send + Sync>;

/// Where a server counts and reports the clients that it rejects.
pub(crate) struct RejectionReports {
    record: StatsRecorder,
    /// Set when the server starts to serve.
    on_rejected: OnceLock<OnRejected>,
}

impl RejectionReports {
    pub(crate) fn new(record: StatsRecorder) -> Self {
        Self { record, on_rejected: OnceLock::new() }
    }

    /// Sets the callback, unless one is set already.
    pub(crate) fn set_callback(&self, on_rejected: OnRejected) {
        let _ = self.on_rejected.set(on_rejected);
    }
}

/// A client that a [`Server`](crate::server::Server) or a `WebSocketLayer` rejected, as reported to
/// [`on_rejected`](crate::server::Server::on_rejected).
///
/// `Display` writes a line for a log: `192.0.2.1:5000 /chat HTTP/1.1: 403: Origin … is not
/// allowed: …`. It has neither the query nor header fields, but for the Host or Origin that is
/// rejected. The client chose these and the path.
///
/// ```no_run
/// use fullduplex::server::Server;
///
/// # async fn example() -> Result<(), fullduplex::Error> {
/// let server = Server::bind("127.0.0.1:9001").await?.on_rejected(|client| {
///     eprintln!("rejected {client}");
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct RejectedClient<'a> {
    peer: PeerAddr,
    request: Option<&'a Request<()>>,
    status: Option<StatusCode>,
    reason: RejectionReason<'a>,
    /// The span of the handler, if that runs.
    span: Option<&'a Span>,
}

/// The reason for which a client was rejected.
///
/// ```
/// use fullduplex::server::{RejectedClient, RejectionReason};
///
/// /// Whether the limits of the server may be too low.
/// fn is_overload(client: &RejectedClient<'_>) -> bool {
///     matches!(client.reason(), RejectionReason::LimitReached(_) | RejectionReason::Evicted)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RejectionReason<'a> {
    /// A limit on connections is reached.
    LimitReached(LimitReached),
    /// The handshake was ended in favor of newer ones (`max_handshakes`).
    Evicted,
    /// No request could be read: TLS failed, or the head was malformed, too large or too late.
    NoRequest(&'a Error),
    /// The request breaks a rule of the protocol or a policy, such as for its host or Origin; or
    /// the server is shutting down.
    Denied(&'a str),
    /// The application answered a request for a WebSocket with another response.
    Application,
}

impl fmt::Display for RejectionReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LimitReached(limit) => limit.fmt(f),
            Self::Evicted => f.write_str("ended in favor of newer handshakes (max_handshakes)"),
            Self::NoRequest(error) => error.fmt(f),
            Self::Denied(why) => f.write_str(why),
            Self::Application => f.write_str("rejected by the application"),
        }
    }
}

impl<'a> RejectedClient<'a> {
    /// Creates the report for a connection that exceeds a limit, and the status it is answered.
    pub(crate) fn limit_reached(peer: PeerAddr, limit: LimitReached, status: Option<u16>) -> Self {
        Self::without_request(peer, status, RejectionReason::LimitReached(limit))
    }

    /// Creates the report for a handshake that was ended in favor of newer ones.
    pub(crate) fn evicted(peer: PeerAddr) -> Self {
        Self::without_request(peer, None, RejectionReason::Evicted)
    }

    /// Creates the report for a connection on which no request could be read.
    pub(crate) fn no_request(peer: PeerAddr, error: &'a Error, status: Option<u16>) -> Self {
        Self::without_request(peer, status, RejectionReason::NoRequest(error))
    }

    fn without_request(peer: PeerAddr, status: Option<u16>, reason: RejectionReason<'a>) -> Self {
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        Self { peer, request: None, status, reason, span: None }
    }

    /// Creates the report for a request that the server read.
    pub(crate) fn request(
        request: &'a Request<()>,
        status: StatusCode,
        reason: RejectionReason<'a>,
    ) -> Self {
        let peer = request
            .extensions()
            .get::<ConnectInfo>()
            .map_or(PeerAddr::Unknown, |remote| remote.peer);
        Self { peer, request: Some(request), status: Some(status), reason, span: None }
    }

    /// Sets the span that the rejection is logged in.
    pub(crate) fn in_span(self, span: Option<&'a Span>) -> Self {
        Self { span, ..self }
    }

    /// Returns the peer of the socket, or the client that the PROXY protocol names.
    pub fn peer(&self) -> PeerAddr {
        self.peer
    }

    /// Returns the client that trusted proxies name in the request, else the peer of the socket.
    pub fn client(&self) -> ClientAddr {
        self.connect_info()
            .map_or_else(|| ClientAddr::of(self.peer), |remote| remote.client.clone())
    }

    /// Returns the addresses and the TLS state of the client, if a request was read.
    pub fn connect_info(&self) -> Option<&'a ConnectInfo> {
        self.request?.extensions().get()
    }

    /// Returns the path of the request without its query; `None` if no request was read.
    pub fn path(&self) -> Option<&'a str> {
        self.request.map(|request| request.uri().path())
    }

    /// Returns the version of HTTP; `None` if no request was read.
    pub fn version(&self) -> Option<Version> {
        self.request.map(Request::version)
    }

    /// Returns the status of the response; `None` if none was sent.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Returns the reason of the rejection.
    pub fn reason(&self) -> RejectionReason<'a> {
        self.reason
    }

    /// Reports the rejection to `tracing`, and to the statistics and the callback of a server.
    /// Panics of foreign code are caught, as tasks that serve other connections call this too.
    pub(crate) fn report(&self, reports: Option<&RejectionReports>) {
        let traced = guard::caught(|| self.trace());
        let Some(RejectionReports { record, on_rejected }) = reports else { return };
        if traced.is_err() {
            panics::record_panic(record, SUBSCRIBER);
        }
        if let Some(outcome) = self.outcome() {
            record.handshake(outcome);
        }
        // A client that disconnected was not rejected.
        let has_left = matches!(
            self.reason,
            RejectionReason::NoRequest(error) if error.kind() == ErrorKind::Io
        );
        if let Some(on_rejected) = on_rejected.get().filter(|_| !has_left) {
            let _ = panics::caught(record, "on_rejected", || on_rejected(self));
        }
    }

    fn trace(&self) {
        match (self.reason, self.request, self.status) {
            (RejectionReason::LimitReached(limit), ..) => trace::limit_reached(&self.peer, &limit),
            (RejectionReason::NoRequest(error), ..) => trace::request_failed(&self.peer, error),
            (reason, Some(request), Some(status)) => {
                trace::rejected(request, self.span, status.as_u16(), &reason.to_string());
            }
            _ => {}
        }
    }

    /// Returns how it counts among the handshakes; beyond a limit no handshake has begun.
    fn outcome(&self) -> Option<HandshakeOutcome> {
        match self.reason {
            RejectionReason::LimitReached(_) => None,
            RejectionReason::Evicted => Some(HandshakeOutcome::Evicted),
            RejectionReason::NoRequest(error) => Some(HandshakeOutcome::of_failure(error)),
            RejectionReason::Denied(_) | RejectionReason::Application => {
                self.status.map(HandshakeOutcome::Rejected)
            }
        }
    }
}

impl fmt::Display for RejectedClient<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.client())?;
        if let (Some(path), Some(version)) = (self.path(), self.version()) {
            write!(f, " {path} {version:?}")?;
        }
        if let Some(status) = self.status {
            write!(f, ": {}", status.as_u16())?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Shows neither the query nor header fields, as they may contain secrets.
impl fmt::Debug for RejectedClient<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedClient")
            .field("peer", &self.peer)
            .field("path", &self.path())
            .field("status", &self.status)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
