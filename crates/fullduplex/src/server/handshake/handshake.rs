//! The opening handshake, step by step.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::http1::HeadFinder;
use http::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use crate::base::deadline::within;
use crate::base::error::{Error, ErrorKind};
use crate::connection::websocket::WebSocket;
use crate::server::config::ServerConfig;
use crate::server::handshake::pending::PendingRequest;
use crate::server::handshake::request::{IncomingRequest, RejectionCause};
use crate::server::handshake::responder::{ANSWER_TIMEOUT, Responder, respond};
use crate::server::handshake::response::{failed, plain};
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::peer::PeerAddr;
use crate::server::state::handle::ServerHandle;
use crate::server::state::lifecycle::Admission;
use crate::server::state::rejection::{RejectedClient, RejectionReason};
use crate::server::state::trace;
use crate::transport::Transport;
use crate::transport::http1;
use crate::transport::net_stream::NetStream;

/// A request that was read and not answered yet, on any version of HTTP.
///
/// Dropped unanswered, the transport or the stream is dropped.
pub struct Handshake<S: Transport = NetStream>(Box<Inner<S>>);

/// Boxed, so that the tasks of open connections don't keep room for it.
struct Inner<S> {
    pending: PendingRequest,
    reply: Responder<S>,
    config: Arc<ServerConfig>,
}

impl<S: Transport> Handshake<S> {
    /// Reads the head of an HTTP/1.1 request within the limits.
    ///
    /// What is no HTTP/1 head, or too large, or too late, is answered with 400, 505, 431 or 408
    /// and gives an error.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the transport is dropped.
    pub async fn read(mut stream: S, config: impl Into<Arc<ServerConfig>>) -> Result<Self, Error> {
        let config = config.into();
        let mut received = BytesMut::new();
        let after = config.handshake.handshake_timeout;
        let reading = read_request(&mut stream, &mut received, &config);
        match within("handshake_timeout", after, reading).await.and_then(|read| read) {
            Ok(asked) => {
                let reply = Responder::Transport { stream, leftover: received };
                Ok(Self::new(asked, reply, config))
            }
            Err(error) => Err(refuse_head(stream, error).await),
        }
    }

    pub(crate) fn new(
        asked: Box<IncomingRequest>,
        reply: Responder<S>,
        config: Arc<ServerConfig>,
    ) -> Self {
        Self(Box::new(Inner { pending: PendingRequest::new(asked), reply, config }))
    }

    pub(crate) fn with_span(mut self, span: trace::Span) -> Self {
        self.0.pending.span = Some(span);
        self
    }

    pub(crate) fn with_admission(mut self, admission: Admission) -> Self {
        self.0.pending.admission = Some(admission);
        self
    }

    /// The request. Its extensions hold the [`ConnectInfo`], if a [`Server`](crate::server::Server) read it.
    ///
    /// An extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441) has the method `CONNECT`, and its
    /// authority in the URI in place of `Host`.
    pub fn request(&self) -> &Request<()> {
        self.0.pending.asked.request()
    }

    /// The request, to add extensions for whoever handles it next.
    pub fn request_mut(&mut self) -> &mut Request<()> {
        self.0.pending.asked.request_mut()
    }

    /// Who asks, if a [`Server`](crate::server::Server) read the request.
    pub fn remote(&self) -> Option<&ConnectInfo> {
        self.0.pending.asked.remote()
    }

    /// The address of the other end of the socket; see [`client_ip`](Self::client_ip) for who
    /// is behind a proxy.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        match self.remote()?.peer {
            PeerAddr::Inet(address) => Some(address),
            PeerAddr::Unix => None,
        }
    }

    /// The address of the client: the one that a trusted proxy names, else the socket's.
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.remote().and_then(ConnectInfo::client_ip)
    }

    /// Whether it asks for a WebSocket, well or badly, rather than being ordinary HTTP.
    pub fn is_websocket(&self) -> bool {
        self.0.pending.asked.is_websocket
    }

    /// Whether it will be refused, whatever the application says.
    pub(crate) fn breaks_a_rule(&self) -> bool {
        self.0.pending.asked.breaks_a_rule(&self.0.config)
    }

    /// The subprotocols that the client offers, its favourite first.
    pub fn subprotocols(&self) -> &[String] {
        self.0.pending.asked.offered()
    }

    /// The subprotocol that will be agreed on: the client's favourite among the server's, or
    /// the one that was [set](Self::set_subprotocol).
    pub fn subprotocol(&self) -> Option<&str> {
        self.0.pending.asked.chosen.as_deref()
    }

    /// Chooses another subprotocol than the client's favourite among the server's. It must be
    /// one that the client offers.
    pub fn set_subprotocol(&mut self, protocol: Option<String>) {
        self.0.pending.asked.chosen = protocol;
    }

    /// Adds a header field to the response that accepts. The protocol's own, such as
    /// `Sec-WebSocket-Protocol` or `Content-Length`, can't be added.
    ///
    /// With one of those, or one that is not valid, `accept` answers 500 and gives an error that
    /// names it.
    pub fn add_header(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.0.pending.add_header(name, value);
    }

    /// Has the WebSocket counted, and closed when that is [drained](ServerHandle::drain). From
    /// then on the answer is 503. What a [`Server`](crate::server::Server) read is its own already.
    #[must_use]
    pub fn track(mut self, handle: &ServerHandle) -> Self {
        self.0.pending.tracked = Some(handle.clone());
        self
    }

    /// Opens the WebSocket, or answers what is wrong with the request and gives an error. On a
    /// server that is [drained](crate::server::ServerHandle::drain) the answer is 503.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the transport is dropped.
    pub async fn accept(self) -> Result<WebSocket<S>, Error> {
        // Boxed, so that the task does not keep room for it.
        Box::pin(accept(self.0)).await
    }

    /// Answers with a response that opens no WebSocket. On a transport of HTTP/1.1, it ends that:
    /// `Content-Length` and `Connection: close` are added. The answer must leave within
    /// `handshake_timeout`; a client that is still sending is then waited for, up to 5 s more.
    ///
    /// A status that the client would take for an open WebSocket, or that is no last answer, is
    /// an error, and 500 is sent in its place: 1xx, and 2xx to an extended CONNECT. See
    /// [`accept`](Self::accept).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the transport is dropped, and the answer may be cut.
    pub async fn respond(self, response: Response<impl Into<Bytes>>) -> Result<(), Error> {
        self.respond_as(response, RejectionReason::Application).await
    }

    /// The same, for this reason.
    pub(crate) async fn respond_as(
        self,
        response: Response<impl Into<Bytes>>,
        reason: RejectionReason<'_>,
    ) -> Result<(), Error> {
        let misuse = self.check_final(response.status()).err();
        let response = if misuse.is_some() { failed() } else { response.map(Into::into) };
        if self.is_websocket() {
            report_rejection(&self.0.pending, response.status(), reason);
        }
        let method = self.0.pending.asked.request().method().clone();
        let after = self.0.config.handshake.handshake_timeout;
        self.0.reply.respond(response, method, after).await?;
        misuse.map_or(Ok(()), Err)
    }

    /// Whether a response with this status is the last one, and opens nothing.
    fn check_final(&self, status: StatusCode) -> Result<(), Error> {
        // RFC 9110 §15.2; RFC 8441 §5: any 2xx to a CONNECT makes a tunnel.
        let opens =
            self.0.pending.asked.request().method() == Method::CONNECT && status.is_success();
        if !opens && !status.is_informational() {
            return Ok(());
        }
        let why = format!("a response with status {status} can't refuse: accept opens a WebSocket");
        Err(Error::new(ErrorKind::Misuse, why))
    }
}

/// Takes it in its box: its parts are large to be moved.
async fn accept<S: Transport>(mut handshake: Box<Inner<S>>) -> Result<WebSocket<S>, Error> {
    let Inner { pending, config, .. } = &mut *handshake;
    let accepted = match pending.accept(config) {
        Ok(accepted) => accepted,
        Err(denied) => {
            Box::pin(deny(handshake, &denied)).await;
            return Err(denied.into_error());
        }
    };
    let deflate = accepted.deflate;
    let reply = handshake.reply;
    let config = &handshake.config;
    let after = config.handshake.handshake_timeout;
    let transport = within("handshake_timeout", after, reply.accept(accepted)).await??;
    Ok(handshake.pending.open(transport, config, deflate.as_ref()))
}

async fn deny<S: Transport>(handshake: Box<Inner<S>>, denied: &RejectionCause) {
    let response = denied.response();
    let Inner { pending, reply, config } = *handshake;
    report_rejection(&pending, response.status(), RejectionReason::Denied(&denied.to_string()));
    let method = pending.request().method().clone();
    let after = config.handshake.handshake_timeout;
    // The refusal is what went wrong, also if its answer can't be written.
    let _ = reply.respond(response, method, after).await;
}

/// Counts and reports a request that is rejected.
fn report_rejection(pending: &PendingRequest, status: StatusCode, reason: RejectionReason<'_>) {
    let refused = RejectedClient::request(pending.request(), status, reason);
    let rejections = pending.server().map(|server| &server.rejections);
    refused.in_span(pending.span.as_ref()).report(rejections);
}

/// Shows neither query nor header fields, nor subprotocols, as which some clients send a token:
/// there may be secrets among them.
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
        fmt_request(f, "Handshake", self.0.pending.asked.request())
    }
}

/// Reads a head, and gives what it says. The deadline is the caller's.
pub(crate) async fn read_request<S: Transport>(
    stream: &mut S,
    received: &mut BytesMut,
    config: &ServerConfig,
) -> Result<Box<IncomingRequest>, Error> {
    let finder = HeadFinder::request(config.handshake.head());
    let head = http1::read_head(stream, finder, received).await?;
    Ok(IncomingRequest::read(head, config)?)
}

/// The status that answers a head that can't be taken, if there is somebody to answer.
pub(crate) fn refusal_of_head(error: &Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::Limit => Some(431),
        ErrorKind::Timeout => Some(408),
        // RFC 9110 §15.6.6.
        ErrorKind::Handshake if error.is_of_another_version() => Some(505),
        ErrorKind::Handshake => Some(400),
        _ => None,
    }
}

/// Answers a head that can't be taken, if there is somebody to answer.
pub(crate) async fn refuse_head<S: Transport>(stream: S, error: Error) -> Error {
    let Some(status) = refusal_of_head(&error) else { return error };
    let response = plain(status, &error.to_string());
    // Who was too slow has no more time.
    let steps = if error.kind() == ErrorKind::Timeout { 1 } else { 3 };
    let _ = timeout(steps * ANSWER_TIMEOUT, respond(stream, response, &Method::GET)).await;
    error
}
