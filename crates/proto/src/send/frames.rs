//! How messages become frames that wait.

use bytes::{Bytes, BytesMut};

use super::Sender;
use super::buffer::Segment;
use super::config::{COALESCE, SendError};
use super::frame_start::FrameStart;
use crate::deflate::Compression;
use crate::frame::EncodedFrameHeader;
use crate::mask;
use crate::receive::MessageKind;

/// How the message under way is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct FragmentState {
    kind: MessageKind,
    compressed: bool,
    /// Its first frame was made.
    begun: bool,
}

impl Sender {
    /// Queues a piece of a message that is sent as it is made (§5.4).
    pub(crate) fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        last: bool,
        compression: Compression,
    ) -> Result<(), SendError> {
        self.check_ready()?;
        let compressed = self.deflate.is_some() && compression != Compression::Off;
        let under_way =
            self.fragmenting.unwrap_or(FragmentState { kind, compressed, begun: false });
        self.fragmenting = Some(under_way);
        if under_way.compressed {
            self.push_piece(payload, false, last);
        } else {
            self.push_fragment(payload, last);
        }
        Ok(())
    }

    /// Queues what the compressor holds back of a message under way.
    pub(crate) fn flush_fragment(&mut self) -> Result<(), SendError> {
        self.check_ready()?;
        if self.fragmenting.is_some_and(|message| message.compressed) {
            self.push_piece(&[], true, false);
        }
        Ok(())
    }

    /// Whether a message was begun by [`send_fragment`](Self::send_fragment) and not finished.
    pub(crate) fn is_fragmenting(&self) -> bool {
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
            FrameStart::CONTINUATION
        } else {
            FrameStart::of(message.kind, message.compressed)
        };
        message.begun = true;
        self.fragmenting = (!last).then_some(message);
        if payload.len() <= COALESCE {
            self.push_copied(lead, last, payload);
        } else {
            self.push_masked(lead, last, BytesMut::from(payload));
        }
    }

    /// Writes a whole frame behind the others in the tail.
    #[inline]
    pub(super) fn push_copied(&mut self, lead: FrameStart, fin: bool, payload: &[u8]) {
        let key = self.next_key();
        let tail = &mut self.buffer.get_or_insert_default().tail;
        let before = tail.len();
        if let (None, false, Some(header)) =
            (key, lead.compressed, EncodedFrameHeader::short(lead.opcode, fin, payload.len()))
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
    pub(super) fn coalesce(&self) -> usize {
        COALESCE.min(self.fragment_size)
    }

    /// Queues a message, with the payload as it is to leave.
    #[inline]
    pub(super) fn push_message(&mut self, lead: FrameStart, payload: Bytes) {
        if payload.len() <= self.coalesce() {
            self.push_copied(lead, true, &payload);
        } else {
            self.push_fragments(lead, payload);
        }
    }

    /// Queues a long message as frames of `fragment_size`.
    pub(super) fn push_fragments(&mut self, lead: FrameStart, mut payload: Bytes) {
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
        mut lead: FrameStart,
        mut len: usize,
        mut push: impl FnMut(&mut Self, FrameStart, bool, usize),
    ) {
        let size = self.fragment_size;
        while len > size {
            push(self, lead, false, size);
            lead = FrameStart::CONTINUATION;
            len -= size;
        }
        push(self, lead, true, len);
    }

    /// Masks a payload where it lies, and queues its frame.
    fn push_masked(&mut self, lead: FrameStart, fin: bool, mut payload: BytesMut) {
        let key = self.next_key();
        if let Some(key) = key {
            mask::apply(&mut payload, key);
        }
        self.push_long(lead, fin, key, payload.freeze());
    }

    /// Queues a frame whose payload is referenced, and already masked if it has a key.
    fn push_long(&mut self, lead: FrameStart, fin: bool, key: Option<[u8; 4]>, payload: Bytes) {
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
}

/// The payload to be masked in: itself, if nobody else holds it, or a copy.
fn into_own(payload: Bytes) -> BytesMut {
    payload.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]))
}
