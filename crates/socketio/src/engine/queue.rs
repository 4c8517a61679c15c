//! The queue of messages that a session has yet to send.

use std::collections::VecDeque;

use fullduplex::PreparedMessage;

use crate::engine::outgoing::Outgoing;
use crate::engine::payload::PayloadWriter;

/// Messages that wait for the transport, bounded in bytes.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    messages: VecDeque<Queued>,
    bytes: usize,
}

#[derive(Debug)]
struct Queued {
    message: Outgoing,
    /// How many of its frames are sent.
    sent: usize,
    key: Option<u64>,
}

/// What became of a message that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Queued,
    /// The message took the place of one with its key.
    Replaced,
    /// The queue has no space for it.
    Full,
}

impl SendQueue {
    /// Adds a message, unless the queue would exceed `max_bytes`. An empty queue takes any.
    pub(crate) fn push(
        &mut self,
        message: &Outgoing,
        key: Option<u64>,
        max_bytes: usize,
    ) -> Pushed {
        let len = message.len();
        if let Some(key) = key
            && let Some(at) = self.messages.iter().position(|queued| queued.replaceable(key))
        {
            let before = self.messages[at].message.len();
            if !self.fits(len.saturating_sub(before), max_bytes) {
                return Pushed::Full;
            }
            // At the end, as it is newer than what was queued after the other.
            self.messages.remove(at);
            self.bytes -= before;
            self.append(message, Some(key), len);
            return Pushed::Replaced;
        }
        if !self.fits(len, max_bytes) {
            return Pushed::Full;
        }
        self.append(message, key, len);
        Pushed::Queued
    }

    fn append(&mut self, message: &Outgoing, key: Option<u64>, len: usize) {
        self.messages.push_back(Queued { message: message.clone(), sent: 0, key });
        self.bytes += len;
    }

    /// Whether a message of `len` bytes has space.
    pub(crate) fn fits(&self, len: usize, max_bytes: usize) -> bool {
        self.messages.is_empty() || self.bytes.saturating_add(len) <= max_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns how many bytes wait; a message that is sent in part counts as a whole.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the next frame for a WebSocket.
    pub(crate) fn front(&self) -> Option<&PreparedMessage> {
        let first = self.messages.front()?;
        first.message.frame(first.sent)
    }

    /// Removes the frame that [`front`](Self::front) returned.
    pub(crate) fn pop(&mut self) {
        if let Some(first) = self.messages.front_mut() {
            first.sent += 1;
            self.remove_sent();
        }
    }

    /// Moves as many packets into a payload as it takes.
    pub(crate) fn write_to(&mut self, payload: &mut PayloadWriter) {
        while let Some(first) = self.messages.front_mut() {
            while let Some(packet) = first.message.packet(first.sent) {
                if !payload.push(packet) {
                    return;
                }
                first.sent += 1;
            }
            self.remove_sent();
        }
    }

    fn remove_sent(&mut self) {
        if let Some(first) = self.messages.front()
            && first.message.frame(first.sent).is_none()
        {
            self.bytes -= first.message.len();
            self.messages.pop_front();
            // An idle session needs no memory for it.
            if self.messages.is_empty() {
                self.messages = VecDeque::new();
            }
        }
    }

    /// Removes everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Queued {
    /// Whether a message with this key may take its place: none of it is sent.
    fn replaceable(&self, key: u64) -> bool {
        self.key == Some(key) && self.sent == 0
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn payload(queue: &mut SendQueue, max: usize) -> Bytes {
        let mut writer = PayloadWriter::new(max, 16);
        queue.write_to(&mut writer);
        writer.finish()
    }

    #[test]
    fn send_queue_is_bounded_in_bytes() {
        let mut queue = SendQueue::default();
        let message = Outgoing::text("0123456789");
        let len = message.len();
        assert_eq!(queue.push(&message, None, 1), Pushed::Queued, "an empty queue takes any");
        assert_eq!(queue.push(&message, None, 2 * len - 1), Pushed::Full);
        assert_eq!(queue.push(&message, None, 2 * len), Pushed::Queued);
        assert_eq!(queue.bytes(), 2 * len);
        queue.pop();
        assert_eq!(queue.bytes(), len);
        queue.pop();
        assert!(queue.is_empty() && queue.bytes() == 0 && queue.front().is_none());
    }

    #[test]
    fn send_queue_replaces_a_message_by_its_key() {
        let mut queue = SendQueue::default();
        for (text, key) in [("a", Some(1)), ("b", None), ("c", Some(2))] {
            assert_eq!(queue.push(&Outgoing::text(text), key, 1000), Pushed::Queued);
        }
        assert_eq!(queue.push(&Outgoing::text("d"), Some(1), 1000), Pushed::Replaced);
        assert_eq!(payload(&mut queue, 1000), "4b\u{1e}4c\u{1e}4d");
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn send_queue_does_not_replace_what_is_sent_in_part() {
        let mut queue = SendQueue::default();
        let attached = Outgoing::text("a").with_attachments([Bytes::from_static(b"x")]);
        queue.push(&attached, Some(1), 1000);
        queue.pop();
        assert_eq!(queue.push(&Outgoing::text("b"), Some(1), 1000), Pushed::Queued);
        assert_eq!(payload(&mut queue, 1000), "beA==\u{1e}4b");
    }

    #[test]
    fn send_queue_continues_a_message_in_the_next_payload() {
        let mut queue = SendQueue::default();
        let attached = Outgoing::text("abc").with_attachments([Bytes::from_static(b"xyz")]);
        queue.push(&attached, None, 1000);
        queue.push(&Outgoing::text("d"), None, 1000);
        assert_eq!(payload(&mut queue, 5), "4abc");
        assert_eq!(payload(&mut queue, 5), "beHl6");
        assert_eq!(payload(&mut queue, 5), "4d");
        assert!(queue.is_empty());
    }
}
