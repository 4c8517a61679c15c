//! Messages of any length, read and written in chunks.

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

/// The most bytes of one fragment that a [`MessageWriter`] sends.
const MAX_FRAGMENT: usize = 64 << 10;

/// A reader of one message; created by [`WebSocket::next_reader`](crate::WebSocket::next_reader).
///
/// It ends where the message ends. Text is valid UTF-8, though one read may end inside a
/// character. If the connection ends inside the message, reading fails.
pub struct MessageReader<'a, S: Transport> {
    receive: &'a mut ReceiveHalf<S>,
    kind: MessageKind,
    payload: Bytes,
    last: bool,
}

impl<'a, S: Transport> MessageReader<'a, S> {
    pub(crate) async fn begin(receive: &'a mut ReceiveHalf<S>) -> Result<Option<Self>, Error> {
        let (reader, writer) = receive.parts();
        poll_fn(|cx| reader.poll_take_back(cx, writer)).await;
        reader.skip_rest();
        loop {
            let skipping = reader.is_skipping();
            match poll_fn(|cx| reader.poll_chunk(cx, writer)).await {
                Some(Ok(_)) if skipping => {}
                Some(Ok(MessageChunk { kind, payload, last })) => {
                    return Ok(Some(Self { receive, kind, payload, last }));
                }
                Some(Err(error)) => return Err(error),
                None => return Ok(None),
            }
        }
    }

    /// Returns whether the message is text or binary.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.payload.is_empty() && !self.last {
            let (reader, writer) = self.receive.parts();
            match ready!(reader.poll_chunk(cx, writer)) {
                Some(Ok(chunk)) => (self.payload, self.last) = (chunk.payload, chunk.last),
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => return Poll::Ready(Err(ended_inside_message(self.receive.close_info()))),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns the error for a connection that ended inside the message, though cleanly.
fn ended_inside_message(info: Option<CloseInfo>) -> io::Error {
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

/// A writer of one message; created by [`WebSocket::writer`](crate::WebSocket::writer).
///
/// Each write of up to 64 KiB becomes one fragment. In a compressed message, writes are gathered
/// until there is enough for a fragment, or until `flush`. `shutdown` ends the message: without it
/// the peer waits for the rest, and no other message can be sent. Text is checked to be UTF-8 as it
/// is written.
///
/// While it is in use, Pings and the peer's Close are answered as for an application that only
/// [sends](crate::WebSocket#receiving).
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

    fn check_text(&mut self, chunk: &[u8], last: bool) -> io::Result<()> {
        if self.kind == MessageKind::Text
            && (self.utf8.push(chunk).is_err() || (last && !self.utf8.is_complete()))
        {
            let rule = "a text message must be UTF-8 (RFC 6455 §5.6)";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, rule));
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
        self.receive.on_send();
        let permit = ready!(self.send.writer.poll_permit(cx))?;
        let chunk = &buf[..buf.len().min(MAX_FRAGMENT)];
        self.check_text(chunk, false)?;
        if !chunk.is_empty() {
            permit.send(self.kind, chunk, false, self.compression)?;
        }
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            ready!(self.send.writer.poll_permit(cx))?.flush()?;
        }
        self.send.writer.poll_flush(cx, None).map_err(Into::into)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            let permit = ready!(self.send.writer.poll_permit(cx))?;
            self.check_text(&[], true)?;
            permit.send(self.kind, &[], true, self.compression)?;
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
