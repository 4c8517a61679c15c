//! A stream of bytes over a WebSocket.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use fullduplex_proto::{CloseCode, Message, State};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::halves::Transport;
use crate::websocket::WebSocket;

/// The most bytes of one message that a write makes.
const MESSAGE: usize = 64 << 10;

/// A WebSocket as a stream of bytes; made by
/// [`WebSocket::into_byte_stream`](crate::WebSocket::into_byte_stream).
///
/// Each write becomes a binary message of up to 64 KiB. Reading gives the payloads of all
/// messages, text too, as one stream, whose end is a clean close; an unclean end is an
/// error. `shutdown` begins the close with code 1000; keep reading until the end for what
/// the peer still sends.
pub struct ByteStream<S: Transport> {
    websocket: WebSocket<S>,
    payload: Bytes,
}

impl<S: Transport> ByteStream<S> {
    pub(crate) fn new(websocket: WebSocket<S>) -> Self {
        Self { websocket, payload: Bytes::new() }
    }

    /// The WebSocket below, for its [`close_info`](WebSocket::close_info) and the like.
    pub fn get_ref(&self) -> &WebSocket<S> {
        &self.websocket
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
            match ready!(receive.poll_message(cx)) {
                Some(Ok(message)) => self.payload = message.into_bytes(),
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => return Poll::Ready(Ok(())),
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
        let piece = &buf[..buf.len().min(MESSAGE)];
        if !piece.is_empty() {
            websocket.start_send(Message::Binary(Bytes::copy_from_slice(piece)))?;
        }
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.websocket).poll_flush(cx).map_err(Into::into)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.websocket.state() == State::Open {
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
