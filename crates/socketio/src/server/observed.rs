//! What happens in a server, noted for the Admin UI. Without the feature, or before the UI is open,
//! nothing is done.

use std::sync::Arc;

use super::ServerShared;
#[cfg(feature = "admin")]
use super::admin::Observer;
use super::change::Change;
use super::cores::{NamespaceCore, Rooms, SocketCore};
use super::event::Event;
use super::slots::Slot;
#[cfg(feature = "admin")]
use super::slots::SlotState;

impl ServerShared {
    /// Whether a UI is connected that shows changes.
    #[cfg_attr(not(feature = "admin"), allow(clippy::unused_self, reason = "there is no UI"))]
    fn is_observed(&self) -> bool {
        #[cfg(feature = "admin")]
        {
            self.observer.get().is_some_and(Observer::is_watched)
        }
        #[cfg(not(feature = "admin"))]
        {
            false
        }
    }

    /// Notes a change, if a UI is connected. May be called under a lock.
    #[cfg_attr(not(feature = "admin"), allow(clippy::unused_self, reason = "there is no UI"))]
    pub(super) fn observe_change(&self, change: impl FnOnce() -> Change) {
        #[cfg(feature = "admin")]
        if let Some(observer) = self.observer.get() {
            observer.observe_change(change);
        }
        #[cfg(not(feature = "admin"))]
        let _ = change;
    }

    /// Notes an event that a client has sent, if a UI is connected.
    #[cfg_attr(not(feature = "admin"), allow(clippy::unused_self, reason = "there is no UI"))]
    pub(super) fn observe_event(&self, slot: &Slot, event: &Event) {
        #[cfg(feature = "admin")]
        if let Some(observer) = self.observer.get()
            && let SlotState::Open { core, .. } = &slot.state
        {
            observer.observe_event(&slot.namespace, core.id, event);
        }
        #[cfg(not(feature = "admin"))]
        let _ = (slot, event);
    }
}

impl NamespaceCore {
    pub(super) fn observe_join(&self, core: &SocketCore, room: &Arc<str>) {
        core.connection.shared.observe_change(|| Change::Joined {
            namespace: self.name.clone(),
            room: room.clone(),
            id: core.id,
        });
    }

    pub(super) fn observe_leave(&self, core: &SocketCore, room: &str) {
        core.connection.shared.observe_change(|| Change::Left {
            namespace: self.name.clone(),
            room: room.into(),
            id: core.id,
        });
    }

    /// Notes that a socket is gone, which leaves all its rooms and that of its id.
    pub(super) fn observe_leaves(&self, core: &SocketCore, rooms: &Rooms) {
        if core.connection.shared.is_observed() {
            for room in rooms.current() {
                self.observe_leave(core, &room);
            }
            self.observe_leave(core, core.id.as_str());
        }
    }
}
