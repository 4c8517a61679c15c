//! What servers of the tests give beside WebSockets.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::Frame;

static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];

/// Content whose length and end are not known before they are reached: a piece, so many times.
pub struct Pieces {
    piece: Bytes,
    left: usize,
}

impl Pieces {
    /// An answer with this content.
    pub fn once(piece: impl Into<Bytes>) -> Response<Self> {
        Response::new(Self { piece: piece.into(), left: 1 })
    }

    /// An answer of 64 KiB, and the same again, for ever.
    pub fn endless() -> Response<Self> {
        Response::new(Self { piece: Bytes::from_static(&PIECE), left: usize::MAX })
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}
