//! What was received and waits for the application.

use std::collections::VecDeque;

use crate::engine::packet::Data;
use crate::engine::payload::Payload;

/// What a message counts for besides its bytes.
const OVERHEAD: usize = 64;

/// Received messages, in order.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// What came first. Mostly there is no more, and then no memory is needed for it.
    first: Option<Received>,
    others: VecDeque<Received>,
    bytes: usize,
}

#[derive(Debug)]
enum Received {
    Message(Data),
    /// The messages of a payload, decoded one at a time.
    Payload(Payload),
}

impl Received {
    fn bytes(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Message(data) => data.len(),
                Self::Payload(payload) => payload.len(),
            }
    }
}

impl Inbox {
    pub(super) fn push(&mut self, data: Data) {
        self.append(Received::Message(data));
    }

    pub(super) fn push_payload(&mut self, payload: Payload) {
        self.append(Received::Payload(payload));
    }

    fn append(&mut self, received: Received) {
        self.bytes += received.bytes();
        match &self.first {
            None => self.first = Some(received),
            Some(_) => self.others.push_back(received),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Data> {
        loop {
            let first = self.first.take()?;
            self.bytes -= first.bytes();
            self.first = self.others.pop_front();
            if self.first.is_none() {
                self.others = VecDeque::new();
            }
            match first {
                Received::Message(data) => return Some(data),
                Received::Payload(mut payload) => {
                    if let Some(data) = payload.next_message() {
                        let rest = Received::Payload(payload);
                        self.bytes += rest.bytes();
                        if let Some(next) = self.first.replace(rest) {
                            self.others.push_front(next);
                        }
                        return Some(data);
                    }
                }
            }
        }
    }

    /// Returns how many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_returns_messages_in_order_and_counts_their_bytes() {
        let mut inbox = Inbox::default();
        inbox.push("a".into());
        inbox.push_payload(Payload::new("4b\u{1e}3\u{1e}4c"));
        inbox.push("d".into());
        assert_eq!(inbox.bytes(), 3 * OVERHEAD + 1 + 7 + 1);
        for text in ["a", "b", "c", "d"] {
            assert_eq!(inbox.pop(), Some(text.into()));
        }
        assert_eq!(inbox.pop(), None);
        assert_eq!(inbox.bytes(), 0);
    }
}
