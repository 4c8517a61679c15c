//! Rows in their order, in chunks that never move.

use std::collections::VecDeque;

use super::row::Row;

/// The rows of a chunk. It is the unit in which rows are dropped.
const CHUNK: usize = 64;

/// Rows in their order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// All but the last are full.
    chunks: VecDeque<Vec<Row>>,
    first: u64,
    next: u64,
}

impl Rows {
    /// Returns the sequence number of the oldest row.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Returns the sequence number of the next row to be stored.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Returns the bytes that the chunks take.
    pub(super) fn memory(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<Row>()
            + self.chunks.capacity() * size_of::<Vec<Row>>()
    }

    pub(super) fn push(&mut self, mut row: Row) -> u64 {
        row.sequence = self.next;
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push_back(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.push(row);
        }
        self.next += 1;
        self.next - 1
    }

    /// Removes the oldest rows. The newest are never removed.
    pub(super) fn drop_oldest(&mut self) -> Option<Vec<Row>> {
        if self.chunks.len() < 2 {
            return None;
        }
        let chunk = self.chunks.pop_front()?;
        self.first += chunk.len() as u64;
        Some(chunk)
    }

    pub(super) fn clear(&mut self) {
        self.chunks = VecDeque::new();
        self.first = self.next;
    }

    /// Returns where a row is.
    fn place(&self, sequence: u64) -> Option<(usize, usize)> {
        let index = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        Some((index / CHUNK, index % CHUNK))
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Row> {
        let (chunk, index) = self.place(sequence)?;
        self.chunks.get(chunk)?.get(index)
    }

    pub(super) fn get_mut(&mut self, sequence: u64) -> Option<&mut Row> {
        let (chunk, index) = self.place(sequence)?;
        self.chunks.get_mut(chunk)?.get_mut(index)
    }
}
