//! The last bytes that went through one direction of a connection.

use alloc::vec::Vec;

/// A sliding window that allocates memory only as it fills.
#[derive(Debug)]
pub(super) struct History {
    bytes: Vec<u8>,
    window: usize,
}

impl History {
    pub(super) fn new(window_bits: u8) -> Self {
        Self { bytes: Vec::new(), window: 1 << window_bits }
    }

    /// Returns the last bytes, at most as many as the window.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(self.window)..]
    }

    /// Appends bytes, and drops those that no longer fit in the window.
    pub(super) fn push(&mut self, new: &[u8]) {
        let new = &new[new.len().saturating_sub(self.window)..];
        let len = self.bytes.len() + new.len();
        // A quarter more than the window is kept, so that not every message moves the bytes.
        if len > self.window + self.window / 4 {
            let drop = (len - self.window).min(self.bytes.len());
            self.bytes.copy_within(drop.., 0);
            self.bytes.truncate(self.bytes.len() - drop);
        }
        let len = self.bytes.len() + new.len();
        if len > self.bytes.capacity() {
            let max_capacity = self.window + self.window / 4;
            let capacity = (self.bytes.capacity() * 2).clamp(len, max_capacity.max(len));
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(new);
    }

    /// Drops all bytes and frees their memory.
    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_keeps_the_last_window_in_little_memory() {
        for sizes in [&[1usize, 7, 100][..], &[255, 256, 257], &[1000, 3], &[63, 64, 65, 1]] {
            let mut history = History::new(8);
            let mut all = Vec::new();
            for (i, size) in sizes.iter().cycle().take(500).enumerate() {
                let new = std::vec![i.to_le_bytes()[0]; *size];
                history.push(&new);
                all.extend(new);
                let last = &all[all.len().saturating_sub(256)..];
                assert_eq!(history.bytes(), last);
                assert!(history.memory() <= 320);
            }
        }
    }

    #[test]
    fn history_allocates_memory_as_it_fills() {
        let mut history = History::new(15);
        assert_eq!(history.memory(), 0);
        history.push(&[0; 100]);
        assert_eq!(history.memory(), 100);
    }
}
