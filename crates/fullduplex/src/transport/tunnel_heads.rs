//! Takes `Content-Length` off the heads of tunnels, below the `h2` crate.
//!
//! A client must ignore it in a 2xx to CONNECT (RFC 9110 §9.3.6), and a CONNECT has no content
//! (§9.3.6), so that one of zero means nothing. `h2` holds the frames of the tunnel against it, and
//! lets nobody ask it not to. So a head is looked at before `h2` reads it. The peer was told that
//! there is no dynamic table (`SETTINGS_HEADER_TABLE_SIZE` of 0): each head can be read by itself,
//! and a field line taken out of it.
//!
//! Not covered, so that `h2` refuses the tunnel at its first DATA:
//! - a head that goes on in CONTINUATION frames, which nobody needs for a head of less than 16 KiB;
//! - a `content-length` that a peer adds to its dynamic table before it has read our SETTINGS: later
//!   heads may refer to it, so it has to stay;
//! - connections that hyper or axum carry, whose HTTP/2 is below theirs: the transport is not ours.

mod hpack;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::coop;
use crate::transport::Transport;
use crate::transport::delegate::delegate_write;
use crate::transport::tunnel_heads::hpack::TunnelHeadFilter;

/// How large the dynamic table of a peer's HPACK encoder may be.
pub(crate) const HEADER_TABLE_SIZE: u32 = 0;

/// So many small frames are a step of a task's turn, which ends after some 1,000 of them: `h2`
/// takes far longer for each than it takes to read it.
const SMALL_FRAMES: usize = 8;
/// So many bytes come with a frame that is not small, on average.
const SMALL: usize = 128;

/// The length of a frame's header (RFC 9113 §4.1).
const HEADER: usize = 9;
/// The longest frame of a peer that was allowed no longer ones (RFC 9113 §4.2).
const MAX_FRAME: usize = 16 << 10;
/// The length of a client's connection preface (RFC 9113 §3.4).
const PREFACE: usize = 24;
/// The type of HEADERS, and its flags (RFC 9113 §6.2).
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The transport of an HTTP/2 connection. What is read passes as it came, but for the heads of
/// tunnels.
pub(crate) struct TunnelHeads<S> {
    stream: S,
    heads: TunnelHeadFilter,
    /// How many of the next bytes belong to what is passed on: a frame, or the preface.
    passing: usize,
    /// Bytes that were read and are not passed on yet, from the header of a frame on.
    held: BytesMut,
    /// Bytes to be passed on.
    ready: BytesMut,
    /// How many frames have begun in what the current read brought.
    frames: usize,
}

impl<S> TunnelHeads<S> {
    /// Reads what a server sends to extended CONNECTs.
    pub(crate) fn of_server(stream: S) -> Self {
        Self::new(stream, TunnelHeadFilter::responses(), 0)
    }

    /// Reads what a client sends.
    pub(crate) fn of_client(stream: S) -> Self {
        Self::new(stream, TunnelHeadFilter::requests(), PREFACE)
    }

    fn new(stream: S, heads: TunnelHeadFilter, passing: usize) -> Self {
        let (held, ready) = (BytesMut::new(), BytesMut::new());
        Self { stream, heads, passing, held, ready, frames: 0 }
    }

    /// A frame begins that is passed on as it comes.
    fn begin(&mut self, length: usize) {
        self.passing = length;
        self.frames += 1;
    }

    /// Charges small frames to the task's turn. Long ones are charged by their bytes.
    fn charge(&mut self, cx: &mut Context<'_>, bytes: usize) {
        let small = std::mem::take(&mut self.frames).saturating_sub(bytes / SMALL);
        coop::spend(cx, small, SMALL_FRAMES);
    }

    /// How many of the bytes that were read can be passed on as they are.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        loop {
            let some = self.passing.min(bytes.len() - passed);
            self.passing -= some;
            passed += some;
            match length_of_frame(&bytes[passed..]) {
                Some((length, false)) => self.begin(length),
                _ => return passed,
            }
        }
    }

    /// Makes those bytes ready that are held and need not be any more.
    fn settle(&mut self) {
        loop {
            let passed = self.passing.min(self.held.len());
            self.passing -= passed;
            self.ready.extend_from_slice(&self.held.split_to(passed));
            match length_of_frame(&self.held) {
                Some((length, false)) => self.begin(length),
                Some((length, true)) if length <= self.held.len() => {
                    self.frames += 1;
                    let frame = self.held.split_to(length);
                    self.take_head(&frame);
                }
                _ => break,
            }
        }
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    /// Passes a HEADERS frame on, without what is not to be seen.
    fn take_head(&mut self, frame: &[u8]) {
        let block = block_of(frame).unwrap_or_default();
        let cuts = self.heads.cuts(&frame[block.clone()]);
        let cut: usize = cuts.iter().map(ExactSizeIterator::len).sum();
        let length = u32::try_from(frame.len() - HEADER - cut).unwrap_or_default();
        self.ready.extend_from_slice(&length.to_be_bytes()[1..]);
        let mut at = 3;
        for cut in cuts {
            self.ready.extend_from_slice(&frame[at..block.start + cut.start]);
            at = block.start + cut.end;
        }
        self.ready.extend_from_slice(&frame[at..]);
    }
}

/// How long the frame is that begins here, with its header, and whether it is a whole head.
fn length_of_frame(bytes: &[u8]) -> Option<(usize, bool)> {
    let [a, b, c, kind, flags, ..] = *bytes.get(..HEADER)? else { return None };
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    // One that goes on in a further frame is left as it is, and so is one that is too long.
    let is_head = kind == HEADERS && flags & END_HEADERS != 0 && length <= MAX_FRAME;
    Some((HEADER + length, is_head))
}

/// Where the field block of a HEADERS frame is (RFC 9113 §6.2).
fn block_of(frame: &[u8]) -> Option<std::ops::Range<usize>> {
    let flags = frame[4];
    let (mut begin, mut end) = (HEADER, frame.len());
    if flags & PADDED != 0 {
        end = end.checked_sub(usize::from(*frame.get(begin)?))?;
        begin += 1;
    }
    if flags & PRIORITY != 0 {
        begin += 5;
    }
    (begin <= end).then_some(begin..end)
}

impl<S: Transport> AsyncRead for TunnelHeads<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        // What lies decrypted in a TLS stream is read without asking for a turn.
        ready!(coop::poll_left(cx));
        loop {
            if !this.ready.is_empty() {
                let length = this.ready.len().min(buf.remaining());
                buf.put_slice(&this.ready[..length]);
                this.ready.advance(length);
                if this.ready.is_empty() {
                    this.ready = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            let read;
            let is_over = if this.held.is_empty() {
                ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
                let length = buf.filled().len() - before;
                read = length;
                let passed = before + this.pass(&buf.filled()[before..]);
                this.held.extend_from_slice(&buf.filled()[passed..]);
                buf.set_filled(passed);
                length == 0
            } else {
                // The rest of a head, or of a frame's header.
                let mut bytes = [0; 4096];
                let mut more = ReadBuf::new(&mut bytes);
                ready!(Pin::new(&mut this.stream).poll_read(cx, &mut more))?;
                read = more.filled().len();
                this.held.extend_from_slice(more.filled());
                if more.filled().is_empty() {
                    // There is no more of it.
                    this.ready = std::mem::take(&mut this.held);
                }
                false
            };
            this.settle();
            this.charge(cx, read);
            if is_over || buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: Transport> AsyncWrite for TunnelHeads<S> {
    delegate_write!(stream, shutdown);
}

#[cfg(test)]
mod tests;
