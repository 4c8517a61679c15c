//! `SignalR`: several messages in a payload, as JSON or `MessagePack`.

use super::message_pack;
use super::{MAX_SUMMARY, Parts, json_based};
use crate::tree::{Reader, Tree, TreeValue};

/// What ends a message of JSON.
const SEPARATOR: u8 = 0x1e;

/// The types of messages, from 1 on.
const TYPES: [&str; 9] = [
    "invocation",
    "stream item",
    "completion",
    "stream invocation",
    "cancel",
    "ping",
    "close",
    "ack",
    "sequence",
];

pub(super) fn decode(payload: &[u8]) -> Parts {
    let is_json = matches!(payload.first(), None | Some(b'{' | b'['));
    let (messages, problem) = if is_json { json(payload) } else { packed(payload) };
    let said: Vec<String> = messages.iter().take(20).map(summary).collect();
    let tree = Tree::new(TreeValue::List(messages), 0..payload.len());
    Parts { summary: said.join("; "), tree: Some(tree), problem }
}

type Messages = (Vec<Tree>, Option<crate::tree::Problem>);

fn json(payload: &[u8]) -> Messages {
    let (mut messages, mut at) = (Vec::new(), 0);
    let mut values = Reader::new(payload, 0);
    for part in payload.split_inclusive(|&byte| byte == SEPARATOR) {
        let message = part.strip_suffix(&[SEPARATOR]);
        let mut reader = values.within(message.unwrap_or(part), at);
        messages.extend(crate::tree::Json::new(&mut reader).document());
        values.count_values_of(&reader);
        at += part.len();
        if message.is_none() && !reader.has_problem() {
            reader.fail("the message is not ended by 0x1e");
        }
        if reader.has_problem() {
            return (messages, reader.into_problem());
        }
    }
    (messages, None)
}

fn packed(payload: &[u8]) -> Messages {
    let mut reader = Reader::new(payload, 0);
    let mut messages = Vec::new();
    while !reader.is_empty() && !reader.has_problem() {
        let Some(len) = reader.varint(5) else { break };
        let begin = reader.at();
        let message = reader.take(usize::try_from(len).unwrap_or(usize::MAX));
        let mut inner = reader.within(message, begin);
        messages.extend(message_pack::value(&mut inner));
        if !inner.is_empty() {
            inner.fail("more follows the message");
        }
        reader.count_values_of(&inner);
        if let Some(problem) = inner.into_problem() {
            reader.fail_at(problem.at, problem.what);
        }
    }
    (messages, reader.into_problem())
}

/// Returns whether a payload begins as one of `MessagePack` does: a length, a list, and a type.
pub(super) fn is_packed(payload: &[u8]) -> bool {
    let mut reader = Reader::new(payload, 0);
    let Some(len) = reader.varint(5) else { return false };
    let rest = reader.rest();
    matches!(rest, [0x91..=0x97, 1..=9, ..])
        && usize::try_from(len).is_ok_and(|len| len <= rest.len())
        && packed(payload).1.is_none()
}

fn summary(message: &Tree) -> String {
    let items = message.items();
    let kind = items.first().or_else(|| message.get("type")).and_then(Tree::as_f64);
    // It is compared with small numbers.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let name = kind.and_then(|kind| TYPES.get((kind as usize).wrapping_sub(1)));
    let Some(name) = name else {
        let protocol = message.get("protocol").and_then(Tree::as_text);
        return match (protocol, message.get("error")) {
            (Some(protocol), _) => format!("handshake {protocol}"),
            (None, Some(error)) => format!("handshake failed {}", error.to_line(MAX_SUMMARY)),
            (None, None) if message.value == TreeValue::Map(Vec::new()) => "handshake ok".into(),
            (None, None) => message.to_line(MAX_SUMMARY),
        };
    };
    // In a list, an id and a target follow the headers.
    let of = |key: &str, index: usize| message.get(key).or_else(|| items.get(index));
    let mut said = vec![(*name).to_owned()];
    let texts = [of("invocationId", 2), of("target", 3)];
    let has_target = name.ends_with("invocation");
    let count = if has_target { 2 } else { 1 };
    said.extend(
        texts.into_iter().take(count).flatten().filter_map(Tree::as_text).map(str::to_owned),
    );
    let values = if has_target {
        of("arguments", 4)
    } else {
        message.get("result").or_else(|| message.get("item")).or_else(|| message.get("error"))
    };
    said.extend(values.map(|values| values.to_line(MAX_SUMMARY)));
    said.join(" ")
}

/// Returns whether a text is of messages of JSON.
pub(super) fn is_json(payload: &[u8]) -> bool {
    payload.first() == Some(&b'{')
        && payload.last() == Some(&SEPARATOR)
        && payload
            .split(|&byte| byte == SEPARATOR)
            .next()
            .is_some_and(|first| json_based::read(first, 0).1.is_none())
}
