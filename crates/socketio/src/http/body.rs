//! The content of requests and responses.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::engine::Shared;

/// Ends the session if a poll is dropped before its response has left.
pub(super) struct PollGuard(pub(super) Option<Arc<Shared>>);

impl Drop for PollGuard {
    fn drop(&mut self) {
        if let Some(session) = self.0.take() {
            session.cut_poll();
        }
    }
}

/// The content of a response of the engine.
pub(super) struct Content {
    bytes: Option<Bytes>,
    guard: Option<PollGuard>,
}

impl Content {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()), guard: None }
    }

    /// The response to a poll, whose session ends if it is not taken.
    pub(super) fn guarded(bytes: Bytes, guard: PollGuard) -> Self {
        Self { guard: Some(guard), ..Self::new(bytes) }
    }

    fn take(&mut self) -> Option<Bytes> {
        if let Some(guard) = &mut self.guard {
            guard.0 = None;
        }
        self.bytes.take()
    }
}

pin_project! {
    /// The content of a response of the engine's service: its own, or that of the inner service.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = Projected]
    enum Kind<B> {
        Own { content: Content },
        Inner { #[pin] body: B },
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn own(content: Content) -> Self {
        Self { kind: Kind::Own { content } }
    }

    pub(super) fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }
}

impl<B: HttpBody<Data = Bytes>> HttpBody for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            Projected::Own { content } => Poll::Ready(content.take().map(|b| Ok(Frame::data(b)))),
            Projected::Inner { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own { content } => content.bytes.is_none(),
            Kind::Inner { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own { content } => {
                SizeHint::with_exact(content.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Kind::Inner { body } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

/// Why the content of a request was not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    TooLarge,
    /// The client has left.
    Cut,
}

/// Reads the content of a request, of at most `max` bytes.
pub(super) async fn read<B: HttpBody>(body: B, max: usize) -> Result<Bytes, ReadError> {
    // Not read at all if it says that it is too long.
    if body.size_hint().lower() > max as u64 {
        return Err(ReadError::TooLarge);
    }
    let mut body = std::pin::pin!(body);
    let mut content = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(mut data) = frame.map_err(|_| ReadError::Cut)?.into_data() else { continue };
        let len = data.remaining();
        if content.len() + len > max {
            return Err(ReadError::TooLarge);
        }
        if content.is_empty() && body.is_end_stream() {
            // The common case, without a copy.
            return Ok(data.copy_to_bytes(len));
        }
        content.reserve(len);
        while data.has_remaining() {
            let chunk = data.chunk();
            content.extend_from_slice(chunk);
            let len = chunk.len();
            data.advance(len);
        }
    }
    Ok(content.freeze())
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full, Limited};

    use super::*;

    #[tokio::test]
    async fn request_content_is_read_up_to_its_limit() {
        let body = || Full::new(Bytes::from_static(b"12345"));
        assert_eq!(read(body(), 5).await, Ok(Bytes::from_static(b"12345")));
        assert_eq!(read(body(), 4).await, Err(ReadError::TooLarge));
        let cut = Limited::new(body(), 1).boxed();
        assert_eq!(read(cut, 5).await, Err(ReadError::Cut));
        assert_eq!(read(Full::new(Bytes::new()), 5).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn response_content_is_sent_once_and_has_a_length() {
        let body = ResponseBody::<Full<Bytes>>::own(Content::new(Bytes::from_static(b"ok")));
        assert_eq!(body.size_hint().exact(), Some(2));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "ok");
        let empty = ResponseBody::<Full<Bytes>>::own(Content::new(Bytes::new()));
        assert!(empty.is_end_stream());
    }
}
