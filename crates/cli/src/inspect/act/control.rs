//! What the page can do with one WebSocket.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fullduplex::Role;
use fullduplex_inspect::ConversationFrame;
use fullduplex_inspect::edit::{Decision, NewFrame};
use tokio::sync::{Notify, oneshot};

use super::cut::CutSignal;

/// The most commands of a direction that wait to be carried out.
const MAX_COMMANDS: usize = 256;

/// The outcome of a command.
pub(in crate::inspect) type Outcome = Result<(), String>;

/// The control of one WebSocket.
#[derive(Debug)]
pub(in crate::inspect) struct SocketControl {
    /// The number of its connection.
    pub(super) number: u64,
    pub(in crate::inspect) cut: CutSignal,
    is_paused: AtomicBool,
    /// Of what the client sends, and of what the server sends.
    lanes: [LaneControl; 2],
}

/// The control of one direction.
#[derive(Debug, Default)]
struct LaneControl {
    state: Mutex<LaneState>,
    /// Wakes the direction when there are commands.
    commanded: Notify,
}

#[derive(Debug, Default)]
struct LaneState {
    commands: VecDeque<Command>,
    held: Option<Held>,
    is_ended: bool,
}

/// A command, and who waits for its outcome.
#[derive(Debug)]
pub(in crate::inspect) struct Command {
    pub(in crate::inspect) action: Action,
    pub(in crate::inspect) outcome: oneshot::Sender<Outcome>,
}

#[derive(Debug)]
pub(in crate::inspect) enum Action {
    Inject(NewFrame),
    /// Decides about what is held with this number.
    Release(u64, Decision),
    /// Decides again about what is held, as rules have changed.
    Review,
}

/// What is held.
#[derive(Clone, Debug)]
pub(in crate::inspect) struct Held {
    pub(in crate::inspect) number: u64,
    pub(in crate::inspect) shown: ConversationFrame,
    pub(in crate::inspect) payload: Bytes,
}

impl SocketControl {
    pub(super) fn new(number: u64, cut: CutSignal) -> Self {
        let lanes = [LaneControl::default(), LaneControl::default()];
        Self { number, cut, is_paused: AtomicBool::new(false), lanes }
    }

    fn lane(&self, sender: Role) -> &LaneControl {
        &self.lanes[usize::from(sender == Role::Server)]
    }

    fn state(&self, sender: Role) -> MutexGuard<'_, LaneState> {
        self.lane(sender).state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_paused(&self) -> bool {
        // What is held is decided again after a change, by a command: the order does not matter.
        self.is_paused.load(Ordering::Relaxed)
    }

    pub(super) fn set_paused(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Relaxed);
    }

    /// Adds a command for a direction. Returns what receives the outcome.
    pub(super) fn command(
        &self,
        sender: Role,
        action: Action,
    ) -> Result<oneshot::Receiver<Outcome>, String> {
        let (outcome, receiver) = oneshot::channel();
        let mut state = self.state(sender);
        if state.is_ended {
            return Err(ended(sender));
        }
        if state.commands.len() >= MAX_COMMANDS {
            return Err("too many commands wait: the other side takes nothing".into());
        }
        state.commands.push_back(Command { action, outcome });
        drop(state);
        self.lane(sender).commanded.notify_one();
        Ok(receiver)
    }

    /// Waits for commands of a direction.
    pub(in crate::inspect) async fn commanded(&self, sender: Role) {
        self.lane(sender).commanded.notified().await;
    }

    pub(in crate::inspect) fn take_commands(&self, sender: Role) -> VecDeque<Command> {
        std::mem::take(&mut self.state(sender).commands)
    }

    /// Sets what is held in a direction.
    pub(in crate::inspect) fn set_held(&self, sender: Role, held: Option<Held>) {
        self.state(sender).held = held;
    }

    pub(super) fn held(&self, sender: Role) -> Option<Held> {
        self.state(sender).held.clone()
    }

    pub(in crate::inspect) fn held_number(&self, sender: Role) -> Option<u64> {
        self.state(sender).held.as_ref().map(|held| held.number)
    }

    /// Ends a direction: it takes no more commands.
    pub(in crate::inspect) fn end(&self, sender: Role) {
        let commands = {
            let mut state = self.state(sender);
            state.is_ended = true;
            state.held = None;
            std::mem::take(&mut state.commands)
        };
        for command in commands {
            // If the page has gone, no task waits.
            let _ = command.outcome.send(Err(ended(sender)));
        }
    }
}

fn ended(sender: Role) -> String {
    let side = if sender == Role::Client { "client" } else { "server" };
    format!("the {side} has ended its direction")
}
