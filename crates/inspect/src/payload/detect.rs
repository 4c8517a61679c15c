//! The format of a payload: by the subprotocol, by the path, or by its shape.

use fullduplex_proto::MessageKind;

use super::{Content, Format, cbor, json_based, message_pack, mqtt, protobuf, signalr, stomp};
use crate::tree::{Problem, Tree};

/// The largest number of a field of a message that is found by its shape.
const MAX_FIELD: f64 = 1_000.0;

pub(super) fn detect(content: &Content<'_>) -> Option<Format> {
    if content.payload.is_empty() {
        return None;
    }
    let agreed = content.subprotocol.and_then(of_subprotocol);
    agreed.or_else(|| of_path(content)).or_else(|| match content.kind {
        MessageKind::Text => of_text(content),
        MessageKind::Binary => of_binary(content),
    })
}

fn of_subprotocol(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let has = |part: &str| name.contains(part);
    Some(match &*name {
        "graphql-transport-ws" | "graphql-ws" => Format::GraphQl,
        "mqtt" | "mqttv3.1" => Format::Mqtt,
        "stomp" | "v10.stomp" | "v11.stomp" | "v12.stomp" => Format::Stomp,
        "jsonrpc" | "json-rpc" => Format::JsonRpc,
        _ if has("msgpack") || has("messagepack") => Format::MessagePack,
        _ if has("cbor") => Format::Cbor,
        _ if has("protobuf") => Format::Protobuf,
        _ => return None,
    })
}

/// Returns what a path and query say, if the message can be such.
fn of_path(content: &Content<'_>) -> Option<Format> {
    let path = content.path;
    let is_text = content.kind == MessageKind::Text;
    let first = content.payload.first().copied().unwrap_or_default();
    if is_text && path.contains("EIO=") && matches!(first, b'0'..=b'6') {
        return Some(Format::SocketIo);
    }
    (is_text && path.contains("/websocket?") && path.contains("vsn=") && first == b'[')
        .then_some(Format::Phoenix)
}

fn of_text(content: &Content<'_>) -> Option<Format> {
    let payload = content.payload;
    if signalr::is_json(payload) {
        return Some(Format::SignalR);
    }
    if stomp::is_frame(payload) {
        return Some(Format::Stomp);
    }
    if is_socketio(payload) {
        return Some(Format::SocketIo);
    }
    of_json(content)
}

/// Returns whether a text is likely a packet of Socket.IO: an open packet, or one with JSON.
fn is_socketio(payload: &[u8]) -> bool {
    if payload.starts_with(b"0{\"sid\"") {
        return true;
    }
    let Some([b'0'..=b'6', rest @ ..]) = payload.strip_prefix(b"4") else { return false };
    let json = rest.iter().position(|byte| matches!(byte, b'[' | b'{'));
    json.is_some_and(|json| {
        let before = &rest[..json];
        before.first() == Some(&b'/') || before.iter().all(|b| b.is_ascii_digit() || *b == b'-')
    })
}

/// Returns a format of JSON, if it is JSON but not only a number or a word.
fn of_json(content: &Content<'_>) -> Option<Format> {
    let begin = content.payload.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if !matches!(begin, b'{' | b'[' | b'"') {
        return None;
    }
    let (tree, problem) = json_based::read(content.payload, 0);
    let tree = tree.filter(|_| is_whole(problem.as_ref(), content))?;
    let one = tree.items().first().unwrap_or(&tree);
    if one.get("jsonrpc").is_some() {
        return Some(Format::JsonRpc);
    }
    if is_phoenix(&tree) {
        return Some(Format::Phoenix);
    }
    Some(if is_graphql(&tree) { Format::GraphQl } else { Format::Json })
}

fn is_phoenix(tree: &Tree) -> bool {
    let is_such = |topic: Option<&Tree>, event: Option<&Tree>| {
        let (topic, event) = (topic.and_then(Tree::as_text), event.and_then(Tree::as_text));
        topic == Some("phoenix") || event.is_some_and(|event| event.starts_with("phx_"))
    };
    match tree.items() {
        [_, _, topic, event, _] => is_such(Some(topic), Some(event)),
        _ => is_such(tree.get("topic"), tree.get("event")),
    }
}

fn is_graphql(tree: &Tree) -> bool {
    let payload = |key: &str| tree.get("payload").is_some_and(|payload| payload.get(key).is_some());
    match tree.get("type").and_then(Tree::as_text) {
        Some("connection_init" | "connection_ack") => true,
        Some("subscribe" | "start") => payload("query"),
        Some("next" | "data") => tree.get("id").is_some() && (payload("data") || payload("errors")),
        _ => false,
    }
}

fn of_binary(content: &Content<'_>) -> Option<Format> {
    let payload = content.payload;
    let first = *payload.first()?;
    if mqtt::is_connect(payload) {
        return Some(Format::Mqtt);
    }
    if payload.starts_with(b"\xd9\xd9\xf7") {
        return Some(Format::Cbor);
    }
    if matches!(first, b'{' | b'[')
        && let Some(format) = of_json(content)
    {
        return Some(format);
    }
    if signalr::is_packed(payload) {
        return Some(Format::SignalR);
    }
    let is_such = |parts: super::Parts| is_whole(parts.problem.as_ref(), content);
    // A list or a map, as any byte is a value.
    if matches!(first, 0x80..=0x9f | 0xdc..=0xdf) && is_such(message_pack::decode(payload)) {
        return Some(Format::MessagePack);
    }
    if matches!(first, 0x80..=0xbf) && is_such(cbor::decode(payload)) {
        return Some(Format::Cbor);
    }
    let parts = protobuf::decode(payload);
    let has_fields = parts.tree.as_ref().is_some_and(|tree| match &tree.value {
        crate::TreeValue::Map(fields) => {
            let is_small = |key: &Tree| key.as_f64().is_some_and(|number| number < MAX_FIELD);
            !fields.is_empty() && fields.iter().all(|(key, _)| is_small(key))
        }
        _ => false,
    });
    (has_fields && is_such(parts)).then_some(Format::Protobuf)
}

/// Returns whether a payload was decoded to its end, or to where it was cut.
fn is_whole(problem: Option<&Problem>, content: &Content<'_>) -> bool {
    problem.is_none_or(|problem| {
        let is_at_end = problem.at == content.payload.len();
        content.is_cut && is_at_end || problem.what.starts_with("more than ")
    })
}
