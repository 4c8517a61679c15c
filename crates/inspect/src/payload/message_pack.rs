//! `MessagePack`.

use super::Parts;
use crate::tree::{Reader, Tree, TreeValue};

/// Decodes values one after another; a tree of one if there is only one.
pub(super) fn decode(payload: &[u8]) -> Parts {
    let mut reader = Reader::new(payload, 0);
    let tree = one_or_all(&mut reader, value);
    Parts::of_tree(tree, reader.into_problem())
}

/// Reads values to the end of the bytes; a list if there are several.
pub(super) fn one_or_all<'a>(
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Option<Tree>,
) -> Option<Tree> {
    let begin = reader.at();
    let first = read(reader)?;
    if reader.is_empty() || reader.has_problem() {
        return Some(first);
    }
    let mut items = vec![first];
    while !reader.is_empty() && !reader.has_problem() {
        items.extend(read(reader));
    }
    Some(Tree::new(TreeValue::List(items), begin..reader.at()))
}

/// Reads a value.
pub(super) fn value(reader: &mut Reader<'_>) -> Option<Tree> {
    reader.node(|reader| {
        let byte = reader.byte()?;
        let low = u64::from(byte);
        match byte {
            0x00..=0x7f => Some(TreeValue::Integer(i128::from(byte))),
            0x80..=0x8f => Some(reader.map(low & 0xf, value)),
            0x90..=0x9f => Some(reader.list(low & 0xf, value)),
            0xa0..=0xbf => Some(text(reader, low & 0x1f)),
            0xc0 => Some(TreeValue::Null),
            0xc2 | 0xc3 => Some(TreeValue::Bool(byte == 0xc3)),
            0xc4..=0xc6 => {
                let len = reader.big_endian(1 << (byte - 0xc4))?;
                Some(bytes(reader, len))
            }
            0xc7..=0xc9 => {
                let len = reader.big_endian(1 << (byte - 0xc7))?;
                extension(reader, len)
            }
            0xca => {
                let bits = u32::try_from(reader.big_endian(4)?).ok()?;
                Some(TreeValue::Float(f32::from_bits(bits).into()))
            }
            0xcb => reader.big_endian(8).map(|bits| TreeValue::Float(f64::from_bits(bits))),
            0xcc..=0xcf => {
                let number = reader.big_endian(1 << (byte - 0xcc))?;
                Some(TreeValue::Integer(number.into()))
            }
            0xd0..=0xd3 => {
                let len = 1 << (byte - 0xd0);
                let number = reader.big_endian(len)?;
                Some(TreeValue::Integer(signed(number, len)))
            }
            0xd4..=0xd8 => extension(reader, 1 << (byte - 0xd4)),
            0xd9..=0xdb => {
                let len = reader.big_endian(1 << (byte - 0xd9))?;
                Some(text(reader, len))
            }
            0xdc | 0xdd => {
                let count = reader.big_endian(2 << (byte - 0xdc))?;
                Some(reader.list(count, value))
            }
            0xde | 0xdf => {
                let count = reader.big_endian(2 << (byte - 0xde))?;
                Some(reader.map(count, value))
            }
            0xe0..=0xff => Some(TreeValue::Integer(i128::from(byte) - 256)),
            0xc1 => {
                reader.fail_at(reader.at() - 1, "0xc1 is not used");
                None
            }
        }
    })
}

/// Returns the integer of a two's complement of this number of bytes.
fn signed(number: u64, len: usize) -> i128 {
    let bits = 8 * len;
    let number = i128::from(number);
    if number >> (bits - 1) == 1 { number - (1 << bits) } else { number }
}

pub(super) fn bytes(reader: &mut Reader<'_>, len: u64) -> TreeValue {
    TreeValue::Bytes(reader.take(usize::try_from(len).unwrap_or(usize::MAX)).to_vec())
}

/// Reads a text; bytes if it is not UTF-8.
pub(super) fn text(reader: &mut Reader<'_>, len: u64) -> TreeValue {
    let bytes = reader.take(usize::try_from(len).unwrap_or(usize::MAX));
    match std::str::from_utf8(bytes) {
        Ok(text) => TreeValue::Text(text.to_owned()),
        Err(_) => TreeValue::Bytes(bytes.to_vec()),
    }
}

fn extension(reader: &mut Reader<'_>, len: u64) -> Option<TreeValue> {
    let begin = reader.at();
    let kind = Tree::new(TreeValue::Integer(signed(reader.big_endian(1)?, 1)), begin..begin + 1);
    let begin = reader.at();
    let data = bytes(reader, len);
    let data = Tree::new(data, begin..reader.at());
    Some(TreeValue::Map(vec![(Tree::name("extension"), kind), (Tree::name("data"), data)]))
}
