//! What the message of a row says, for the detail of the page.

use std::fmt::Write as _;

use fullduplex_inspect::payload::{Content, Decoded, Format};
use fullduplex_inspect::store::{Row, Socket};
use fullduplex_inspect::{Tree, TreeValue};
use serde_json::{Value, json};

use super::values::hex;

/// The longest text of a tree, in bytes.
const MAX_TEXT: usize = 512 << 10;

/// Returns what the message of a row says: in the format that is asked for, or else in the one that
/// it seems to have. Null if the row has no message.
pub(super) fn decoded(row: &Row, socket: Option<&Socket>, asked: Option<Format>) -> Value {
    let message = row.as_frame().and_then(|shown| shown.frame.message.as_ref());
    let Some(message) = message.filter(|message| !message.payload.is_empty()) else {
        return Value::Null;
    };
    let content = Content::new(message.kind, &message.payload)
        .is_cut((message.payload.len() as u64) < message.len)
        .subprotocol(socket.and_then(Socket::subprotocol))
        .path(socket.map_or("", Socket::path));
    let found = Format::detect(&content);
    let decoded = asked.or(found).map(|format| format.decode(content.payload));
    json!({
        "found": found.map(Format::name),
        "formats": Format::ALL.map(Format::name),
        "format": decoded.as_ref().map(|decoded| decoded.format.name()),
        "summary": decoded.as_ref().map(|decoded| &decoded.summary),
        "text": decoded.as_ref().map(text),
        "problem": decoded.as_ref().and_then(|decoded| Some(decoded.problem.as_ref()?.to_string())),
    })
}

/// Returns the values of a payload as lines, in the order in which they are there.
fn text(decoded: &Decoded) -> String {
    let mut text = String::new();
    if let Some(tree) = &decoded.tree {
        write(tree, 0, &mut text);
    }
    text
}

/// Appends a value: as JSON, but for bytes, which are in hexadecimal.
fn write(tree: &Tree, depth: usize, text: &mut String) {
    if text.len() > MAX_TEXT {
        return;
    }
    match &tree.value {
        TreeValue::Null => text.push_str("null"),
        TreeValue::Bool(bool) => text.push_str(if *bool { "true" } else { "false" }),
        // Writing to a string does not fail.
        TreeValue::Integer(integer) => drop(write!(text, "{integer}")),
        TreeValue::Float(float) => drop(write!(text, "{float:?}")),
        TreeValue::Text(own) => text.push_str(&Value::from(own.as_str()).to_string()),
        TreeValue::Bytes(bytes) => drop(write!(text, "h'{}'", hex(bytes))),
        TreeValue::List(items) => {
            let entries = items.iter().map(|item| (None, item));
            write_entries(('[', ']'), entries, depth, text);
        }
        TreeValue::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (Some(key), value));
            write_entries(('{', '}'), entries, depth, text);
        }
        other => drop(write!(text, "{other:?}")),
    }
}

/// Appends values between brackets, each on a line of its own.
fn write_entries<'a>(
    (open, close): (char, char),
    entries: impl ExactSizeIterator<Item = (Option<&'a Tree>, &'a Tree)>,
    depth: usize,
    text: &mut String,
) {
    let last = entries.len();
    text.push(open);
    for (at, (key, value)) in entries.enumerate() {
        if text.len() > MAX_TEXT {
            text.push_str(" …");
            break;
        }
        new_line(depth + 1, text);
        if let Some(key) = key {
            write(key, depth + 1, text);
            text.push_str(": ");
        }
        write(value, depth + 1, text);
        if at + 1 < last {
            text.push(',');
        }
    }
    if last > 0 {
        new_line(depth, text);
    }
    text.push(close);
}

fn new_line(depth: usize, text: &mut String) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fullduplex::Role;
    use fullduplex_inspect::Conversation;
    use fullduplex_inspect::store::Handling;

    use super::*;

    fn row(bytes: &[u8]) -> Row {
        let mut rows = Vec::new();
        Conversation::new().push(Role::Server, bytes, Duration::ZERO, |shown| {
            rows.push(Row::frame(1, shown, Handling::Passed));
        });
        rows.pop().unwrap()
    }

    #[test]
    fn decoded_message_has_its_values_in_their_order() {
        // {"b": [1, h'ff'], "a": {}} in MessagePack.
        let bytes = b"\x82\x0b\x82\xa1b\x92\x01\xc4\x01\xff\xa1a\x80";
        let message = decoded(&row(bytes), None, None);
        assert_eq!(message["found"], "msgpack");
        let text = "{\n  \"b\": [\n    1,\n    h'ff'\n  ],\n  \"a\": {}\n}";
        assert_eq!(message["text"], text);
        assert!(message["problem"].is_null(), "{message}");
        let other = decoded(&row(bytes), None, Some(Format::Json));
        assert_eq!((&other["format"], &other["found"]), (&"json".into(), &"msgpack".into()));
        assert!(other["problem"].as_str().unwrap().starts_with("byte 0"), "{other}");
        assert!(decoded(&row(b"\x81\x02hi"), None, None)["format"].is_null());
        assert!(decoded(&row(b"\x89\x02hi"), None, None).is_null());
    }

    #[test]
    fn decoded_message_is_cut_when_it_is_long() {
        let mut bytes = b"\x82\x7f\0\0\0\0\0\0\xff\xff\xc6\0\0\xff\xfa".to_vec();
        bytes.resize(bytes.len() + 0xfffa, 7);
        let list = "[[".repeat(30) + &"[],".repeat(9000);
        let json =
            [&[0x81, 0x7e][..], &u16::try_from(list.len()).unwrap().to_be_bytes(), list.as_bytes()]
                .concat();
        for (bytes, format) in [(bytes, Format::MessagePack), (json, Format::Json)] {
            let message = decoded(&row(&bytes), None, Some(format));
            let len = message["text"].as_str().unwrap().len();
            assert!(len < MAX_TEXT + (128 << 10), "{len}");
        }
    }
}
