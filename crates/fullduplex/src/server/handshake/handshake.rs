//! A request that the application answers step by step.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::http1::HeadFinder;
use http::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use crate::base::deadline::within;
use crate::base::error::{Error, ErrorKind};
use crate::base::span::Span;
use crate::base::sync::Mutex;
use crate::connection::websocket::WebSocket;
use crate::server::config::ServerConfig;
use crate::server::handshake::request::{IncomingRequest, RejectionCause};
use crate::server::handshake::responder::{RESPONSE_TIMEOUT, Responder, respond};
use crate::server::handshake::response::{internal_error, plain};
use crate::server::handshake::unanswered::{UnansweredRequest, request_methods};
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::peer::PeerAddr;
use crate::server::state::rejection::{RejectedClient, RejectionReason};
use crate::server::state::server_state::Admission;
use crate::transport::Transport;
use crate::transport::http1;
use crate::transport::net_stream::NetStream;

/// A request head that waits for its answer, on any version of HTTP: a WebSocket handshake or
/// ordinary HTTP (see [`is_websocket`](Self::is_websocket)).
///
/// # Example
/// Routes, a login by cookie, a subprotocol and a page, before and beside WebSockets:
/// ```no_run
/// use fullduplex::WebSocket;
/// use fullduplex::server::{Handshake, Server};
/// use http::header::COOKIE;
/// use http::{Response, StatusCode};
///
/// #[tokio::main]
/// async fn main() -> Result<(), fullduplex::Error> {
///     Server::bind("127.0.0.1:9001").await?.serve_handshakes(route).await
/// }
///
/// async fn route(mut handshake: Handshake) -> Result<(), fullduplex::Error> {
///     let path = handshake.request().uri().path().to_owned();
///     if !handshake.is_websocket() {
///         let page = if path == "/" { "a page" } else { "not found" };
///         let status = if path == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
///         return handshake.respond(response(status, page)).await;
///     }
///     let Some(room) = path.strip_prefix("/rooms/").map(ToOwned::to_owned) else {
///         return handshake.respond(response(StatusCode::NOT_FOUND, "no such room")).await;
///     };
///     let Some(user) = user(&handshake) else {
///         return handshake.respond(response(StatusCode::UNAUTHORIZED, "log in first")).await;
///     };
///     let newest = handshake.subprotocols().iter().find(|name| *name == "chat.v2").cloned();
///     handshake.set_subprotocol(newest);
///     handshake.add_header("set-cookie", "seen=1; Path=/; HttpOnly; SameSite=Strict");
///     chat(handshake.accept().await?, &room, &user).await
/// }
///
/// /// Returns the user of the session that the cookie names.
/// fn user(handshake: &Handshake) -> Option<String> {
///     let cookies = handshake.request().headers().get(COOKIE)?.to_str().ok()?;
///     let session = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("session="))?;
///     // Look the session up here. Pages of other hosts are rejected by the `OriginPolicy`, so a
///     // cookie is proof of the user.
///     Some(format!("user of {session}"))
/// }
///
/// async fn chat(
///     mut websocket: WebSocket,
///     room: &str,
///     user: &str,
/// ) -> Result<(), fullduplex::Error> {
///     websocket.send(format!("{user} enters {room}")).await?;
///     while let Some(message) = websocket.next().await {
///         websocket.send(message?).await?;
///     }
///     Ok(())
/// }
///
/// fn response(status: StatusCode, content: &'static str) -> Response<&'static str> {
///     let mut response = Response::new(content);
///     *response.status_mut() = status;
///     response
/// }
/// ```
///
/// On a transport of the application's own, without a `Server`:
/// ```no_run
/// # async fn example(tcp: tokio::net::TcpStream) -> Result<(), fullduplex::Error> {
/// use fullduplex::server::{Handshake, ServerConfig};
///
/// let handshake = Handshake::read(tcp, ServerConfig::default()).await?;
/// let websocket = handshake.accept().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Content
/// The content can't be read here; use `Server::service` (feature `hyper`) for that. Dropping the
/// handshake without an answer drops the transport or stream.
#[doc(alias = "accept_hdr")]
#[doc(alias = "accept_hdr_async")]
#[doc(alias = "Callback")]
#[doc(alias = "auth")]
#[doc(alias = "noServer")]
#[doc(alias = "handleUpgrade")]
pub struct Handshake<S: Transport = NetStream>(Box<Inner<S>>);

/// The content of a [`Handshake`]. It is boxed, so that the task of an open connection does not
/// reserve space for it.
struct Inner<S> {
    pending: UnansweredRequest,
    /// Never locked, as it is only taken. It makes the handshake `Sync`, so that a reference to it
    /// can be held across an `await`, whether or not the transport is `Sync`.
    responder: Mutex<Responder<S>>,
    config: Arc<ServerConfig>,
}

impl<S: Transport> Handshake<S> {
    /// Reads the head of an HTTP/1.1 request from a transport.
    ///
    /// # Errors
    /// The peer is answered, and an error returned, if the head is not valid (400), is of another
    /// HTTP version (505), exceeds [`HandshakeLimits`](crate::HandshakeLimits) (431), or takes
    /// longer than `handshake_timeout` (408). If a setting is out of range, the error is
    /// [`ErrorKind::Misuse`](crate::ErrorKind::Misuse), and the peer is not answered.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready drops the transport.
    pub async fn read(mut stream: S, config: impl Into<Arc<ServerConfig>>) -> Result<Self, Error> {
        let config = config.into();
        config.validate().map_err(Error::of)?;
        let mut received = BytesMut::new();
        let limit = config.handshake_limits.handshake_timeout;
        let reading = read_request(&mut stream, &mut received, &config);
        match within("handshake_timeout", limit, reading).await.and_then(|read| read) {
            Ok(request) => {
                let responder = Responder::Transport { stream, leftover: received };
                Ok(Self::new(request, responder, config))
            }
            Err(error) => Err(reject_head(stream, error).await),
        }
    }

    pub(crate) fn new(
        request: Box<IncomingRequest>,
        responder: Responder<S>,
        config: Arc<ServerConfig>,
    ) -> Self {
        let (pending, responder) = (UnansweredRequest::new(request), Mutex::new(responder));
        Self(Box::new(Inner { pending, responder, config }))
    }

    pub(crate) fn with_span(mut self, span: Span) -> Self {
        self.0.pending.span = Some(span);
        self
    }

    pub(crate) fn with_admission(mut self, admission: Admission) -> Self {
        self.0.pending.admission = Some(admission);
        self
    }

    request_methods!();

    fn unanswered(&self) -> &UnansweredRequest {
        &self.0.pending
    }

    fn unanswered_mut(&mut self) -> &mut UnansweredRequest {
        &mut self.0.pending
    }

    /// Returns who sent the request, if a [`Server`](crate::server::Server) read it.
    pub fn connect_info(&self) -> Option<&ConnectInfo> {
        self.0.pending.request.connect_info()
    }

    /// Returns the address of the other end of the socket, which may be a proxy's; see
    /// [`client_ip`](Self::client_ip). `None` on a Unix socket, or
    /// in memory.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match self.connect_info()?.peer {
            PeerAddr::Inet(address) => Some(address),
            PeerAddr::Unix | PeerAddr::Unknown => None,
        }
    }

    /// Returns the address of the client: the one that a trusted proxy forwards, else that of the
    /// socket.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.connect_info().and_then(ConnectInfo::client_ip)
    }

    /// Returns whether the request asks for a WebSocket, validly or not, rather than being ordinary
    /// HTTP.
    pub fn is_websocket(&self) -> bool {
        self.0.pending.request.is_websocket
    }

    /// Whether `accept` will reject the request whatever the application does.
    pub(crate) fn breaks_a_rule(&self) -> bool {
        self.0.pending.request.breaks_a_rule(&self.0.config)
    }

    /// Returns the subprotocol that `accept` will select: the one that was
    /// [set](Self::set_subprotocol), or the client's favourite among those in
    /// [`ServerConfig::subprotocols`].
    pub fn subprotocol(&self) -> Option<&str> {
        self.0.pending.request.subprotocol.as_deref()
    }

    /// Opens the WebSocket.
    ///
    /// # Errors
    /// The peer is answered, and an error returned, if the request breaks a rule of the protocol
    /// or of the server's policies, if the server
    /// [drains](crate::server::ServerHandle::drain) (503), or if the application has set an invalid
    /// response (500).
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready drops the transport.
    pub async fn accept(self) -> Result<WebSocket<S>, Error> {
        // Boxed, so that the caller's task does not reserve space for it.
        Box::pin(accept(self.0)).await
    }

    /// Sends a response that opens no WebSocket.
    ///
    /// On a transport of HTTP/1.1, `Content-Length` and `Connection: close` are added, and the
    /// transport is closed. The response must be written within `handshake_timeout`. Then reads and
    /// discards what the client still sends, for at most 5 s.
    ///
    /// # Errors
    /// If the response can't be written, or its status is not final or would open a WebSocket:
    /// 1xx, and 2xx to an extended CONNECT. Then 500 is sent in its place.
    ///
    /// # Cancel safety
    /// Dropping the future before it is ready drops the transport. The response may be cut.
    pub async fn respond(self, response: Response<impl Into<Bytes>>) -> Result<(), Error> {
        self.respond_with_reason(response, RejectionReason::Application).await
    }

    /// Sends a response that opens no WebSocket, and reports this reason.
    pub(crate) async fn respond_with_reason(
        self,
        response: Response<impl Into<Bytes>>,
        reason: RejectionReason<'_>,
    ) -> Result<(), Error> {
        let misuse = check_final(response.status(), self.request().method()).err();
        let response = if misuse.is_some() { internal_error() } else { response.map(Into::into) };
        if self.is_websocket() {
            report_rejection(&self.0.pending, response.status(), reason);
        }
        let method = self.0.pending.request.request().method().clone();
        let limit = self.0.config.handshake_limits.handshake_timeout;
        self.0.responder.into_inner().respond(response, method, limit).await?;
        misuse.map_or(Ok(()), Err)
    }
}

/// Checks that a response with this status is final (RFC 9110 §15.2) and opens no WebSocket, for a
/// request with this method.
pub(crate) fn check_final(status: StatusCode, method: &Method) -> Result<(), Error> {
    // RFC 8441 §5: any 2xx to a CONNECT opens a tunnel.
    let opens_tunnel = method == Method::CONNECT && status.is_success();
    if !opens_tunnel && !status.is_informational() {
        return Ok(());
    }
    let why = format!(
        "respond can't send the status {status}, which is not final or opens a WebSocket: use \
         accept"
    );
    Err(Error::new(ErrorKind::Misuse, why))
}

/// Opens the WebSocket. The handshake stays in its box, as its parts are large to move.
async fn accept<S: Transport>(mut handshake: Box<Inner<S>>) -> Result<WebSocket<S>, Error> {
    let Inner { pending, config, .. } = &mut *handshake;
    let accepted = match pending.accept(config) {
        Ok(accepted) => accepted,
        Err(cause) => {
            Box::pin(reject(handshake, &cause)).await;
            return Err(cause.into_error());
        }
    };
    let deflate = accepted.deflate;
    let responder = handshake.responder.into_inner();
    let config = &handshake.config;
    let limit = config.handshake_limits.handshake_timeout;
    let transport = within("handshake_timeout", limit, responder.accept(accepted)).await??;
    Ok(handshake.pending.open(transport, config, deflate.as_ref()))
}

async fn reject<S: Transport>(handshake: Box<Inner<S>>, cause: &RejectionCause) {
    let response = cause.response();
    let Inner { pending, responder, config } = *handshake;
    report_rejection(&pending, response.status(), RejectionReason::Denied(&cause.to_string()));
    let method = pending.request().method().clone();
    let limit = config.handshake_limits.handshake_timeout;
    // The caller gets the cause; a failed write of the response adds nothing to it.
    let _ = responder.into_inner().respond(response, method, limit).await;
}

/// Counts and reports a request that is rejected.
fn report_rejection(pending: &UnansweredRequest, status: StatusCode, reason: RejectionReason<'_>) {
    let rejected = RejectedClient::request(pending.request(), status, reason);
    let rejections = pending.server().map(|server| &server.rejections);
    rejected.in_span(pending.span.as_ref()).report(rejections);
}

/// Formats a request without its query, header fields and subprotocols, which may contain
/// secrets: some clients send a token as a subprotocol.
pub(crate) fn fmt_request(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    request: &Request<()>,
) -> fmt::Result {
    f.debug_struct(name)
        .field("method", request.method())
        .field("path", &request.uri().path())
        .field("version", &request.version())
        .finish_non_exhaustive()
}

impl<S: Transport> fmt::Debug for Handshake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_request(f, "Handshake", self.0.pending.request.request())
    }
}

/// Reads and validates a head of HTTP/1.1. The caller sets the deadline.
pub(crate) async fn read_request<S: Transport>(
    stream: &mut S,
    received: &mut BytesMut,
    config: &ServerConfig,
) -> Result<Box<IncomingRequest>, Error> {
    let finder = HeadFinder::request(config.handshake_limits.head());
    let head = http1::read_head(stream, finder, received).await?;
    IncomingRequest::read(head, config).map_err(Error::of)
}

/// Returns the status of the response to a head that could not be read; `None` if the connection
/// failed.
pub(crate) fn head_error_status(error: &Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::Limit => Some(431),
        ErrorKind::Timeout => Some(408),
        // RFC 9110 §15.6.6.
        ErrorKind::Handshake if error.is_other_http_version() => Some(505),
        ErrorKind::Handshake => Some(400),
        _ => None,
    }
}

/// Answers a head that could not be read, unless the connection failed. Returns the error.
pub(crate) async fn reject_head<S: Transport>(stream: S, error: Error) -> Error {
    let Some(status) = head_error_status(&error) else { return error };
    let response = plain(status, &error.to_string());
    // A client that was too slow gets less time to read the response.
    let factor = if error.kind() == ErrorKind::Timeout { 1 } else { 3 };
    let _ = timeout(factor * RESPONSE_TIMEOUT, respond(stream, response, &Method::GET)).await;
    error
}
