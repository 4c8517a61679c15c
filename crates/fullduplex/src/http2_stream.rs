//! A stream of an HTTP/2 connection as a transport.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One stream as a transport: its end is `END_STREAM`, its failure `RST_STREAM` (RFC 8441
/// §5). Dropped before its end, it is reset with CANCEL.
pub(crate) struct Http2Stream<C> {
    send: SendStream<Bytes>,
    receive: RecvStream,
    buffer: Bytes,
    counted: C,
}

impl<C> Http2Stream<C> {
    /// `counted` is held as long as the stream stands.
    pub(crate) fn new(send: SendStream<Bytes>, receive: RecvStream, counted: C) -> Self {
        Self { send, receive, buffer: Bytes::new(), counted }
    }

    /// What is still received, where nothing is sent any more.
    pub(crate) fn into_receive(self) -> (RecvStream, C) {
        (self.receive, self.counted)
    }
}

pub(crate) fn io_error(error: h2::Error) -> io::Error {
    let kind = match error.get_io().map(io::Error::kind) {
        // The transport ended below the streams, which h2 calls a broken pipe.
        Some(io::ErrorKind::BrokenPipe) => io::ErrorKind::UnexpectedEof,
        Some(kind) => kind,
        None => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, error)
}

impl<C: Unpin> AsyncRead for Http2Stream<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.buffer.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                Some(Ok(bytes)) => self.buffer = bytes,
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = self.buffer.len().min(buf.remaining());
        buf.put_slice(&self.buffer[..len]);
        self.buffer.advance(len);
        // The sender may send as much as was consumed.
        let released = self.receive.flow_control().release_capacity(len);
        Poll::Ready(released.map_err(io_error))
    }
}

impl<C: Unpin> AsyncWrite for Http2Stream<C> {
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

    /// What was sent is the connection's to write.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = self.send.send_data(Bytes::new(), true);
        Poll::Ready(ended.map_err(io_error))
    }
}
