//! The halves of a transport that a tap observes.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::Transport;
use crate::transport::halves::{ReadHalf, WriteHalf};
use crate::transport::tap::{Direction, TapQueue, TransportEnd};

/// The reading half of a transport, with a tap.
#[derive(Debug)]
pub(crate) struct TappedReadHalf<S> {
    half: ReadHalf<S>,
    tap: Observed,
}

/// The writing half of a transport, with a tap.
#[derive(Debug)]
pub(crate) struct TappedWriteHalf<S> {
    half: WriteHalf<S>,
    tap: Observed,
}

/// One direction, as a tap observes it. Dropped with the half, which ends the direction if it has
/// not ended.
struct Observed {
    queue: Arc<TapQueue>,
    direction: Direction,
}

impl<S> ReadHalf<S> {
    /// Adds a tap.
    pub(crate) fn tapped(self, queue: &Arc<TapQueue>) -> Self {
        let tap = Observed { queue: queue.clone(), direction: Direction::Received };
        Self::Tapped(Box::new(TappedReadHalf { half: self, tap }))
    }
}

impl<S> WriteHalf<S> {
    /// Adds a tap.
    pub(crate) fn tapped(self, queue: &Arc<TapQueue>) -> Self {
        let tap = Observed { queue: queue.clone(), direction: Direction::Sent };
        Self::Tapped(Box::new(TappedWriteHalf { half: self, tap }))
    }
}

impl Observed {
    fn end(&self, end: TransportEnd) {
        self.queue.push_end(self.direction, end);
        self.queue.show();
    }

    /// Shows the end that an error means.
    fn error<T>(&self, result: &io::Result<T>) {
        if let Err(error) = result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.end(TransportEnd::of(error));
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.end(TransportEnd::Dropped);
    }
}

impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.direction.fmt(f)
    }
}

impl<S> TappedWriteHalf<S> {
    pub(super) fn half(&self) -> &WriteHalf<S> {
        &self.half
    }

    pub(super) fn give_up(&mut self) {
        self.half.give_up();
    }

    /// See [`WriteHalf::abort`]. The lock of the connection is held, so that the tap sees the end
    /// only when this half is dropped.
    pub(super) fn abort(&mut self, is_last: bool) {
        if self.half.ends_when_dropped() {
            self.tap.queue.push_end(Direction::Sent, TransportEnd::Reset(None));
        }
        self.half.abort(is_last);
    }

    pub(super) fn close(mut self) {
        mem::replace(&mut self.half, WriteHalf::Gone).close();
    }
}

impl<S: Transport> TappedReadHalf<S> {
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.tap.queue.poll_room(cx, Direction::Received));
        let before = buf.filled().len();
        let has_room = buf.remaining() > 0;
        let read = ready!(Pin::new(&mut self.half).poll_read(cx, buf));
        let bytes = &buf.filled()[before..];
        self.tap.queue.push(Direction::Received, [bytes], bytes.len());
        match &read {
            Ok(()) if bytes.is_empty() && has_room => self.tap.end(TransportEnd::Finished),
            Ok(()) => self.tap.queue.show(),
            Err(_) => self.tap.error(&read),
        }
        Poll::Ready(read)
    }
}

impl<S: Transport> TappedWriteHalf<S> {
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.tap.queue.poll_room(cx, Direction::Sent));
        let written = ready!(Pin::new(&mut self.half).poll_write(cx, buf));
        self.show(&written, [buf]);
        Poll::Ready(written)
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.tap.queue.poll_room(cx, Direction::Sent));
        let written = ready!(Pin::new(&mut self.half).poll_write_vectored(cx, bufs));
        self.show(&written, bufs.iter().map(|buf| &**buf));
        Poll::Ready(written)
    }

    /// Shows what was written.
    fn show<'a>(&self, written: &io::Result<usize>, slices: impl IntoIterator<Item = &'a [u8]>) {
        match written {
            Ok(len) => {
                self.tap.queue.push(Direction::Sent, slices, *len);
                self.tap.queue.show();
            }
            Err(_) => self.tap.error(written),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.half).poll_flush(cx));
        self.tap.error(&flushed);
        Poll::Ready(flushed)
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = ready!(Pin::new(&mut self.half).poll_shutdown(cx));
        match &shut_down {
            Ok(()) => self.tap.end(TransportEnd::Finished),
            Err(_) => self.tap.error(&shut_down),
        }
        Poll::Ready(shut_down)
    }
}
