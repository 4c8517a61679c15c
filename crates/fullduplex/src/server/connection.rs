//! One accepted connection: what it speaks, and who answers.

use std::future::Future;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures_core::future::BoxFuture;
use http::{Method, Request, Response};
use tokio::io::AsyncReadExt;

use crate::base::deadline::{Deadline, within};
use crate::base::error::{Error, ErrorKind};
use crate::server::config::ServerConfig;
use crate::server::handler::{Handler, HandlerInput};
use crate::server::handshake::handshake::{
    Handshake, note_refusal, read_request, refusal_of_head, refuse_head,
};
use crate::server::handshake::reply::Responder;
use crate::server::handshake::request::{IncomingRequest, LEAVING, RejectionCause, leaving, plain};
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::forwarded::AddressSource;
use crate::server::policy::peer::PeerAddr;
use crate::server::policy::proxy_protocol::{ProxyProtocolError, ProxyStatus};
use crate::server::state::connection_limit::LimitReached;
use crate::server::state::handshake_limit::PendingHandshake;
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::state::lifecycle::DrainSignal;
use crate::server::state::lifecycle::{Admission, ServerState};
use crate::server::state::panics::{PanicWatch, caught_in};
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::state::place::MultiplexedPermit;
use crate::server::state::place::Place;
use crate::server::state::refused::{RejectedClient, RejectionReason};
use crate::server::state::trace;
#[cfg(feature = "hyper")]
use crate::transport::http1;
use crate::transport::net_stream::NetStream;
use crate::transport::prefixed::Prefixed;
#[cfg(feature = "tls")]
use crate::transport::tls_stream::ClosingTlsStream;

/// Looks at a request before the handler does.
pub(crate) type Authenticate = Arc<
    dyn Fn(Request<()>) -> BoxFuture<'static, Result<Request<()>, Response<Bytes>>> + Send + Sync,
>;

/// What all connections of a server share.
pub(crate) struct ServerContext {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) shared: Arc<ServerState>,
    pub(crate) handler: Handler,
    pub(crate) authenticate: Option<Authenticate>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::server::tls::ServerTls>,
    #[cfg(feature = "hyper")]
    pub(crate) service: Option<Arc<dyn crate::server::http::service::HttpService>>,
}

/// A connection that was accepted, and what it holds.
pub(crate) struct AcceptedConnection {
    pub(crate) stream: NetStream,
    pub(crate) peer: PeerAddr,
    pub(crate) ticket: PendingHandshake,
    pub(crate) place: Arc<Place>,
}

/// Serves a connection, in a task of its own: until the handler has it, or to its end.
pub(crate) fn serve(context: &Arc<ServerContext>, accepted: AcceptedConnection) {
    context.run(|context| open(context, accepted));
}

/// What a connection begins with.
enum First {
    /// The head of a request of HTTP/1.1.
    Request(Box<IncomingRequest>),
    #[cfg(feature = "http2")]
    Http2,
    /// HTTP/2 was agreed on, and something else came.
    #[cfg(feature = "http2")]
    NotHttp2(Error),
}

/// Reads the first request; `None` if it has been answered, and so have those behind it.
///
/// An `async` function would have room for what it is given twice, and what most connections
/// have no need of is boxed: memory of more than 1 KiB costs more to allocate.
fn open(
    context: Arc<ServerContext>,
    accepted: AcceptedConnection,
) -> impl Future<Output = Option<Handshake>> + Send + 'static {
    let AcceptedConnection { stream, peer, ticket, mut place } = accepted;
    async move {
        // What comes too late to be evicted.
        if context.shared.is_over() {
            return None;
        }
        let (mut remote, mut received) = (ConnectInfo::new(peer), BytesMut::new());
        let begun = tokio::select! {
            biased;
            begun = begin(&context, stream, &mut received, &mut remote, &mut place) => begun,
            // Too many others have come since, or a drain is over.
            () = ticket.evicted() => {
                context.give_way(remote.peer);
                return None;
            }
        };
        drop(ticket);
        match next(&context, begun, received, remote, place) {
            Ok(handshake) => return Some(handshake),
            Err(serving) => context.shared.until_done(serving).await,
        }
        None
    }
}

/// What was asked first, and where. The outer error is one where nobody can be answered.
type FirstRequest = Result<(NetStream, Result<First, Error>), Error>;

/// Finds out who is there, and what is asked first.
async fn begin(
    context: &ServerContext,
    mut stream: NetStream,
    received: &mut BytesMut,
    remote: &mut ConnectInfo,
    place: &mut Arc<Place>,
) -> FirstRequest {
    let after = context.config.handshake.handshake_timeout;
    let deadline = Deadline::new("handshake_timeout", after);
    if context.config.proxy_protocol.concerns(&remote.peer) {
        let reading = Box::pin(read_proxy_header(context, stream, remote.peer));
        let read = deadline.bound(reading).await??;
        stream = read.0;
        *remote = ConnectInfo::new(read.1);
        let settled = context.settle(place, &read.1);
        settled.map_err(|full| Error::new(ErrorKind::Limit, full.to_string()))?;
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &context.tls {
        let (secured, info) = deadline.bound(Box::pin(tls.accept(stream))).await??;
        stream = NetStream::new(ClosingTlsStream::new(secured));
        remote.secure = true;
        remote.tls = Some(Arc::new(info));
    }
    let first = deadline.bound(read_first(context, &mut stream, received, remote)).await;
    Ok((stream, first.and_then(|first| first)))
}

/// What comes of the first request: one for the handler, or what serves it and those behind it.
fn next(
    context: &Arc<ServerContext>,
    begun: FirstRequest,
    received: BytesMut,
    remote: ConnectInfo,
    mut place: Arc<Place>,
) -> Result<Handshake, BoxFuture<'static, ()>> {
    let context = context.clone();
    let (stream, first) = match begun {
        Ok(begun) => begun,
        // There is nobody who could be answered.
        Err(error) => {
            RejectedClient::no_request(remote.peer, &error, None)
                .report(Some(&context.shared.refusals));
            return Err(Box::pin(std::future::ready(())));
        }
    };
    Err(match first {
        #[cfg(feature = "http2")]
        Ok(First::Http2) => {
            let stream = Prefixed::new(received.freeze(), stream);
            Box::pin(crate::server::http::http2::serve(
                context,
                stream,
                remote,
                MultiplexedPermit::new(place),
            ))
        }
        #[cfg(feature = "http2")]
        Ok(First::NotHttp2(error)) => {
            RejectedClient::no_request(remote.peer, &error, None)
                .report(Some(&context.shared.refusals));
            Box::pin(crate::server::http::http2::refuse_preface(stream))
        }
        #[cfg(feature = "hyper")]
        Ok(First::Request(asked)) if context.service_for(&asked).is_some() => {
            let mut before = BytesMut::from(asked.into_head());
            // hyper would not read such a version in the requests behind it.
            let is_last = http1::lower_minor(&mut before);
            before.unsplit(received);
            let stream = Prefixed::new(before.freeze(), stream);
            Box::pin(crate::server::http::http1::serve(
                context,
                stream,
                remote,
                MultiplexedPermit::new(place),
                is_last,
            ))
        }
        Ok(First::Request(mut asked)) => {
            let reply = Responder::Transport { stream, leftover: received };
            let found = asked.check_remote(remote, &context.config);
            match found.and_then(|()| place_for_client(&context, &asked, &mut place)) {
                Ok(()) => return Ok(context.handshake(asked, reply, place)),
                Err(denied) => Box::pin(async move {
                    context.deny(&asked, reply, &denied).await;
                    // Free when the answer has left.
                    drop(place);
                }),
            }
        }
        Err(error) => {
            let status = refusal_of_head(&error);
            RejectedClient::no_request(remote.peer, &error, status)
                .report(Some(&context.shared.refusals));
            Box::pin(async { drop(refuse_head(stream, error).await) })
        }
    })
}

/// Behind a proxy, a connection for one request counts for the client.
fn place_for_client(
    context: &ServerContext,
    asked: &IncomingRequest,
    place: &mut Arc<Place>,
) -> Result<(), RejectionCause> {
    let is_told =
        |remote: &&ConnectInfo| matches!(remote.client.source, AddressSource::Forwarded(_));
    let Some(remote) = asked.remote().filter(is_told) else { return Ok(()) };
    let settled = context.settle(place, &remote.client.to_peer());
    settled.map_err(|full| RejectionCause::Policy(429, full.to_string()))
}

/// Reads what a proxy says in front of a connection: the client in its place.
async fn read_proxy_header(
    context: &ServerContext,
    mut stream: NetStream,
    peer: PeerAddr,
) -> Result<(NetStream, PeerAddr), Error> {
    let settings = &context.config.proxy_protocol;
    let refused = |why| Error::new(ErrorKind::Proxy, format!("{why}"));
    let mut received = BytesMut::new();
    loop {
        let needed = match settings
            .read(&peer, &received)
            .map_err(|why: ProxyProtocolError| refused(why))?
        {
            ProxyStatus::Incomplete { needed } => needed,
            ProxyStatus::None => return Ok((rewound(received, stream), peer)),
            ProxyStatus::Header { header, length } => {
                let client = settings.client(&peer, &header);
                return Ok((rewound(received.split_off(length), stream), client));
            }
        };
        // No more than belongs to the header, where that can be: what follows stays with the
        // socket, which is then the transport itself.
        let mut limited = (&mut received).limit(needed);
        let read = stream.read_buf(&mut limited).await;
        if read.map_err(|error| Error::io("reading the PROXY header", error))? == 0 {
            return Err(Error::new(
                ErrorKind::Io,
                "the peer ended the transport inside the PROXY header",
            ));
        }
    }
}

fn rewound(received: BytesMut, stream: NetStream) -> NetStream {
    if received.is_empty() {
        stream
    } else {
        NetStream::new(Prefixed::new(received.freeze(), stream))
    }
}

async fn read_first(
    context: &ServerContext,
    stream: &mut NetStream,
    received: &mut BytesMut,
    remote: &ConnectInfo,
) -> Result<First, Error> {
    #[cfg(feature = "http2")]
    if context.config.http2 {
        let agreed = agreed(remote);
        // In clear text, a client may know that HTTP/2 is spoken; under TLS it is agreed on by
        // ALPN, or not spoken (RFC 9113 §3.2, §3.3).
        let may_be_http2 = matches!(agreed, None | Some(b"h2"));
        if may_be_http2 && crate::server::http::http2::begins(stream, received).await? {
            return Ok(First::Http2);
        }
        if agreed == Some(b"h2") {
            let why = "HTTP/2 was agreed on by ALPN, and what came does not begin with its \
                       connection preface (RFC 9113 §3.4)";
            return Ok(First::NotHttp2(Error::new(ErrorKind::Handshake, why)));
        }
    }
    #[cfg(not(feature = "http2"))]
    let _ = remote;
    Ok(First::Request(read_request(stream, received, &context.config).await?))
}

/// The protocol that was agreed on by ALPN, which may be none; `None` in clear text.
#[cfg(feature = "http2")]
fn agreed(remote: &ConnectInfo) -> Option<&[u8]> {
    #[cfg(feature = "tls")]
    let agreed = remote.tls.as_ref().map(|tls| tls.alpn.as_deref().unwrap_or_default());
    #[cfg(not(feature = "tls"))]
    let agreed = {
        let _ = remote;
        None
    };
    agreed
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
    pub(crate) fn enter(&self, peer: &PeerAddr) -> Result<Arc<Place>, LimitReached> {
        self.shared.enter((!self.config.is_near(peer)).then_some(peer))
    }

    /// Counts a connection for whom it is found to be from.
    pub(crate) fn settle(
        &self,
        place: &mut Arc<Place>,
        peer: &PeerAddr,
    ) -> Result<(), LimitReached> {
        let slot = Arc::get_mut(place).and_then(Place::slot_mut);
        match slot {
            Some(slot) if !self.config.is_near(peer) => slot.reassign(peer),
            _ => Ok(()),
        }
    }

    /// A handshake has given way to others, or to the end of the server.
    pub(crate) fn give_way(&self, peer: PeerAddr) {
        if !self.shared.is_over() {
            RejectedClient::gave_way(peer).report(Some(&self.shared.refusals));
        }
    }

    /// Tells a connection for which there is no room, if that takes no time, and gives the
    /// status that it was told.
    pub(crate) fn turn_away(&self, stream: &NetStream, full: LimitReached) -> Option<u16> {
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

    /// Holds a request against the rules for all of them, and returns its place: the
    /// connection's, or one of its own if it is for a WebSocket.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn admit_on(
        &self,
        carrying: &MultiplexedPermit,
        asked: &mut IncomingRequest,
        remote: &ConnectInfo,
    ) -> Result<Arc<Place>, RejectionCause> {
        asked.check_remote(remote.clone(), &self.config)?;
        let client = asked.remote().map(|remote| remote.client.to_peer());
        let stranger = client.filter(|client| asked.is_websocket && !self.config.is_near(client));
        let Some(client) = stranger else { return Ok(carrying.place().clone()) };
        let place = carrying.place_for(&client, &self.shared.slots);
        place.map_err(|full| RejectionCause::Policy(429, full.to_string()))
    }

    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn draining(&self) -> DrainSignal {
        self.shared.draining()
    }

    /// The service that answers a request, if it is ordinary HTTP and there is one.
    #[cfg(feature = "hyper")]
    pub(crate) fn service_for(
        &self,
        asked: &IncomingRequest,
    ) -> Option<&dyn crate::server::http::service::HttpService> {
        let is_ordinary = !asked.is_websocket && asked.request().method() != Method::CONNECT;
        self.service.as_deref().filter(|_| is_ordinary && !self.shared.is_draining())
    }

    /// A request for the handler.
    pub(crate) fn handshake(
        &self,
        asked: Box<IncomingRequest>,
        reply: impl Into<Responder<NetStream>>,
        place: Arc<Place>,
    ) -> Handshake {
        let admission = Admission { server: self.shared.clone(), place };
        Handshake::new(asked, reply.into(), self.config.clone()).with_admission(admission)
    }

    /// Answers a request that a policy of the server's forbids.
    pub(crate) async fn deny(
        &self,
        asked: &IncomingRequest,
        reply: impl Into<Responder<NetStream>>,
        denied: &RejectionCause,
    ) {
        let response = denied.response();
        let why = denied.to_string();
        let (request, status) = (asked.request(), response.status());
        note_refusal(Some(&self.shared), request, status, RejectionReason::Denied(&why), None);
        let after = self.config.handshake.handshake_timeout;
        let method = asked.request().method().clone();
        // The refusal is what went wrong, also if its answer can't be written.
        let _ = reply.into().respond(response, method, after).await;
    }

    /// Has the handler answer a request.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn handle(self: &Arc<Self>, handshake: Handshake) {
        self.run(|_| std::future::ready(Some(handshake)));
    }

    /// Has the handler answer the request that comes of `opening`, if one does, all in one task.
    /// That is called in the task, as what it gives is large to be moved.
    fn run<F>(self: &Arc<Self>, opening: impl FnOnce(Arc<Self>) -> F + Send + 'static)
    where
        F: Future<Output = Option<Handshake>> + Send + 'static,
    {
        let context = self.clone();
        let watch = |context: &Self| PanicWatch(context.shared.record.clone());
        match &self.handler {
            Handler::Requests(begin) => begin(Box::pin(async move {
                let watch = watch(&context);
                let given = context.admitted(opening(context.clone()).await?).await?;
                let span = trace::span(|| given.request());
                let given = given.with_span(span.clone());
                Some(HandlerInput { given, span, watch })
            })),
            Handler::WebSockets(begin) => begin(Box::pin(async move {
                let watch = watch(&context);
                let handshake = context.admitted(opening(context.clone()).await?).await?;
                let span = trace::span(|| handshake.request());
                // What is wrong is answered to the peer.
                let handshake = handshake.with_span(span.clone());
                let given = trace::inside(span.clone(), handshake.accept()).await.ok()?;
                Some(HandlerInput { given, span, watch })
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
        handshake.is_websocket() && self.authenticate.is_none() && !self.shared.is_draining()
    }

    /// The same, where there is something to be done first.
    async fn admit(&self, mut handshake: Handshake) -> Option<Handshake> {
        if self.shared.is_draining() {
            let _ = handshake.respond_as(leaving(), RejectionReason::Denied(LEAVING)).await;
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
        let looked = caught_in(&self.shared.record, "authenticate", looked);
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
                        .respond_as(answer, RejectionReason::Denied("authenticate panicked"))
                        .await,
                );
            }
            Err(late) => {
                let why = late.to_string();
                drop(handshake.respond_as(plain(503, &why), RejectionReason::Denied(&why)).await);
            }
        }
        None
    }
}
