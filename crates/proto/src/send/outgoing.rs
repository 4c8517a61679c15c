//! The bytes for the transport, and the record of which were written.

use bytes::{Buf, Bytes};

use super::Sender;

/// A view of the bytes that are queued for the transport, from
/// [`Session::outgoing`](crate::Session::outgoing).
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub(super) sender: &'a mut Sender,
}

impl Outgoing<'_> {
    /// Returns the bytes as slices, for a vectored write without `std`.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.sender.slices()
    }

    /// Removes the first `written` bytes, as [`advance`](Buf::advance) does, and passes each
    /// payload that was queued by reference and is completely written to `spent`, empty: if that
    /// was the last reference, the memory can be used again.
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
            // The common case: small messages only.
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
        assert!(written <= self.buffered, "advanced past the end of the queued bytes");
        self.buffered -= written;
        self.progress = self.progress.saturating_add(u16::try_from(written).unwrap_or(u16::MAX));
        match (&mut self.buffer, &self.controls) {
            (Some(buffer), None) if self.buffered == 0 && buffer.queue.is_empty() => {
                buffer.tail.clear();
            }
            _ => self.advance_by_segments(written, spent),
        }
        if self.close_queued {
            self.record_close_sent();
        }
    }

    /// Records whether the last byte of the Close was written.
    #[cold]
    fn record_close_sent(&mut self) {
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
                    if front.ends_payload {
                        spent(front.bytes);
                    }
                }
            } else if written == buffer.tail.len() {
                buffer.tail.clear();
                written = 0;
            } else {
                // Only a part of the tail was written: seal it, so that its end is a known frame
                // boundary whatever is appended later.
                buffer.seal(true);
            }
        }
    }

    /// Returns the bytes for the transport, in order, as slices that aren't empty.
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        // Control frames may be inserted only after the frame that is partly written.
        let buffer = self.buffer.as_deref();
        let before = buffer.map_or(0, |buffer| buffer.in_first_frame(self.in_frame));
        let first = buffer.map(|buffer| buffer.segments(..before));
        let rest = buffer.map(|buffer| buffer.segments(before..));
        let tail = buffer.map(|buffer| &buffer.tail[..]);
        let all = first.into_iter().flatten().chain(core::iter::once(self.urgent()));
        all.chain(rest.into_iter().flatten()).chain(tail).filter(|slice| !slice.is_empty())
    }
}
