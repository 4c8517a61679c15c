//! What one connection knows of its namespaces.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cores::SocketCore;
use super::event::Event;
use super::reason::DisconnectReason;

/// A namespace that a connection is in, wants to be in, or was in.
pub(super) struct Slot {
    pub(super) namespace: Arc<str>,
    pub(super) state: SlotState,
    /// The events that wait for their handlers.
    pub(super) events: VecDeque<Event>,
    /// What runs of the handlers that run in order.
    pub(super) running: Running,
    /// Whether the client left while it was being let in.
    pub(super) leaves: bool,
}

pub(super) enum SlotState {
    /// The client is being let in.
    Connecting,
    /// The socket, and whether its end is still to be handled.
    Open { core: Arc<SocketCore>, is_ended: bool },
    /// The client was refused or has left. What it sent before it knew that is ignored.
    Left,
}

/// The handler that runs, of those that run in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    Nothing,
    /// The handler `connected`, which lets others run once it waits for the end.
    Connected,
    Event,
}

/// What is to be done next for a socket.
pub(super) enum Step {
    Event(Arc<SocketCore>, Event),
    Disconnected(Arc<SocketCore>, DisconnectReason),
}

impl Slot {
    pub(super) fn connecting(namespace: Arc<str>) -> Self {
        Self {
            namespace,
            state: SlotState::Connecting,
            events: VecDeque::new(),
            running: Running::Nothing,
            leaves: false,
        }
    }

    /// Whether the client is in the namespace, or is being let in.
    pub(super) fn is_live(&self) -> bool {
        match &self.state {
            SlotState::Connecting => true,
            SlotState::Open { core, .. } => core.reason().is_none(),
            SlotState::Left => false,
        }
    }

    /// Returns what can be done now.
    pub(super) fn next_step(&mut self) -> Option<Step> {
        let SlotState::Open { core, is_ended } = &mut self.state else { return None };
        let is_busy = match self.running {
            Running::Nothing => false,
            Running::Connected => !core.awaits_end.load(Ordering::Acquire),
            Running::Event => true,
        };
        if is_busy {
            return None;
        }
        let core = core.clone();
        if let Some(event) = self.events.pop_front() {
            if self.events.is_empty() {
                self.events = VecDeque::new();
            }
            return Some(Step::Event(core, event));
        }
        let reason = core.reason()?;
        if *is_ended {
            return None;
        }
        *is_ended = true;
        Some(Step::Disconnected(core, reason))
    }

    /// Whether the socket is disconnected and nothing is left to do for it.
    pub(super) fn is_done(&self) -> bool {
        match &self.state {
            SlotState::Open { is_ended, .. } => *is_ended && self.running == Running::Nothing,
            SlotState::Connecting => false,
            SlotState::Left => true,
        }
    }
}
