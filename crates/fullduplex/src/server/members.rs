//! The WebSockets that are open on a server, to tell all of them that it goes away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use fullduplex_proto::CloseInfo;

use super::lifecycle::Shared;
use crate::driver::Driven;

/// The open WebSockets.
#[derive(Default)]
pub(crate) struct Members(Mutex<Slab>);

/// Places with a number, of which a free one names the next free one.
#[derive(Default)]
struct Slab {
    entries: Vec<Entry>,
    free: Option<u32>,
    len: usize,
}

enum Entry {
    Taken(Weak<dyn Driven>),
    Free(Option<u32>),
}

impl Members {
    fn lock(&self) -> MutexGuard<'_, Slab> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len
    }

    /// All that are open now.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Driven>> {
        let slab = self.lock();
        let taken = slab.entries.iter().filter_map(|entry| match entry {
            Entry::Taken(member) => member.upgrade(),
            Entry::Free(_) => None,
        });
        taken.collect()
    }

    fn enter(&self, member: Weak<dyn Driven>) -> u32 {
        let mut slab = self.lock();
        slab.len += 1;
        let entry = Entry::Taken(member);
        if let Some(key) = slab.free {
            let place = &mut slab.entries[key as usize];
            if let Entry::Free(next) = std::mem::replace(place, entry) {
                slab.free = next;
            }
            return key;
        }
        slab.entries.push(entry);
        u32::try_from(slab.entries.len() - 1).expect("fewer sockets than that")
    }

    fn leave(&self, key: u32) {
        let mut slab = self.lock();
        slab.len -= 1;
        let next = slab.free.replace(key);
        slab.entries[key as usize] = Entry::Free(next);
    }
}

/// What a connection takes up of a server; its WebSockets hold it too.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) shared: Arc<Shared>,
}

/// That a WebSocket is one of a server's.
pub(crate) struct Membership {
    place: Arc<Place>,
    key: u32,
}

impl Membership {
    pub(crate) fn new(place: Arc<Place>, member: Weak<dyn Driven>) -> Self {
        let key = place.shared.members.enter(member);
        Self { place, key }
    }

    /// It is closed, in this manner.
    pub(crate) fn end(self, info: Option<&CloseInfo>) {
        self.place.shared.members.leave(self.key);
        self.place.shared.note_end(info);
    }
}
