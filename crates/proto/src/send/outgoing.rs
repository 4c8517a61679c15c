//! The bytes for the transport, and what has left of them.

use bytes::{Buf, Bytes};

use super::Sender;

/// A view of the bytes that wait for the transport; made by [`Session::outgoing`](crate::Session::outgoing).
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub(super) sender: &'a mut Sender,
}

impl Outgoing<'_> {
    /// The same bytes as slices, for a vectored write without `std`.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.sender.slices()
    }

    /// The same as [`advance`](Buf::advance), but what was queued by reference and has left
    /// is given to `spent`, with no bytes left in it: who held the last reference may use the
    /// memory again.
    #[inline]
    pub fn advance_with(&mut self, written: usize, spent: impl FnMut(Bytes)) {
        self.sender.advance(written, spent);
    }
}

impl Buf for Outgoing<'_> {
    #[inline]
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

    #[inline]
    fn advance(&mut self, written: usize) {
        self.sender.advance(written, drop);
    }
}

impl Sender {
    #[inline]
    fn advance(&mut self, written: usize, spent: impl FnMut(Bytes)) {
        assert!(written <= self.buffered, "advanced past the bytes that wait");
        self.buffered -= written;
        self.moved = self.moved.saturating_add(u16::try_from(written).unwrap_or(u16::MAX));
        match (&mut self.buffer, &self.controls) {
            (Some(buffer), None) if self.buffered == 0 && buffer.queue.is_empty() => {
                buffer.tail.clear();
            }
            _ => self.advance_by_segments(written, spent),
        }
        if self.close_queued {
            self.note_close();
        }
    }

    /// Notes whether the last byte of the Close has left.
    #[cold]
    fn note_close(&mut self) {
        let has_left = self.has_sent_close();
        if let Some(info) = &mut self.info {
            info.close_sent |= has_left;
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
        let first = buffer.map(|buffer| buffer.segments(..before));
        let rest = buffer.map(|buffer| buffer.segments(before..));
        let tail = buffer.map(|buffer| &buffer.tail[..]);
        let all = first.into_iter().flatten().chain(core::iter::once(self.urgent()));
        all.chain(rest.into_iter().flatten()).chain(tail).filter(|slice| !slice.is_empty())
    }
}
