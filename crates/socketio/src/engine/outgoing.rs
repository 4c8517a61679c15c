//! Messages to send, encoded once for all sessions.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use fullduplex::{Message, PreparedMessage};

use crate::engine::packet::base64_packet;
use crate::engine::payload::SEPARATOR;

/// What a message counts for in a queue besides its bytes.
const OVERHEAD: usize = 64;

/// A message to send, with the binary messages that follow it directly: whole or not at all.
///
/// It is encoded once for all sessions that it is sent on: the frame of a WebSocket, its compressed
/// form, and the base64 of polling. Clones share it.
///
/// A text with the character U+001E, which separates the packets of a payload, arrives as a binary
/// message at clients that poll.
///
/// ```
/// use bytes::Bytes;
/// use fullduplex_socketio::engine::Outgoing;
///
/// let message = Outgoing::text("hello");
/// let picture = Outgoing::encoded("451-[\"picture\"]".to_owned())
///     .with_attachments([Bytes::from_static(&[1, 2, 3])]);
/// assert!(picture.len() > message.len());
/// ```
#[derive(Clone)]
pub struct Outgoing(Frames);

#[derive(Clone)]
enum Frames {
    /// One text, as most messages are. It needs no allocation of its own.
    Text(PreparedMessage),
    Several(Arc<[Frame]>),
}

#[derive(Clone)]
struct Frame {
    message: PreparedMessage,
    /// The packet in a payload, if that differs from the text.
    base64: OnceLock<String>,
}

impl Outgoing {
    /// The type of a packet that carries a message: the first byte of an
    /// [encoded](Self::encoded) text.
    pub const PREFIX: char = '4';

    /// Creates a text message. It is copied once, behind the type of its packet.
    pub fn text(text: &str) -> Self {
        let mut encoded = String::with_capacity(1 + text.len());
        encoded.push(Self::PREFIX);
        encoded.push_str(text);
        Self::encoded(encoded)
    }

    /// Creates a text message whose text begins with [`PREFIX`](Self::PREFIX), without copying it.
    ///
    /// # Panics
    /// If the text does not begin with it.
    pub fn encoded(text: String) -> Self {
        assert!(text.starts_with(Self::PREFIX), "an encoded message begins with its type");
        let has_separator = text.as_bytes().contains(&SEPARATOR);
        let message = PreparedMessage::new(Message::text(text));
        if has_separator {
            return Self(Frames::Several([Frame::new(message)].into()));
        }
        Self(Frames::Text(message))
    }

    /// Creates a binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self(Frames::Several([Frame::binary(bytes.into())].into()))
    }

    /// Adds binary messages that follow the message directly.
    #[must_use]
    pub fn with_attachments(self, attachments: impl IntoIterator<Item = Bytes>) -> Self {
        let first = match self.0 {
            Frames::Text(message) => vec![Frame::new(message)],
            Frames::Several(frames) => frames.to_vec(),
        };
        let added = attachments.into_iter().map(Frame::binary);
        Self(Frames::Several(first.into_iter().chain(added).collect()))
    }

    /// Returns how many bytes the message counts for in the queue of a session: its own, and 64 for
    /// each of its frames.
    #[allow(clippy::len_without_is_empty, reason = "no message counts for nothing")]
    pub fn len(&self) -> usize {
        (0..)
            .map_while(|index| self.frame(index))
            .map(|frame| frame.message().len() + OVERHEAD)
            .sum()
    }

    /// Returns a frame for a WebSocket; `None` after the last.
    pub(crate) fn frame(&self, index: usize) -> Option<&PreparedMessage> {
        match &self.0 {
            Frames::Text(message) => (index == 0).then_some(message),
            Frames::Several(frames) => frames.get(index).map(|frame| &frame.message),
        }
    }

    /// Returns the frame for a WebSocket, if there is only one.
    pub(crate) fn only_frame(&self) -> Option<&PreparedMessage> {
        self.frame(0).filter(|_| self.frame(1).is_none())
    }

    /// Returns a packet for a payload; `None` after the last.
    pub(crate) fn packet(&self, index: usize) -> Option<&[u8]> {
        match &self.0 {
            Frames::Text(message) => (index == 0).then(|| message.message().as_bytes()),
            Frames::Several(frames) => frames.get(index).map(Frame::packet),
        }
    }
}

impl Frame {
    fn new(message: PreparedMessage) -> Self {
        Self { message, base64: OnceLock::new() }
    }

    fn binary(bytes: Bytes) -> Self {
        Self::new(PreparedMessage::new(Message::Binary(bytes)))
    }

    fn packet(&self) -> &[u8] {
        let bytes = match self.message.message() {
            Message::Text(text) if !text.as_bytes().contains(&SEPARATOR) => return text.as_bytes(),
            Message::Text(text) => &text.as_bytes()[1..],
            Message::Binary(bytes) => bytes,
        };
        self.base64.get_or_init(|| base64_packet(bytes)).as_bytes()
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outgoing_message_is_the_same_on_both_transports() {
        let text = Outgoing::text("hello");
        assert_eq!(text.packet(0), Some(&b"4hello"[..]));
        assert_eq!(text.frame(0).unwrap().message(), &Message::text("4hello"));
        assert!(text.packet(1).is_none() && text.frame(1).is_none());
        assert_eq!(text.len(), 6 + OVERHEAD);

        let attached = text.with_attachments([Bytes::from_static(&[1, 2, 3, 4])]);
        assert_eq!(attached.packet(1), Some(&b"bAQIDBA=="[..]));
        assert_eq!(attached.frame(1).unwrap().message(), &Message::binary(vec![1, 2, 3, 4]));
        assert!(attached.frame(2).is_none());
        assert_eq!(attached.len(), 10 + 2 * OVERHEAD);
    }

    #[test]
    fn outgoing_text_with_a_separator_injects_no_packet_into_a_payload() {
        let text = Outgoing::text("a\u{1e}4b");
        assert_eq!(text.packet(0), Some(&b"bYR40Yg=="[..]));
        assert_eq!(text.frame(0).unwrap().message(), &Message::text("4a\u{1e}4b"));
    }

    #[test]
    #[should_panic(expected = "begins with its type")]
    fn outgoing_encoded_text_without_its_type_is_refused() {
        let _ = Outgoing::encoded("hello".into());
    }
}
