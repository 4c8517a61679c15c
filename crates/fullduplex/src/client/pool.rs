//! Connections that are kept for the next WebSocket to the same origin.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::uri::Target;

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    secure: bool,
    host: String,
    port: u16,
    socket: Option<String>,
}

impl Origin {
    pub(super) fn of(target: &Target) -> Self {
        let Target { secure, host, port, socket, .. } = target;
        Self { secure: *secure, host: host.clone(), port: *port, socket: socket.clone() }
    }
}

/// One connection to an origin, or the attempt to make it, for which others wait.
pub(super) type Slot<T> = Arc<tokio::sync::Mutex<Option<T>>>;

/// The slots of all origins.
pub(super) struct Slots<T>(Mutex<HashMap<Origin, Slot<T>>>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Slots<T> {
    pub(super) fn of(&self, origin: &Origin) -> Slot<T> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(origin.clone()).or_default().clone()
    }

    /// All of them. Those that are in use stay.
    #[cfg(feature = "http3")]
    pub(super) fn take(&self) -> Vec<T> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.drain().filter_map(|(_, slot)| slot.try_lock().ok()?.take()).collect()
    }
}

/// Takes a connection that does not answer out of the pool, unless another one is there or
/// about to be. Its streams go on.
pub(super) fn evict<T>(slot: &Slot<T>, is_it: impl FnOnce(&T) -> bool) {
    if let Ok(mut pooled) = slot.try_lock()
        && pooled.as_ref().is_some_and(is_it)
    {
        *pooled = None;
    }
}
