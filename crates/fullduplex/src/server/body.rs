//! The content of ordinary requests and of their answers.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::error::{Error, ErrorKind};

/// The content of an ordinary request, whatever version of HTTP carries it.
pub struct Body(Kind);

enum Kind {
    Http1(Incoming),
    #[cfg(feature = "http2")]
    Http2(h2::RecvStream),
    #[cfg(feature = "http3")]
    Http3(super::shared_stream::SharedStream),
}

impl Body {
    pub(crate) fn http1(incoming: Incoming) -> Self {
        Self(Kind::Http1(incoming))
    }

    #[cfg(feature = "http2")]
    pub(crate) fn http2(receive: h2::RecvStream) -> Self {
        Self(Kind::Http2(receive))
    }
}

#[cfg(feature = "http3")]
impl Body {
    pub(crate) fn http3(stream: super::shared_stream::SharedStream) -> Self {
        Self(Kind::Http3(stream))
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
        match &mut self.0 {
            Kind::Http1(incoming) => {
                Pin::new(incoming).poll_frame(cx).map(|frame| frame.map(|f| f.map_err(failed)))
            }
            #[cfg(feature = "http2")]
            Kind::Http2(receive) => poll_http2(receive, cx),
            #[cfg(feature = "http3")]
            Kind::Http3(stream) => poll_http3(stream, cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Http1(incoming) => incoming.is_end_stream(),
            #[cfg(feature = "http2")]
            Kind::Http2(receive) => receive.is_end_stream(),
            #[cfg(feature = "http3")]
            Kind::Http3(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Http1(incoming) => incoming.size_hint(),
            #[cfg(feature = "http2")]
            Kind::Http2(_) => SizeHint::default(),
            #[cfg(feature = "http3")]
            Kind::Http3(_) => SizeHint::default(),
        }
    }
}

#[cfg(feature = "http2")]
fn poll_http2(
    receive: &mut h2::RecvStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
    use std::task::ready;
    match ready!(receive.poll_data(cx)) {
        Some(Ok(data)) => {
            // The sender may send as much as was taken.
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

/// How much of a stream of HTTP/3 is read at once.
#[cfg(feature = "http3")]
const CHUNK: usize = 16 << 10;

#[cfg(feature = "http3")]
fn poll_http3(
    stream: &mut super::shared_stream::SharedStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
    use std::future::Future;
    use std::task::ready;
    use tokio::io::AsyncReadExt;

    let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
    let read = std::pin::pin!(stream.read_buf(&mut chunk)).poll(cx);
    match ready!(read) {
        Ok(0) => Poll::Ready(None),
        Ok(_) => Poll::Ready(Some(Ok(Frame::data(chunk.freeze())))),
        Err(error) => Poll::Ready(Some(Err(failed(error)))),
    }
}
