//! A byte stream over a WebSocket.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use fullduplex_proto::{CloseCode, CloseInfo, Message, ReadyState};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::error::Error;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
use crate::transport::net_stream::NetStream;

/// The most bytes of the message that one write sends.
const MAX_MESSAGE: usize = 64 << 10;

/// A byte stream over a WebSocket; created by
/// [`WebSocket::into_byte_stream`](crate::WebSocket::into_byte_stream).
///
/// Each write becomes a binary message of up to 64 KiB. Reading returns the payloads of all
/// messages, binary and text, as one stream.
///
/// ```
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let (client, server) = fullduplex::pair();
/// let mut sender = client.into_byte_stream();
/// let mut receiver = server.into_byte_stream();
/// sender.write_all(b"any bytes").await?;
/// sender.shutdown().await?;
/// let mut all = String::new();
/// receiver.read_to_string(&mut all).await?;
/// assert_eq!(all, "any bytes");
/// # Ok(())
/// # }
/// ```
///
/// # End of the stream
/// The stream ends where the peer closes with 1000 or without a code, as `shutdown` does. Every
/// other end is an error, as the data read may be incomplete. That includes a clean close with 1001
/// (a `ByteStream` that was dropped without `shutdown`, or a server that restarts) or 1011 (a
/// panic). The [`io::ErrorKind`] follows from the [`Error`], which is inside of the `io::Error`:
///
/// ```
/// # use fullduplex::CloseInfo;
/// fn close_info(error: &std::io::Error) -> Option<&CloseInfo> {
///     error.get_ref()?.downcast_ref::<fullduplex::Error>()?.close_info()
/// }
/// ```
///
/// # Half-close
/// The two directions end independently, as those of TCP. `shutdown` ends the sending direction by
/// a Close with 1000; what the peer still sends can be read. After the peer's Close, the local side
/// can send until `shutdown`, which answers the Close. If nothing is sent or received for
/// `close_timeout`, the Close is answered with 1001. The peer must go on reading after its Close: a
/// `ByteStream` does, browsers do not.
pub struct ByteStream<S: Transport = NetStream> {
    websocket: WebSocket<S>,
    payload: Bytes,
}

impl<S: Transport> ByteStream<S> {
    pub(crate) fn new(websocket: WebSocket<S>) -> Self {
        websocket.set_half_close(true);
        Self { websocket, payload: Bytes::new() }
    }

    /// Returns the WebSocket, for its [`close_info`](WebSocket::close_info) and the like.
    pub fn get_ref(&self) -> &WebSocket<S> {
        &self.websocket
    }

    /// Returns the WebSocket, to end the bytes in another way than `shutdown` does: by
    /// [`abort`](WebSocket::abort), or by [`start_close`](WebSocket::start_close) with a code that
    /// says that they are not complete. Messages that are received by it are missing in the stream.
    ///
    /// ```
    /// use fullduplex::CloseCode;
    /// # async fn example(mut stream: fullduplex::ByteStream) -> Result<(), fullduplex::Error> {
    /// stream.get_mut().start_close(CloseCode::INTERNAL_ERROR, "the file can't be read")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_mut(&mut self) -> &mut WebSocket<S> {
        &mut self.websocket
    }

    /// Returns the WebSocket, for messages after the bytes.
    ///
    /// The unread rest of the message that was read last is dropped. If the peer has closed its
    /// direction, its Close is answered by the same; [`get_mut`](Self::get_mut) can answer it with
    /// another code before.
    pub fn into_inner(self) -> WebSocket<S> {
        self.websocket.set_half_close(false);
        self.websocket
    }
}

/// Returns the result of reading after the last message.
fn end_of_stream(info: Option<CloseInfo>) -> io::Result<()> {
    match info {
        Some(info) if info.is_normal() => Ok(()),
        Some(info) => Err(Error::ended(&info).into()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl<S: Transport> AsyncRead for ByteStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.payload.is_empty() {
            let (_, receive) = self.websocket.halves();
            match receive.poll_message(cx) {
                Poll::Ready(Some(Ok(message))) => self.payload = message.into_bytes(),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => {
                    return Poll::Ready(end_of_stream(self.websocket.close_info()));
                }
                // The peer has closed, but the connection stays open for what this end sends.
                Poll::Pending => match self.websocket.close_info() {
                    Some(info) if info.close_received => {
                        return Poll::Ready(end_of_stream(Some(info)));
                    }
                    _ => return Poll::Pending,
                },
            }
        }
        let len = self.payload.len().min(buf.remaining());
        buf.put_slice(&self.payload[..len]);
        self.payload.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncWrite for ByteStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut websocket = Pin::new(&mut self.websocket);
        ready!(websocket.as_mut().poll_ready(cx))?;
        let chunk = &buf[..buf.len().min(MAX_MESSAGE)];
        if !chunk.is_empty() {
            websocket.start_send(Message::Binary(Bytes::copy_from_slice(chunk)))?;
        }
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.websocket).poll_flush(cx).map_err(Into::into)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.websocket.state() == ReadyState::Open {
            self.websocket.start_close(CloseCode::NORMAL, "")?;
        }
        Pin::new(&mut self.websocket).poll_close(cx).map_err(Into::into)
    }
}

impl<S: Transport> fmt::Debug for ByteStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByteStream").field(&self.websocket).finish()
    }
}
