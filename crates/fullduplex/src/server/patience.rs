//! Waiting no longer than a setting allows for a peer that moves nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::error::Error;
use crate::halves::Transport;

/// Bounds each wait, not all of them together: whoever goes on has time.
#[derive(Debug)]
pub(crate) struct Patience {
    /// `stall_timeout`.
    after: Duration,
    /// While there is a wait.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(stall_timeout: Duration) -> Self {
        Self { after: stall_timeout, waiting: None }
    }

    /// What was polled, or an error if it has been pending for too long.
    pub(crate) fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<T>,
    ) -> Poll<Result<T, Error>> {
        match polled {
            Poll::Ready(done) => {
                self.waiting = None;
                Poll::Ready(Ok(done))
            }
            Poll::Pending => {
                let after = self.after;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(after)));
                waiting.as_mut().poll(cx).map(|()| Err(Error::timeout("stall_timeout", after)))
            }
        }
    }

    fn bound_io<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let late = |error| Err(io::Error::new(io::ErrorKind::TimedOut, error));
        self.bound(cx, polled).map(|done| done.unwrap_or_else(late))
    }
}

/// A transport whose peer has to take what is sent.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    patience: Patience,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, stall_timeout: Duration) -> Self {
        Self { stream, patience: Patience::new(stall_timeout) }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Transport> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: Transport> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.patience.bound_io(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.patience.bound_io(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.patience.bound_io(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.patience.bound_io(cx, polled)
    }
}
