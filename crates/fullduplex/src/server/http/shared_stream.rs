//! A stream of HTTP/3 for ordinary HTTP: the request is read while the response is written.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use fullduplex_http3::RequestStream;
use http::HeaderMap;
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::sync::Mutex;
use crate::server::handshake::response::strip_connection_fields;
use crate::server::http::min_rate::MinRate;
use crate::server::http::service::{HttpResponse, split_for_stream};

/// The most bytes of a write, so that [`MinRate`] sees the progress of the peer.
const CHUNK: usize = 8 << 10;

/// A stream that is shared by the content of a request and the response. The lock is held for
/// one poll.
#[derive(Clone)]
pub(crate) struct SharedStream(Arc<Mutex<RequestStream>>);

impl SharedStream {
    pub(crate) fn new(stream: RequestStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Sends the response of a service, as fast as the peer reads it. Fails if it reads slower
    /// than `min_rate`.
    pub(crate) async fn respond(
        mut self,
        response: HttpResponse,
        head_only: bool,
        mut min_rate: MinRate,
    ) -> io::Result<()> {
        let (head, body) = split_for_stream(response, head_only);
        let queued = self.0.lock().queue_response(&head);
        queued.map_err(io::Error::other)?;
        let Some(mut body) = body else { return self.finish(min_rate).await };
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => self.write_chunks(&mut min_rate, &data).await?,
                Ok(Err(frame)) => {
                    if let Ok(mut trailers) = frame.into_trailers() {
                        strip_connection_fields(&mut trailers);
                        let queued = self.0.lock().queue_trailers(&trailers);
                        queued.map_err(io::Error::other)?;
                    }
                    break;
                }
                Err(error) => {
                    self.0.lock().reset(fullduplex_http3::ErrorCode::INTERNAL_ERROR);
                    return Err(io::Error::other(error));
                }
            }
        }
        self.finish(min_rate).await
    }

    /// Writes in chunks: when one is written, the peer has read the one before.
    async fn write_chunks(&mut self, min_rate: &mut MinRate, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let chunk = &data[..data.len().min(CHUNK)];
            let written = poll_fn(|cx| {
                let polled = Pin::new(&mut *self).poll_write(cx, chunk);
                min_rate.bound_io(cx, polled, |written| *written)
            });
            data = &data[written.await?..];
        }
        Ok(())
    }

    async fn finish(mut self, mut min_rate: MinRate) -> io::Result<()> {
        poll_fn(|cx| {
            let polled = Pin::new(&mut self).poll_shutdown(cx);
            min_rate.bound_io(cx, polled, |()| 0)
        })
        .await
    }

    /// Waits until the peer does not want the response any more, or has left.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.lock().stopped()
    }

    /// Takes the trailer section, after the end of the content was read.
    pub(crate) fn trailers(&self) -> Option<HeaderMap> {
        self.0.lock().trailers()
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_read(cx, buf)
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock()).poll_shutdown(cx)
    }
}
