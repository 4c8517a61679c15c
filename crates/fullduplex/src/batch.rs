//! What is published to many, written down once: a member notes from where to where, rather
//! than have a copy of its own, until its transport takes it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fullduplex_proto::{FrameBatch, Message};

/// A longer batch is followed by another, lest offsets be too large for a `u16`.
const FULL: usize = 16 << 10;

/// The frames of messages that were published one after the other.
#[derive(Default)]
pub(crate) struct Batch(Mutex<FrameBatch>);

/// Frames of a batch that follow one another. Small, as each connection has room for it.
#[derive(Clone)]
pub(crate) struct Frames {
    pub(crate) batch: Arc<Batch>,
    start: u16,
    end: u16,
    /// With so many bytes there is no room for more.
    most: u32,
}

impl Batch {
    pub(crate) fn lock(&self) -> MutexGuard<'_, FrameBatch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lock().len() >= FULL
    }

    /// Adds a message, unless it is a long one.
    pub(crate) fn push(self: Arc<Self>, message: &Message) -> Option<Frames> {
        let range = self.lock().push(message)?;
        let (start, end) = (u16::try_from(range.start).ok()?, u16::try_from(range.end).ok()?);
        Some(Frames { batch: self, start, end, most: 0 })
    }
}

impl Frames {
    /// The same for a connection with so much room.
    pub(crate) fn within(&self, room: usize) -> Self {
        Self { most: u32::try_from(room).unwrap_or(u32::MAX), ..self.clone() }
    }

    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start.into()..self.end.into()
    }

    /// Adds the frames that stand behind these; gives whether they do.
    #[inline]
    pub(crate) fn extend(&mut self, next: &Self) -> bool {
        let follows = self.end == next.start && Arc::ptr_eq(&self.batch, &next.batch);
        if follows {
            self.end = next.end;
        }
        follows
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        u32::from(self.end - self.start) >= self.most
    }
}
