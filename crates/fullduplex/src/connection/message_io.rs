//! Messages of any length, read and written piece by piece.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use fullduplex_proto::{CloseInfo, Compression, MessageKind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::error::Error;
use crate::connection::reader::MessageChunk;
use crate::connection::split::{ReceiveHalf, SendHalf};
use crate::transport::Transport;

/// The most bytes of one fragment that a writer makes.
const FRAGMENT: usize = 64 << 10;

/// Reads one message; made by [`WebSocket::next_reader`](crate::WebSocket::next_reader).
///
/// The end of the message is the end of the reader. Text is UTF-8, though a piece of it may
/// end inside a character. If the connection ends inside the message, reading fails.
pub struct MessageReader<'a, S: Transport> {
    receive: &'a mut ReceiveHalf<S>,
    kind: MessageKind,
    payload: Bytes,
    last: bool,
}

impl<'a, S: Transport> MessageReader<'a, S> {
    pub(crate) async fn begin(receive: &'a mut ReceiveHalf<S>) -> Result<Option<Self>, Error> {
        let (incoming, outlet) = receive.parts();
        poll_fn(|cx| incoming.poll_take_back(cx, outlet)).await;
        incoming.skip_rest();
        loop {
            let skipping = incoming.is_skipping();
            match poll_fn(|cx| incoming.poll_chunk(cx, outlet)).await {
                Some(Ok(_)) if skipping => {}
                Some(Ok(MessageChunk { kind, payload, last })) => {
                    return Ok(Some(Self { receive, kind, payload, last }));
                }
                Some(Err(error)) => return Err(error),
                None => return Ok(None),
            }
        }
    }

    /// Text or binary.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.payload.is_empty() && !self.last {
            let (incoming, outlet) = self.receive.parts();
            match ready!(incoming.poll_chunk(cx, outlet)) {
                Some(Ok(chunk)) => (self.payload, self.last) = (chunk.payload, chunk.last),
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => return Poll::Ready(Err(inside_message(self.receive.close_info()))),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The connection ended inside the message, if cleanly.
fn inside_message(info: Option<CloseInfo>) -> io::Error {
    let kind = io::ErrorKind::UnexpectedEof;
    info.map_or_else(|| kind.into(), |info| io::Error::new(kind, Error::ended(&info)))
}

impl<S: Transport> AsyncRead for MessageReader<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_payload(cx))?;
        let len = self.payload.len().min(buf.remaining());
        buf.put_slice(&self.payload[..len]);
        self.payload.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> fmt::Debug for MessageReader<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Writes one message; made by [`WebSocket::writer`](crate::WebSocket::writer).
///
/// Each write of up to 64 KiB is a fragment, unless the message is compressed: then writes
/// are gathered until they are worth a fragment, or `flush` asks for them. `shutdown` ends the
/// message; without it the peer waits for the rest, and no other message can be sent. The text
/// of a text message is checked as it is written.
///
/// While it is written to, pings and the peer's Close are answered as for an application that only
/// [sends](crate::WebSocket).
pub struct MessageWriter<'a, S: Transport> {
    send: &'a SendHalf<S>,
    receive: &'a mut ReceiveHalf<S>,
    kind: MessageKind,
    compression: Compression,
    utf8: fullduplex_proto::utf8::Utf8Validator,
    finished: bool,
}

impl<'a, S: Transport> MessageWriter<'a, S> {
    pub(crate) fn new(
        (send, receive): (&'a SendHalf<S>, &'a mut ReceiveHalf<S>),
        kind: MessageKind,
        compression: Compression,
    ) -> Self {
        let utf8 = fullduplex_proto::utf8::Utf8Validator::default();
        Self { send, receive, kind, compression, utf8, finished: false }
    }

    fn check_text(&mut self, piece: &[u8], last: bool) -> io::Result<()> {
        if self.kind == MessageKind::Text
            && (self.utf8.push(piece).is_err() || (last && !self.utf8.is_complete()))
        {
            let why = "a text message must be UTF-8 (RFC 6455 §5.6)";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(())
    }
}

impl<S: Transport> AsyncWrite for MessageWriter<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.receive.note_send();
        let room = ready!(self.send.writer.poll_piece(cx))?;
        let piece = &buf[..buf.len().min(FRAGMENT)];
        self.check_text(piece, false)?;
        if !piece.is_empty() {
            room.send(self.kind, piece, false, self.compression)?;
        }
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            ready!(self.send.writer.poll_piece(cx))?.flush()?;
        }
        self.send.writer.poll_flush(cx, None).map_err(Into::into)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            let room = ready!(self.send.writer.poll_piece(cx))?;
            self.check_text(&[], true)?;
            room.send(self.kind, &[], true, self.compression)?;
            self.finished = true;
        }
        self.poll_flush(cx)
    }
}

impl<S: Transport> fmt::Debug for MessageWriter<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter").field("kind", &self.kind).finish_non_exhaustive()
    }
}
