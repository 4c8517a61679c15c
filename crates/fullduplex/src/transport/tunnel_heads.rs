//! Removes `Content-Length` from the heads of tunnels, before the `h2` crate reads them.
//!
//! A client must ignore it in a 2xx to CONNECT (RFC 9110 §9.3.6), and a CONNECT has no content
//! (§9.3.6), so that a length of zero has no meaning. `h2` checks the frames of the tunnel against
//! it, and has no setting to prevent that. So each head is inspected before `h2` reads it. This end
//! announces that it has no dynamic table (`SETTINGS_HEADER_TABLE_SIZE` of 0): each head can be
//! decoded independently, and a field line removed from it.
//!
//! Not covered, so that `h2` resets the tunnel at its first DATA:
//! - a head that continues in CONTINUATION frames, which a head of less than 16 KiB does not need;
//! - a `content-length` that a peer adds to its dynamic table before it has read our SETTINGS:
//!   later heads may refer to it, so it has to stay;
//! - connections that are run by hyper or axum, whose transport this library does not see.

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

/// The size of the dynamic table that a peer's HPACK encoder may use, in bytes.
pub(crate) const HEADER_TABLE_SIZE: u32 = 0;

/// The number of small frames that consume one unit of a task's budget, which is 128 units: `h2`
/// takes far longer for each than it takes to read it.
const SMALL_FRAMES: usize = 8;
/// The average number of bytes from which on a frame is not small.
const SMALL_FRAME: usize = 128;

/// The length of a frame's header (RFC 9113 §4.1).
const HEADER_LEN: usize = 9;
/// The longest frame that a peer may send by default (RFC 9113 §4.2).
const MAX_FRAME: usize = 16 << 10;
/// The length of a client's connection preface (RFC 9113 §3.4).
const PREFACE_LEN: usize = 24;
/// The type of HEADERS, and its flags (RFC 9113 §6.2).
const HEADERS: u8 = 1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The transport of an HTTP/2 connection. What is read is passed through unchanged, except for the
/// heads of tunnels.
pub(crate) struct TunnelHeads<S> {
    stream: S,
    filter: TunnelHeadFilter,
    /// The number of following bytes that are passed through: the rest of a frame, or the preface.
    pass_left: usize,
    /// Bytes that were read and are held back, from the header of a frame on.
    held: BytesMut,
    /// Bytes to be passed on.
    ready: BytesMut,
    /// The number of frames that start in the current read.
    frames: usize,
}

impl<S> TunnelHeads<S> {
    /// Creates a filter for what a server sends in response to extended CONNECTs.
    pub(crate) fn from_server(stream: S) -> Self {
        Self::new(stream, TunnelHeadFilter::responses(), 0)
    }

    /// Creates a filter for what a client sends.
    pub(crate) fn from_client(stream: S) -> Self {
        Self::new(stream, TunnelHeadFilter::requests(), PREFACE_LEN)
    }

    fn new(stream: S, filter: TunnelHeadFilter, pass_left: usize) -> Self {
        let (held, ready) = (BytesMut::new(), BytesMut::new());
        Self { stream, filter, pass_left, held, ready, frames: 0 }
    }

    /// Starts a frame that is passed through.
    fn start_frame(&mut self, length: usize) {
        self.pass_left = length;
        self.frames += 1;
    }

    /// Consumes budget of the task for small frames. Long ones are accounted for by their bytes.
    fn charge(&mut self, cx: &mut Context<'_>, bytes: usize) {
        let small = std::mem::take(&mut self.frames).saturating_sub(bytes / SMALL_FRAME);
        coop::consume(cx, small, SMALL_FRAMES);
    }

    /// Returns how many of the bytes that were read can be passed through unchanged.
    fn pass_through(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        loop {
            let some = self.pass_left.min(bytes.len() - passed);
            self.pass_left -= some;
            passed += some;
            match frame_length(&bytes[passed..]) {
                Some((length, false)) => self.start_frame(length),
                _ => return passed,
            }
        }
    }

    /// Moves the held bytes that are complete to those that are ready.
    fn release_held(&mut self) {
        loop {
            let passed = self.pass_left.min(self.held.len());
            self.pass_left -= passed;
            self.ready.extend_from_slice(&self.held.split_to(passed));
            match frame_length(&self.held) {
                Some((length, false)) => self.start_frame(length),
                Some((length, true)) if length <= self.held.len() => {
                    self.frames += 1;
                    let frame = self.held.split_to(length);
                    self.filter_head(&frame);
                }
                _ => break,
            }
        }
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    /// Passes on a HEADERS frame without the field lines to remove.
    fn filter_head(&mut self, frame: &[u8]) {
        let block = field_block(frame).unwrap_or_default();
        let removals = self.filter.removals(&frame[block.clone()]);
        let removed: usize = removals.iter().map(ExactSizeIterator::len).sum();
        let length = u32::try_from(frame.len() - HEADER_LEN - removed).unwrap_or_default();
        self.ready.extend_from_slice(&length.to_be_bytes()[1..]);
        let mut at = 3;
        for removal in removals {
            self.ready.extend_from_slice(&frame[at..block.start + removal.start]);
            at = block.start + removal.end;
        }
        self.ready.extend_from_slice(&frame[at..]);
    }
}

/// Returns the length of the frame that starts here, with its header, and whether it is a complete
/// head.
fn frame_length(bytes: &[u8]) -> Option<(usize, bool)> {
    let [a, b, c, kind, flags, ..] = *bytes.get(..HEADER_LEN)? else { return None };
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    // One that continues in a further frame is left unchanged, and so is one that is too long.
    let is_head = kind == HEADERS && flags & END_HEADERS != 0 && length <= MAX_FRAME;
    Some((HEADER_LEN + length, is_head))
}

/// Returns the range of the field block of a HEADERS frame (RFC 9113 §6.2).
fn field_block(frame: &[u8]) -> Option<std::ops::Range<usize>> {
    let flags = frame[4];
    let (mut begin, mut end) = (HEADER_LEN, frame.len());
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
        // Bytes that a TLS stream has decrypted already are read without consuming budget.
        ready!(coop::poll_budget(cx));
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
                let passed = before + this.pass_through(&buf.filled()[before..]);
                this.held.extend_from_slice(&buf.filled()[passed..]);
                buf.set_filled(passed);
                length == 0
            } else {
                // Read the rest of a head, or of a frame's header.
                let mut bytes = [0; 4096];
                let mut more = ReadBuf::new(&mut bytes);
                ready!(Pin::new(&mut this.stream).poll_read(cx, &mut more))?;
                read = more.filled().len();
                this.held.extend_from_slice(more.filled());
                if more.filled().is_empty() {
                    // The transport has ended: pass on the incomplete head.
                    this.ready = std::mem::take(&mut this.held);
                }
                false
            };
            this.release_held();
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
