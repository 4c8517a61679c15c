//! HTTP/2: WebSockets (RFC 8441) and ordinary HTTP on the streams of one connection.

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
use crate::transport::addresses::{Addressed, ConnectionAddresses};
use crate::transport::http2_stream::Http2Stream;
use crate::transport::tunnel_heads::{HEADER_TABLE_SIZE, TunnelHeads};

/// The flow-control window of a stream: the most bytes that it may hold unread.
const STREAM_WINDOW: u32 = 64 << 10;

/// The most bytes that are buffered for sending on a stream.
const SEND_BUFFER: usize = 64 << 10;

/// The most bytes of a request's content that are read after the response.
const MAX_DRAINED_BYTES: u64 = 256 << 10;

/// The connection preface of a client (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until it is clear whether the connection starts with the preface of HTTP/2.
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

/// Closes a connection on which HTTP/2 was negotiated but not used (RFC 9113 §3.4).
pub(crate) async fn reject_preface<S: Transport>(mut stream: S) {
    // Empty SETTINGS, and a GOAWAY with PROTOCOL_ERROR and last stream 0.
    const GOAWAY: [u8; 26] = [
        0, 0, 0, 4, 0, 0, 0, 0, 0, //
        0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    ];
    let closing = async {
        stream.write_all(&GOAWAY).await?;
        stream.flush().await?;
        crate::transport::lingering_close::close(&mut stream, RESPONSE_TIMEOUT).await
    };
    // The connection ends either way.
    let _ = timeout(2 * RESPONSE_TIMEOUT, closing).await;
}

/// Serves the requests of a connection until it ends.
pub(crate) async fn serve<S: Addressed>(
    context: Arc<ServerContext>,
    stream: S,
    remote: ConnectInfo,
    multiplexed: MultiplexedPermit,
) {
    let limits = &context.config.limits;
    let handshake_timeout = context.config.handshake_limits.handshake_timeout;
    let streams = StreamCounter::new(ConnectionAddresses::of(&stream));
    let handshake =
        timeout(handshake_timeout, builder(&context).handshake(TunnelHeads::from_client(stream)));
    let Ok(Ok(mut connection)) = handshake.await else { return };
    let mut draining = context.draining();
    let respond = |(request, mut respond): (Request<RecvStream>, SendResponse<Bytes>), is_late| {
        // A peer that resets streams may open others before the tasks of the first have ended:
        // `max_concurrent_streams` does not bound the tasks.
        let max_tasks = if is_late { 0 } else { 2 * limits.max_streams as usize };
        let Some(guard) = streams.try_enter(max_tasks) else {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
            return;
        };
        let (parts, receive) = request.into_parts();
        let stream = Http2Responder { respond, receive, guard };
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
            sleep(limits.http_idle_timeout).await;
        };
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok(accepted)) => respond(accepted, false),
                // Its streams get the error of the connection themselves.
                Some(Err(_)) | None => return,
            },
            () = idle => break,
            () = draining.wait() => break,
        }
    }
    // Open streams run to their end. New ones are accepted until the peer has read the GOAWAY
    // (RFC 9113 §6.8), at most for `handshake_timeout`.
    connection.graceful_shutdown();
    let late = Instant::now() + handshake_timeout;
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
    let head = u32::try_from(context.config.handshake_limits.max_head_bytes).unwrap_or(u32::MAX);
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(streams)
        .max_header_list_size(head)
        .max_send_buffer_size(SEND_BUFFER)
        .header_table_size(HEADER_TABLE_SIZE)
        .initial_window_size(STREAM_WINDOW)
        // The sum of the windows of all streams, so that a stalled stream never blocks others.
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
    let _panic_watch = PanicWatch(context.state.record.clone());
    let protocol = parts.extensions.remove::<h2::ext::Protocol>();
    let protocol = protocol.map(|protocol| protocol.as_str().into());
    // RFC 9113 §8.2.3: browsers send each cookie in a separate field.
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
        let Http2Responder { mut respond, receive, guard } = stream;
        let limits = &context.config.limits;
        let head_only = request.request().method() == Method::HEAD;
        let (body, unread) = crate::server::http::body::Body::http2(receive, limits.stall_timeout);
        let request = request.into_request().map(|()| body);
        let response = tokio::select! {
            biased;
            response = service.call(request, &context.state.record) => response,
            // The client has reset the stream or left, as one of HTTP/1.1 that closes its socket.
            _ = std::future::poll_fn(|cx| respond.poll_reset(cx)) => return,
        };
        send_response(response, respond, head_only, MinRate::new(limits)).await;
        // Ends at once if the service has read the body to its end.
        return drain_request_body(async { unread.await.ok() }, guard).await;
    }
    let handshake = context.handshake(request, Box::new(stream), permit);
    context.handle(handshake);
}

/// Sends the response on a stream of HTTP/2.
struct Http2Responder {
    respond: SendResponse<Bytes>,
    receive: RecvStream,
    guard: StreamGuard,
}

impl RespondOnStream for Http2Responder {
    type Responded = Http2Stream<StreamGuard>;

    const ACTION: &'static str = "responding on HTTP/2";

    async fn send_head(mut self, head: Response<()>, ends: bool) -> Result<Self::Responded, Error> {
        let failed = |error| Error::new(ErrorKind::Io, Self::ACTION).with_source(error);
        let send = self.respond.send_response(head, ends).map_err(failed)?;
        Ok(Http2Stream::new(send, self.receive, self.guard))
    }

    fn on_responded(stream: Self::Responded, method: &Method) {
        // After a CONNECT, the client sends no content that would have to be drained.
        if method != Method::CONNECT
            && let Some((receive, guard)) = stream.into_receive()
        {
            tokio::spawn(drain_request_body(async { Some(receive) }, guard));
        }
    }
}

/// Reads the rest of a request's content after the response, up to [`MAX_DRAINED_BYTES`], and
/// then resets the stream with `NO_ERROR` (RFC 9113 §8.1). On an immediate reset, some clients
/// fail before they read the response.
async fn drain_request_body(receive: impl Future<Output = Option<RecvStream>>, guard: StreamGuard) {
    let drained = async {
        let mut receive = receive.await?;
        let mut left = MAX_DRAINED_BYTES;
        while let Some(Ok(data)) = receive.data().await {
            left = left.saturating_sub(data.len() as u64);
            if left == 0 {
                break;
            }
            receive.flow_control().release_capacity(data.len()).ok()?;
            // The content may be many frames of single bytes, for which `h2` uses no budget.
            tokio::task::coop::consume_budget().await;
        }
        Some(())
    };
    let _ = timeout(RESPONSE_TIMEOUT, drained).await;
    drop(guard);
}

/// Sends the response of a service, as fast as the peer reads it.
#[cfg(feature = "hyper")]
async fn send_response(
    response: crate::server::http::service::HttpResponse,
    mut respond: SendResponse<Bytes>,
    head_only: bool,
    mut min_rate: MinRate,
) {
    use std::future::poll_fn;

    use crate::server::handshake::response::strip_connection_fields;
    use crate::server::http::service::split_for_stream;

    let (head, body) = split_for_stream(response, head_only);
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
                    let capacity = poll_fn(|cx| {
                        let polled = send.poll_capacity(cx);
                        min_rate.bound(cx, polled, |capacity| match capacity {
                            Some(Ok(capacity)) => *capacity,
                            _ => 0,
                        })
                    });
                    // Dropping `send` before its end resets the stream.
                    let Ok(Some(Ok(capacity))) = capacity.await else { return };
                    let chunk = data.split_to(capacity.min(data.len()));
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
