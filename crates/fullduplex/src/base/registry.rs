//! A collection of values by keys, for many that come and go: iterating costs no more than the
//! values present, and memory is freed when many leave.

use slab::Slab;

/// The values of one slab: few enough that iterating over its vacant entries costs little.
const CHUNK: usize = 64;

/// A collection of values that are inserted and removed in constant time, in slabs of [`CHUNK`]. A
/// slab without values holds no memory.
pub(crate) struct Registry<T> {
    chunks: Vec<Slab<T>>,
    /// The indexes of chunks with vacant entries.
    open: Vec<u32>,
    len: usize,
}

impl<T> Default for Registry<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), open: Vec::new(), len: 0 }
    }
}

impl<T> Registry<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a value and returns its key.
    ///
    /// # Panics
    /// With more than 2³² values.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        let index = if let Some(open) = self.open.last() {
            *open as usize
        } else {
            // With room for all at once where there are many: the memory that a slab grows through
            // would be left in pieces, between what connections allocate meanwhile.
            let room = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Slab::with_capacity(room));
            self.open.push(narrow(self.chunks.len() - 1));
            self.chunks.len() - 1
        };
        let chunk = &mut self.chunks[index];
        let key = chunk.insert(value);
        if chunk.len() == CHUNK {
            self.open.pop();
        }
        self.len += 1;
        narrow(index * CHUNK + key)
    }

    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        let (index, key) = split(key);
        self.chunks.get_mut(index)?.get_mut(key)
    }

    /// Removes the value of a key, if there is one.
    pub(crate) fn remove(&mut self, key: u32) -> Option<T> {
        let (index, key) = split(key);
        let chunk = self.chunks.get_mut(index)?;
        let value = chunk.try_remove(key)?;
        if chunk.len() == CHUNK - 1 {
            self.open.push(narrow(index));
        }
        if chunk.is_empty() {
            *chunk = Slab::new();
        }
        self.len -= 1;
        if self.len == 0 {
            *self = Self::default();
        }
        Some(value)
    }

    /// Returns the values with their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.chunks.iter().enumerate().flat_map(|(index, chunk)| {
            chunk.iter().map(move |(key, value)| (narrow(index * CHUNK + key), value))
        })
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(_, value)| value))
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flat_map(|chunk| chunk.iter_mut().map(|(_, value)| value))
    }
}

fn split(key: u32) -> (usize, usize) {
    (key as usize / CHUNK, key as usize % CHUNK)
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2³² values fit in memory")
}

#[cfg(test)]
mod tests {
    use fullduplex_testkit::Rng;

    use super::*;

    impl<T> Registry<T> {
        /// The entries that a walk looks at, vacant ones included, and memory is held for.
        fn held(&self) -> usize {
            self.chunks.iter().map(Slab::capacity).sum()
        }
    }

    #[test]
    fn registry_keeps_its_entries() {
        let (mut registry, mut expected) = (Registry::default(), Vec::new());
        let mut rng = Rng::new(1);
        for i in 0..100_000_u32 {
            // Grows to some hundreds, and shrinks again, several times.
            let grows = i / 2000 % 2 == 0;
            if rng.below(3) < if grows { 2 } else { 1 } {
                expected.push((registry.insert(i), i));
            } else if !expected.is_empty() {
                let (key, value) = expected.swap_remove(rng.below(expected.len()));
                assert_eq!(registry.remove(key), Some(value));
                assert_eq!(registry.remove(key), None);
            }
            assert_eq!(registry.len(), expected.len());
        }
        let mut values: Vec<u32> = registry.values().copied().collect();
        values.sort_unstable();
        let mut all: Vec<u32> = expected.iter().map(|(_, value)| *value).collect();
        all.sort_unstable();
        assert_eq!(values, all);
        for (key, value) in expected {
            assert_eq!(registry.remove(key), Some(value));
        }
        assert!(registry.is_empty() && registry.held() == 0);
    }

    #[test]
    fn registry_shrinks_when_many_have_left() {
        let mut registry = Registry::default();
        let keys: Vec<u32> = (0..100_000).map(|i| registry.insert(i)).collect();
        assert!(registry.held() >= 100_000);
        for (i, key) in keys.iter().enumerate() {
            if i % 10_000 != 5000 {
                registry.remove(*key);
            }
        }
        assert_eq!(registry.len(), 10);
        assert!(registry.held() <= 10 * CHUNK, "{}", registry.held());
        // What comes now is put where there is room.
        let again: Vec<u32> = (0..100).map(|i| registry.insert(i)).collect();
        assert!(again.iter().all(|key| keys.contains(key)));
        assert!(registry.held() <= 13 * CHUNK, "{}", registry.held());
    }
}
