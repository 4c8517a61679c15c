//! The content of ordinary HTTP requests.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
#[cfg(feature = "http2")]
use tokio::sync::oneshot;

use crate::base::error::{Error, ErrorKind};
use crate::server::http::min_rate::MinRate;

/// The most bytes that one read of a stream of HTTP/3 returns.
#[cfg(feature = "http3")]
const CHUNK: usize = 16 << 10;

/// The content of an ordinary HTTP request, on any version of HTTP.
///
/// Reading it fails if no data arrives for `stall_timeout`.
///
/// ```
/// use std::convert::Infallible;
///
/// use fullduplex::server::Body;
/// use http::{Request, Response};
/// use http_body::Body as _;
///
/// /// Ordinary HTTP beside WebSockets, for `Server::service`.
/// async fn respond(request: Request<Body>) -> Result<Response<String>, Infallible> {
///     let has_content = !request.body().is_end_stream();
///     Ok(Response::new(format!("{}, content: {has_content}", request.uri().path())))
/// }
/// ```
pub struct Body {
    kind: BodyKind,
    min_rate: MinRate,
}

enum BodyKind {
    Http1(Http1Body),
    #[cfg(feature = "http2")]
    Http2(Http2Body),
    #[cfg(feature = "http3")]
    Http3(crate::server::http::shared_stream::SharedStream),
}

/// A body that hyper reads. Dropping it before its end sets `left_unread`.
struct Http1Body {
    incoming: Incoming,
    is_ended: bool,
    left_unread: Arc<AtomicBool>,
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        if !self.is_ended && !self.incoming.is_end_stream() {
            self.left_unread.store(true, Ordering::Release);
        }
    }
}

/// A body on a stream of HTTP/2. Dropping it before its end sends the stream to `unread`.
#[cfg(feature = "http2")]
struct Http2Body {
    /// `None` only during `drop`.
    receive: Option<h2::RecvStream>,
    unread: Option<oneshot::Sender<h2::RecvStream>>,
}

#[cfg(feature = "http2")]
impl Drop for Http2Body {
    fn drop(&mut self) {
        if let (Some(receive), Some(unread)) = (self.receive.take(), self.unread.take())
            && !receive.is_end_stream()
        {
            // The receiver is gone if the response was sent already.
            let _ = unread.send(receive);
        }
    }
}

impl Body {
    /// Wraps a body of HTTP/1.1. Sets `left_unread` if the service does not read it to its end.
    pub(crate) fn http1(
        incoming: Incoming,
        stall_timeout: Duration,
        left_unread: Arc<AtomicBool>,
    ) -> Self {
        let body = Http1Body { incoming, is_ended: false, left_unread };
        Self { kind: BodyKind::Http1(body), min_rate: MinRate::stall_only(stall_timeout) }
    }

    /// Wraps a body of HTTP/2. The receiver gets the stream if the service does not read it to
    /// its end.
    #[cfg(feature = "http2")]
    pub(crate) fn http2(
        receive: h2::RecvStream,
        stall_timeout: Duration,
    ) -> (Self, oneshot::Receiver<h2::RecvStream>) {
        let (unread, left) = oneshot::channel();
        let body = Http2Body { receive: Some(receive), unread: Some(unread) };
        (Self { kind: BodyKind::Http2(body), min_rate: MinRate::stall_only(stall_timeout) }, left)
    }
}

#[cfg(feature = "http3")]
impl Body {
    pub(crate) fn http3(
        stream: crate::server::http::shared_stream::SharedStream,
        stall_timeout: Duration,
    ) -> Self {
        Self { kind: BodyKind::Http3(stream), min_rate: MinRate::stall_only(stall_timeout) }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Io, "reading the content of a request").with_source(error)
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = match &mut self.kind {
            BodyKind::Http1(body) => {
                let polled = Pin::new(&mut body.incoming).poll_frame(cx);
                body.is_ended = matches!(polled, Poll::Ready(None));
                polled.map(|frame| frame.map(|frame| frame.map_err(failed)))
            }
            #[cfg(feature = "http2")]
            BodyKind::Http2(body) => match &mut body.receive {
                Some(receive) => poll_http2(receive, cx),
                None => Poll::Ready(None),
            },
            #[cfg(feature = "http3")]
            BodyKind::Http3(stream) => poll_http3(stream, cx),
        };
        let bound = self.min_rate.bound(cx, polled, |_| 1);
        bound.map(|frame| frame.unwrap_or_else(|late| Some(Err(late))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            BodyKind::Http1(body) => body.incoming.is_end_stream(),
            #[cfg(feature = "http2")]
            BodyKind::Http2(body) => {
                body.receive.as_ref().is_none_or(h2::RecvStream::is_end_stream)
            }
            #[cfg(feature = "http3")]
            BodyKind::Http3(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            BodyKind::Http1(body) => body.incoming.size_hint(),
            #[cfg(feature = "http2")]
            BodyKind::Http2(_) => SizeHint::default(),
            #[cfg(feature = "http3")]
            BodyKind::Http3(_) => SizeHint::default(),
        }
    }
}

#[cfg(feature = "http2")]
fn poll_http2(
    receive: &mut h2::RecvStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
    use std::task::ready;

    use crate::base::coop;
    // `h2` does not use tokio's budget.
    ready!(coop::poll_budget(cx));
    match ready!(receive.poll_data(cx)) {
        Some(Ok(data)) => {
            coop::charge(coop::FRAME);
            // Reopens the flow-control window for the sender.
            let released = receive.flow_control().release_capacity(data.len());
            Poll::Ready(Some(released.map(|()| Frame::data(data)).map_err(failed)))
        }
        Some(Err(error)) => Poll::Ready(Some(Err(failed(error)))),
        None => match ready!(receive.poll_trailers(cx)) {
            Ok(Some(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Ok(None) => Poll::Ready(None),
            Err(error) => Poll::Ready(Some(Err(failed(error)))),
        },
    }
}

#[cfg(feature = "http3")]
fn poll_http3(
    stream: &mut crate::server::http::shared_stream::SharedStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
    use std::future::Future;
    use std::task::ready;
    use tokio::io::AsyncReadExt;

    let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
    let read = std::pin::pin!(stream.read_buf(&mut chunk)).poll(cx);
    match ready!(read) {
        Ok(0) => Poll::Ready(stream.trailers().map(|trailers| Ok(Frame::trailers(trailers)))),
        Ok(_) => Poll::Ready(Some(Ok(Frame::data(chunk.freeze())))),
        Err(error) => Poll::Ready(Some(Err(failed(error)))),
    }
}
