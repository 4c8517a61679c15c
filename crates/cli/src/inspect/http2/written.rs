//! The sending side of a stream, which knows when what it sends was written to the socket.
//!
//! `h2` queues what is sent. A reset drops what is in its queue, and so has to wait until that was
//! written; and to write as slowly as the peer reads is the backpressure of the other side.

use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::{Reason, SendStream};
use http::HeaderMap;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

/// Bytes in the queue of `h2`.
pub(super) struct Piece {
    bytes: Bytes,
    queue: Arc<Queue>,
}

/// The pieces of a stream that are not written yet.
#[derive(Default)]
struct Queue(Mutex<(usize, Option<Waker>)>);

impl Queue {
    fn piece(self: &Arc<Self>, bytes: Bytes) -> Piece {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
        Piece { bytes, queue: self.clone() }
    }

    fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        let (waiting, waker) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *waiting == 0 {
            return Poll::Ready(());
        }
        *waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, len: usize) {
        self.bytes.advance(len);
    }
}

// It is dropped when it was written, or never will be.
impl Drop for Piece {
    fn drop(&mut self) {
        let waker = {
            let (waiting, waker) =
                &mut *self.queue.0.lock().unwrap_or_else(PoisonError::into_inner);
            *waiting -= 1;
            if *waiting == 0 { waker.take() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Keeps the ends of streams until their connection has ended: `h2` resets those that are dropped.
pub(super) type KeptStreams = mpsc::UnboundedSender<Box<dyn Any + Send>>;

/// The sending side of a stream.
pub(super) struct Writer {
    send: SendStream<Piece>,
    queue: Arc<Queue>,
    has_ended: bool,
    expects_end: bool,
    /// What waits for the end of the stream, to leave in one frame with it.
    last: BytesMut,
    /// Where the stream is kept when the connection of the other side has ended.
    pub(super) kept: Option<KeptStreams>,
}

impl Writer {
    pub(super) fn new(send: SendStream<Piece>) -> Self {
        Self {
            send,
            queue: Arc::default(),
            has_ended: false,
            expects_end: false,
            last: BytesMut::new(),
            kept: None,
        }
    }

    /// Sends bytes as the peer takes them, and the end of the stream if it is with them. Returns
    /// when they were written.
    pub(super) async fn write(&mut self, mut bytes: Bytes, ends: bool) -> Result<(), h2::Error> {
        while !bytes.is_empty() {
            let capacity = poll_fn(|cx| self.poll_capacity(cx, bytes.len())).await?;
            let piece = bytes.split_to(capacity.min(bytes.len()));
            let ends = ends && bytes.is_empty();
            self.send.send_data(self.queue.piece(piece), ends)?;
            poll_fn(|cx| self.poll_written(cx)).await?;
            if ends {
                return Ok(());
            }
        }
        if ends {
            self.send.send_data(self.queue.piece(Bytes::new()), true)?;
            poll_fn(|cx| self.poll_written(cx)).await?;
        }
        Ok(())
    }

    /// Sends trailers, which end the stream.
    pub(super) fn trailers(&mut self, trailers: HeaderMap) -> Result<(), h2::Error> {
        self.send.send_trailers(trailers)
    }

    /// Keeps what is written from now on until the end, and sends it in one frame with it: some
    /// servers take what comes before an end of its own for cut.
    pub(super) fn expect_end(&mut self) {
        self.expects_end = true;
    }

    pub(super) fn reset(&mut self, reason: Reason) {
        self.send.send_reset(reason);
    }

    /// Waits until the peer resets the stream, or its connection ends.
    pub(super) fn poll_failure(&mut self, cx: &mut Context<'_>) -> Poll<h2::Error> {
        self.send.poll_reset(cx).map(|reset| match reset {
            Ok(reason) => reason.into(),
            Err(error) => error,
        })
    }

    fn poll_capacity(
        &mut self,
        cx: &mut Context<'_>,
        len: usize,
    ) -> Poll<Result<usize, h2::Error>> {
        self.send.reserve_capacity(len);
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(result) => {
                    result?;
                }
                // It was reset.
                None => return self.poll_failure(cx).map(Err),
            }
        }
        Poll::Ready(Ok(self.send.capacity()))
    }

    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        if self.queue.poll_empty(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        self.poll_failure(cx).map(Err)
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let this = &mut *self;
        if this.expects_end {
            this.last.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        let capacity = ready!(this.poll_capacity(cx, buf.len())).map_err(io::Error::other)?;
        let len = buf.len().min(capacity);
        let piece = this.queue.piece(Bytes::copy_from_slice(&buf[..len]));
        Poll::Ready(this.send.send_data(piece, false).map(|()| len).map_err(io::Error::other))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(cx).map_err(io::Error::other)
    }

    /// Ends the stream, and waits until that was written.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.has_ended {
            let mut len = this.last.len();
            if len > 0 {
                let capacity = ready!(this.poll_capacity(cx, len)).map_err(io::Error::other)?;
                len = len.min(capacity);
            }
            this.has_ended = len == this.last.len();
            let piece = this.queue.piece(this.last.split_to(len).freeze());
            this.send.send_data(piece, this.has_ended).map_err(io::Error::other)?;
        }
        this.poll_written(cx).map_err(io::Error::other)
    }
}
