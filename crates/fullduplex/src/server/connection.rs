//! One accepted connection: what it speaks, and who answers.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, Request, Response};
use tokio::io::AsyncReadExt;

#[cfg(any(feature = "http2", feature = "hyper"))]
use super::carrying::Carrying;
use super::handler::Handler;
use super::handshake::{Handshake, note_refusal, read_request, refusal_of_head, refuse_head};
use super::in_flight::Ticket;
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use super::lifecycle::Draining;
use super::lifecycle::Shared;
use super::members::Place;
use super::panics::caught_in;
use super::peer::Peer;
use super::refused::{Reason, Refused};
use super::remote::Remote;
use super::reply::Replier;
use super::request::{Asked, Denied, LEAVING, leaving, plain};
use super::{AddressSource, NoSlot, Proxied, ProxyRefused, ServerConfig};
use crate::client::BoxFuture;
use crate::deadline::{Deadline, within};
use crate::error::{Error, ErrorKind};
use crate::net_stream::NetStream;
use crate::rewind::Rewind;

/// Looks at a request before the handler does.
pub(crate) type Authenticate = Arc<
    dyn Fn(Request<()>) -> BoxFuture<'static, Result<Request<()>, Response<Bytes>>> + Send + Sync,
>;

/// What all connections of a server share.
pub(crate) struct Context {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) handler: Handler,
    pub(crate) authenticate: Option<Authenticate>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<super::TlsConfig>,
    #[cfg(feature = "hyper")]
    pub(crate) service: Option<Arc<dyn super::service::Ordinary>>,
}

/// A connection that was accepted, and what it holds.
pub(crate) struct Accepted {
    pub(crate) stream: NetStream,
    pub(crate) peer: Peer,
    pub(crate) ticket: Ticket,
    pub(crate) place: Arc<Place>,
}

/// Serves a connection until the handler has it, or to its end.
pub(crate) async fn serve(context: Arc<Context>, accepted: Accepted) {
    let opened = tokio::select! {
        biased;
        opened = open(context.clone(), accepted) => opened,
        // A drain is over, and cuts off what is left.
        () = context.shared.done() => None,
    };
    if let Some(handshake) = opened {
        context.handle(handshake).await;
    }
}

/// What a connection begins with.
enum First {
    /// The head of a request of HTTP/1.1.
    Request(Bytes, Box<Asked>),
    #[cfg(feature = "http2")]
    Http2,
}

/// Reads the first request. What most connections have no need of is boxed, as their tasks would
/// be made with room for all of it. `None` if it has been answered, and so have those behind it.
async fn open(context: Arc<Context>, accepted: Accepted) -> Option<Handshake> {
    let Accepted { mut stream, peer, ticket, mut place } = accepted;
    let mut remote = Remote::new(peer);
    let shared = place.shared.clone();
    let mut received = BytesMut::new();
    let after = context.config.handshake.handshake_timeout;
    let deadline = Deadline::new("handshake_timeout", after);
    let beginning = async {
        if context.config.proxy_protocol.concerns(&peer) {
            let reading = Box::pin(read_proxy_header(&context, stream, peer));
            let read = deadline.bound(reading).await??;
            stream = read.0;
            remote = Remote::new(read.1);
            let settled = context.settle(&mut place, &read.1);
            settled.map_err(|full| Error::new(ErrorKind::Limit, full.to_string()))?;
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &context.tls {
            let (secured, info) = deadline.bound(Box::pin(tls.accept(stream))).await??;
            stream = NetStream::new(secured);
            remote.secure = true;
            remote.tls = Some(Arc::new(info));
        }
        let first = deadline.bound(read_first(&context, &mut stream, &mut received)).await;
        Ok((stream, first.and_then(|first| first)))
    };
    let begun: Result<_, Error> = tokio::select! {
        biased;
        begun = beginning => begun,
        // Too many others have come since.
        () = ticket.evicted() => {
            Refused::gave_way(remote.peer).tell(Some(&shared));
            return None;
        }
    };
    drop(ticket);
    let (stream, first) = match begun {
        Ok(begun) => begun,
        // There is nobody who could be answered.
        Err(error) => {
            Refused::no_request(remote.peer, &error, None).tell(Some(&shared));
            return None;
        }
    };
    match first {
        #[cfg(feature = "http2")]
        Ok(First::Http2) => {
            let stream = Rewind::new(received.freeze(), stream);
            Box::pin(super::http2::serve(context, stream, remote, Carrying::new(place))).await;
            None
        }
        #[cfg(feature = "hyper")]
        Ok(First::Request(head, asked)) if context.service_for(&asked).is_some() => {
            let mut before = BytesMut::from(head);
            before.unsplit(received);
            let stream = Rewind::new(before.freeze(), stream);
            Box::pin(super::http1::serve(context, stream, remote, Carrying::new(place))).await;
            None
        }
        Ok(First::Request(head, mut asked)) => {
            drop(head);
            let reply = Replier::Transport { stream, leftover: received };
            let found = asked.check_remote(&remote, &context.config);
            match found.and_then(|()| place_for_client(&context, &asked, &mut place)) {
                Ok(()) => Some(context.handshake(asked, reply, place)),
                Err(denied) => {
                    Box::pin(context.deny(&asked, reply, &denied, &place)).await;
                    None
                }
            }
        }
        Err(error) => {
            let status = refusal_of_head(&error);
            Refused::no_request(remote.peer, &error, status).tell(Some(&shared));
            Box::pin(refuse_head(stream, error)).await;
            None
        }
    }
}

/// Behind a proxy, a connection for one request counts for the client.
fn place_for_client(
    context: &Context,
    asked: &Asked,
    place: &mut Arc<Place>,
) -> Result<(), Denied> {
    let remote = asked.request().extensions().get::<Remote>();
    let is_told = |remote: &&Remote| matches!(remote.client.source, AddressSource::Told(_));
    let Some(remote) = remote.filter(is_told) else { return Ok(()) };
    let settled = context.settle(place, &remote.client.to_peer());
    settled.map_err(|full| Denied::Policy(429, full.to_string()))
}

/// Reads what a proxy says in front of a connection: the client in its place.
async fn read_proxy_header(
    context: &Context,
    mut stream: NetStream,
    peer: Peer,
) -> Result<(NetStream, Peer), Error> {
    let settings = &context.config.proxy_protocol;
    let refused = |why| Error::new(ErrorKind::Proxy, format!("{why}"));
    let mut received = BytesMut::new();
    loop {
        let needed =
            match settings.read(&peer, &received).map_err(|why: ProxyRefused| refused(why))? {
                Proxied::Incomplete { needed } => needed,
                Proxied::None => return Ok((rewound(received, stream), peer)),
                Proxied::Header { header, length } => {
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
        NetStream::new(Rewind::new(received.freeze(), stream))
    }
}

async fn read_first(
    context: &Context,
    stream: &mut NetStream,
    received: &mut BytesMut,
) -> Result<First, Error> {
    #[cfg(feature = "http2")]
    if context.config.http2 && super::http2::begins(stream, received).await? {
        return Ok(First::Http2);
    }
    let (head, asked) = read_request(stream, received, &context.config).await?;
    Ok(First::Request(head, asked))
}

impl Context {
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
    pub(crate) fn enter(&self, peer: &Peer) -> Result<Arc<Place>, NoSlot> {
        self.shared.enter((!self.config.is_near(peer)).then_some(peer))
    }

    /// Counts a connection for whom it is found to be from.
    pub(crate) fn settle(&self, place: &mut Arc<Place>, peer: &Peer) -> Result<(), NoSlot> {
        let slot = Arc::get_mut(place).and_then(|place| place.slot.as_mut());
        match slot {
            Some(slot) if !self.config.is_near(peer) => slot.move_to(peer),
            _ => Ok(()),
        }
    }

    /// Tells a connection for which there is no room, if that takes no time, and gives the
    /// status that it was told.
    pub(crate) fn turn_away(&self, stream: &NetStream, full: NoSlot) -> Option<u16> {
        if self.is_secure() {
            return None;
        }
        let (status, phrase) = match full {
            NoSlot::PerAddress(_) => (429, "Too Many Requests"),
            NoSlot::Total(_) => (503, "Service Unavailable"),
        };
        let head = "Content-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
        let answer = format!("HTTP/1.1 {status} {phrase}\r\n{head}");
        stream.as_tcp()?.try_write(answer.as_bytes()).ok().map(|_| status)
    }

    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn draining(&self) -> Draining {
        self.shared.draining()
    }

    /// The service that answers a request, if it is ordinary HTTP and there is one.
    #[cfg(feature = "hyper")]
    pub(crate) fn service_for(&self, asked: &Asked) -> Option<&dyn super::service::Ordinary> {
        let is_ordinary = !asked.is_websocket && asked.request().method() != Method::CONNECT;
        self.service.as_deref().filter(|_| is_ordinary && !self.shared.is_draining())
    }

    /// A request for the handler.
    pub(crate) fn handshake(
        &self,
        asked: Box<Asked>,
        reply: impl Into<Replier<NetStream>>,
        place: Arc<Place>,
    ) -> Handshake {
        Handshake::new(asked, reply.into(), self.config.clone()).with_place(place)
    }

    /// Answers a request that a policy of the server's forbids.
    pub(crate) async fn deny(
        &self,
        asked: &Asked,
        reply: impl Into<Replier<NetStream>>,
        denied: &Denied,
        place: &Place,
    ) {
        if let Some(response) = denied.response() {
            let why = denied.to_string();
            let (request, status) = (asked.request(), response.status());
            note_refusal(Some(place), request, status, Reason::Denied(&why));
            let after = self.config.handshake.handshake_timeout;
            let answer = reply.into().respond(response, asked.request().method().clone());
            // The refusal is what went wrong, also if its answer can't be written.
            let _ = within("handshake_timeout", after, answer).await;
        }
    }

    /// Has the handler answer a request.
    pub(crate) async fn handle(&self, handshake: Handshake) {
        let admitted = if self.admits_at_once(&handshake) {
            Some(handshake)
        } else {
            Box::pin(self.admit(handshake)).await
        };
        if let Some(handshake) = admitted {
            self.handler.handle(handshake, self.shared.clone()).await;
        }
    }

    /// Whether there is nothing to be done before the handler has a request.
    fn admits_at_once(&self, handshake: &Handshake) -> bool {
        handshake.is_websocket() && self.authenticate.is_none() && !self.shared.is_draining()
    }

    /// Lets a request through to the handler, or answers it.
    async fn admit(&self, mut handshake: Handshake) -> Option<Handshake> {
        if self.shared.is_draining() {
            let _ = handshake.respond_as(leaving(), Reason::Denied(LEAVING)).await;
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
        let looked = caught_in(&self.shared, "authenticate", looked);
        match within("handshake_timeout", after, looked).await {
            Ok(Ok(Ok(request))) => {
                *handshake.request_mut() = request;
                return Some(handshake);
            }
            Ok(Ok(Err(response))) => drop(handshake.respond(response).await),
            Ok(Err(_panicked)) => {
                // What went wrong is not for the client to know.
                let answer = plain(500, "the request could not be looked at");
                drop(handshake.respond_as(answer, Reason::Denied("authenticate panicked")).await);
            }
            Err(late) => {
                let why = late.to_string();
                drop(handshake.respond_as(plain(503, &why), Reason::Denied(&why)).await);
            }
        }
        None
    }
}
