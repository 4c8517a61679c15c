//! CBOR (RFC 8949).

use super::message_pack::{one_or_all, text};
use super::{Parts, message_pack};
use crate::tree::{Reader, Tree, TreeValue};

/// Decodes items one after another; a tree of one if there is only one.
pub(super) fn decode(payload: &[u8]) -> Parts {
    let mut reader = Reader::new(payload, 0);
    let tree = one_or_all(&mut reader, value);
    Parts::of_tree(tree, reader.into_problem())
}

/// Reads an item.
fn value(reader: &mut Reader<'_>) -> Option<Tree> {
    reader.node(|reader| {
        let begin = reader.at();
        let first = reader.byte()?;
        let (major, info) = (first >> 5, first & 0x1f);
        if major == 7 {
            return simple(reader, info, begin);
        }
        let argument = match info {
            0..24 => Some(u64::from(info)),
            24..28 => Some(reader.big_endian(1 << (info - 24))?),
            31 if matches!(major, 2..=5) => None,
            _ => {
                reader.fail_at(begin, format!("{first:#04x} does not begin an item"));
                return None;
            }
        };
        match (major, argument) {
            (0, Some(number)) => Some(TreeValue::Integer(number.into())),
            (1, Some(number)) => Some(TreeValue::Integer(-1 - i128::from(number))),
            (2, Some(len)) => Some(message_pack::bytes(reader, len)),
            (3, Some(len)) => Some(text(reader, len)),
            (2 | 3, None) => Some(chunks(reader, major == 3)),
            (4, Some(count)) => Some(reader.list(count, value)),
            (4, None) => Some(reader.list(u64::MAX, until_break)),
            (5, Some(count)) => Some(reader.map(count, value)),
            (5, None) => Some(reader.map(u64::MAX, until_break)),
            (_, tag) => {
                let tag = TreeValue::Integer(tag?.into());
                let tag = Tree::new(tag, begin..reader.at());
                let tagged = value(reader)?;
                Some(TreeValue::Map(vec![(Tree::name("tag"), tag), (Tree::name("value"), tagged)]))
            }
        }
    })
}

/// Reads an item, or none if a break is next.
fn until_break(reader: &mut Reader<'_>) -> Option<Tree> {
    if reader.peek() == Some(0xff) {
        reader.skip(1);
        return None;
    }
    value(reader)
}

/// Reads the chunks of bytes or a text of indefinite length (RFC 8949 §3.2.3).
fn chunks(reader: &mut Reader<'_>, is_text: bool) -> TreeValue {
    let mut all = Vec::new();
    while let Some(chunk) = until_break(reader) {
        match chunk.value {
            TreeValue::Text(text) if is_text => all.extend(text.into_bytes()),
            TreeValue::Bytes(bytes) => all.extend(bytes),
            _ => reader.fail_at(chunk.span.start, "a chunk is of another type"),
        }
    }
    match String::from_utf8(all) {
        Ok(text) if is_text => TreeValue::Text(text),
        Ok(text) => TreeValue::Bytes(text.into_bytes()),
        Err(error) => TreeValue::Bytes(error.into_bytes()),
    }
}

/// Reads a simple value or a number that is not an integer.
fn simple(reader: &mut Reader<'_>, info: u8, begin: usize) -> Option<TreeValue> {
    match info {
        20 | 21 => Some(TreeValue::Bool(info == 21)),
        22 | 23 => Some(TreeValue::Null),
        25 => reader.big_endian(2).map(|bits| TreeValue::Float(half(bits))),
        26 => {
            let bits = u32::try_from(reader.big_endian(4)?).ok()?;
            Some(TreeValue::Float(f32::from_bits(bits).into()))
        }
        27 => reader.big_endian(8).map(|bits| TreeValue::Float(f64::from_bits(bits))),
        0..20 | 24 => {
            let number = if info == 24 { reader.big_endian(1)? } else { info.into() };
            let number = Tree::new(TreeValue::Integer(number.into()), begin..reader.at());
            Some(TreeValue::Map(vec![(Tree::name("simple"), number)]))
        }
        _ => {
            reader.fail_at(begin, "a break is not within an item of indefinite length");
            None
        }
    }
}

/// Returns the number of 16 bits (IEEE 754 binary16).
fn half(bits: u64) -> f64 {
    let exponent = i32::try_from(bits >> 10 & 0x1f).unwrap_or_default();
    let mantissa = f64::from(u32::try_from(bits & 0x3ff).unwrap_or_default());
    let value = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -value } else { value }
}
