//! What a side sends, and when.

use std::collections::VecDeque;
use std::time::Duration;

use fullduplex_proto::Role;

use super::{Said, Talk, TalkItem};

/// When a [`Plan`] sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Timing {
    /// At the times of the recording, since the opening.
    #[default]
    Original,
    /// At once.
    Fast,
    /// When as many messages of the other side have arrived as there were before in the recording.
    Lockstep,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanStep {
    /// Send this.
    Send(Said),
    /// Wait until this time since the opening.
    WaitUntil(Duration),
    /// Wait until this number of messages of the other side has arrived in total.
    WaitForMessages(u64),
    /// There is nothing more to send.
    Done,
}

/// What one side of a talk sends, and when.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex_inspect::har;
/// use fullduplex_inspect::proto::Role;
/// use fullduplex_inspect::replay::{Plan, PlanStep, Talk, Timing};
///
/// let text = r#"{"log": {"entries": [{
///     "startedDateTime": "2026-01-02T03:04:05.000Z",
///     "request": {"url": "wss://example.com/"}, "response": {"status": 101},
///     "_webSocketMessages": [
///         {"type": "receive", "time": 1767323046, "opcode": 1, "data": "who?"},
///         {"type": "send", "time": 1767323047, "opcode": 1, "data": "me"}]}]}}"#;
/// let talk = Talk::of_har(&har::read(text)?[0]);
/// let mut plan = Plan::new(&talk, Role::Client, Timing::Lockstep);
/// assert_eq!(plan.next_step(Duration::ZERO, 0), PlanStep::WaitForMessages(1));
/// assert!(matches!(plan.next_step(Duration::ZERO, 1), PlanStep::Send(_)));
/// assert_eq!(plan.next_step(Duration::ZERO, 1), PlanStep::Done);
/// # Ok::<(), har::HarError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    timing: Timing,
    /// What is to be sent, each with the number of messages that arrived before it.
    items: VecDeque<(TalkItem, u64)>,
}

impl Plan {
    /// Creates the plan of one side.
    pub fn new(talk: &Talk, role: Role, timing: Timing) -> Self {
        let mut items = VecDeque::new();
        let mut arrived = 0;
        for item in &talk.items {
            if item.sender == role {
                items.push_back((item.clone(), arrived));
            } else if matches!(item.what, Said::Message { .. }) {
                arrived += 1;
            }
        }
        Self { timing, items }
    }

    /// Returns what to do at this time since the opening, when `arrived` messages of the other side
    /// have arrived. What it says to send, it does not say again.
    pub fn next_step(&mut self, now: Duration, arrived: u64) -> PlanStep {
        let Some((item, before)) = self.items.front() else { return PlanStep::Done };
        match self.timing {
            Timing::Original if now < item.at => return PlanStep::WaitUntil(item.at),
            Timing::Lockstep if arrived < *before => return PlanStep::WaitForMessages(*before),
            _ => {}
        }
        match self.items.pop_front() {
            Some((item, _)) => PlanStep::Send(item.what),
            None => PlanStep::Done,
        }
    }

    /// Returns the number of messages and Closes that are yet to be sent.
    pub fn remaining(&self) -> usize {
        self.items.len()
    }
}
