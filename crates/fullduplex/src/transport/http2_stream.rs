//! A stream of an HTTP/2 connection as a transport.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::coop;
use crate::transport::addresses::{Addressed, ConnectionAddresses, ConnectionEnd};

/// The time for which a dropped stream waits for the peer's end of it.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// The most bytes that a dropped stream receives meanwhile.
const MAX_END_BYTES: usize = 64 << 10;

/// A stream of HTTP/2 as a transport: its end is `END_STREAM`, its failure `RST_STREAM` (RFC 8441
/// §5). If it is dropped before its end, it is reset with CANCEL.
pub(crate) struct Http2Stream<C: Send + 'static> {
    send: SendStream<Bytes>,
    /// The receiving side, with a value that is kept as long as the stream is open. Taken only at
    /// the end.
    receiving: Option<(RecvStream, C)>,
    buffer: Bytes,
    waits_for_end: bool,
    ended: bool,
}

impl<C: Send + 'static> Http2Stream<C> {
    /// Creates a transport that keeps `guard` as long as the stream is open.
    pub(crate) fn new(send: SendStream<Bytes>, receive: RecvStream, guard: C) -> Self {
        let receiving = Some((receive, guard));
        Self { send, receiving, buffer: Bytes::new(), waits_for_end: false, ended: false }
    }

    /// Waits for the peer's end in the background, for a moment, when the stream is dropped after
    /// its own end. If it were reset at once, some servers would report that the client failed.
    pub(crate) fn waiting_for_end(mut self) -> Self {
        self.waits_for_end = true;
        self
    }

    /// Returns the receiving side, if nothing is sent any more.
    pub(crate) fn into_receive(mut self) -> Option<(RecvStream, C)> {
        self.receiving.take()
    }
}

impl<C: Send + 'static> Drop for Http2Stream<C> {
    fn drop(&mut self) {
        let Some((mut receive, guard)) = self.receiving.take() else { return };
        if self.ended
            && self.waits_for_end
            && !receive.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(tokio::time::timeout(END_TIMEOUT, async move {
                let mut left = MAX_END_BYTES;
                while let Some(Ok(data)) = receive.data().await
                    && let Some(less) = left.checked_sub(data.len())
                    && receive.flow_control().release_capacity(data.len()).is_ok()
                {
                    tokio::task::coop::consume_budget().await;
                    left = less;
                }
                drop(guard);
            }));
        }
    }
}

pub(crate) fn io_error(error: h2::Error) -> io::Error {
    let kind = match error.get_io().map(io::Error::kind) {
        // The transport ended, which h2 reports to its streams as a broken pipe.
        Some(io::ErrorKind::BrokenPipe) => io::ErrorKind::UnexpectedEof,
        Some(kind) => kind,
        None => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, error)
}

impl<C: AsRef<ConnectionAddresses> + Unpin + Send + 'static> Addressed for Http2Stream<C> {
    fn address(&self, end: ConnectionEnd) -> io::Result<SocketAddr> {
        let (_, guard) = self.receiving.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        guard.as_ref().get(end)
    }
}

impl<C: Unpin + Send + 'static> AsyncRead for Http2Stream<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some((receive, _)) = &mut this.receiving else { return Poll::Ready(Ok(())) };
        // `h2` does not consume budget, and may have tens of thousands of single bytes buffered.
        ready!(coop::poll_budget(cx));
        while this.buffer.is_empty() {
            match ready!(receive.poll_data(cx)) {
                Some(Ok(bytes)) => {
                    coop::charge(coop::FRAME);
                    this.buffer = bytes;
                }
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = this.buffer.len().min(buf.remaining());
        buf.put_slice(&this.buffer[..len]);
        this.buffer.advance(len);
        // The sender may send as much as was consumed.
        let released = receive.flow_control().release_capacity(len);
        Poll::Ready(released.map_err(io_error))
    }
}

impl<C: Unpin + Send + 'static> AsyncWrite for Http2Stream<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.send.reserve_capacity(buf.len());
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let len = buf.len().min(self.send.capacity());
        let sent = self.send.send_data(Bytes::copy_from_slice(&buf[..len]), false);
        Poll::Ready(sent.map(|()| len).map_err(io_error))
    }

    /// The connection's task writes what was sent.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = self.send.send_data(Bytes::new(), true);
        self.ended = true;
        // A server that has sent its end may ask for no more without an error (RFC 9113 §8.1).
        if ended.is_err() && matches!(self.send.poll_reset(cx), Poll::Ready(Ok(Reason::NO_ERROR))) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(ended.map_err(io_error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: usize = 5000;

    /// Returns a server's stream on which a client has sent [`FRAMES`] frames with a byte each.
    async fn with_single_bytes() -> Http2Stream<()> {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            let (send_request, connection) = h2::client::handshake(far).await.unwrap();
            tokio::spawn(connection);
            let mut send_request = send_request.ready().await.unwrap();
            let request = http::Request::new(());
            let (_answer, mut stream) = send_request.send_request(request, false).unwrap();
            for _ in 0..FRAMES {
                stream.send_data(Bytes::from_static(b"x"), false).unwrap();
            }
            std::future::pending::<()>().await;
        });
        let mut builder = h2::server::Builder::new();
        // With the window grows how many small frames are borne.
        builder.initial_connection_window_size(1 << 24);
        let mut connection = builder.handshake(near).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        tokio::spawn(async move { while connection.accept().await.is_some() {} });
        let send = respond.send_response(http::Response::new(()), false).unwrap();
        Http2Stream::new(send, request.into_body(), ())
    }

    #[tokio::test]
    async fn http2_stream_of_single_bytes_yields_its_turn() {
        let mut stream = with_single_bytes().await;
        let (mut read, mut turns) = (0, 0);
        let reading = std::future::poll_fn(|cx| {
            let before = read;
            while read < FRAMES {
                let mut byte = [0; 16];
                let mut buf = ReadBuf::new(&mut byte);
                match Pin::new(&mut stream).poll_read(cx, &mut buf) {
                    Poll::Ready(done) => done.unwrap(),
                    Poll::Pending => break,
                }
                read += buf.filled().len();
            }
            turns += 1;
            assert!(read - before < 2000, "{} frames in a turn", read - before);
            if read < FRAMES { Poll::Pending } else { Poll::Ready(()) }
        });
        // Until all have come, so that they are there to be read at once.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap();
        assert!(turns > 2, "{turns}");
    }
}
