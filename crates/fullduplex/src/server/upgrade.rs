//! For servers that hyper runs, such as axum's.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use fullduplex_proto::{Deflate, Role};
use http::{Request, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::ServerConfig;
use super::patience::Patient;
use super::request::{Asked, Denied};
use crate::client::BoxFuture;
use crate::error::{Error, ErrorKind};
use crate::net_stream::NetStream;
use crate::rewind::Rewind;
use crate::websocket::WebSocket;

/// Opens a WebSocket in a server that hyper runs: checks the request, and gives the response
/// to send and the WebSocket that is open once it is sent.
///
/// The connection must be served `with_upgrades`; on HTTP/2, with `enable_connect_protocol`
/// (RFC 8441). [`Upgrade`] is to be awaited on another task than the one that answers.
///
/// ```
/// # use std::{convert::Infallible, sync::Arc};
/// # use http::{Request, Response};
/// # use fullduplex::server::{self, ServerConfig};
/// async fn respond<B>(mut request: Request<B>) -> Result<Response<String>, Infallible> {
///     let (response, upgrade) = match server::upgrade(&mut request, ServerConfig::default()) {
///         Ok(upgrade) => upgrade,
///         Err(rejection) => return Ok(rejection.into_response().map(|why| {
///             String::from_utf8_lossy(&why).into_owned()
///         })),
///     };
///     tokio::spawn(async move {
///         let Ok(mut websocket) = upgrade.await else { return };
///         while let Some(Ok(message)) = websocket.next().await {
///             let _ = websocket.send(message).await;
///         }
///     });
///     Ok(response.map(|()| String::new()))
/// }
/// ```
pub fn upgrade<B>(
    request: &mut Request<B>,
    config: impl Into<Arc<ServerConfig>>,
) -> Result<(Response<()>, Upgrade), Rejection> {
    let config = config.into();
    let asked = Asked::new(head_of(request), protocol_of(request), &config);
    let accepted = asked.acceptance(&config, asked.chosen.as_deref(), Vec::new());
    let accepted = accepted.map_err(Rejection)?;
    let response = accepted.response().map_err(|error| Rejection(Denied::Misuse(error)))?;
    let finished = Box::pin(finish(hyper::upgrade::on(request)));
    let (deflate, protocol) = (accepted.deflate, asked.chosen);
    Ok((response, Upgrade { finished, config, deflate, protocol }))
}

/// Whether a request asks for a WebSocket, well or badly, rather than being ordinary HTTP.
pub fn is_websocket<B>(request: &Request<B>) -> bool {
    Asked::new(head_of(request), protocol_of(request), &ServerConfig::default()).is_websocket
}

fn head_of<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    head
}

#[cfg(feature = "http2")]
fn protocol_of<B>(request: &Request<B>) -> Option<Box<str>> {
    let protocol = request.extensions().get::<hyper::ext::Protocol>();
    protocol.map(|protocol| protocol.as_str().into())
}

#[cfg(not(feature = "http2"))]
fn protocol_of<B>(_: &Request<B>) -> Option<Box<str>> {
    None
}

/// A WebSocket to be, once the response has been sent.
#[must_use = "the WebSocket is open when this is ready"]
pub struct Upgrade {
    finished: BoxFuture<'static, Result<(NetStream, BytesMut), Error>>,
    config: Arc<ServerConfig>,
    deflate: Option<Deflate>,
    protocol: Option<String>,
}

impl Upgrade {
    /// The subprotocol that was agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

impl Future for Upgrade {
    type Output = Result<WebSocket, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.finished.as_mut().poll(cx).map(|finished| {
            let (stream, leftover) = finished?;
            let config = &self.config.websocket;
            let deflate = self.deflate.as_ref();
            let websocket =
                WebSocket::from_handshake(stream, Role::Server, config, deflate, leftover);
            Ok(websocket.with_protocol(self.protocol.take()))
        })
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// Why a request is not taken, and the answer to it.
pub struct Rejection(Denied);

impl Rejection {
    /// The answer: its status and header fields are what the rule asks for, its content is a
    /// line that names it.
    pub fn into_response(self) -> Response<Bytes> {
        self.0.response().unwrap_or_else(|| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejection({self})")
    }
}

impl std::error::Error for Rejection {}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        rejection.0.into_error()
    }
}

/// Waits until hyper hands over what it read the request from.
pub(crate) async fn finish(on_upgrade: OnUpgrade) -> Result<(NetStream, BytesMut), Error> {
    let failed = |error| Error::new(ErrorKind::Io, "taking over from hyper").with_source(error);
    let upgraded = on_upgrade.await.map_err(failed)?;
    Ok(unwrapped(upgraded))
}

/// The socket itself where that can be had: it is smaller, and is split without a lock.
fn unwrapped(upgraded: Upgraded) -> (NetStream, BytesMut) {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return (parts.io.into_inner().into(), parts.read_buf.into()),
        Err(upgraded) => upgraded,
    };
    #[cfg(unix)]
    let upgraded = match upgraded.downcast::<TokioIo<UnixStream>>() {
        Ok(parts) => return (parts.io.into_inner().into(), parts.read_buf.into()),
        Err(upgraded) => upgraded,
    };
    match upgraded.downcast::<TokioIo<Patient<Rewind<NetStream>>>>() {
        Ok(parts) => {
            let (before, stream) = parts.io.into_inner().into_inner().into_parts();
            let mut leftover = BytesMut::from(parts.read_buf);
            leftover.extend_from_slice(&before);
            (stream, leftover)
        }
        Err(upgraded) => (NetStream::new(TokioIo::new(upgraded)), BytesMut::new()),
    }
}
