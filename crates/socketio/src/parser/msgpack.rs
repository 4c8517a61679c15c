//! The parser of `socket.io-msgpack-parser`: each packet is one map of `MessagePack`.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use rmp_serde::Serializer;
use serde::{Deserialize, Serialize};

use super::{Head, check_event_name};
use crate::args::{Args, Shape};
use crate::packet::{EncodeError, Packet, PacketBody, PacketError, PacketLimits};
use crate::value::Value;

const INVALID: PacketError = PacketError::Malformed("not a packet of MessagePack");

/// An event or acknowledgement whose array is complete but for its length and an appended text.
#[derive(Debug, Clone)]
pub(super) struct PartialEvent {
    /// The map up to the array of its arguments.
    head: Vec<u8>,
    /// The elements of the array.
    elements: Vec<u8>,
    count: usize,
}

impl PartialEvent {
    pub(super) fn finish(self, appended: Option<&str>) -> Bytes {
        let mut packet = BytesMut::with_capacity(self.head.len() + self.elements.len() + 48);
        packet.put_slice(&self.head);
        put_array_len(&mut packet, self.count + usize::from(appended.is_some()));
        packet.put_slice(&self.elements);
        if let Some(appended) = appended {
            put_str(&mut packet, appended);
        }
        packet.freeze()
    }
}

#[derive(Serialize)]
struct ControlPacket<'a> {
    r#type: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    nsp: &'a str,
}

#[derive(Deserialize)]
struct WirePacket {
    r#type: u8,
    nsp: String,
    #[serde(default)]
    data: Option<Value>,
    /// A number, or `undefined`.
    #[serde(default)]
    id: Option<Value>,
}

fn put_array_len(packet: &mut BytesMut, len: usize) {
    match (u8::try_from(len), u16::try_from(len), u32::try_from(len)) {
        (Ok(len), ..) if len < 16 => packet.put_u8(0x90 | len),
        (_, Ok(len), _) => {
            packet.put_u8(0xdc);
            packet.put_u16(len);
        }
        (_, _, Ok(len)) => {
            packet.put_u8(0xdd);
            packet.put_u32(len);
        }
        // Elements beyond 4 Gi don't fit into memory.
        _ => {}
    }
}

/// Returns how many bytes the length of an array takes.
fn array_len_size(len: usize) -> usize {
    match len {
        0..16 => 1,
        16..65_536 => 3,
        _ => 5,
    }
}

fn put_str(packet: &mut BytesMut, text: &str) {
    let mut encoded = Vec::with_capacity(text.len() + 5);
    // Writing a text to memory can't fail.
    if text.serialize(&mut Serializer::new(&mut encoded)).is_ok() {
        packet.put_slice(&encoded);
    }
}

fn write<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    let mut serializer = Serializer::new(bytes).with_struct_map();
    value.serialize(&mut serializer).map_err(|error| EncodeError::Unserializable(error.to_string()))
}

pub(super) fn encode<T: Serialize + ?Sized>(
    namespace: &str,
    packet: Head<'_>,
    args: &T,
) -> Result<PartialEvent, EncodeError> {
    let (kind, name, id) = match packet {
        Head::Event(name, id) => (2_u8, Some(name), id),
        Head::Ack(id) => (3, None, Some(id)),
    };
    let mut head = vec![0x80 | if id.is_some() { 4 } else { 3 }];
    write(&mut head, "type")?;
    write(&mut head, &kind)?;
    write(&mut head, "nsp")?;
    write(&mut head, namespace)?;
    if let Some(id) = id {
        write(&mut head, "id")?;
        write(&mut head, &id)?;
    }
    write(&mut head, "data")?;
    let mut elements = Vec::new();
    let mut count = 0;
    if let Some(name) = name {
        write(&mut elements, name)?;
        count = 1;
    }
    match Shape::of(args) {
        Shape::Nothing => {}
        Shape::Tuple(len) => {
            let at = elements.len();
            write(&mut elements, args)?;
            elements.drain(at..at + array_len_size(len));
            count += len;
        }
        Shape::Single => {
            write(&mut elements, args)?;
            count += 1;
        }
    }
    Ok(PartialEvent { head, elements, count })
}

pub(super) fn encode_control(namespace: &str, kind: u8, data: Option<&Value>) -> Bytes {
    let mut bytes = Vec::new();
    let packet = ControlPacket { r#type: kind, data, nsp: namespace };
    // Values of ours can be serialized.
    let _ = write(&mut bytes, &packet);
    bytes.into()
}

pub(super) fn decode(bytes: &[u8], limits: &PacketLimits) -> Result<Packet, PacketError> {
    if bytes.len() > limits.max_packet_size {
        return Err(PacketError::TooLarge);
    }
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    // The map of the packet is a level of its own.
    deserializer.set_max_depth(limits.max_depth + 1);
    let packet = WirePacket::deserialize(&mut deserializer).map_err(|error| match error {
        rmp_serde::decode::Error::DepthLimitExceeded => PacketError::TooDeep,
        _ => INVALID,
    })?;
    if packet.nsp.len() > limits.max_namespace_name {
        return Err(PacketError::NameTooLong);
    }
    let id = match packet.id {
        None | Some(Value::Null) => None,
        Some(Value::Unsigned(id)) => Some(id),
        Some(_) => return Err(INVALID),
    };
    let body = body(packet.r#type, packet.data.unwrap_or(Value::Null), id, limits)?;
    Ok(Packet { namespace: Arc::from(packet.nsp), body })
}

fn body(
    kind: u8,
    data: Value,
    id: Option<u64>,
    limits: &PacketLimits,
) -> Result<PacketBody, PacketError> {
    match (kind, data) {
        (0, Value::Null) => Ok(PacketBody::Connect { data: Args::none() }),
        (0, object @ Value::Object(_)) => {
            Ok(PacketBody::Connect { data: Args::values(vec![object], 0) })
        }
        (1, Value::Null) => Ok(PacketBody::Disconnect),
        (2 | 5, Value::Array(values)) => {
            let name = match values.first() {
                Some(Value::String(name)) => name.clone(),
                Some(Value::Unsigned(number)) => number.to_string(),
                _ => return Err(INVALID),
            };
            check_event_name(&name, limits)?;
            Ok(PacketBody::Event { name, id, args: Args::values(values, 1) })
        }
        (3 | 6, Value::Array(values)) => {
            let id = id.ok_or(PacketError::Malformed("an acknowledgement without an id"))?;
            Ok(PacketBody::Ack { id, args: Args::values(values, 0) })
        }
        (4, object @ (Value::Object(_) | Value::String(_))) => {
            Ok(PacketBody::ConnectError { data: Args::values(vec![object], 0) })
        }
        _ => Err(INVALID),
    }
}
