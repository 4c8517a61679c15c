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

/// So many origins may keep a connection that has no streams.
const MAX_IDLE_ORIGINS: usize = 32;

/// A connection as the pool sees it.
pub(super) trait Kept {
    /// It has ended.
    fn is_over(&self) -> bool;
    /// It is in use.
    fn has_streams(&self) -> bool;
}

/// One connection to an origin, or the attempt to make it.
///
/// Who comes while another one makes it waits, within its own `connect_timeout`. If that one
/// is cancelled or fails, the next in line makes an attempt of its own in what is left of its
/// time: a server is not asked for several connections at once.
pub(super) type Slot<T> = Arc<tokio::sync::Mutex<Option<T>>>;

/// The slots of all origins.
pub(super) struct Slots<T>(Mutex<HashMap<Origin, Slot<T>>>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Kept> Slots<T> {
    pub(super) fn of(&self, origin: &Origin) -> Slot<T> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(origin) {
            return slot.clone();
        }
        let mut idle = 0;
        slots.retain(|_, slot| {
            // Somebody makes a connection, takes it, or waits.
            let is_wanted = Arc::strong_count(slot) > 1;
            let Some(pooled) = slot.try_lock().ok().filter(|_| !is_wanted) else { return true };
            let Some(pooled) = pooled.as_ref().filter(|pooled| !pooled.is_over()) else {
                return false;
            };
            let has_streams = pooled.has_streams();
            idle += usize::from(!has_streams);
            has_streams || idle <= MAX_IDLE_ORIGINS
        });
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
