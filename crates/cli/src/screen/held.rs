//! Received messages that are held back while the screen is paused.

use std::collections::VecDeque;

use super::LabelledEvent;
use crate::session::Weigh as _;

/// The most messages and bytes that are held back. Beyond that the oldest ones are dropped.
const MAX_MESSAGES: usize = 10_000;
const MAX_BYTES: usize = 8 << 20;

/// What is held back, with the time at which it came.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Whether messages are to be held back.
    pub(crate) is_paused: bool,
    events: VecDeque<(String, LabelledEvent)>,
    bytes: usize,
    /// How many have been dropped.
    pub(crate) dropped: u64,
}

impl Held {
    pub(crate) fn push(&mut self, time: String, event: LabelledEvent) {
        self.bytes += event.weight();
        self.events.push_back((time, event));
        while self.events.len() > MAX_MESSAGES || self.bytes > MAX_BYTES && self.events.len() > 1 {
            self.pop();
            self.dropped += 1;
        }
    }

    /// Takes the oldest one.
    pub(crate) fn pop(&mut self) -> Option<(String, LabelledEvent)> {
        let popped = self.events.pop_front()?;
        self.bytes -= popped.1.weight();
        Some(popped)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Returns how many have come, with those that are dropped.
    pub(crate) fn count(&self) -> u64 {
        self.events.len() as u64 + self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Event;

    fn message(len: usize) -> LabelledEvent {
        LabelledEvent { label: String::new(), event: Event::Message("x".repeat(len).into()) }
    }

    #[test]
    fn held_messages_have_a_bound() {
        let mut held = Held::default();
        for _ in 0..12_000 {
            held.push(String::new(), message(1));
        }
        assert_eq!((held.count(), held.dropped), (12_000, 2_000));
        let mut held = Held::default();
        for _ in 0..10 {
            held.push(String::new(), message(2 << 20));
        }
        assert_eq!((held.events.len(), held.dropped), (4, 6));
        while held.pop().is_some() {}
        assert_eq!(held.bytes, 0);
        // One that is larger than the bound is held.
        held.push(String::new(), message(MAX_BYTES + 1));
        assert_eq!(held.events.len(), 1);
    }
}
