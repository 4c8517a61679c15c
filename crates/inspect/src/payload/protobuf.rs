//! Protocol buffers without their schema: numbers of fields and what their bytes can be.

use super::Parts;
use crate::tree::{Reader, Tree, TreeValue};

/// Decodes a message.
pub(super) fn decode(payload: &[u8]) -> Parts {
    let mut reader = Reader::new(payload, 0);
    let tree = reader.node(|reader| Some(fields(reader, None)));
    Parts::of_tree(tree, reader.into_problem())
}

/// Reads fields to the end of the bytes, or to that of a group.
fn fields(reader: &mut Reader<'_>, group: Option<u64>) -> TreeValue {
    let mut entries = Vec::new();
    while !reader.has_problem() {
        if reader.is_empty() {
            if group.is_some() {
                reader.fail("ends within a group");
            }
            break;
        }
        let begin = reader.at();
        let Some(tag) = reader.varint(5) else { break };
        let (number, wire) = (tag >> 3, tag & 7);
        if number == 0 || number >= 1 << 29 {
            reader.fail_at(begin, format!("{number} is not the number of a field"));
            break;
        }
        if wire == 4 {
            if group != Some(number) {
                reader.fail_at(begin, "a group ends that has not begun");
            }
            break;
        }
        let key = Tree::new(TreeValue::Integer(number.into()), begin..reader.at());
        let value = reader.node(|reader| match wire {
            0 => reader.varint(10).map(integer),
            1 => little_endian(reader, 8).map(integer),
            5 => little_endian(reader, 4).map(integer),
            2 => Some(delimited(reader)),
            3 => Some(fields(reader, Some(number))),
            _ => {
                reader.fail_at(begin, format!("{wire} is not a wire type"));
                None
            }
        });
        entries.extend(value.map(|value| (key, value)));
    }
    TreeValue::Map(entries)
}

fn integer(number: u64) -> TreeValue {
    TreeValue::Integer(number.into())
}

fn little_endian(reader: &mut Reader<'_>, len: usize) -> Option<u64> {
    reader.big_endian(len).map(|number| number.swap_bytes() >> (64 - 8 * len))
}

/// Reads bytes: text if they are printable, or else a message if they are one.
fn delimited(reader: &mut Reader<'_>) -> TreeValue {
    let Some(len) = reader.varint(10) else { return TreeValue::Bytes(Vec::new()) };
    let begin = reader.at();
    let bytes = reader.take(usize::try_from(len).unwrap_or(usize::MAX));
    if let Ok(text) = std::str::from_utf8(bytes)
        && is_printable(text)
    {
        return TreeValue::Text(text.to_owned());
    }
    let mut inner = reader.within(bytes, begin);
    let message = inner.node(|inner| Some(fields(inner, None)));
    match message {
        Some(message) if !inner.has_problem() => {
            reader.count_values_of(&inner);
            message.value
        }
        _ => TreeValue::Bytes(bytes.to_vec()),
    }
}

/// Returns whether it is likely a text. One that begins with a newline, which is the tag of a first
/// field, is likely a message.
fn is_printable(text: &str) -> bool {
    !text.starts_with('\n')
        && text.chars().all(|char| !char.is_control() || matches!(char, '\n' | '\r' | '\t'))
}
