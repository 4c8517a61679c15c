//! Opening a WebSocket on a stream of an HTTP/2 connection.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::client::ClientHandshake;
use h2::client::ResponseFuture;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response, Version};

use crate::base::at_step::at_step;
use crate::base::deadline::within;
use crate::base::error::{ConnectStep, Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::connected::Connected;
use crate::client::handshake::AWAITING_RESPONSE;
use crate::client::http_version::HttpVersion;
use crate::client::http2::connection::{Http2ConnectError, io_error};
use crate::client::http2::pool::Http2Connection;
use crate::client::multiplexed::capability_cache::ServerCapability;
use crate::client::multiplexed::pool::{PoolEntry, PoolKey};
use crate::client::response;
use crate::connection::websocket::WebSocket;
use crate::transport::addresses::ConnectionAddresses;
use crate::transport::http1::HeaderMapSource;
use crate::transport::http2_stream::Http2Stream;
use crate::transport::net_stream::NetStream;

/// The result of an attempt on HTTP/2 that did not fail.
#[allow(clippy::large_enum_variant, reason = "returned and taken apart at once")]
pub(crate) enum Http2Outcome {
    Opened(WebSocket, Response<()>),
    /// The server does not support WebSockets on HTTP/2. It may have chosen HTTP/1.1 for the
    /// transport.
    Unsupported(&'static str, Option<Connected>),
}

impl Client {
    /// Opens a WebSocket on a stream of an HTTP/2 connection, a pooled or a new one.
    pub(crate) async fn connect_http2(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<Http2Outcome, Error> {
        let entry = self.http2.entries.get(&PoolKey::new(target));
        // A second attempt, if the pooled connection closed before the request was sent.
        for may_retry in [true, false] {
            let connection = entry.get(Box::pin(self.http2_connection(target)));
            let connection = within("connect_timeout", self.connect_timeout, connection).await?;
            let Http2Connection { mut sender, streams, .. } = match connection {
                Ok(pooled) => pooled,
                Err(Http2ConnectError::Unsupported(reason, connected)) => {
                    return Ok(Http2Outcome::Unsupported(reason, connected));
                }
                Err(Http2ConnectError::Failed(error)) => return Err(error),
            };
            let handshake = self.with_offers(ClientHandshake::extended(), target)?;
            // RFC 8441 §5.
            let protocol = Protocol::from_static("websocket");
            let request = self.extended_request(&handshake, target, headers, protocol)?;
            self.report_extended_request(&request, Version::HTTP_2);
            let tapped = self.tapped_request(&request, Version::HTTP_2);
            let (response, send) = match sender.send_request(request, false) {
                Ok(sent) => sent,
                // The connection was closing: retry on a new one.
                Err(error) if may_retry && (error.is_go_away() || error.is_io()) => {
                    evict(&entry, &Arc::downgrade(&streams));
                    continue;
                }
                Err(error) => return Err(io_error("sending the request on HTTP/2", error)),
            };
            let id = Arc::downgrade(&streams);
            let streams = (send, streams);
            let result = self.http2_handshake(&handshake, target, response, streams).await;
            let result = result.map_err(|error| error.with_step(ConnectStep::Handshake));
            // The connection is kept if the server responded, even with a rejection. It is not
            // kept if it failed or does not support WebSockets.
            let is_usable = match &result {
                Ok(Http2Outcome::Opened(..)) => true,
                Ok(Http2Outcome::Unsupported(..)) => {
                    !self.capabilities.contains(PoolKey::new(target), ServerCapability::NoHttp2)
                }
                Err(error) => error.response().is_some(),
            };
            if !is_usable {
                evict(&entry, &id);
            }
            return result.map(|outcome| match outcome {
                Http2Outcome::Opened(websocket, response) => {
                    let (websocket, response) = self.with_tap((websocket, response), tapped);
                    Http2Outcome::Opened(websocket, response)
                }
                unsupported @ Http2Outcome::Unsupported(..) => unsupported,
            });
        }
        Err(Error::new(ErrorKind::Io, "the HTTP/2 connection is closing"))
    }

    /// Records that the server does not support WebSockets on HTTP/2.
    fn http2_unsupported(
        &self,
        target: &WsUri,
        reason: &'static str,
        connected: Option<Connected>,
    ) -> Http2Outcome {
        self.capabilities.insert(PoolKey::new(target), ServerCapability::NoHttp2);
        Http2Outcome::Unsupported(reason, connected)
    }

    async fn http2_handshake(
        &self,
        handshake: &ClientHandshake,
        target: &WsUri,
        response: ResponseFuture,
        (send, streams): (SendStream<Bytes>, Arc<ConnectionAddresses>),
    ) -> Result<Http2Outcome, Error> {
        let limit = self.limits.handshake_timeout;
        let response = at_step(ConnectStep::Handshake, AWAITING_RESPONSE, final_response(response));
        let response = match within("handshake_timeout", limit, response).await?? {
            Ok(response) => response,
            Err(error) if error.reason() == Some(Reason::HTTP_1_1_REQUIRED) => {
                return Ok(self.http2_unsupported(target, "it requires HTTP/1.1", None));
            }
            Err(error)
                if error.reason() == Some(Reason::REFUSED_STREAM)
                    && self.http_version == HttpVersion::Auto =>
            {
                let reason = "it refused the stream";
                // With other streams open, the server may have refused one too many. The two
                // references are that of the pool and this one.
                let is_only_stream = Arc::strong_count(&streams) <= 2;
                return Ok(if is_only_stream {
                    self.http2_unsupported(target, reason, None)
                } else {
                    Http2Outcome::Unsupported(reason, None)
                });
            }
            Err(error) => return Err(io_error("the response on HTTP/2", error)),
        };
        let (parts, receive) = response.into_parts();
        let response = Response::from_parts(parts, ());
        let events = &self.connector.dialer.events;
        response::report_on_stream(&response, Version::HTTP_2, events);
        if response.headers().len() > self.limits.max_fields {
            let message =
                format!("more header fields than max_fields ({})", self.limits.max_fields);
            return Err(Error::new(ErrorKind::Limit, message));
        }
        self.record_response(target, response.headers());
        let mut stream = Http2Stream::new(send, receive, streams).waiting_for_end();
        match handshake.check(response.status().as_u16(), HeaderMapSource(response.headers())) {
            Ok(negotiated) => {
                let stream = NetStream::addressed(stream);
                let (websocket, response) =
                    self.open_websocket(stream, negotiated, response, BytesMut::new())?;
                Ok(Http2Outcome::Opened(websocket.multiplexed(), response))
            }
            // Some servers enable the setting without supporting WebSockets.
            Err(_) if response.status() == http::StatusCode::NOT_IMPLEMENTED => {
                Ok(self.http2_unsupported(target, "it answered 501", None))
            }
            Err(error) => {
                Err(response::rejection(error, &mut stream, response, BytesMut::new()).await)
            }
        }
    }
}

/// Waits for the final response and skips interim ones.
async fn final_response(
    mut response: ResponseFuture,
) -> Result<Result<Response<RecvStream>, h2::Error>, Error> {
    let mut skipped = 0;
    std::future::poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
            skipped += 1;
            if skipped > response::MAX_INTERIM {
                return Poll::Ready(Err(response::too_many_interim()));
            }
            if interim.status() == http::StatusCode::SWITCHING_PROTOCOLS {
                let message = "the response has status 101, which HTTP/2 does not allow \
                               (RFC 9113 §8.6)";
                return Poll::Ready(Err(Error::new(ErrorKind::Handshake, message)));
            }
        }
        Pin::new(&mut response).poll(cx).map(Ok)
    })
    .await
}

/// Removes the connection from the pool, if it is still this one.
fn evict(entry: &PoolEntry<Http2Connection>, id: &Weak<ConnectionAddresses>) {
    entry.evict(|pooled| Arc::as_ptr(&pooled.streams) == id.as_ptr());
}
