//! HTTP/2: WebSockets (RFC 8441) and ordinary requests on the streams of one connection.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{Method, Request, Response};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::base::buffers;
use crate::base::error::{Error, ErrorKind};
use crate::base::header_fields::join_cookies;
use crate::server::handshake::request::IncomingRequest;
use crate::server::handshake::responder::RESPONSE_TIMEOUT;
use crate::server::http::context::ServerContext;
#[cfg(feature = "hyper")]
use crate::server::http::min_rate::MinRate;
use crate::server::http::respond_on_stream::RespondOnStream;
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::state::panics::PanicWatch;
use crate::server::state::permit::MultiplexedPermit;
use crate::server::state::stream_counter::{StreamCounter, StreamGuard};
use crate::transport::Transport;
use crate::transport::http2_stream::Http2Stream;
use crate::transport::tunnel_heads::{HEADER_TABLE_SIZE, TunnelHeads};

/// What a stream that nobody reads may hold; its sender then waits.
const STREAM_WINDOW: u32 = 64 << 10;

/// What a stream whose peer takes nothing holds of what is sent on it.
const SEND_BUFFER: usize = 64 << 10;

/// How much of what a client goes on sending after its answer is read.
const DRAIN: u64 = 256 << 10;

/// The first bytes of a client (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads on until it is clear whether the peer speaks HTTP/2 by prior knowledge.
pub(crate) async fn read_preface<S: Transport>(
    stream: &mut S,
    received: &mut BytesMut,
) -> Result<bool, Error> {
    loop {
        let len = received.len().min(PREFACE.len());
        if received[..len] != PREFACE[..len] {
            return Ok(false);
        }
        if len == PREFACE.len() {
            return Ok(true);
        }
        let read = buffers::read_to(stream, received).await;
        if read.map_err(|error| Error::io("reading the opening handshake", error))? == 0 {
            return Ok(false);
        }
    }
}

/// Ends a connection on which HTTP/2 was agreed on and that is none (RFC 9113 §3.4).
pub(crate) async fn reject_preface<S: Transport>(mut stream: S) {
    // Empty SETTINGS, and a GOAWAY with PROTOCOL_ERROR that has seen no stream.
    const GOAWAY: [u8; 26] = [
        0, 0, 0, 4, 0, 0, 0, 0, 0, //
        0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    ];
    let told = async {
        stream.write_all(&GOAWAY).await?;
        stream.flush().await?;
        crate::transport::lingering_close::close(&mut stream, RESPONSE_TIMEOUT).await
    };
    // There is nobody else to tell.
    let _ = timeout(2 * RESPONSE_TIMEOUT, told).await;
}

/// Serves the requests of a connection until it ends.
pub(crate) async fn serve<S: Transport>(
    context: Arc<ServerContext>,
    stream: S,
    remote: ConnectInfo,
    multiplexed: MultiplexedPermit,
) {
    let (limits, patience) = (&context.config.limits, context.config.handshake.handshake_timeout);
    let handshake =
        timeout(patience, builder(&context).handshake(TunnelHeads::from_client(stream)));
    let Ok(Ok(mut connection)) = handshake.await else { return };
    let streams = StreamCounter::default();
    let mut draining = context.draining();
    let respond = |(request, mut respond): (Request<RecvStream>, SendResponse<Bytes>), late| {
        // A peer may end streams faster than those who answer them notice.
        let most = if late { 0 } else { 2 * limits.max_streams as usize };
        let Some(counted) = streams.enter(most) else {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
            return;
        };
        let (parts, receive) = request.into_parts();
        let stream = Http2Responder { respond, receive, counted };
        tokio::spawn(respond_to(
            context.clone(),
            parts,
            stream,
            remote.clone(),
            multiplexed.clone(),
        ));
    };
    loop {
        let idle = async {
            streams.emptied().await;
            sleep(limits.idle_timeout).await;
        };
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok(accepted)) => respond(accepted, false),
                // Its streams are told how it ended.
                Some(Err(_)) | None => return,
            },
            () = idle => break,
            () = draining.wait() => break,
        }
    }
    // Streams that are open go on to their end. New ones come until the peer has seen that
    // none are wanted (RFC 9113 §6.8), for which it has so long.
    connection.graceful_shutdown();
    let late = Instant::now() + patience;
    loop {
        let over = async {
            streams.emptied().await;
            sleep_until(late).await;
        };
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok(accepted)) => respond(accepted, Instant::now() > late),
                Some(Err(_)) | None => return,
            },
            () = over => return,
        }
    }
}

fn builder(context: &ServerContext) -> Builder {
    let streams = context.config.limits.max_streams;
    let head = u32::try_from(context.config.handshake.max_head_bytes).unwrap_or(u32::MAX);
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(streams)
        .max_header_list_size(head)
        .max_send_buffer_size(SEND_BUFFER)
        .header_table_size(HEADER_TABLE_SIZE)
        .initial_window_size(STREAM_WINDOW)
        // So that streams which stand still never stop the others.
        .initial_connection_window_size(STREAM_WINDOW.saturating_mul(streams).min(1 << 30));
    builder
}

async fn respond_to(
    context: Arc<ServerContext>,
    mut parts: http::request::Parts,
    stream: Http2Responder,
    remote: ConnectInfo,
    multiplexed: MultiplexedPermit,
) {
    let _watch = PanicWatch(context.state.record.clone());
    let protocol = parts.extensions.remove::<h2::ext::Protocol>();
    let protocol = protocol.map(|protocol| protocol.as_str().into());
    // RFC 9113 §8.2.3: browsers send each cookie in a field of its own.
    join_cookies(&mut parts.headers);
    let mut request = IncomingRequest::new(
        Request::from_parts(parts, ()),
        protocol,
        &context.config.subprotocols,
    );
    let admitted = request.check_max_fields(&context.config);
    let admitted =
        admitted.and_then(|()| context.admit_request(&multiplexed, &mut request, &remote));
    let permit = match admitted {
        Ok(permit) => permit,
        Err(cause) => {
            return context.reject(&request, Box::new(stream), &cause).await;
        }
    };
    #[cfg(feature = "hyper")]
    if let Some(service) = context.service_for(&request) {
        let Http2Responder { respond, receive, counted } = stream;
        let limits = &context.config.limits;
        let head_only = request.request().method() == Method::HEAD;
        let (body, unread) = crate::server::http::body::Body::http2(receive, limits.stall_timeout);
        let answer =
            service.call(request.into_request().map(|()| body), &context.state.record).await;
        send_response(answer, respond, head_only, MinRate::new(limits)).await;
        // It may be read in the background, and then there is nothing left of it.
        return drain_request_body(async { unread.await.ok() }, counted).await;
    }
    let handshake = context.handshake(request, Box::new(stream), permit);
    context.handle(handshake);
}

/// The answer goes to a stream.
struct Http2Responder {
    respond: SendResponse<Bytes>,
    receive: RecvStream,
    counted: StreamGuard,
}

impl RespondOnStream for Http2Responder {
    type Answering = Http2Stream<StreamGuard>;

    const ANSWERING: &'static str = "answering on HTTP/2";

    async fn send_head(mut self, head: Response<()>, ends: bool) -> Result<Self::Answering, Error> {
        let failed = |error| Error::new(ErrorKind::Io, Self::ANSWERING).with_source(error);
        let send = self.respond.send_response(head, ends).map_err(failed)?;
        Ok(Http2Stream::new(send, self.receive, self.counted))
    }

    fn answered(stream: Self::Answering, method: &Method) {
        // What would have been frames of a WebSocket is none of an upload.
        if method != Method::CONNECT
            && let Some((receive, counted)) = stream.into_receive()
        {
            tokio::spawn(drain_request_body(async { Some(receive) }, counted));
        }
    }
}

/// Reads what a client goes on sending after its answer, up to a bound, and then asks it to
/// stop: the stream is reset with `NO_ERROR` (RFC 9113 §8.1). Reset at once, some clients give up
/// before they look at the answer.
async fn drain_request_body(
    receive: impl Future<Output = Option<RecvStream>>,
    counted: StreamGuard,
) {
    let rest = async {
        let mut receive = receive.await?;
        let mut left = DRAIN;
        while let Some(Ok(data)) = receive.data().await {
            left = left.saturating_sub(data.len() as u64);
            if left == 0 {
                break;
            }
            receive.flow_control().release_capacity(data.len()).ok()?;
            // It may be very many frames of single bytes, for which `h2` charges nothing.
            tokio::task::coop::consume_budget().await;
        }
        Some(())
    };
    let _ = timeout(RESPONSE_TIMEOUT, rest).await;
    drop(counted);
}

/// Sends the answer of a service, at the pace of whoever reads it.
#[cfg(feature = "hyper")]
async fn send_response(
    answer: crate::server::http::service::HttpResponse,
    mut respond: SendResponse<Bytes>,
    head_only: bool,
    mut pace: MinRate,
) {
    use std::future::poll_fn;

    use crate::server::handshake::response::strip_connection_fields;
    use crate::server::http::service::split_for_stream;

    let (head, body) = split_for_stream(answer, head_only);
    let Ok(mut send) = respond.send_response(head, body.is_none()) else { return };
    let Some(mut body) = body else { return };
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(frame) = frame else {
            send.send_reset(h2::Reason::INTERNAL_ERROR);
            return;
        };
        match frame.into_data() {
            Ok(mut data) => {
                while !data.is_empty() {
                    send.reserve_capacity(data.len());
                    let room = poll_fn(|cx| {
                        let room = send.poll_capacity(cx);
                        pace.bound(cx, room, |room| match room {
                            Some(Ok(room)) => *room,
                            _ => 0,
                        })
                    });
                    // Dropped here, the stream is reset.
                    let Ok(Some(Ok(room))) = room.await else { return };
                    let chunk = data.split_to(room.min(data.len()));
                    if send.send_data(chunk, false).is_err() {
                        return;
                    }
                }
            }
            Err(frame) => {
                if let Ok(mut trailers) = frame.into_trailers() {
                    strip_connection_fields(&mut trailers);
                    let _ = send.send_trailers(trailers);
                }
                return;
            }
        }
    }
    let _ = send.send_data(Bytes::new(), true);
}
