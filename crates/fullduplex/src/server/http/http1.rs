//! HTTP/1.1 by hyper, for a connection whose first request does not ask for a WebSocket.

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

/// The smallest buffer that hyper accepts.
const MIN_BUFFER: usize = 8 << 10;

/// Serves the requests of a connection until it ends or becomes a WebSocket. With `is_last`, it
/// serves only one request.
pub(crate) async fn serve(
    context: Arc<ServerContext>,
    stream: Prefixed<NetStream>,
    remote: ConnectInfo,
    multiplexed: MultiplexedPermit,
    is_last: bool,
) {
    let limits = context.config.handshake_limits;
    let left_unread = Arc::<AtomicBool>::default();
    let stream = RateEnforced::new(stream, &context.config.limits);
    let stream = LingeringClose::new(stream, left_unread.clone());
    let mut draining = context.draining();
    let (state, peer) = (context.state.clone(), remote.peer);
    let respond = service_fn(move |request: Request<Incoming>| {
        let (parts, incoming) = request.into_parts();
        // hyper has read the previous request to its end.
        left_unread.store(false, Ordering::Release);
        let stall_timeout = context.config.limits.stall_timeout;
        let body = Body::http1(incoming, stall_timeout, left_unread.clone());
        let request = Request::from_parts(parts, body);
        respond_to(context.clone(), request, remote.clone(), multiplexed.clone())
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        // It also bounds the wait of an idle connection for its next request.
        .header_read_timeout(limits.handshake_timeout)
        .max_buf_size(limits.max_head_bytes.max(MIN_BUFFER))
        .max_headers(limits.max_fields)
        .keep_alive(!is_last)
        // As in the heads that this crate writes itself.
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
    // Other errors mean that the peer has left.
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
            let (head, status) = (request.request(), response.status());
            RejectedClient::request(head, status, RejectionReason::Denied(&why))
                .report(Some(&context.state.rejections));
            return Ok(full(response));
        }
    };
    if let Some(service) = context.service_for(&request) {
        let request = request.into_request().map(|()| body);
        let response = service.call(request, &context.state.record).await;
        // The service may upgrade the connection itself.
        let is_upgrade = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        return Ok(if is_upgrade { response } else { final_response(response) });
    }
    let (sender, response) = oneshot::channel();
    let responder = Box::new(HyperResponder { sender, on_upgrade });
    let handshake = context.handshake(request, responder, permit);
    context.handle(handshake);
    Ok(response.await.unwrap_or_else(|_| full(plain(500, "the request was not answered"))))
}

/// Sends the response to hyper.
struct HyperResponder {
    sender: oneshot::Sender<HttpResponse>,
    on_upgrade: OnUpgrade,
}

impl Respond<NetStream> for HyperResponder {
    fn accept(
        self: Box<Self>,
        accepted: AcceptedHandshake,
    ) -> BoxFuture<'static, Result<(NetStream, BytesMut), Error>> {
        Box::pin(async move {
            let response = accepted.response()?.map(|()| Bytes::new());
            self.sender.send(full(response)).map_err(|_| connection_ended())?;
            upgraded::take_connection(self.on_upgrade).await
        })
    }

    fn respond(
        self: Box<Self>,
        response: Response<Bytes>,
        method: Method,
    ) -> BoxFuture<'static, Result<(), Error>> {
        let (parts, content) = with_content_length(response, &method);
        let sent = self
            .sender
            .send(full(Response::from_parts(parts, content)))
            .map_err(|_| connection_ended());
        Box::pin(std::future::ready(sent))
    }
}

fn connection_ended() -> Error {
    Error::new(ErrorKind::Io, "the connection ended before the response")
}
