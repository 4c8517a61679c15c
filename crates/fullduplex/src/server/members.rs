//! The WebSockets that are open on a server, to tell all of them that it goes away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use fullduplex_proto::CloseInfo;
use slab::Slab;

use super::Slot;
use super::lifecycle::Shared;
use crate::driver::Driven;

/// The open WebSockets.
#[derive(Default)]
pub(crate) struct Members(Mutex<Slab<Weak<dyn Driven>>>);

impl Members {
    fn lock(&self) -> MutexGuard<'_, Slab<Weak<dyn Driven>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// All that are open now.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Driven>> {
        self.lock().iter().filter_map(|(_, member)| member.upgrade()).collect()
    }
}

/// What a connection takes up of a server; its WebSockets hold it too.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) shared: Arc<Shared>,
    pub(crate) slot: Option<Slot>,
}

/// That a WebSocket is one of a server's.
pub(crate) struct Membership {
    place: Arc<Place>,
    key: usize,
}

impl Membership {
    /// Gives also whether the server may have it: not when all is over.
    pub(crate) fn new(place: Arc<Place>, member: Weak<dyn Driven>) -> (Self, bool) {
        let key = place.shared.members.lock().insert(member);
        let may_stay = place.shared.note_come();
        (Self { place, key }, may_stay)
    }

    /// It is closed, in this manner.
    pub(crate) fn end(self, info: Option<&CloseInfo>) {
        drop(self.place.shared.members.lock().try_remove(self.key));
        self.place.shared.note_end(info);
    }
}
