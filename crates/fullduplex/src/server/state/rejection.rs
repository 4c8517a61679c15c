//! Who was not let in, and why: told to the statistics, to `tracing` and to the application.

use std::fmt;
use std::sync::{Arc, OnceLock};

use http::{Request, StatusCode, Version};

use crate::base::error::{Error, ErrorKind};
use crate::base::guard;
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
    /// Set when the server begins to serve.
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

/// A client that a [`Server`](crate::server::Server) did not let in, as
/// [`on_rejected`](crate::server::Server::on_rejected) tells.
///
/// As text it is a line for a log: `192.0.2.1:5000 /chat HTTP/1.1: 403: Origin … is refused: …`.
/// There is no query and no header field in it but the Host or the Origin that is refused. The
/// path and those are a stranger's words.
#[derive(Clone, Copy)]
pub struct RejectedClient<'a> {
    peer: PeerAddr,
    request: Option<&'a Request<()>>,
    status: Option<StatusCode>,
    reason: RejectionReason<'a>,
    /// That of the handler, if it has come to that.
    span: Option<&'a trace::Span>,
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RejectionReason<'a> {
    /// There is no room for another connection.
    LimitReached(LimitReached),
    /// Others came while its handshake was under way (`max_handshakes`).
    Evicted,
    /// It came to no request: TLS failed, or the head was none, too large or too late.
    NoRequest(&'a Error),
    /// The request breaks a rule, or is not allowed by a policy of the server's: its host, its
    /// Origin; or the server goes away.
    Denied(&'a str),
    /// The application answered a request for a WebSocket otherwise than by opening it.
    Application,
}

impl fmt::Display for RejectionReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LimitReached(full) => full.fmt(f),
            Self::Evicted => f.write_str("it gave way to others (max_handshakes)"),
            Self::NoRequest(error) => error.fmt(f),
            Self::Denied(why) => f.write_str(why),
            Self::Application => f.write_str("by the application"),
        }
    }
}

impl<'a> RejectedClient<'a> {
    /// For a connection that there is no room for; the status is what it is told, if anything.
    pub(crate) fn no_room(peer: PeerAddr, full: LimitReached, status: Option<u16>) -> Self {
        Self::without_request(peer, status, RejectionReason::LimitReached(full))
    }

    pub(crate) fn gave_way(peer: PeerAddr) -> Self {
        Self::without_request(peer, None, RejectionReason::Evicted)
    }

    pub(crate) fn no_request(peer: PeerAddr, error: &'a Error, status: Option<u16>) -> Self {
        Self::without_request(peer, status, RejectionReason::NoRequest(error))
    }

    fn without_request(peer: PeerAddr, status: Option<u16>, reason: RejectionReason<'a>) -> Self {
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        Self { peer, request: None, status, reason, span: None }
    }

    /// For a request that the server read.
    pub(crate) fn request(
        request: &'a Request<()>,
        status: StatusCode,
        reason: RejectionReason<'a>,
    ) -> Self {
        let peer =
            request.extensions().get::<ConnectInfo>().map_or(PeerAddr::Unix, |remote| remote.peer);
        Self { peer, request: Some(request), status: Some(status), reason, span: None }
    }

    /// Has it told in a span that there is already.
    pub(crate) fn in_span(self, span: Option<&'a trace::Span>) -> Self {
        Self { span, ..self }
    }

    /// The other end of the socket; with the PROXY protocol, what that says.
    pub fn peer(&self) -> PeerAddr {
        self.peer
    }

    /// The client: the one that trusted proxies name in the request, else the other end of the
    /// socket.
    pub fn client(&self) -> ClientAddr {
        self.remote().map_or_else(|| ClientAddr::of(self.peer), |remote| remote.client.clone())
    }

    /// All that is known of who asked, once there is a request.
    pub fn remote(&self) -> Option<&'a ConnectInfo> {
        self.request?.extensions().get()
    }

    /// The path of the request, without its query; none if it came to no request.
    pub fn path(&self) -> Option<&'a str> {
        self.request.map(|request| request.uri().path())
    }

    /// The version of HTTP, once there is a request.
    pub fn version(&self) -> Option<Version> {
        self.request.map(Request::version)
    }

    /// The status that was the answer; none if there was no answer.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Why.
    pub fn reason(&self) -> RejectionReason<'a> {
        self.reason
    }

    /// Reports it to `tracing`, and to the figures and the callback of a server. Panics of
    /// foreign code are caught, as this is also called by tasks that serve other connections.
    pub(crate) fn report(&self, reports: Option<&RejectionReports>) {
        let traced = guard::caught(|| self.trace());
        let Some(RejectionReports { record, on_rejected }) = reports else { return };
        if traced.is_err() {
            panics::note(record, SUBSCRIBER);
        }
        if let Some(outcome) = self.outcome() {
            record.handshake(outcome);
        }
        // Who left, or was never there, was not refused.
        let left = matches!(self.reason, RejectionReason::NoRequest(error) if error.kind() == ErrorKind::Io);
        if let Some(on_rejected) = on_rejected.get().filter(|_| !left) {
            let _ = panics::caught(record, "on_rejected", || on_rejected(self));
        }
    }

    fn trace(&self) {
        match (self.reason, self.request, self.status) {
            (RejectionReason::LimitReached(full), ..) => trace::no_room(&self.peer, &full),
            (RejectionReason::NoRequest(error), ..) => trace::failed(&self.peer, error),
            (reason, Some(request), Some(status)) => {
                trace::refused(request, self.span, status.as_u16(), &reason.to_string());
            }
            _ => {}
        }
    }

    /// As it is counted among the handshakes; for want of room there was none.
    fn outcome(&self) -> Option<HandshakeOutcome> {
        match self.reason {
            RejectionReason::LimitReached(_) => None,
            RejectionReason::Evicted => Some(HandshakeOutcome::Evicted),
            RejectionReason::NoRequest(error) => Some(HandshakeOutcome::of_failure(error)),
            RejectionReason::Denied(_) | RejectionReason::Application => {
                self.status.map(|status| HandshakeOutcome::Refused(status.as_u16()))
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

/// Shows neither query nor header fields: there may be secrets among them.
impl fmt::Debug for RejectedClient<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("peer", &self.peer)
            .field("path", &self.path())
            .field("status", &self.status)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
