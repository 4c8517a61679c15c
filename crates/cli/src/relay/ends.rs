//! The two ends of a connection, and how long one may be silent after the other has ended.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fullduplex::{ByteStream, NetStream, ReadyState};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A socket and a byte stream over a WebSocket, which one task copies to each other and watches.
pub(super) struct Ends {
    /// Locked during one call of a `poll` function, and used by one task: no lock waits.
    inner: Mutex<Inner>,
}

struct Inner {
    socket: NetStream,
    stream: ByteStream,
    /// The socket sends no more.
    socket_ended: bool,
    /// The WebSocket sends no more, and the socket gets FIN.
    stream_ended: bool,
    /// The number of bytes read from the socket or written to it. It wraps around.
    moved: usize,
}

/// The time between two looks at whether the WebSocket was cut.
const CHECK: Duration = Duration::from_secs(1);

/// Why a connection is over before both directions have ended.
#[derive(Debug, PartialEq)]
pub(super) enum WatchEnd {
    /// The other direction carried nothing for the time-out.
    Silent,
    /// No direction can go on, as the WebSocket has ended.
    Ended,
}

impl Ends {
    pub(super) fn new(socket: NetStream, stream: ByteStream) -> Self {
        let (socket_ended, stream_ended) = (false, false);
        Self { inner: Mutex::new(Inner { socket, stream, socket_ended, stream_ended, moved: 0 }) }
    }

    pub(super) fn into_inner(self) -> (NetStream, ByteStream) {
        let inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        (inner.socket, inner.stream)
    }

    /// Waits until the WebSocket was cut, or one direction has ended, and the other is silent for
    /// `timeout` or can't go on.
    ///
    /// While the socket takes nothing, the copying does not read the WebSocket, and so does not see
    /// that it was cut.
    ///
    /// The task that copies polls it after each step: that has the wakers of both ends.
    pub(super) async fn watch(&self, timeout: Duration) -> WatchEnd {
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        let mut last = None;
        let mut check = Box::pin(sleep(CHECK));
        poll_fn(|cx| {
            let mut inner = self.lock();
            if !inner.socket_ended && !inner.stream_ended {
                while check.as_mut().poll(cx).is_ready() {
                    if inner.is_stream_cut() {
                        return Poll::Ready(WatchEnd::Ended);
                    }
                    check.as_mut().reset(Instant::now() + CHECK);
                }
                return Poll::Pending;
            }
            if inner.stream_ended && !inner.socket_ended && inner.is_stream_closed(cx) {
                return Poll::Ready(WatchEnd::Ended);
            }
            // What is queued for the WebSocket becomes less as its peer takes it.
            let progress = Some((inner.moved, inner.stream.get_ref().buffered_amount()));
            drop(inner);
            let timer = timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
            if last != progress {
                last = progress;
                timer.as_mut().reset(Instant::now() + timeout);
            }
            ready!(timer.as_mut().poll(cx));
            Poll::Ready(WatchEnd::Silent)
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Returns whether the WebSocket has ended without the peer's Close.
    fn is_stream_cut(&self) -> bool {
        let websocket = self.stream.get_ref();
        websocket.state() == ReadyState::Closed
            && !websocket.close_info().is_some_and(|info| info.close_received)
    }

    /// Returns whether the WebSocket has ended, after its Close; otherwise its end wakes the task.
    fn is_stream_closed(&mut self, cx: &mut Context<'_>) -> bool {
        // After the Close there is nothing to read: this only waits.
        let _ = Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut []));
        self.stream.get_ref().state() == ReadyState::Closed
    }
}

/// The socket of [`Ends`].
pub(super) struct SocketEnd<'a>(pub(super) &'a Ends);

impl AsyncRead for SocketEnd<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        let before = buf.filled().len();
        ready!(Pin::new(&mut inner.socket).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        inner.moved = inner.moved.wrapping_add(read);
        inner.socket_ended |= read == 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SocketEnd<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.0.lock();
        let written = ready!(Pin::new(&mut inner.socket).poll_write(cx, buf))?;
        inner.moved = inner.moved.wrapping_add(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        inner.stream_ended = true;
        Pin::new(&mut inner.socket).poll_shutdown(cx)
    }
}

/// The byte stream of [`Ends`].
pub(super) struct StreamEnd<'a>(pub(super) &'a Ends);

impl AsyncRead for StreamEnd<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for StreamEnd<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.lock().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().stream).poll_shutdown(cx)
    }
}
