//! The sending half: messages and control frames in, bytes for the transport out.
//!
//! ```text
//!              ┌ urgent: pings and pongs, one slot each; cut in at a frame boundary
//! outgoing() ──┼ queue:  sealed segments: long payloads, referenced, not copied
//!              └ tail:   the frames of small messages, gathered for one write
//! ```

use alloc::boxed::Box;
use core::fmt;
use core::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use crate::batch::FrameBatch;
use crate::close::CloseFrame;
use crate::control::{ControlKind, Controls};
use crate::deflate::{Compression, Compressor, Output};
#[cfg(feature = "deflate")]
use crate::deflate::{Deflate, PreparedMessage};
#[cfg(feature = "deflate")]
use crate::frame::Role;
use crate::frame::{EncodedHeader, MAX_CONTROL_PAYLOAD, OpCode};
use crate::mask::{self, MaskSource};
use crate::receive::Kind;
use crate::send_buffer::{Segment, SendBuffer};

/// Payloads up to this size are copied behind one another; longer ones are referenced.
pub(crate) const COALESCE: usize = 4096;

/// How outgoing messages are bounded and cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendConfig {
    /// A message is taken while fewer bytes than this wait for the transport, so at most
    /// this plus one message is held. Default: 64 KiB.
    pub high_water: usize,
    /// A task that waits to send goes on when no more than this waits for the transport.
    /// The core does not use it; those who wait do. Default: 16 KiB.
    pub low_water: usize,
    /// Longer messages are cut into frames of this payload size (§5.4), so that a Pong or
    /// a Ping need not wait for the end of them. Default: 256 KiB.
    pub fragment_size: usize,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self { high_water: 64 << 10, low_water: 16 << 10, fragment_size: 256 << 10 }
    }
}

/// Why a message or control frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// [`high_water`](SendConfig::high_water) bytes wait for the transport, or, for a
    /// Ping or Pong, the last one still does. Try again when some have left.
    Full,
    /// A Close was queued; no data may follow it (§5.5.1).
    Closing,
    /// A fragmented message is under way; another one can't begin inside it (§5.4).
    MessageUnderWay,
    /// A control frame's payload is longer than 125 bytes (§5.5).
    ControlTooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the send buffer has reached high_water",
            Self::Closing => {
                "the connection is closing; nothing may follow a Close (RFC 6455 §5.5.1)"
            }
            Self::MessageUnderWay => "a fragmented message is not finished (RFC 6455 §5.4)",
            Self::ControlTooLong => "a Ping or Pong carries at most 125 bytes (RFC 6455 §5.5)",
        })
    }
}

impl core::error::Error for SendError {}

/// Turns messages into bytes for the transport.
///
/// # Contract
/// [`send`](Self::send) and its siblings take a frame whole or not at all. Whenever the
/// transport can take bytes, write what [`outgoing`](Self::outgoing) shows and
/// [`advance`](Buf::advance) it by what was written, in pieces of any size. Memory is
/// bounded by [`SendConfig::high_water`] and one message; a peer that only sends pings
/// can't add to it.
///
/// An idle sender holds no buffer: give it one with [`lend`](Self::lend) before sending
/// and take it back with [`reclaim`](Self::reclaim) when all is written, or let it
/// allocate its own.
#[derive(Debug)]
pub struct Sender {
    masks: Option<Box<dyn MaskSource>>,
    high_water: usize,
    fragment_size: usize,
    /// Lent, or its own; an idle connection has none.
    buffer: Option<Box<SendBuffer>>,
    /// Seldom there, and mostly for a moment.
    controls: Option<Box<Controls>>,
    buffered: usize,
    /// The front of `queue` is inside a frame, so nothing may cut in.
    in_frame: bool,
    /// A message was begun by `send_fragment` and not finished.
    fragmenting: Option<Fragmenting>,
    close_queued: bool,
    /// Bytes have left since it was asked whether it is stuck.
    moved: bool,
    deflate: Option<Box<Compressor>>,
}

/// How the message under way is sent.
#[derive(Clone, Copy, Debug)]
struct Fragmenting {
    kind: Kind,
    compressed: bool,
    /// Its first frame was made.
    begun: bool,
}

/// How a frame begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lead {
    opcode: OpCode,
    compressed: bool,
}

impl Lead {
    const CONTINUATION: Self = Self { opcode: OpCode::Continuation, compressed: false };

    #[inline]
    pub(crate) fn of(kind: Kind, compressed: bool) -> Self {
        let opcode = match kind {
            Kind::Text => OpCode::Text,
            Kind::Binary => OpCode::Binary,
        };
        Self { opcode, compressed }
    }

    #[inline]
    pub(crate) fn header(self, fin: bool, key: Option<[u8; 4]>, len: usize) -> EncodedHeader {
        let header = EncodedHeader::new(self.opcode, fin, key, len as u64);
        if self.compressed { header.compressed() } else { header }
    }
}

impl Sender {
    /// A client's sender: masks each frame with a fresh key (§5.1, §5.3).
    pub fn client(masks: Box<dyn MaskSource>, config: SendConfig) -> Self {
        Self::new(Some(masks), config)
    }

    /// A server's sender: masks nothing (§5.1).
    pub fn server(config: SendConfig) -> Self {
        Self::new(None, config)
    }

    fn new(masks: Option<Box<dyn MaskSource>>, config: SendConfig) -> Self {
        Self {
            masks,
            high_water: config.high_water,
            fragment_size: config.fragment_size.max(1),
            buffer: None,
            controls: None,
            buffered: 0,
            in_frame: false,
            fragmenting: None,
            close_queued: false,
            moved: false,
            deflate: None,
        }
    }

    /// The same with permessage-deflate as it was agreed on.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, deflate: &Deflate) -> Self {
        let role = if self.masks.is_some() { Role::Client } else { Role::Server };
        self.deflate = Some(Box::new(Compressor::new(deflate, role)));
        self
    }

    /// Whether messages may be compressed.
    pub fn compresses(&self) -> bool {
        self.deflate.is_some()
    }

    /// Whether a message would be taken now, and if not, why.
    #[inline]
    pub fn check_ready(&self) -> Result<(), SendError> {
        if self.close_queued {
            Err(SendError::Closing)
        } else if self.buffered >= self.high_water {
            Err(SendError::Full)
        } else {
            Ok(())
        }
    }

    /// Queues a whole message. That text is UTF-8 is the caller's duty.
    #[inline]
    pub fn send(&mut self, kind: Kind, payload: Bytes) -> Result<(), (SendError, Bytes)> {
        self.send_with(kind, payload, Compression::Auto)
    }

    /// Queues a whole message, and says whether it is to be compressed.
    #[inline]
    pub fn send_with(
        &mut self,
        kind: Kind,
        payload: Bytes,
        compression: Compression,
    ) -> Result<(), (SendError, Bytes)> {
        match self.check_message() {
            Ok(()) => {
                if self.deflate.is_none() || !self.compress(kind, &payload, compression) {
                    self.push_message(Lead::of(kind, false), payload);
                }
                Ok(())
            }
            Err(error) => Err((error, payload)),
        }
    }

    /// Queues a message by a copy, if it is a short one and none is compressed; gives whether.
    /// What is long is not copied, and is for [`send`](Self::send).
    #[inline]
    pub fn send_copy(&mut self, kind: Kind, payload: &[u8]) -> Result<bool, SendError> {
        self.check_message()?;
        let copies = self.deflate.is_none() && payload.len() <= self.coalesce();
        if copies {
            self.push_copied(Lead::of(kind, false), true, payload);
        }
        Ok(copies)
    }

    /// Queues a message that is sent to many; it is not copied, and compressed only if it
    /// has not been before.
    #[cfg(feature = "deflate")]
    pub fn send_prepared(&mut self, prepared: &PreparedMessage) -> Result<(), SendError> {
        self.check_message()?;
        let message = prepared.message();
        if let Some(deflate) = &mut self.deflate
            && deflate.wants(message.len(), Compression::Auto)
            && let Some(compressed) = prepared.compressed(deflate.window_bits())
        {
            deflate.note_sent(message.as_bytes());
            self.push_message(Lead::of(prepared.kind(), true), compressed);
        } else if message.len() <= self.coalesce() {
            self.push_copied(Lead::of(prepared.kind(), false), true, message.as_bytes());
        } else {
            self.push_fragments(Lead::of(prepared.kind(), false), message.clone().into_bytes());
        }
        Ok(())
    }

    /// Whether it can send frames that were made for others, too: they are not masked, not
    /// compressed, and as long as they come.
    pub fn shares_frames(&self) -> bool {
        self.masks.is_none() && self.deflate.is_none() && self.fragment_size >= COALESCE
    }

    /// Queues frames of a batch: a range that [`FrameBatch::push`] gave, or several that
    /// follow one another.
    ///
    /// # Panics
    /// Unless [`shares_frames`](Self::shares_frames), or if the batch ends before the range.
    pub fn send_batch(&mut self, batch: &FrameBatch, range: Range<usize>) -> Result<(), SendError> {
        assert!(self.shares_frames(), "this sender must make its own frames");
        self.check_message()?;
        let frames = batch.frames(range);
        self.buffer.get_or_insert_default().tail.extend_from_slice(frames);
        self.buffered += frames.len();
        Ok(())
    }

    /// How many bytes more may wait before it is [`Full`](SendError::Full), if whole messages
    /// can be sent.
    pub fn room(&self) -> usize {
        match self.check_message() {
            Ok(()) => self.high_water - self.buffered,
            Err(_) => 0,
        }
    }

    #[inline]
    fn check_message(&self) -> Result<(), SendError> {
        self.check_ready()?;
        if self.fragmenting.is_some() { Err(SendError::MessageUnderWay) } else { Ok(()) }
    }

    /// Queues a message compressed, if that is wanted and makes it shorter.
    fn compress(&mut self, kind: Kind, payload: &[u8], compression: Compression) -> bool {
        // Put aside, as what comes out goes to the queue.
        let Some(mut deflate) = self.deflate.take() else { return false };
        let lead = Lead::of(kind, true);
        let compressed = deflate.wants(payload.len(), compression)
            && deflate.compress(payload, |output| match output {
                Output::Short(bytes) if bytes.len() <= self.coalesce() => {
                    self.push_copied(lead, true, bytes);
                }
                Output::Short(bytes) => self.push_message(lead, Bytes::copy_from_slice(bytes)),
                Output::Long(bytes) => self.push_message(lead, bytes),
            });
        self.deflate = Some(deflate);
        compressed
    }

    /// Queues a piece of a message that is sent as it is made (§5.4). The first call
    /// begins the message, with its `kind` and whether it is to be compressed; the one with
    /// `last` ends it.
    ///
    /// A compressor gathers pieces until they are worth a block: what shall leave before
    /// the message goes on is brought out by [`flush_fragment`](Self::flush_fragment).
    pub fn send_fragment(
        &mut self,
        kind: Kind,
        payload: &[u8],
        last: bool,
        compression: Compression,
    ) -> Result<(), SendError> {
        self.check_ready()?;
        let compressed = self.deflate.is_some() && compression != Compression::Off;
        let under_way = self.fragmenting.unwrap_or(Fragmenting { kind, compressed, begun: false });
        self.fragmenting = Some(under_way);
        if under_way.compressed {
            self.push_piece(payload, false, last);
        } else {
            self.push_fragment(payload, last);
        }
        Ok(())
    }

    /// Queues what the compressor holds back of a message under way.
    pub fn flush_fragment(&mut self) -> Result<(), SendError> {
        self.check_ready()?;
        if self.fragmenting.is_some_and(|message| message.compressed) {
            self.push_piece(&[], true, false);
        }
        Ok(())
    }

    /// Whether a message begun by [`send_fragment`](Self::send_fragment) is unfinished.
    pub fn is_fragmenting(&self) -> bool {
        self.fragmenting.is_some()
    }

    /// Compresses a piece of the message under way, and queues what comes out.
    fn push_piece(&mut self, piece: &[u8], flush: bool, last: bool) {
        let mut out = BytesMut::new();
        if let Some(deflate) = &mut self.deflate {
            deflate.compress_piece(piece, flush, last, &mut out);
        }
        if last || !out.is_empty() {
            self.push_fragment(&out, last);
        }
    }

    /// Queues a frame of the message under way.
    fn push_fragment(&mut self, payload: &[u8], last: bool) {
        let Some(mut message) = self.fragmenting.take() else { return };
        let lead = if message.begun {
            Lead::CONTINUATION
        } else {
            Lead::of(message.kind, message.compressed)
        };
        message.begun = true;
        self.fragmenting = (!last).then_some(message);
        if payload.len() <= COALESCE {
            self.push_copied(lead, last, payload);
        } else {
            self.push_masked(lead, last, BytesMut::from(payload));
        }
    }

    /// Gives up what memory compression can do without. With `history`, also what later
    /// messages could refer to, so that they become longer.
    pub fn release_memory(&mut self, history: bool) {
        if let Some(deflate) = &mut self.deflate {
            if history {
                deflate.forget();
            } else {
                deflate.release();
            }
        }
    }

    /// The same for a sender that has not compressed anything since the last call.
    pub(crate) fn rest(&mut self) {
        if let Some(deflate) = &mut self.deflate {
            deflate.rest();
        }
    }

    /// Queues a Ping or Pong. It overtakes data that has not begun to leave.
    ///
    /// There is one slot for each [`ControlKind`]. An automatic Pong replaces the one that
    /// still waits, as §5.5.3 allows; the others are handed back as [`SendError::Full`].
    pub fn send_control(&mut self, kind: ControlKind, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong);
        }
        self.controls.get_or_insert_default().put(kind, payload)
    }

    /// Queues the Close frame, after the data that waits. No data is taken from now on;
    /// a second Close is ignored. What [`CloseFrame::new`] would refuse is left out: a
    /// code that may not be sent (the peer then sees 1005), the end of a long reason.
    pub fn send_close(&mut self, close: Option<&CloseFrame>) {
        if self.close_queued {
            return;
        }
        // What was taken before the Close leaves before it, though it could not so far.
        self.encode_controls();
        let mut payload = BytesMut::new();
        if let Some(close) = close.cloned().and_then(CloseFrame::sendable) {
            payload.extend_from_slice(&close.code.get().to_be_bytes());
            payload.extend_from_slice(close.reason.as_bytes());
        }
        let close = Lead { opcode: OpCode::Close, compressed: false };
        self.push_copied(close, true, &payload);
        self.close_queued = true;
    }

    /// Whether a Close was queued.
    pub fn is_closing(&self) -> bool {
        self.close_queued
    }

    /// Forgets the pings and pongs that wait: after the peer's Close none is owed (§5.5.2).
    pub fn drop_controls(&mut self) {
        if let Some(controls) = &mut self.controls {
            controls.drop_payloads();
        }
    }

    /// Bytes that were taken and have not left yet, headers included.
    #[inline]
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Whether bytes wait for the transport, and it has taken none since this was last asked.
    pub(crate) fn is_stuck(&mut self) -> bool {
        !core::mem::take(&mut self.moved) && self.wants_write()
    }

    /// Whether there is anything for the transport.
    #[inline]
    pub fn wants_write(&self) -> bool {
        self.buffered > 0 || self.controls.as_ref().is_some_and(|controls| controls.has_payloads())
    }

    /// The bytes for the transport, in order.
    pub fn outgoing(&mut self) -> Outgoing<'_> {
        if self.urgent().is_empty() {
            self.encode_controls();
        }
        Outgoing { sender: self }
    }

    /// Frames of pings and pongs.
    #[inline]
    fn urgent(&self) -> &[u8] {
        self.controls.as_ref().map_or(&[], |controls| &controls.urgent)
    }

    /// Moves the pings and pongs that wait to the urgent frames.
    fn encode_controls(&mut self) {
        if let Some(controls) = &mut self.controls
            && controls.has_payloads()
        {
            self.buffered += controls.encode(self.masks.as_deref_mut());
        }
    }

    /// Gives an empty buffer to hold messages in, unless there is one.
    #[inline]
    pub fn lend(&mut self, buffer: Box<SendBuffer>) {
        self.buffer.get_or_insert(buffer);
    }

    /// Whether a buffer lent now would be used.
    #[inline]
    pub fn wants_buffer(&self) -> bool {
        self.buffer.is_none()
    }

    /// Takes the buffer back, once all is written.
    #[inline]
    pub fn reclaim(&mut self) -> Option<Box<SendBuffer>> {
        if self.buffered > 0 { None } else { self.buffer.take() }
    }

    /// Writes a whole frame behind the others in the tail.
    #[inline]
    fn push_copied(&mut self, lead: Lead, fin: bool, payload: &[u8]) {
        let key = self.next_key();
        let tail = &mut self.buffer.get_or_insert_default().tail;
        let before = tail.len();
        if let (None, false, Some(header)) =
            (key, lead.compressed, EncodedHeader::short(lead.opcode, fin, payload.len()))
        {
            tail.extend_from_slice(&header);
        } else {
            tail.extend_from_slice(lead.header(fin, key, payload.len()).as_bytes());
        }
        let start = tail.len();
        tail.extend_from_slice(payload);
        if let Some(key) = key {
            mask::apply(&mut tail[start..], key);
        }
        self.buffered += tail.len() - before;
    }

    /// Payloads up to this size are copied.
    #[inline]
    fn coalesce(&self) -> usize {
        COALESCE.min(self.fragment_size)
    }

    /// Queues a message, with the payload as it is to leave.
    #[inline]
    fn push_message(&mut self, lead: Lead, payload: Bytes) {
        if payload.len() <= self.coalesce() {
            self.push_copied(lead, true, &payload);
        } else {
            self.push_fragments(lead, payload);
        }
    }

    /// Queues a long message as frames of `fragment_size`.
    fn push_fragments(&mut self, lead: Lead, mut payload: Bytes) {
        let len = payload.len();
        if self.masks.is_some() {
            // Before it is cut: its pieces hold it too.
            let mut own = into_own(payload);
            self.cut(lead, len, |this, lead, fin, len| {
                this.push_masked(lead, fin, own.split_to(len));
            });
        } else {
            self.cut(lead, len, |this, lead, fin, len| {
                this.push_long(lead, fin, None, payload.split_to(len));
            });
        }
    }

    /// Calls `push` for each frame of a message of `len` bytes.
    fn cut(
        &mut self,
        mut lead: Lead,
        mut len: usize,
        mut push: impl FnMut(&mut Self, Lead, bool, usize),
    ) {
        let size = self.fragment_size;
        while len > size {
            push(self, lead, false, size);
            lead = Lead::CONTINUATION;
            len -= size;
        }
        push(self, lead, true, len);
    }

    /// Masks a payload where it lies, and queues its frame.
    fn push_masked(&mut self, lead: Lead, fin: bool, mut payload: BytesMut) {
        let key = self.next_key();
        if let Some(key) = key {
            mask::apply(&mut payload, key);
        }
        self.push_long(lead, fin, key, payload.freeze());
    }

    /// Queues a frame whose payload is referenced, and already masked if it has a key.
    fn push_long(&mut self, lead: Lead, fin: bool, key: Option<[u8; 4]>, payload: Bytes) {
        let header = lead.header(fin, key, payload.len());
        self.buffered += header.as_bytes().len() + payload.len();
        let buffer = self.buffer.get_or_insert_default();
        buffer.tail.extend_from_slice(header.as_bytes());
        buffer.seal(payload.is_empty());
        if !payload.is_empty() {
            buffer.queue.push_back(Segment { bytes: payload, ends_frame: true });
        }
    }

    #[inline]
    fn next_key(&mut self) -> Option<[u8; 4]> {
        self.masks.as_mut().map(|masks| masks.next_key())
    }

    #[inline]
    fn advance(&mut self, written: usize, spent: impl FnMut(Bytes)) {
        assert!(written <= self.buffered, "advanced past the bytes that wait");
        self.buffered -= written;
        self.moved |= written > 0;
        match (&mut self.buffer, &self.controls) {
            (Some(buffer), None) if self.buffered == 0 && buffer.queue.is_empty() => {
                buffer.tail.clear();
            }
            _ => self.advance_by_segments(written, spent),
        }
    }

    fn advance_by_segments(&mut self, mut written: usize, mut spent: impl FnMut(Bytes)) {
        while written > 0 {
            if !self.in_frame
                && let Some(controls) = &mut self.controls
                && !controls.urgent.is_empty()
            {
                let step = written.min(controls.urgent.len());
                controls.urgent.advance(step);
                written -= step;
                if controls.urgent.is_empty() && !controls.has_payloads() {
                    self.controls = None;
                }
                continue;
            }
            let Some(buffer) = &mut self.buffer else { return };
            if let Some(front) = buffer.queue.front_mut() {
                let step = written.min(front.bytes.len());
                front.bytes.advance(step);
                written -= step;
                self.in_frame = true;
                if front.bytes.is_empty()
                    && let Some(front) = buffer.queue.pop_front()
                {
                    self.in_frame = !front.ends_frame;
                    spent(front.bytes);
                }
            } else if written == buffer.tail.len() {
                buffer.tail.clear();
                written = 0;
            } else {
                // Cut short inside the tail: seal it, so that its end is a known frame
                // boundary whatever is gathered from now on.
                buffer.seal(true);
            }
        }
    }

    /// The bytes for the transport, in order, as slices that aren't empty.
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        // Frames that may cut in stand behind the frame that has begun to leave.
        let buffer = self.buffer.as_deref();
        let before = buffer.map_or(0, |buffer| buffer.in_first_frame(self.in_frame));
        let [first, rest] = match buffer {
            Some(buffer) => buffer.slices(before).map(Some),
            None => [None, None],
        };
        let tail = buffer.map(|buffer| &buffer.tail[..]);
        let all = first.into_iter().flatten().chain(core::iter::once(self.urgent()));
        all.chain(rest.into_iter().flatten()).chain(tail).filter(|slice| !slice.is_empty())
    }
}

/// The payload to be masked in: itself, if nobody else holds it, or a copy.
fn into_own(payload: Bytes) -> BytesMut {
    payload.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]))
}

/// A view of the bytes that wait for the transport; made by [`Sender::outgoing`].
#[derive(Debug)]
pub struct Outgoing<'a> {
    sender: &'a mut Sender,
}

impl Outgoing<'_> {
    /// The same bytes as slices, for a vectored write without `std`.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.sender.slices()
    }

    /// The same as [`advance`](Buf::advance), but what was queued by reference and has left
    /// is given to `spent`, with no bytes left in it: who held the last reference may use the
    /// memory again.
    pub fn advance_with(&mut self, written: usize, spent: impl FnMut(Bytes)) {
        self.sender.advance(written, spent);
    }
}

impl Buf for Outgoing<'_> {
    fn remaining(&self) -> usize {
        self.sender.buffered
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match (&self.sender.buffer, &self.sender.controls) {
            // Small messages and nothing else.
            (Some(buffer), None) if buffer.queue.is_empty() => &buffer.tail,
            _ => self.sender.slices().next().unwrap_or_default(),
        }
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, dst: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, slice) in dst.iter_mut().zip(self.sender.slices()) {
            *slot = std::io::IoSlice::new(slice);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, written: usize) {
        self.sender.advance(written, drop);
    }
}
