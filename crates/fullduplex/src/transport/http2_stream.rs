//! A stream of an HTTP/2 connection as a transport.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::coop;

/// How long the peer's end of a stream is awaited that was dropped after ours.
const LINGER: Duration = Duration::from_secs(3);

/// How many bytes may come meanwhile.
const LINGER_BYTES: usize = 64 << 10;

/// One stream as a transport: its end is `END_STREAM`, its failure `RST_STREAM` (RFC 8441
/// §5). Dropped before its end, it is reset with CANCEL.
pub(crate) struct Http2Stream<C: Send + 'static> {
    send: SendStream<Bytes>,
    /// What is received, and what is held as long as the stream is open. Taken only at the end.
    receiving: Option<(RecvStream, C)>,
    buffer: Bytes,
    lingers: bool,
    ended: bool,
}

impl<C: Send + 'static> Http2Stream<C> {
    /// Holds `counted` as long as the stream is open.
    pub(crate) fn new(send: SendStream<Bytes>, receive: RecvStream, counted: C) -> Self {
        let receiving = Some((receive, counted));
        Self { send, receiving, buffer: Bytes::new(), lingers: false, ended: false }
    }

    /// Has the peer's end awaited when the stream is dropped after its own, for a moment and in
    /// the background. Reset at once, some servers report that the client failed.
    pub(crate) fn lingering(mut self) -> Self {
        self.lingers = true;
        self
    }

    /// What is still received, where nothing is sent any more.
    pub(crate) fn into_receive(mut self) -> Option<(RecvStream, C)> {
        self.receiving.take()
    }
}

impl<C: Send + 'static> Drop for Http2Stream<C> {
    fn drop(&mut self) {
        let Some((mut receive, counted)) = self.receiving.take() else { return };
        if self.ended
            && self.lingers
            && !receive.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(tokio::time::timeout(LINGER, async move {
                let mut left = LINGER_BYTES;
                while let Some(Ok(data)) = receive.data().await
                    && let Some(less) = left.checked_sub(data.len())
                    && receive.flow_control().release_capacity(data.len()).is_ok()
                {
                    tokio::task::coop::consume_budget().await;
                    left = less;
                }
                drop(counted);
            }));
        }
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

impl<C: Unpin + Send + 'static> AsyncRead for Http2Stream<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some((receive, _)) = &mut this.receiving else { return Poll::Ready(Ok(())) };
        // `h2` charges nothing, and may have tens of thousands of single bytes there.
        ready!(coop::poll_left(cx));
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

    /// What was sent is the connection's to write.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = self.send.send_data(Bytes::new(), true);
        self.ended = true;
        Poll::Ready(ended.map_err(io_error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: usize = 5000;

    /// The stream of a server, on which a client has sent so many frames with a byte each.
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
