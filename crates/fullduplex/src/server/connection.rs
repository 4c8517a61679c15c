//! One accepted connection: what it speaks, and who answers.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, header};
use tokio::time::timeout;

use super::ServerConfig;
use super::handshake::{Handshake, read_request, refuse_head};
use super::in_flight::Ticket;
#[cfg(any(feature = "http2", feature = "hyper"))]
use super::lifecycle::Draining;
use super::lifecycle::Shared;
use super::members::Place;
use super::peer::Peer;
use super::remote::Remote;
use super::reply::OnTransport;
use super::request::{Asked, plain};
use crate::client::BoxFuture;
use crate::error::Error;
use crate::net_stream::NetStream;
#[cfg(any(feature = "http2", feature = "hyper"))]
use crate::rewind::Rewind;

/// Answers the requests of a server.
pub(crate) type Handler = Box<dyn Fn(Handshake) -> BoxFuture<'static, ()> + Send + Sync>;

/// Looks at a request before the handler does.
pub(crate) type Authenticate = Box<
    dyn Fn(Request<()>) -> BoxFuture<'static, Result<Request<()>, Response<Bytes>>> + Send + Sync,
>;

/// What all connections of a server share.
pub(crate) struct Context {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) handler: Handler,
    pub(crate) authenticate: Option<Authenticate>,
    #[cfg(feature = "hyper")]
    pub(crate) service: Option<Box<dyn super::service::Ordinary>>,
}

/// A connection that was accepted, and what it holds.
pub(crate) struct Accepted {
    pub(crate) stream: NetStream,
    pub(crate) peer: Peer,
    pub(crate) ticket: Ticket,
    pub(crate) place: Arc<Place>,
}

/// Serves a connection to its end.
pub(crate) async fn serve(context: Arc<Context>, accepted: Accepted) {
    // Boxed, so that an open connection does not keep room for its opening.
    let opening = Box::pin(open(context.clone(), accepted));
    if let Some(handshake) = opening.await {
        context.handle(handshake).await;
    }
}

/// What a connection begins with.
#[allow(clippy::large_enum_variant, reason = "returned and taken apart at once")]
enum First {
    /// The head of a request of HTTP/1.1.
    Request(Bytes, Asked),
    #[cfg(feature = "http2")]
    Http2,
}

/// Reads the first request. `None` if it has been answered, and so have those behind it.
async fn open(context: Arc<Context>, accepted: Accepted) -> Option<Handshake> {
    let Accepted { mut stream, peer, ticket, place } = accepted;
    let remote = Remote::new(peer);
    let mut received = BytesMut::new();
    let first = tokio::select! {
        first = read_first(&context, &mut stream, &mut received) => first,
        // Too many others have come since.
        () = ticket.evicted() => return None,
    };
    drop(ticket);
    match first {
        #[cfg(feature = "http2")]
        Ok(First::Http2) => {
            let stream = Rewind::new(received.freeze(), stream);
            super::http2::serve(context, stream, remote, place).await;
            None
        }
        #[cfg(feature = "hyper")]
        Ok(First::Request(head, asked)) if context.service_for(&asked).is_some() => {
            let mut before = BytesMut::from(head);
            before.unsplit(received);
            let stream = Rewind::new(before.freeze(), stream);
            super::http1::serve(context, stream, remote, place).await;
            None
        }
        Ok(First::Request(head, mut asked)) => {
            drop(head);
            asked.request.extensions_mut().insert(remote);
            let reply = OnTransport { stream, leftover: received };
            Some(context.handshake(asked, Box::new(reply), place))
        }
        Err(error) => {
            refuse_head(stream, error).await;
            None
        }
    }
}

async fn read_first(
    context: &Context,
    stream: &mut NetStream,
    received: &mut BytesMut,
) -> Result<First, Error> {
    let limits = context.config.handshake;
    let reading = async {
        #[cfg(feature = "http2")]
        if context.config.http2 && super::http2::begins(stream, received).await? {
            return Ok(First::Http2);
        }
        let (head, asked) = read_request(stream, received, &context.config).await?;
        Ok(First::Request(head, asked))
    };
    let late = |_| Error::timeout("handshake_timeout", limits.handshake_timeout);
    timeout(limits.handshake_timeout, reading).await.map_err(late)?
}

impl Context {
    #[cfg(any(feature = "http2", feature = "hyper"))]
    pub(crate) fn draining(&self) -> Draining {
        self.shared.draining()
    }

    /// The service that answers a request, if it is ordinary HTTP and there is one.
    #[cfg(feature = "hyper")]
    pub(crate) fn service_for(&self, asked: &Asked) -> Option<&dyn super::service::Ordinary> {
        let is_ordinary = !asked.is_websocket && asked.request.method() != Method::CONNECT;
        self.service.as_deref().filter(|_| is_ordinary && !self.shared.is_draining())
    }

    /// A request for the handler.
    pub(crate) fn handshake(
        &self,
        asked: Asked,
        reply: Box<dyn super::reply::Reply<NetStream>>,
        place: Arc<Place>,
    ) -> Handshake {
        Handshake::new(asked, reply, self.config.clone()).with_place(place)
    }

    /// Has the handler answer a request.
    pub(crate) async fn handle(&self, handshake: Handshake) {
        if let Some(handshake) = Box::pin(self.admit(handshake)).await {
            let watch = self.shared.watch_for_panic();
            (self.handler)(handshake).await;
            drop(watch);
        }
    }

    /// Lets a request through to the handler, or answers it.
    async fn admit(&self, mut handshake: Handshake) -> Option<Handshake> {
        if self.shared.is_draining() {
            let mut response = plain(503, "the server is going away");
            response.headers_mut().insert(header::RETRY_AFTER, 1.into());
            let _ = handshake.respond(response).await;
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
        let after = self.config.handshake.handshake_timeout;
        let request = std::mem::take(handshake.request_mut());
        match timeout(after, authenticate(request)).await {
            Ok(Ok(request)) => {
                *handshake.request_mut() = request;
                return Some(handshake);
            }
            Ok(Err(response)) => drop(handshake.respond(response).await),
            Err(_) => {
                let mut response =
                    plain(503, &Error::timeout("handshake_timeout", after).to_string());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                drop(handshake.respond(response).await);
            }
        }
        None
    }
}
