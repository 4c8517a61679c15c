//! Messages of any length, read and written in chunks.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use fullduplex_proto::{CloseInfo, Compression, MessageKind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::error::{Error, ErrorKind};
use crate::connection::reader::MessageChunk;
use crate::connection::split::{ReceiveHalf, SendHalf};
use crate::connection::writer::{WaiterKey, Writer};
use crate::transport::Transport;
use crate::transport::net_stream::NetStream;

/// The most bytes of one fragment that a [`MessageWriter`] sends.
const MAX_FRAGMENT: usize = 64 << 10;

/// A reader of one message; created by [`WebSocket::next_reader`](crate::WebSocket::next_reader).
///
/// It ends where the message ends. Text is valid UTF-8, though one read may end inside a
/// character. If the connection ends inside the message, reading fails.
///
/// ```
/// use fullduplex::WebSocket;
/// use tokio::fs::File;
///
/// async fn receive(websocket: &mut WebSocket) -> Result<(), Box<dyn std::error::Error>> {
///     while let Some(mut reader) = websocket.next_reader().await? {
///         // Never holds more than a chunk, whatever the length of the message.
///         tokio::io::copy(&mut reader, &mut File::create("upload").await?).await?;
///     }
///     Ok(())
/// }
/// ```
pub struct MessageReader<'a, S: Transport = NetStream> {
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

impl<S: Transport> ReceiveHalf<S> {
    /// Returns a reader of the next message, of any length, or `None` after the peer's Close.
    ///
    /// See [`WebSocket::next_reader`](crate::WebSocket::next_reader).
    ///
    /// # Errors
    /// Fails as [`next`](Self::next) does.
    ///
    /// # Cancel safety
    /// No byte is lost.
    pub async fn next_reader(&mut self) -> Result<Option<MessageReader<'_, S>>, Error> {
        MessageReader::begin(self).await
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

/// A writer of one message; created by [`WebSocket::writer`](crate::WebSocket::writer) and
/// [`SendHalf::writer`](crate::SendHalf::writer).
///
/// Each write of up to 64 KiB becomes one fragment. In a compressed message, writes are gathered
/// until there is enough for a fragment, or until `flush`. `shutdown` ends the message. Text is
/// checked to be UTF-8 as it is written.
///
/// From the first write to the end, no other message can be sent: `send` and the writers of clones
/// of the [`SendHalf`](crate::SendHalf) wait for it, `try_send` fails. If the writer is dropped in
/// between, the message can't be completed, and from then on every send fails: the connection can
/// only be closed.
///
/// While it is in use, Pings and the peer's Close are answered as for an application that only
/// [sends](crate::WebSocket#receiving).
///
/// ```
/// use fullduplex::MessageKind;
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (mut client, mut server) = fullduplex::pair();
/// let mut writer = client.writer(MessageKind::Text);
/// writer.write_all(b"in two ").await?;
/// writer.write_all(b"parts").await?;
/// writer.shutdown().await?;
///
/// let mut reader = server.next_reader().await?.expect("a message");
/// let mut text = String::new();
/// reader.read_to_string(&mut text).await?;
/// assert_eq!(text, "in two parts");
/// # Ok(())
/// # }
/// ```
pub struct MessageWriter<'a, S: Transport = NetStream> {
    _send: &'a SendHalf<S>,
    receive: Option<&'a mut ReceiveHalf<S>>,
    kind: MessageKind,
    compression: Compression,
    utf8: fullduplex_proto::utf8::Utf8Validator,
    message: MessageUnderWay<S>,
}

/// The message of a [`MessageWriter`].
///
/// It has the `Drop` and no lifetime, so the borrow of the WebSocket ends with the last use of the
/// `MessageWriter`.
struct MessageUnderWay<S: Transport> {
    writer: Arc<Writer<S>>,
    progress: MessageProgress,
    key: WaiterKey,
}

/// How much of a message is queued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MessageProgress {
    Nothing,
    Begun,
    Whole,
}

impl<'a, S: Transport> MessageWriter<'a, S> {
    pub(crate) fn new(
        send: &'a SendHalf<S>,
        receive: Option<&'a mut ReceiveHalf<S>>,
        kind: MessageKind,
        compression: Compression,
    ) -> Self {
        Self {
            _send: send,
            receive,
            kind,
            compression,
            utf8: fullduplex_proto::utf8::Utf8Validator::default(),
            message: MessageUnderWay {
                writer: send.writer.clone(),
                progress: MessageProgress::Nothing,
                key: WaiterKey::NONE,
            },
        }
    }

    /// Queues a chunk of the message when there is capacity, after another writer's message.
    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        chunk: &[u8],
        last: bool,
    ) -> Poll<io::Result<()>> {
        let MessageUnderWay { writer, progress, key } = &mut self.message;
        let is_begun = *progress == MessageProgress::Begun;
        let permit = ready!(writer.poll_permit(cx, Some(key), is_begun))?;
        if self.kind == MessageKind::Text
            && (self.utf8.push(chunk).is_err() || (last && !self.utf8.is_complete()))
        {
            let rule = "a text message must be UTF-8 (RFC 6455 §5.6)";
            return Poll::Ready(Err(Error::new(ErrorKind::Misuse, rule).into()));
        }
        if last || !chunk.is_empty() {
            permit.send(self.kind, chunk, last, self.compression)?;
            *progress = if last { MessageProgress::Whole } else { MessageProgress::Begun };
        } else {
            drop(permit);
        }
        writer.forget(key);
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> SendHalf<S> {
    /// Returns a writer of one message.
    ///
    /// Each write is a fragment (RFC 6455 §5.4), and `shutdown` ends the message. Messages that are
    /// sent meanwhile by clones of this half wait for its end, and so does another writer.
    pub fn writer(&self, kind: MessageKind) -> MessageWriter<'_, S> {
        self.writer_with_compression(kind, Compression::Auto)
    }

    /// Returns a [`writer`](Self::writer) of a message that is compressed as `compression` says.
    ///
    /// [`Compression::Auto`] compresses every message here, as its length is not known before.
    /// Data that can't be compressed then becomes a little longer.
    pub fn writer_with_compression(
        &self,
        kind: MessageKind,
        compression: Compression,
    ) -> MessageWriter<'_, S> {
        MessageWriter::new(self, None, kind, compression)
    }
}

impl<S: Transport> AsyncWrite for MessageWriter<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.message.progress == MessageProgress::Whole {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if let Some(receive) = &mut self.receive {
            receive.on_send();
        }
        let chunk = &buf[..buf.len().min(MAX_FRAGMENT)];
        ready!(self.poll_chunk(cx, chunk, false))?;
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let MessageUnderWay { writer, progress, key } = &mut self.message;
        if *progress == MessageProgress::Begun {
            ready!(writer.poll_permit(cx, Some(key), true))?.flush()?;
        }
        ready!(writer.poll_flush(cx, Some(key)))?;
        writer.forget(key);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.message.progress != MessageProgress::Whole {
            ready!(self.poll_chunk(cx, &[], true))?;
        }
        self.poll_flush(cx)
    }
}

impl<S: Transport> Drop for MessageUnderWay<S> {
    fn drop(&mut self) {
        self.writer.forget(&mut self.key);
        if self.progress == MessageProgress::Begun {
            self.writer.abandon_message();
        }
    }
}

impl<S: Transport> fmt::Debug for MessageWriter<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter").field("kind", &self.kind).finish_non_exhaustive()
    }
}
