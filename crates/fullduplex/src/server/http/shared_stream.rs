//! A stream of HTTP/3 for ordinary requests, whose content may be read while they are answered.

use std::future::poll_fn;
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

/// What a peer takes at once, as far as its [`MinRate`] goes.
const CHUNK: usize = 8 << 10;

/// A stream on which the content of a request is read while the answer is written. It is
/// locked for one poll.
#[derive(Clone)]
pub(crate) struct SharedStream(Arc<Mutex<RequestStream>>);

impl SharedStream {
    pub(crate) fn new(stream: RequestStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Sends the answer of a service, at the pace of whoever reads it, if that is one.
    pub(crate) async fn answer(
        mut self,
        answer: HttpResponse,
        head_only: bool,
        mut pace: MinRate,
    ) -> io::Result<()> {
        let (head, body) = split_for_stream(answer, head_only);
        let queued = self.0.lock().queue_response(&head);
        queued.map_err(io::Error::other)?;
        let Some(mut body) = body else { return self.finish(pace).await };
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => self.write_at(&mut pace, &data).await?,
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
        self.finish(pace).await
    }

    /// In pieces, as the peer has taken one when the next one is.
    async fn write_at(&mut self, pace: &mut MinRate, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let chunk = &data[..data.len().min(CHUNK)];
            let taken = poll_fn(|cx| {
                let polled = Pin::new(&mut *self).poll_write(cx, chunk);
                pace.bound_io(cx, polled, |taken| *taken)
            });
            data = &data[taken.await?..];
        }
        Ok(())
    }

    async fn finish(mut self, mut pace: MinRate) -> io::Result<()> {
        poll_fn(|cx| {
            let polled = Pin::new(&mut self).poll_shutdown(cx);
            pace.bound_io(cx, polled, |()| 0)
        })
        .await
    }

    /// Takes the trailer section, once the end of the content was read.
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
