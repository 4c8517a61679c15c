//! Opening a WebSocket on a stream of an HTTP/2 connection.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::client::ClientHandshake;
use h2::client::ResponseFuture;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};

use crate::base::deadline::{doing, within};
use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::connected::Connected;
use crate::client::handshake::AWAITING_ANSWER;
use crate::client::http2::connection::{NoConnection, failed};
use crate::client::http2::pool::Http2Connection;
use crate::client::multiplexed::capability_cache::ServerCapability;
use crate::client::multiplexed::pool::{PoolEntry, PoolKey};
use crate::client::response;
use crate::client::version::Version;
use crate::connection::websocket::WebSocket;
use crate::transport::http1::HeaderMapSource;
use crate::transport::http2_stream::Http2Stream;
use crate::transport::net_stream::NetStream;

/// How an attempt on HTTP/2 ended, other than by an error.
#[allow(clippy::large_enum_variant, reason = "returned and taken apart at once")]
pub(crate) enum Http2Outcome {
    Opened(WebSocket, Response<()>),
    /// The server does not do it. It may have chosen HTTP/1.1 for the transport.
    Without(&'static str, Option<Connected>),
}

impl Client {
    /// Opens a WebSocket on a stream of an HTTP/2 connection, which is made if there is none.
    pub(crate) async fn connect_http2(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<Http2Outcome, Error> {
        let slot = self.pool.slots.of(&PoolKey::of(target));
        // Once more where the kept connection went away before the request left.
        for again in [true, false] {
            let connection = slot.get(Box::pin(self.http2_connection(target)));
            let connection = within("connect_timeout", self.connect_timeout, connection).await?;
            let Http2Connection { mut sender, streams, .. } = match connection {
                Ok(pooled) => pooled,
                Err(NoConnection::Without(why, stream)) => {
                    return Ok(Http2Outcome::Without(why, stream));
                }
                Err(NoConnection::Failed(error)) => return Err(error),
            };
            let opening = self.offers(ClientHandshake::extended(), target)?;
            // RFC 8441 §5.
            let protocol = Protocol::from_static("websocket");
            let request = self.extended_request(&opening, target, headers, protocol)?;
            let (response, send) = match sender.send_request(request, false) {
                Ok(sent) => sent,
                // It was going away: once more, on a new one.
                Err(error) if again && (error.is_go_away() || error.is_io()) => {
                    evict(&slot, &Arc::downgrade(&streams));
                    continue;
                }
                Err(error) => return Err(failed("sending the request on HTTP/2", error)),
            };
            let id = Arc::downgrade(&streams);
            let opened = self.http2_handshake(&opening, target, response, (send, streams)).await;
            // A connection that has answered is of use to the next request, be the answer a
            // refusal. One that failed, or whose server takes no WebSockets on it, is not kept.
            let is_of_use = match &opened {
                Ok(Http2Outcome::Opened(..)) => true,
                Ok(Http2Outcome::Without(..)) => {
                    !self.learned.knows(PoolKey::of(target), ServerCapability::WithoutHttp2)
                }
                Err(error) => error.response().is_some(),
            };
            if !is_of_use {
                evict(&slot, &id);
            }
            return opened;
        }
        Err(Error::new(ErrorKind::Io, "the HTTP/2 connection is going away"))
    }

    /// The server does not do it, which is remembered.
    fn without_http2(
        &self,
        target: &WsUri,
        why: &'static str,
        reached: Option<Connected>,
    ) -> Http2Outcome {
        self.learned.learn(PoolKey::of(target), ServerCapability::WithoutHttp2);
        Http2Outcome::Without(why, reached)
    }

    async fn http2_handshake(
        &self,
        opening: &ClientHandshake,
        target: &WsUri,
        response: ResponseFuture,
        (send, streams): (SendStream<Bytes>, Arc<()>),
    ) -> Result<Http2Outcome, Error> {
        let after = self.limits.handshake_timeout;
        let response = doing(AWAITING_ANSWER, answer(response));
        let response = match within("handshake_timeout", after, response).await?? {
            Ok(response) => response,
            Err(error) if error.reason() == Some(Reason::HTTP_1_1_REQUIRED) => {
                return Ok(self.without_http2(target, "it requires HTTP/1.1", None));
            }
            Err(error)
                if error.reason() == Some(Reason::REFUSED_STREAM)
                    && self.version == Version::Auto =>
            {
                let why = "it refused the stream";
                // The pool's and ours: without others it was not for their number.
                let is_alone = Arc::strong_count(&streams) <= 2;
                return Ok(if is_alone {
                    self.without_http2(target, why, None)
                } else {
                    Http2Outcome::Without(why, None)
                });
            }
            Err(error) => return Err(failed("the answer on HTTP/2", error)),
        };
        let (parts, receive) = response.into_parts();
        let response = Response::from_parts(parts, ());
        if response.headers().len() > self.limits.max_fields {
            let why = format!("more header fields than max_fields ({})", self.limits.max_fields);
            return Err(Error::new(ErrorKind::Limit, why));
        }
        self.learn_from(target, response.headers());
        let mut stream = Http2Stream::new(send, receive, streams).lingering();
        match opening.check(response.status().as_u16(), HeaderMapSource(response.headers())) {
            Ok(agreement) => {
                let stream = NetStream::new(stream);
                let opened = self.opened(stream, agreement, response, BytesMut::new())?;
                Ok(Http2Outcome::Opened(opened.0.multiplexed(), opened.1))
            }
            // What some say that have the setting and not the feature.
            Err(_) if response.status() == http::StatusCode::NOT_IMPLEMENTED => {
                Ok(self.without_http2(target, "it answered 501", None))
            }
            Err(error) => {
                Err(response::refused(error, &mut stream, response, BytesMut::new()).await)
            }
        }
    }
}

/// The final answer, past interim ones.
async fn answer(
    mut response: ResponseFuture,
) -> Result<Result<Response<RecvStream>, h2::Error>, Error> {
    let mut passed = 0;
    std::future::poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            passed += 1;
            if passed > response::MAX_INTERIM {
                return Poll::Ready(Err(response::too_many_interim()));
            }
            if interim.status() == http::StatusCode::SWITCHING_PROTOCOLS {
                let why = "the answer on HTTP/2: 101, which it does not have (RFC 9113 §8.6)";
                return Poll::Ready(Err(Error::new(ErrorKind::Handshake, why)));
            }
        }
        Pin::new(&mut response).poll(cx).map(Ok)
    })
    .await
}

fn evict(slot: &PoolEntry<Http2Connection>, id: &Weak<()>) {
    slot.evict(|pooled| Arc::as_ptr(&pooled.streams) == id.as_ptr());
}
