//! Payloads of HTTP long-polling: packets with the record separator between them.

use bytes::{Bytes, BytesMut};

use crate::engine::packet::{Data, DecodeError, Packet};

/// The character between two packets of a payload (ASCII record separator).
pub(crate) const SEPARATOR: u8 = 0x1e;

/// A decoder of a payload, which returns its packets one after the other.
///
/// Nothing is decoded in advance: the memory is that of the payload, however many packets it has.
///
/// ```
/// use fullduplex_socketio::engine::{Packet, Payload};
///
/// let payload = Payload::new("4hello\u{1e}2\u{1e}4world");
/// let packets: Result<Vec<_>, _> = payload.collect();
/// assert_eq!(packets.unwrap()[2], Packet::Message("world".into()));
/// ```
#[derive(Clone, Debug)]
pub struct Payload {
    /// What is left of it; `None` after the last packet.
    rest: Option<Bytes>,
}

impl Payload {
    /// Creates the decoder of a payload.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { rest: Some(bytes.into()) }
    }

    /// Returns the next message, and leaves out what is not a message. `None` at the end, at a
    /// packet that closes the transport, and at one that can't be decoded.
    pub(crate) fn next_message(&mut self) -> Option<Data> {
        loop {
            match self.next()? {
                Ok(Packet::Message(data)) => return Some(data),
                Ok(Packet::Close) | Err(_) => {
                    self.rest = None;
                    return None;
                }
                Ok(_) => {}
            }
        }
    }

    /// Returns the number of bytes that are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.as_ref().map_or(0, Bytes::len)
    }
}

impl Iterator for Payload {
    type Item = Result<Packet, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.as_mut()?;
        let packet = match rest.iter().position(|byte| *byte == SEPARATOR) {
            Some(end) => {
                let packet = rest.split_to(end);
                let _separator = rest.split_to(1);
                packet
            }
            None => self.rest.take()?,
        };
        Some(Packet::decode_in_payload(&packet))
    }
}

/// Returns the number of packets of a payload.
pub(crate) fn packets(payload: &[u8]) -> usize {
    payload.split(|byte| *byte == SEPARATOR).count()
}

/// An encoder of a payload of a limited length and number of packets.
#[derive(Debug)]
pub(crate) struct PayloadWriter {
    payload: BytesMut,
    max_payload: usize,
    /// How many more packets it takes.
    space: usize,
}

impl PayloadWriter {
    pub(crate) fn new(max_payload: usize, max_packets: usize) -> Self {
        Self { payload: BytesMut::new(), max_payload, space: max_packets }
    }

    /// Appends an encoded packet. Returns false if the payload would become too long, or has as
    /// many packets as it may; the first packet is always taken, as it can't be divided.
    pub(crate) fn push(&mut self, packet: &[u8]) -> bool {
        let has_space = self.append(packet);
        self.space = self.space.saturating_sub(usize::from(has_space));
        has_space
    }

    fn append(&mut self, packet: &[u8]) -> bool {
        if self.payload.is_empty() {
            self.payload.extend_from_slice(packet);
            return true;
        }
        if self.space == 0 || self.payload.len() + 1 + packet.len() > self.max_payload {
            return false;
        }
        self.payload.reserve(1 + packet.len());
        self.payload.extend_from_slice(&[SEPARATOR]);
        self.payload.extend_from_slice(packet);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.payload.is_empty()
    }

    pub(crate) fn finish(self) -> Bytes {
        self.payload.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::packet::base64_packet;

    fn data() -> impl Strategy<Value = Data> {
        // A text may have any character but the separator.
        let text = "[^\u{1e}]{0,20}".prop_map(Data::from);
        let binary = proptest::collection::vec(any::<u8>(), 0..40);
        prop_oneof![text, binary.prop_map(|bytes| Data::Binary(bytes.into()))]
    }

    fn encoded(data: &Data) -> Vec<u8> {
        match data {
            Data::Text(text) => format!("4{text}").into_bytes(),
            Data::Binary(bytes) => base64_packet(bytes).into_bytes(),
        }
    }

    proptest! {
        #[test]
        fn payload_returns_what_was_written(all in proptest::collection::vec(data(), 1..20)) {
            let mut writer = PayloadWriter::new(usize::MAX, usize::MAX);
            for data in &all {
                prop_assert!(writer.push(&encoded(data)));
            }
            let mut payload = Payload::new(writer.finish());
            for data in all {
                prop_assert_eq!(payload.next_message(), Some(data));
            }
            prop_assert_eq!(payload.next_message(), None);
        }

        #[test]
        fn payload_of_any_bytes_has_a_packet_for_each_separator(bytes: Vec<u8>) {
            prop_assert_eq!(packets(&bytes), Payload::new(bytes.clone()).count());
        }
    }

    #[test]
    fn payload_writer_holds_to_its_limit_after_the_first_packet() {
        let mut writer = PayloadWriter::new(5, 16);
        assert!(writer.is_empty());
        assert!(writer.push(b"4longer than that"));
        assert!(!writer.push(b"4"));
        let mut writer = PayloadWriter::new(5, 16);
        assert!(writer.push(b"4a") && writer.push(b"4b") && !writer.push(b""));
        assert_eq!(writer.finish(), "4a\u{1e}4b".as_bytes());
    }

    #[test]
    fn payload_writer_takes_so_many_packets() {
        let mut writer = PayloadWriter::new(100, 2);
        assert!(writer.push(b"4a") && writer.push(b"4b") && !writer.push(b"4c"));
        assert_eq!(writer.finish(), "4a\u{1e}4b".as_bytes());
    }

    #[test]
    fn payload_without_packets_is_an_error() {
        assert_eq!(Payload::new("").next(), Some(Err(DecodeError::Empty)));
    }

    #[test]
    fn payload_messages_end_at_a_close() {
        let mut payload = Payload::new("4a\u{1e}6\u{1e}4b\u{1e}1\u{1e}4c");
        assert_eq!(payload.next_message(), Some("a".into()));
        assert_eq!(payload.next_message(), Some("b".into()));
        assert_eq!(payload.next_message(), None);
        assert_eq!(payload.next_message(), None);
    }
}
