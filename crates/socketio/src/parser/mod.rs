//! How packets become messages of Engine.IO and back: the default parser, and that of
//! `socket.io-msgpack-parser`. Without I/O.

use std::sync::Arc;

use bytes::Bytes;
use fullduplex::Utf8Bytes;
use serde::Serialize;

use crate::packet::{EncodeError, Packet, PacketError, PacketLimits, RESERVED_EVENTS};
use crate::value::Value;

mod json;
#[cfg(feature = "msgpack")]
mod msgpack;
mod text;

/// The way in which packets are written, which both sides must agree on beforehand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parser {
    /// JSON in text messages, with bytes as attachments in binary messages. Every client knows it.
    #[default]
    Default,
    /// `MessagePack` in one binary message a packet, as `socket.io-msgpack-parser` of npm writes
    /// it.
    #[cfg(feature = "msgpack")]
    MessagePack,
}

/// A packet as the messages of Engine.IO that carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodedPacket {
    /// A text, and the attachments that follow it.
    Text {
        /// The text, which begins with `4`, the type `message` of Engine.IO.
        text: String,
        /// The binary messages that follow the text.
        attachments: Vec<Bytes>,
    },
    /// One binary message.
    Binary(Bytes),
}

/// The kind of a packet with arguments, when it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Head<'a> {
    /// An event, with its name and, if it asks for an acknowledgement, its id.
    Event(&'a str, Option<u64>),
    /// The acknowledgement of the event with this id.
    Ack(u64),
}

/// A packet that is encoded but for an argument that may be appended.
///
/// What a recovered client has to know, the offset, is only certain when the packet is sent.
#[derive(Debug, Clone)]
pub struct PartialPacket(Partial);

#[derive(Debug, Clone)]
enum Partial {
    /// The text without the last bracket, whether it has arguments, and the attachments.
    Text { text: String, is_empty: bool, attachments: Vec<Bytes> },
    #[cfg(feature = "msgpack")]
    MessagePack(msgpack::PartialEvent),
}

impl PartialPacket {
    /// Returns the packet, with one more text as its last argument.
    pub fn finish(self, appended: Option<&str>) -> EncodedPacket {
        match self.0 {
            Partial::Text { mut text, is_empty, attachments } => {
                if let Some(appended) = appended {
                    if !is_empty {
                        text.push(',');
                    }
                    json::push_string(&mut text, appended);
                }
                text.push(']');
                EncodedPacket::Text { text, attachments }
            }
            #[cfg(feature = "msgpack")]
            Partial::MessagePack(partial) => EncodedPacket::Binary(partial.finish(appended)),
        }
    }
}

impl Parser {
    /// Encodes an event or an acknowledgement.
    ///
    /// `args` is any value: a tuple is several arguments, `()` none, all others are one. Fails if
    /// the value can't be serialized, or the event is [reserved](EncodeError::ReservedEvent).
    pub fn encode<T: Serialize + ?Sized>(
        self,
        namespace: &str,
        head: Head<'_>,
        args: &T,
    ) -> Result<PartialPacket, EncodeError> {
        if let Head::Event(name, _) = head
            && RESERVED_EVENTS.contains(&name)
        {
            return Err(EncodeError::ReservedEvent);
        }
        match self {
            Self::Default => text::encode(namespace, head, args)
                .map(|(text, is_empty, attachments)| Partial::Text { text, is_empty, attachments }),
            #[cfg(feature = "msgpack")]
            Self::MessagePack => msgpack::encode(namespace, head, args).map(Partial::MessagePack),
        }
        .map(PartialPacket)
    }

    /// Encodes a CONNECT packet with this data.
    pub fn encode_connect(self, namespace: &str, data: Option<&Value>) -> EncodedPacket {
        self.encode_control(namespace, 0, data)
    }

    /// Encodes a DISCONNECT packet.
    pub fn encode_disconnect(self, namespace: &str) -> EncodedPacket {
        self.encode_control(namespace, 1, None)
    }

    /// Encodes a `CONNECT_ERROR` packet with this data.
    pub fn encode_connect_error(self, namespace: &str, data: &Value) -> EncodedPacket {
        self.encode_control(namespace, 4, Some(data))
    }

    fn encode_control(self, namespace: &str, kind: u8, data: Option<&Value>) -> EncodedPacket {
        match self {
            Self::Default => EncodedPacket::Text {
                text: text::encode_control(namespace, kind, data),
                attachments: Vec::new(),
            },
            #[cfg(feature = "msgpack")]
            Self::MessagePack => {
                EncodedPacket::Binary(msgpack::encode_control(namespace, kind, data))
            }
        }
    }
}

/// Turns the messages of one connection into packets.
#[derive(Debug)]
pub struct Decoder {
    parser: Parser,
    limits: Arc<PacketLimits>,
    /// The namespace of the last packet of text.
    last_namespace: Option<Arc<str>>,
    /// A packet whose attachments have not all come.
    incomplete: Option<Box<text::Incomplete>>,
}

impl Decoder {
    /// Returns a decoder for one connection.
    pub fn new(parser: Parser, limits: Arc<PacketLimits>) -> Self {
        Self { parser, limits, last_namespace: None, incomplete: None }
    }

    /// Takes a text message, and returns the packet that it completes.
    pub fn text(&mut self, text: Utf8Bytes) -> Result<Option<Packet>, PacketError> {
        if self.parser != Parser::Default {
            return Err(PacketError::Malformed("a text message, where MessagePack is binary"));
        }
        if self.incomplete.is_some() {
            return Err(PacketError::Malformed("a text message in place of an attachment"));
        }
        if text.len() > self.limits.max_packet_size {
            return Err(PacketError::TooLarge);
        }
        match text::decode(text, &self.limits, &mut self.last_namespace)? {
            text::Decoded::Packet(packet) => Ok(Some(packet)),
            text::Decoded::Incomplete(incomplete) => {
                self.incomplete = Some(Box::new(incomplete));
                Ok(None)
            }
        }
    }

    /// Takes a binary message, and returns the packet that it completes.
    pub fn binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, PacketError> {
        match self.parser {
            Parser::Default => {
                let Some(incomplete) = &mut self.incomplete else {
                    return Err(PacketError::Malformed("an attachment without a packet"));
                };
                if !incomplete.add(bytes, &self.limits)? {
                    return Ok(None);
                }
                let complete = self.incomplete.take();
                complete.map(|complete| complete.finish()).transpose()
            }
            #[cfg(feature = "msgpack")]
            Parser::MessagePack => msgpack::decode(&bytes, &self.limits).map(Some),
        }
    }

    /// Whether attachments of a packet have yet to come.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete.is_some()
    }
}

/// Fails if this name can't be that of a received event.
fn check_event_name(name: &str, limits: &PacketLimits) -> Result<(), PacketError> {
    if name.len() > limits.max_event_name {
        return Err(PacketError::NameTooLong);
    }
    if RESERVED_EVENTS.contains(&name) {
        return Err(PacketError::Malformed("the name of the event is reserved"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
