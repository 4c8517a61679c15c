//! WebSockets on the streams of an HTTP/2 connection (RFC 8441).

#[cfg(feature = "tls")]
mod alert;

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::client::ClientHandshake;
use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::{Ping, Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use tokio::task::AbortHandle;

use crate::base::deadline::{doing, within};
use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;
#[cfg(feature = "tls")]
use crate::client::http2::alert::ReceivedAlert;
use crate::client::learned::ServerCapability;
use crate::client::pool::{PoolEntries, PoolEntry, PoolKey, PooledConnection};
use crate::client::{AWAITING_ANSWER, Client, Connected, Version, response};
use crate::connection::websocket::WebSocket;
use crate::transport::http1::HeaderMapSource;
use crate::transport::http2_stream::Http2Stream;
use crate::transport::net_stream::NetStream;
use crate::transport::tunnel_heads::{HEADER_TABLE_SIZE, TunnelHeads};

/// What a stream that nobody reads may hold; its sender then waits.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all streams of a connection, so that some of them may stand still.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// A connection that takes requests.
#[derive(Clone)]
struct Http2Connection {
    sender: SendRequest<Bytes>,
    /// Held by each of its streams, to count them.
    streams: Arc<()>,
    /// The connection's task.
    task: AbortHandle,
}

impl Http2Connection {
    /// Whether it neither has failed nor is going away.
    fn takes_requests(&mut self) -> bool {
        // It never waits, as this handle has sent nothing.
        let mut nobody = Context::from_waker(Waker::noop());
        matches!(self.sender.poll_ready(&mut nobody), Poll::Ready(Ok(())))
    }
}

impl PooledConnection for Http2Connection {
    fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    fn has_streams(&self) -> bool {
        Arc::strong_count(&self.streams) > 1
    }

    fn has_room(&mut self) -> bool {
        // The pool's own is one of them.
        let streams = Arc::strong_count(&self.streams);
        streams <= self.sender.current_max_send_streams().max(1) && self.takes_requests()
    }
}

/// The connections of a client.
#[derive(Default)]
pub(super) struct Http2Pool {
    slots: PoolEntries<Http2Connection>,
}

/// How an attempt on HTTP/2 ended, other than by an error.
#[allow(clippy::large_enum_variant, reason = "returned and taken apart at once")]
pub(super) enum Http2Outcome {
    Opened(WebSocket, Response<()>),
    /// The server does not do it. It may have chosen HTTP/1.1 for the transport.
    Without(&'static str, Option<Connected>),
}

/// Why there is no connection.
enum NoConnection {
    Failed(Error),
    /// The server does not do it. It may have chosen HTTP/1.1 for the transport.
    Without(&'static str, Option<Connected>),
}

impl From<Error> for NoConnection {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Client {
    /// Opens a WebSocket on a stream of an HTTP/2 connection, which is made if there is none.
    pub(super) async fn connect_http2(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<Http2Outcome, Error> {
        let slot = self.pool.slots.of(&PoolKey::of(target));
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

    /// A new connection.
    async fn http2_connection(&self, target: &WsUri) -> Result<Http2Connection, NoConnection> {
        let without = |why, stream| {
            self.learned.learn(PoolKey::of(target), ServerCapability::WithoutHttp2);
            Err(NoConnection::Without(why, stream))
        };
        // Perhaps the attempt that this one waited for has found out.
        let is_known = || self.learned.knows(PoolKey::of(target), ServerCapability::WithoutHttp2);
        if self.version == Version::Auto && is_known() {
            return Err(NoConnection::Without("it has not done so before", None));
        }
        let alpn: &[&[u8]] = match self.version {
            Version::Auto => &[b"h2", b"http/1.1"],
            _ => &[b"h2"],
        };
        let reached = self.reach(target, alpn).await?;
        // Without TLS it is prior knowledge (RFC 9113 §3.3).
        if target.secure && reached.protocol.as_deref() != Some(b"h2") {
            return without("it did not choose h2 (ALPN)", Some(reached));
        }
        let mut builder = h2::client::Builder::new();
        builder
            .max_header_list_size(u32::try_from(self.limits.max_head_bytes).unwrap_or(u32::MAX))
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .header_table_size(HEADER_TABLE_SIZE)
            .enable_push(false);
        let stream = reached.stream;
        #[cfg(feature = "tls")]
        let alert = ReceivedAlert::default();
        #[cfg(feature = "tls")]
        let stream = alert.noting(stream);
        let handshake = builder.handshake(TunnelHeads::of_server(stream)).await;
        let begins = |error| {
            let error = failed_to_begin(target.secure, error);
            #[cfg(feature = "tls")]
            let error = alert.explain(reached.unshown.explain(error));
            error
        };
        let (sender, mut connection) = handshake.map_err(begins)?;
        // The server's SETTINGS come before anything else it sends (RFC 9113 §3.4), so they
        // have come when it answers.
        if let Some(mut pings) = connection.ping_pong() {
            let pinged = pings.ping(Ping::opaque());
            tokio::select! {
                // First, as it knows why there will be no pong.
                biased;
                ended = &mut connection => {
                    let unexplained = || Error::new(ErrorKind::Io, "beginning HTTP/2: it ended");
                    return Err(ended.err().map_or_else(unexplained, begins).into());
                }
                pong = doing("waiting for the server to begin HTTP/2 with SETTINGS", pinged) => {
                    pong.map(drop).map_err(begins)?;
                }
            }
        }
        let task = tokio::spawn(async move {
            // Its streams are told how it ended.
            let _ = connection.await;
        });
        if !sender.is_extended_connect_protocol_enabled() {
            let why = "it does not set SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)";
            return without(why, None);
        }
        let sender = sender.ready().await.map_err(begins)?;
        Ok(Http2Connection { sender, streams: Arc::default(), task: task.abort_handle() })
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

/// Over TLS the server has chosen HTTP/2; else it may never have heard of it, and ends the
/// connection or answers what can't be read.
fn failed_to_begin(over_tls: bool, error: h2::Error) -> Error {
    if over_tls {
        return failed("beginning HTTP/2", error);
    }
    let kind = if error.is_library() { ErrorKind::Handshake } else { ErrorKind::Io };
    let why = "beginning HTTP/2: the server does not seem to speak it; try HTTP/1.1";
    Error::new(kind, why).with_source(error)
}

fn failed(doing: &'static str, error: h2::Error) -> Error {
    Error::new(ErrorKind::Io, doing).with_source(error)
}
