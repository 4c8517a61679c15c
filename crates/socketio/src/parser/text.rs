//! The default parser: JSON in text messages, bytes in binary messages that follow.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use fullduplex::Utf8Bytes;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

use super::{Head, check_event_name, json};
use crate::args::{Args, Shape};
use crate::packet::{EncodeError, Packet, PacketBody, PacketError, PacketLimits};
use crate::value::Value;

/// The namespace whose name is left out of packets.
const MAIN: &str = "/";

/// Begins the text of a packet: Engine.IO's type `message`, the packet's type, the attachments, the
/// namespace and the id.
fn head(kind: u8, attachments: usize, namespace: &str, id: Option<u64>) -> String {
    let mut text = String::with_capacity(64);
    text.push('4');
    text.push(char::from(b'0' + kind));
    // Writing to a string can't fail.
    if attachments > 0 {
        let _ = write!(text, "{attachments}-");
    }
    if namespace != MAIN {
        text.push_str(namespace);
        text.push(',');
    }
    if let Some(id) = id {
        let _ = write!(text, "{id}");
    }
    text
}

/// Returns the text without its last bracket, whether it has no arguments, and the attachments.
pub(super) fn encode<T: Serialize + ?Sized>(
    namespace: &str,
    packet: Head<'_>,
    args: &T,
) -> Result<(String, bool, Vec<Bytes>), EncodeError> {
    let (kind, name, id) = match packet {
        Head::Event(name, id) => (2, Some(name), id),
        Head::Ack(id) => (3, None, Some(id)),
    };
    let mut text = head(kind, 0, namespace, id);
    let head_len = text.len();
    text.push('[');
    if let Some(name) = name {
        json::push_string(&mut text, name);
    }
    let mut is_empty = name.is_none();
    let mut bytes = text.into_bytes();
    let mut attachments = Vec::new();
    match Shape::of(args) {
        Shape::Nothing | Shape::Tuple(0) => {}
        Shape::Tuple(_) => {
            // The bracket of the tuple's own array gives way to what stands before its elements.
            let at = bytes.len();
            json::write(&mut bytes, args, &mut attachments)?;
            if is_empty {
                bytes.remove(at);
            } else if let Some(bracket) = bytes.get_mut(at) {
                *bracket = b',';
            }
            bytes.pop();
            is_empty = false;
        }
        Shape::Single => {
            if !is_empty {
                bytes.push(b',');
            }
            json::write(&mut bytes, args, &mut attachments)?;
            is_empty = false;
        }
    }
    if !attachments.is_empty() {
        // BINARY_EVENT is 5, BINARY_ACK is 6.
        let head = head(kind + 3, attachments.len(), namespace, id);
        bytes.splice(..head_len, head.into_bytes());
    }
    let text =
        String::from_utf8(bytes).map_err(|error| EncodeError::Unserializable(error.to_string()))?;
    Ok((text, is_empty, attachments))
}

pub(super) fn encode_control(namespace: &str, kind: u8, data: Option<&Value>) -> String {
    let mut text = head(kind, 0, namespace, None);
    if let Some(data) = data {
        text.push_str(&json::to_string(data));
    }
    text
}

pub(super) enum Decoded {
    Packet(Packet),
    Incomplete(Incomplete),
}

/// A packet whose attachments have not all come.
#[derive(Debug)]
pub(super) struct Incomplete {
    namespace: Arc<str>,
    /// Whether this is an event; otherwise it is an acknowledgement.
    is_event: bool,
    id: Option<u64>,
    /// The array of JSON with placeholders.
    json: Bytes,
    attachments: Vec<Bytes>,
    expected: usize,
    /// The bytes of the text and of the attachments.
    size: usize,
    max_event_name: usize,
}

impl Incomplete {
    /// Adds an attachment, and returns whether it was the last one.
    pub(super) fn add(&mut self, bytes: Bytes, limits: &PacketLimits) -> Result<bool, PacketError> {
        self.size = self.size.saturating_add(bytes.len());
        if self.size > limits.max_packet_size {
            return Err(PacketError::TooLarge);
        }
        self.attachments.push(bytes);
        Ok(self.attachments.len() == self.expected)
    }

    pub(super) fn finish(self) -> Result<Packet, PacketError> {
        let mut values: Vec<Value> =
            serde_json::from_slice(&self.json).map_err(|_| INVALID_PAYLOAD)?;
        for value in &mut values {
            fill(value, &self.attachments)?;
        }
        let body = if self.is_event {
            let name = match values.first() {
                Some(Value::String(name)) => name.clone(),
                Some(Value::Unsigned(number)) => number.to_string(),
                _ => return Err(INVALID_PAYLOAD),
            };
            let limits = PacketLimits::default().max_event_name(self.max_event_name);
            check_event_name(&name, &limits)?;
            PacketBody::Event { name, id: self.id, args: Args::values(values, 1) }
        } else {
            let id = self.id.ok_or(MISSING_ID)?;
            PacketBody::Ack { id, args: Args::values(values, 0) }
        };
        Ok(Packet { namespace: self.namespace, body })
    }
}

const INVALID_PAYLOAD: PacketError = PacketError::Malformed("the payload is not valid");
const MISSING_ID: PacketError = PacketError::Malformed("an acknowledgement without an id");

/// Puts the attachments in the places of their placeholders.
fn fill(value: &mut Value, attachments: &[Bytes]) -> Result<(), PacketError> {
    match value {
        Value::Array(values) => values.iter_mut().try_for_each(|value| fill(value, attachments)),
        Value::Object(members) => {
            let is_placeholder = members
                .iter()
                .any(|(key, value)| key == "_placeholder" && *value == Value::Bool(true));
            if !is_placeholder {
                return members.iter_mut().try_for_each(|(_, value)| fill(value, attachments));
            }
            let number = members.iter().find(|(key, _)| key == "num");
            let attachment = match number {
                Some((_, Value::Unsigned(number))) => {
                    usize::try_from(*number).ok().and_then(|number| attachments.get(number))
                }
                _ => None,
            };
            let missing = PacketError::Malformed("a placeholder without its attachment");
            *value = Value::Bytes(attachment.ok_or(missing)?.clone());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Reads the parts of a packet's text from its beginning.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn digits(&mut self) -> &'a str {
        let rest = self.rest();
        let len = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// Reads the number of attachments and the `-` after it.
    fn attachments(&mut self, limits: &PacketLimits) -> Result<usize, PacketError> {
        const MALFORMED: PacketError = PacketError::Malformed("the number of attachments");
        let digits = self.digits();
        if !self.rest().starts_with('-') || digits.starts_with('0') && digits.len() > 1 {
            return Err(MALFORMED);
        }
        self.at += 1;
        let number: usize = match digits {
            "" => return Err(MALFORMED),
            // The number may be too long for any integer.
            digits => digits.parse().map_err(|_| PacketError::TooManyAttachments)?,
        };
        if number > limits.max_attachments {
            return Err(PacketError::TooManyAttachments);
        }
        Ok(number)
    }

    /// Reads the name of the namespace. `last` is that of the packet before, which mostly has the
    /// same.
    fn namespace(
        &mut self,
        limits: &PacketLimits,
        last: &mut Option<Arc<str>>,
    ) -> Result<Arc<str>, PacketError> {
        let name = self.namespace_name(limits)?;
        match last {
            Some(last) if **last == *name => Ok(last.clone()),
            _ => Ok(last.insert(name.into()).clone()),
        }
    }

    fn namespace_name(&mut self, limits: &PacketLimits) -> Result<&'a str, PacketError> {
        let rest = self.rest();
        if !rest.starts_with('/') {
            return Ok(MAIN);
        }
        let name = rest.split_once(',').map_or(rest, |(name, _)| name);
        // The comma is absent if nothing follows.
        self.at = (self.at + name.len() + 1).min(self.text.len());
        if name.len() > limits.max_namespace_name {
            return Err(PacketError::NameTooLong);
        }
        Ok(name)
    }

    fn id(&mut self) -> Result<Option<u64>, PacketError> {
        match self.digits() {
            "" => Ok(None),
            digits => digits
                .parse()
                .map(Some)
                .map_err(|_| PacketError::Malformed("the acknowledgement id is too large")),
        }
    }
}

/// Decodes the text of a packet. `last_namespace` is that of the packet before.
pub(super) fn decode(
    text: Utf8Bytes,
    limits: &PacketLimits,
    last_namespace: &mut Option<Arc<str>>,
) -> Result<Decoded, PacketError> {
    let str = text.as_str();
    let kind = str.bytes().next().ok_or(PacketError::Malformed("an empty packet"))?;
    if !(b'0'..=b'6').contains(&kind) {
        return Err(PacketError::Malformed("an unknown type of packet"));
    }
    let mut cursor = Cursor { text: str, at: 1 };
    let attachments = if kind >= b'5' { cursor.attachments(limits)? } else { 0 };
    let namespace = cursor.namespace(limits, last_namespace)?;
    let id = cursor.id()?;
    let payload = cursor.rest();
    if !json::is_depth_within(payload.as_bytes(), limits.max_depth) {
        return Err(PacketError::TooDeep);
    }
    let at = cursor.at;
    let body = match kind {
        b'0' => PacketBody::Connect { data: object(payload)? },
        b'1' if payload.is_empty() => PacketBody::Disconnect,
        b'1' => return Err(INVALID_PAYLOAD),
        b'4' => PacketBody::ConnectError { data: object(payload)? },
        b'2' | b'5' => {
            let head: EventHead<'_> = serde_json::from_str(payload).map_err(|_| INVALID_PAYLOAD)?;
            let name = head.0.into_owned();
            check_event_name(&name, limits)?;
            if attachments > 0 {
                return Ok(incomplete(text, at, namespace, id, true, attachments, limits));
            }
            PacketBody::Event { name, id, args: Args::json(text.into_bytes().slice(at..), 1) }
        }
        _ => {
            let _: Vec<IgnoredAny> = serde_json::from_str(payload).map_err(|_| INVALID_PAYLOAD)?;
            if attachments > 0 {
                return Ok(incomplete(text, at, namespace, id, false, attachments, limits));
            }
            let id = id.ok_or(MISSING_ID)?;
            PacketBody::Ack { id, args: Args::json(text.into_bytes().slice(at..), 0) }
        }
    };
    Ok(Decoded::Packet(Packet { namespace, body }))
}

fn incomplete(
    text: Utf8Bytes,
    at: usize,
    namespace: Arc<str>,
    id: Option<u64>,
    is_event: bool,
    expected: usize,
    limits: &PacketLimits,
) -> Decoded {
    Decoded::Incomplete(Incomplete {
        namespace,
        is_event,
        id,
        size: text.len(),
        json: text.into_bytes().slice(at..),
        attachments: Vec::with_capacity(expected.min(limits.max_attachments)),
        expected,
        max_event_name: limits.max_event_name,
    })
}

/// Reads the object of a CONNECT packet, or nothing.
fn object(payload: &str) -> Result<Args, PacketError> {
    if payload.is_empty() {
        return Ok(Args::none());
    }
    match serde_json::from_str::<Value>(payload) {
        Ok(object @ Value::Object(_)) => Ok(Args::values(vec![object], 0)),
        _ => Err(INVALID_PAYLOAD),
    }
}

/// The first element of an event's array: its name. The rest is only validated.
struct EventHead<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for EventHead<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EventVisitor).map(Self)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array that begins with the name of an event")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let name = seq.next_element::<EventName<'de>>()?;
        let name = name.ok_or_else(|| serde::de::Error::invalid_length(0, &self))?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(name.0)
    }
}

/// A text, or a number as one.
struct EventName<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for EventName<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an event")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(name))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(name.to_owned()))
            }

            fn visit_u64<E>(self, name: u64) -> Result<Self::Value, E> {
                Ok(Cow::Owned(name.to_string()))
            }
        }
        deserializer.deserialize_any(NameVisitor).map(Self)
    }
}
