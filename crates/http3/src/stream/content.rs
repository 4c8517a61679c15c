//! The content of a message: DATA frames on the wire, bytes to read and write here.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{RequestStream, SendState};
use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame::FrameEvent;
use crate::frame_header::{self, FrameType};

/// The most bytes that are taken at once to be written.
const MAX_WRITE: usize = 32 << 10;
/// How many chunks without content are looked at before another task has its turn.
const MAX_IDLE_CHUNKS: usize = 32;

impl RequestStream {
    /// The next event of the stream; `None` when it has ended.
    pub(super) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<FrameEvent>, Error>> {
        if let Some(error) = &self.failed {
            return Poll::Ready(Err(error.clone()));
        }
        for _ in 0..MAX_IDLE_CHUNKS {
            match self.frames.read(&mut self.chunk) {
                Ok(Some(event)) => return Poll::Ready(Ok(Some(event))),
                Ok(None) if self.is_ended => return Poll::Ready(Ok(None)),
                Ok(None) => {}
                Err(refused) => return Poll::Ready(Err(self.refuse(refused))),
            }
            let read = ready!(pin!(self.recv.read_chunk(usize::MAX, true)).poll(cx));
            match read {
                Ok(Some(chunk)) => self.chunk = chunk.bytes,
                Ok(None) => return Poll::Ready(self.ended().map(|()| None)),
                Err(error) => return Poll::Ready(Err(self.fail_reading(error))),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn fail_reading(&mut self, error: quinn::ReadError) -> Error {
        let error = self.shared().read_error(error);
        self.is_ended = true;
        self.failed = Some(error.clone());
        error
    }

    /// The peer has ended its side: whether it may.
    fn ended(&mut self) -> Result<(), Error> {
        self.is_ended = true;
        self.frames.finish().map_err(|fault| self.refuse(fault.into()))?;
        match self.content_left {
            None | Some(0) => Ok(()),
            Some(_) => Err(self.wrong_length()),
        }
    }

    fn wrong_length(&mut self) -> Error {
        let why = "the content is not as long as content-length says (RFC 9114 §4.1.2)";
        self.refuse(RuleViolation::stream(ErrorCode::MESSAGE_ERROR, why).into())
    }

    fn count_content(&mut self, length: u64) -> Result<(), Error> {
        if let Some(left) = &mut self.content_left {
            *left = match left.checked_sub(length) {
                Some(left) => left,
                None => return Err(self.wrong_length()),
            };
        }
        Ok(())
    }

    /// Reads content straight into the buffer: there is a frame of it, and nothing before.
    fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        let left = usize::try_from(self.frames.data_left()).unwrap_or(usize::MAX);
        let most = left.min(buf.remaining());
        let read = ready!(self.recv.poll_read(cx, buf.initialize_unfilled_to(most)));
        let length = read.map_err(|error| self.fail_reading(error))?;
        if length == 0 {
            return Poll::Ready(self.ended());
        }
        self.count_content(length as u64)?;
        self.frames.skip_data(length as u64);
        buf.advance(length);
        Poll::Ready(Ok(()))
    }

    /// Hands what is framed to the connection.
    pub(super) fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.out.is_empty() {
            let chunks = std::slice::from_mut(&mut self.out);
            let written = ready!(pin!(self.send.write_chunks(chunks)).poll(cx));
            if let Err(error) = written {
                return Poll::Ready(Err(self.shared().write_error(error)));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn frame_content(&mut self, bufs: &[IoSlice<'_>]) -> usize {
        let all: usize = bufs.iter().map(|buf| buf.len()).sum();
        let length = all.min(MAX_WRITE);
        let mut out = BytesMut::with_capacity(length + 16);
        frame_header::encode_header(FrameType::DATA, length as u64, &mut out);
        let mut left = length;
        for buf in bufs {
            let taken = left.min(buf.len());
            out.put_slice(&buf[..taken]);
            left -= taken;
        }
        self.out = out.freeze();
        length
    }
}

impl AsyncRead for RequestStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        while this.content.is_empty() {
            if this.chunk.is_empty() && this.frames.data_left() > 0 && this.failed.is_none() {
                return this.poll_content(cx, buf).map_err(Into::into);
            }
            match ready!(this.poll_event(cx))? {
                Some(FrameEvent::Data(content)) => {
                    this.count_content(content.len() as u64)?;
                    this.content = content;
                }
                Some(FrameEvent::Headers(section)) => this.read_trailers(&section)?,
                Some(_) => {}
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = this.content.len().min(buf.remaining());
        buf.put_slice(&this.content[..length]);
        this.content.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for RequestStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.sending != SendState::Open || !this.is_open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(this.poll_out(cx))?;
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let length = this.frame_content(bufs);
        // What doesn't fit is written by the next call, or by flushing.
        if let Poll::Ready(Err(error)) = this.poll_out(cx) {
            return Poll::Ready(Err(error.into()));
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_out(cx).map_err(Into::into)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.sending == SendState::Open {
            ready!(this.poll_out(cx))?;
            this.sending = SendState::Finished;
            let _ = this.send.finish();
        }
        Poll::Ready(Ok(()))
    }
}
