//! Ordinary HTTP/1.1, by hyper, on a connection whose first request asks for no WebSocket.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use futures_core::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;

use crate::base::error::{Error, ErrorKind};
use crate::server::handshake::handshake::head_error_status;
use crate::server::handshake::request::{AcceptedHandshake, IncomingRequest};
use crate::server::handshake::responder::Respond;
use crate::server::handshake::response::{plain, with_content_length};
use crate::server::http::body::Body;
use crate::server::http::context::ServerContext;
use crate::server::http::min_rate::RateEnforced;
use crate::server::http::service::{HttpResponse, final_response, full};
use crate::server::http::upgraded;
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::state::permit::MultiplexedPermit;
use crate::server::state::rejection::{RejectedClient, RejectionReason};
use crate::transport::lingering_close::LingeringClose;
use crate::transport::net_stream::NetStream;
use crate::transport::prefixed::Prefixed;

/// The least buffer that hyper takes.
const LEAST_BUFFER: usize = 8 << 10;

/// Serves the requests of a connection until it ends, or becomes a WebSocket after all. With
/// `is_last` the first one is the last.
pub(crate) async fn serve(
    context: Arc<ServerContext>,
    stream: Prefixed<NetStream>,
    remote: ConnectInfo,
    multiplexed: MultiplexedPermit,
    is_last: bool,
) {
    let limits = context.config.handshake;
    let left_unread = Arc::<AtomicBool>::default();
    let stream = RateEnforced::new(stream, &context.config.limits);
    let stream = LingeringClose::new(stream, left_unread.clone());
    let mut draining = context.draining();
    let (state, peer) = (context.state.clone(), remote.peer);
    let respond = service_fn(move |request: Request<Incoming>| {
        let (parts, incoming) = request.into_parts();
        // hyper has read all of the request before this one.
        left_unread.store(false, Ordering::Release);
        let stall_timeout = context.config.limits.stall_timeout;
        let body = Body::http1(incoming, stall_timeout, left_unread.clone());
        let request = Request::from_parts(parts, body);
        respond_to(context.clone(), request, remote.clone(), multiplexed.clone())
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        // Also what an idle connection is given until the next request.
        .header_read_timeout(limits.handshake_timeout)
        .max_buf_size(limits.max_head_bytes.max(LEAST_BUFFER))
        .max_headers(limits.max_fields)
        .keep_alive(!is_last)
        // As in what this crate writes itself.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), respond)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = draining.wait() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Other things that go wrong on a connection are its peer's affair.
    if let Err(error) = ended
        && error.is_parse()
    {
        let too_large = error.is_parse_too_large();
        let kind = if too_large { ErrorKind::Limit } else { ErrorKind::Handshake };
        let error = Error::new(kind, error.to_string());
        RejectedClient::no_request(peer, &error, head_error_status(&error))
            .report(Some(&state.rejections));
    }
}

async fn respond_to(
    context: Arc<ServerContext>,
    mut request: Request<Body>,
    remote: ConnectInfo,
    multiplexed: MultiplexedPermit,
) -> Result<HttpResponse, Infallible> {
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (parts, body) = request.into_parts();
    let mut request =
        IncomingRequest::new(Request::from_parts(parts, ()), None, &context.config.subprotocols);
    let permit = match context.admit_request(&multiplexed, &mut request, &remote) {
        Ok(permit) => permit,
        Err(cause) => {
            let response = cause.response();
            let why = cause.to_string();
            let (request, status) = (request.request(), response.status());
            let refused = RejectedClient::request(request, status, RejectionReason::Denied(&why));
            refused.report(Some(&context.state.rejections));
            return Ok(full(response));
        }
    };
    if let Some(service) = context.service_for(&request) {
        let request = request.into_request().map(|()| body);
        let answer = service.call(request, &context.state.record).await;
        // The service may have taken the connection over.
        let is_upgrade = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        return Ok(if is_upgrade { answer } else { final_response(answer) });
    }
    let (answer, answered) = oneshot::channel();
    let responder = Box::new(HyperResponder { answer, on_upgrade });
    let handshake = context.handshake(request, responder, permit);
    context.handle(handshake);
    Ok(answered.await.unwrap_or_else(|_| full(plain(500, "the request was not answered"))))
}

/// The answer goes to hyper.
struct HyperResponder {
    answer: oneshot::Sender<HttpResponse>,
    on_upgrade: OnUpgrade,
}

impl Respond<NetStream> for HyperResponder {
    fn accept(
        self: Box<Self>,
        accepted: AcceptedHandshake,
    ) -> BoxFuture<'static, Result<(NetStream, BytesMut), Error>> {
        Box::pin(async move {
            let response = accepted.response()?.map(|()| Bytes::new());
            self.answer.send(full(response)).map_err(|_| connection_ended())?;
            upgraded::finish(self.on_upgrade).await
        })
    }

    fn respond(
        self: Box<Self>,
        response: Response<Bytes>,
        method: Method,
    ) -> BoxFuture<'static, Result<(), Error>> {
        let (parts, content) = with_content_length(response, &method);
        let sent = self
            .answer
            .send(full(Response::from_parts(parts, content)))
            .map_err(|_| connection_ended());
        Box::pin(std::future::ready(sent))
    }
}

fn connection_ended() -> Error {
    Error::new(ErrorKind::Io, "the connection ended before the answer")
}
