//! Receiving by the adapter that assembles messages.

use bytes::BytesMut;
use fullduplex_proto::{Assembler, Limits, MessageEvent, ReceiveBuffer, Receiver, Role};

use crate::pair::EndEvent;

impl From<MessageEvent> for EndEvent {
    fn from(incoming: MessageEvent) -> Self {
        match incoming {
            MessageEvent::Message(message) => Self::Message(message.kind(), message.into_bytes()),
            MessageEvent::Ping(payload) => Self::Ping(payload),
            MessageEvent::Pong(payload) => Self::Pong(payload),
            MessageEvent::Close(frame) => Self::Close(frame),
        }
    }
}

/// Returns the events of [`ReceiveBuffer::next`] for bytes that arrive in these pieces, in a buffer
/// that `make` creates: [`ReceiveBuffer::from`] or [`ReceiveBuffer::shared`].
///
/// # Panics
/// If it makes no progress, or carries more than it must from one piece to the next.
pub fn by_buffer(
    role: Role,
    limits: Limits,
    pieces: &[&[u8]],
    make: fn(BytesMut) -> ReceiveBuffer,
) -> Vec<EndEvent> {
    let (mut input, mut assembler) = (ReceiveBuffer::default(), Assembler::default());
    let mut receiver = Receiver::new(role, limits);
    let mut all = Vec::new();
    for piece in pieces {
        let mut bytes = input.into_bytes();
        bytes.extend_from_slice(piece);
        input = make(bytes);
        loop {
            let before = input.len();
            match input.next(&mut receiver, &mut assembler) {
                Ok(None) => break,
                Ok(Some(incoming)) => {
                    assert!(input.len() < before, "progress");
                    all.push(incoming.into());
                }
                Err(error) => all.push(EndEvent::Error(error)),
            }
        }
        // §5.5: an incomplete header or control frame is all that is carried.
        assert!(input.len() < 14 + 125, "{} bytes are carried", input.len());
    }
    all
}
