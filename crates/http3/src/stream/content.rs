//! Reading and writing the content of a message, which is in DATA frames on the wire.

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

/// The maximum number of bytes that one write accepts.
const MAX_WRITE: usize = 32 << 10;
/// The maximum number of chunks without content that are processed before the task yields.
const MAX_IDLE_CHUNKS: usize = 32;

impl RequestStream {
    /// Polls for the next event of the stream. Returns `None` when the stream has ended.
    pub(super) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<FrameEvent>, Error>> {
        if let Some(error) = &self.read_error {
            return Poll::Ready(Err(error.clone()));
        }
        for _ in 0..MAX_IDLE_CHUNKS {
            match self.frames.read(&mut self.chunk) {
                Ok(Some(event)) => return Poll::Ready(Ok(Some(event))),
                Ok(None) if self.receive_ended => return Poll::Ready(Ok(None)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(self.fail(error))),
            }
            let read = ready!(pin!(self.recv.read_chunk(usize::MAX, true)).poll(cx));
            match read {
                Ok(Some(chunk)) => self.chunk = chunk.bytes,
                Ok(None) => return Poll::Ready(self.handle_end().map(|()| None)),
                Err(error) => return Poll::Ready(Err(self.fail_reading(error))),
            }
        }
        // A peer can send frames without content as fast as this end reads them. The task yields,
        // so that it does not starve others, and wakes itself, as more chunks may be available.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn fail_reading(&mut self, error: quinn::ReadError) -> Error {
        let error = self.shared().read_error(error);
        self.receive_ended = true;
        self.read_error = Some(error.clone());
        error
    }

    /// Handles the end of the peer's side, which is an error within a frame or before all of the
    /// announced content.
    fn handle_end(&mut self) -> Result<(), Error> {
        self.receive_ended = true;
        self.frames.finish().map_err(|violation| self.fail(violation.into()))?;
        match self.content_remaining {
            None | Some(0) => Ok(()),
            Some(_) => Err(self.length_mismatch()),
        }
    }

    fn length_mismatch(&mut self) -> Error {
        let reason = "the length of the content differs from content-length (RFC 9114 §4.1.2)";
        self.fail(RuleViolation::stream_error(ErrorCode::MESSAGE_ERROR, reason).into())
    }

    fn count_content(&mut self, length: u64) -> Result<(), Error> {
        if let Some(left) = &mut self.content_remaining {
            *left = match left.checked_sub(length) {
                Some(left) => left,
                None => return Err(self.length_mismatch()),
            };
        }
        Ok(())
    }

    /// Reads content of the current DATA frame directly into the buffer. Nothing else may be
    /// buffered.
    fn poll_content(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        let left = usize::try_from(self.frames.data_remaining()).unwrap_or(usize::MAX);
        let max = left.min(buf.remaining());
        let read = ready!(self.recv.poll_read(cx, buf.initialize_unfilled_to(max)));
        let length = read.map_err(|error| self.fail_reading(error))?;
        if length == 0 {
            return Poll::Ready(self.handle_end());
        }
        self.count_content(length as u64)?;
        self.frames.skip_data(length as u64);
        buf.advance(length);
        Poll::Ready(Ok(()))
    }

    /// Passes the buffered frames to the connection.
    pub(super) fn poll_flush_buffer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while !self.write_buffer.is_empty() {
            let chunks = std::slice::from_mut(&mut self.write_buffer);
            let written = ready!(pin!(self.send.write_chunks(chunks)).poll(cx));
            if let Err(error) = written {
                return Poll::Ready(Err(self.shared().write_error(error)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes a DATA frame of up to [`MAX_WRITE`] bytes to the empty buffer, and returns its
    /// length.
    fn frame_content(&mut self, bufs: &[IoSlice<'_>]) -> usize {
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        let length = total.min(MAX_WRITE);
        let mut out = BytesMut::with_capacity(length + 16);
        frame_header::encode_header(FrameType::DATA, length as u64, &mut out);
        let mut left = length;
        for buf in bufs {
            let count = left.min(buf.len());
            out.put_slice(&buf[..count]);
            left -= count;
        }
        self.write_buffer = out.freeze();
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
            if this.chunk.is_empty()
                && this.frames.data_remaining() > 0
                && this.read_error.is_none()
            {
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
        if this.send_state != SendState::Open || !this.head_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(this.poll_flush_buffer(cx))?;
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let length = this.frame_content(bufs);
        // What does not fit now is written by the next call, or by `poll_flush`.
        if let Poll::Ready(Err(error)) = this.poll_flush_buffer(cx) {
            return Poll::Ready(Err(error.into()));
        }
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush_buffer(cx).map_err(Into::into)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.send_state == SendState::Open {
            ready!(this.poll_flush_buffer(cx))?;
            this.send_state = SendState::Finished;
            let _ = this.send.finish();
        }
        Poll::Ready(Ok(()))
    }
}
