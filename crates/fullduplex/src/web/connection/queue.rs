//! A queue of messages that knows how much memory they take.

use std::collections::VecDeque;

use fullduplex_proto::Message;

/// What a message in a queue takes besides its payload.
const PER_MESSAGE: usize = 64;

/// Messages in their order, and what they take.
#[derive(Debug, Default)]
pub(super) struct MessageQueue {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl MessageQueue {
    pub(super) fn push(&mut self, message: Message) {
        self.bytes += message.len() + PER_MESSAGE;
        self.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len() + PER_MESSAGE;
        Some(message)
    }

    /// Takes all messages, to be dropped without a lock.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the bytes of all messages, and 64 more for each.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
