//! The encoding of messages as frames that are queued.

use bytes::{Bytes, BytesMut};

use super::Sender;
use super::buffer::Segment;
use super::config::{MAX_INLINE, SendError};
use super::frame_start::FrameStart;
use crate::deflate::Compression;
use crate::frame::{EncodedFrameHeader, MAX_HEADER_LEN};
use crate::mask;
use crate::receive::MessageKind;

/// The state of an unfinished message that is sent in fragments.
#[derive(Clone, Copy, Debug)]
pub(super) struct FragmentState {
    kind: MessageKind,
    compressed: bool,
    /// Whether its first frame was queued.
    started: bool,
}

impl Sender {
    /// Queues a fragment of a message that is sent while it is produced (§5.4).
    pub(crate) fn send_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        last: bool,
        compression: Compression,
    ) -> Result<(), SendError> {
        self.check_ready()?;
        let compressed = self.deflate.is_some() && compression != Compression::Off;
        let message =
            self.fragmenting.unwrap_or(FragmentState { kind, compressed, started: false });
        self.fragmenting = Some(message);
        if message.compressed {
            self.compress_chunk(payload, false, last);
        } else {
            self.push_fragment(payload, last);
        }
        Ok(())
    }

    /// Queues what the compressor holds back of an unfinished message.
    pub(crate) fn flush_fragment(&mut self) -> Result<(), SendError> {
        self.check_ready()?;
        if self.fragmenting.is_some_and(|message| message.compressed) {
            self.compress_chunk(&[], true, false);
        }
        Ok(())
    }

    /// Whether a message started by [`send_fragment`](Self::send_fragment) is unfinished.
    pub(crate) fn is_fragmenting(&self) -> bool {
        self.fragmenting.is_some()
    }

    /// Compresses a chunk of the unfinished message, and queues the output.
    fn compress_chunk(&mut self, chunk: &[u8], flush: bool, last: bool) {
        let mut out = BytesMut::new();
        if let Some(deflate) = &mut self.deflate {
            deflate.compress_piece(chunk, flush, last, &mut out);
        }
        if last || !out.is_empty() {
            self.push_fragment(&out, last);
        }
    }

    /// Queues a frame of the unfinished message.
    fn push_fragment(&mut self, payload: &[u8], last: bool) {
        let Some(mut message) = self.fragmenting.take() else { return };
        let start = if message.started {
            FrameStart::CONTINUATION
        } else {
            FrameStart::of(message.kind, message.compressed)
        };
        message.started = true;
        self.fragmenting = (!last).then_some(message);
        if payload.len() <= MAX_INLINE {
            self.push_inline(start, last, payload);
        } else {
            self.push_masked(start, last, BytesMut::from(payload));
        }
    }

    /// Appends a complete frame to the tail, with a copy of the payload.
    #[inline]
    pub(super) fn push_inline(&mut self, start: FrameStart, fin: bool, payload: &[u8]) {
        // A server's frames are done first, with the fewest checks.
        if self.masks.is_none()
            && !start.compressed
            && let Some(buffer) = &mut self.buffer
        {
            if let Some(header) = EncodedFrameHeader::short(start.opcode, fin, payload.len()) {
                self.buffered += buffer.append(&header, payload);
                return;
            }
            if let Some(header) = EncodedFrameHeader::medium(start.opcode, fin, payload.len()) {
                self.buffered += buffer.append(&header, payload);
                return;
            }
        }
        let key = self.next_key();
        let tail = &mut self.buffer.get_or_insert_default().tail;
        let before = tail.len();
        tail.extend_from_slice(start.header(fin, key, payload.len()).as_bytes());
        let payload_start = tail.len();
        tail.extend_from_slice(payload);
        if let Some(key) = key {
            mask::apply(&mut tail[payload_start..], key);
        }
        self.buffered += tail.len() - before;
    }

    /// Returns the size up to which payloads are copied.
    #[inline]
    pub(super) fn max_inline_len(&self) -> usize {
        MAX_INLINE.min(self.fragment_size as usize)
    }

    /// Queues a message with this payload, which is compressed already if `start` says so.
    #[inline]
    pub(super) fn push_message(&mut self, start: FrameStart, payload: Bytes) {
        if payload.len() <= self.max_inline_len() {
            self.push_inline(start, true, &payload);
        } else {
            self.push_fragments(start, payload);
        }
    }

    /// Queues a long message as frames of `fragment_size`.
    pub(super) fn push_fragments(&mut self, start: FrameStart, mut payload: Bytes) {
        if self.masks.is_none() {
            let mut start = start;
            while payload.len() > self.fragment_size as usize {
                let part = payload.split_to(self.fragment_size as usize);
                self.push_referenced(start, false, None, part);
                start = FrameStart::CONTINUATION;
            }
            return self.push_referenced(start, true, None, payload);
        }
        let len = payload.len();
        // Before it is split: its parts would share the memory, so that none could be masked in
        // place.
        match payload.try_into_mut() {
            Ok(mut own) => self.for_each_fragment(start, len, |this, start, fin, len| {
                this.push_masked(start, fin, own.split_to(len));
            }),
            Err(shared) => self.push_masked_copy(start, &shared),
        }
    }

    /// Queues a long message as frames of `fragment_size` with a masked copy of its payload. They
    /// are in one memory, which can be used again when all of it was written.
    fn push_masked_copy(&mut self, start: FrameStart, payload: &[u8]) {
        let fragments = payload.len().div_ceil(self.fragment_size as usize);
        let size = payload.len() + fragments * MAX_HEADER_LEN;
        let Some(masks) = &mut self.masks else { return };
        let mut frames = masks.frame_buffer(size);
        frames.clear();
        frames.reserve_exact(size);
        let mut rest = payload;
        self.for_each_fragment(start, payload.len(), |this, start, fin, len| {
            let Some((part, after)) = rest.split_at_checked(len) else { return };
            rest = after;
            let key = this.next_key().unwrap_or_default();
            frames.extend_from_slice(start.header(fin, Some(key), len).as_bytes());
            mask::append(&mut frames, part, key);
        });
        let mut frames = Bytes::from(frames);
        self.buffer.get_or_insert_default().seal(true);
        self.buffered += frames.len();
        self.for_each_fragment(start, payload.len(), |this, start, fin, len| {
            // The header's length does not depend on the key.
            let header = start.header(fin, Some([0; 4]), len).as_bytes().len();
            let bytes = frames.split_to(header + len);
            let queue = &mut this.buffer.get_or_insert_default().queue;
            queue.push_back(Segment { bytes, ends_frame: true, ends_payload: fin });
        });
    }

    /// Calls `push` with the start, FIN and length of each frame of a message of `len` bytes.
    fn for_each_fragment(
        &mut self,
        mut start: FrameStart,
        mut len: usize,
        mut push: impl FnMut(&mut Self, FrameStart, bool, usize),
    ) {
        let size = self.fragment_size as usize;
        while len > size {
            push(self, start, false, size);
            start = FrameStart::CONTINUATION;
            len -= size;
        }
        push(self, start, true, len);
    }

    /// Masks a payload in place, and queues its frame.
    fn push_masked(&mut self, start: FrameStart, fin: bool, mut payload: BytesMut) {
        let key = self.next_key();
        if let Some(key) = key {
            mask::apply(&mut payload, key);
        }
        self.push_referenced(start, fin, key, payload.freeze());
    }

    /// Queues a frame whose payload is referenced rather than copied, and already masked if there
    /// is a key.
    fn push_referenced(
        &mut self,
        start: FrameStart,
        fin: bool,
        key: Option<[u8; 4]>,
        payload: Bytes,
    ) {
        let header = start.header(fin, key, payload.len());
        self.buffered += header.as_bytes().len() + payload.len();
        let buffer = self.buffer.get_or_insert_default();
        buffer.tail.extend_from_slice(header.as_bytes());
        buffer.seal(payload.is_empty());
        if !payload.is_empty() {
            buffer.queue.push_back(Segment { bytes: payload, ends_frame: true, ends_payload: fin });
        }
    }

    #[inline]
    fn next_key(&mut self) -> Option<[u8; 4]> {
        self.masks.as_mut().map(|masks| masks.next_key())
    }
}
