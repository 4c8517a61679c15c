//! The encoding of field sections with QPACK (RFC 9204), without the dynamic table.
//!
//! This end allows its peer a dynamic table of 0 bytes, and uses none itself, whatever the peer
//! allows (§3.2.3). So a field section never waits for another stream, and the encoder and decoder
//! streams stay empty.

mod huffman;
mod integer;
mod table;

use std::borrow::Cow;

use self::table::STATIC;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::receive_error::ReceiveError;
use crate::settings::LocalSettings;

/// The number of bytes that each field adds to the size of a section, in addition to its name and
/// value (RFC 9114 §4.2.2).
const FIELD_OVERHEAD: u64 = 32;

/// A header field, or a pseudo-header field.
///
/// It is complete: a field line has no other parts (RFC 9204 §4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, which must be in lower case; [`message`](crate::message) checks it.
    pub name: Cow<'a, [u8]>,
    /// The value, which may be any bytes here.
    pub value: Cow<'a, [u8]>,
    /// Whether the field must never be put into a table, here or by an intermediary
    /// (RFC 9204 §7.1.3).
    pub is_sensitive: bool,
}

impl Field<'_> {
    fn size(&self) -> u64 {
        (self.name.len() + self.value.len()) as u64 + FIELD_OVERHEAD
    }
}

/// The ways in which a field section can be invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DecodeError {
    Truncated,
    Integer,
    Huffman,
    Static,
    Dynamic,
}

impl From<DecodeError> for ReceiveError {
    fn from(error: DecodeError) -> Self {
        let reason = match error {
            DecodeError::Truncated => "a field section ends too early (RFC 9204 §4.5)",
            DecodeError::Integer => "an integer in a field section is too large (RFC 9204 §4.1.1)",
            DecodeError::Huffman => "an invalid Huffman code in a string (RFC 7541 §5.2)",
            DecodeError::Static => "an index beyond the static table (RFC 9204 §3.1)",
            DecodeError::Dynamic => {
                "a field section refers to the dynamic table, whose capacity is 0 (RFC 9204 §3.2.3)"
            }
        };
        RuleViolation::connection_error(ErrorCode::QPACK_DECOMPRESSION_FAILED, reason).into()
    }
}

/// Returns the size of a field section, to which `max_field_section_size` applies
/// (RFC 9114 §4.2.2).
pub fn section_size(fields: &[Field<'_>]) -> u64 {
    fields.iter().map(Field::size).sum()
}

/// Appends an encoded field section. Strings are Huffman-encoded if that is shorter, except
/// sensitive values, so that their length reveals nothing about their content.
pub fn encode(fields: &[Field<'_>], out: &mut Vec<u8>) {
    // Required Insert Count 0, Base 0 (RFC 9204 §4.5.1).
    out.extend([0, 0]);
    for field in fields {
        let name = std::str::from_utf8(&field.name).unwrap_or("");
        let never_index = u8::from(field.is_sensitive);
        match table::find(name, &field.value) {
            Some(Ok(index)) if !field.is_sensitive => {
                integer::encode(0b1100_0000, 6, index as u64, out);
            }
            Some(Ok(index) | Err(index)) => {
                integer::encode(0b0101_0000 | never_index << 5, 4, index as u64, out);
                encode_string(0, 7, &field.value, !field.is_sensitive, out);
            }
            None => {
                encode_string(0b0010_0000 | never_index << 4, 3, &field.name, true, out);
                encode_string(0, 7, &field.value, !field.is_sensitive, out);
            }
        }
    }
}

/// Appends a string literal. The bit above the length says whether it is Huffman-encoded (§4.1.2).
fn encode_string(first: u8, prefix: u8, text: &[u8], may_compress: bool, out: &mut Vec<u8>) {
    let encoded_len = huffman::encoded_len(text);
    if may_compress && encoded_len < text.len() {
        integer::encode(first | 1 << prefix, prefix, encoded_len as u64, out);
        huffman::encode(text, out);
    } else {
        integer::encode(first, prefix, text.len() as u64, out);
        out.extend_from_slice(text);
    }
}

/// Decodes a field section.
///
/// # Errors
/// If the section is invalid, or exceeds the limits on its size and the number of fields.
pub fn decode(section: &[u8], limits: &LocalSettings) -> Result<Vec<Field<'static>>, ReceiveError> {
    let mut input = section;
    // §4.5.1: the Required Insert Count must be 0, as there are no insertions, and the Base is not
    // negative.
    if integer::decode(&mut input, 8)? != 0 || decode_sign_and_base(&mut input)? {
        return Err(DecodeError::Dynamic.into());
    }
    let (mut fields, mut total) = (Vec::new(), 0);
    while !input.is_empty() {
        let field = decode_field_line(&mut input)?;
        total += field.size();
        limits.check_section_size(total)?;
        fields.push(field);
        if fields.len() > limits.max_fields {
            let max = limits.max_fields as u64;
            return Err(ReceiveError::Limit { setting: "max_fields", max });
        }
    }
    Ok(fields)
}

/// Decodes the Delta Base, and returns its sign bit.
fn decode_sign_and_base(input: &mut &[u8]) -> Result<bool, DecodeError> {
    let is_negative = input.first().is_some_and(|byte| byte & 0x80 != 0);
    integer::decode(input, 7)?;
    Ok(is_negative)
}

/// Decodes one field line (§4.5.2 to §4.5.6).
fn decode_field_line(input: &mut &[u8]) -> Result<Field<'static>, DecodeError> {
    let first = *input.first().ok_or(DecodeError::Truncated)?;
    match first >> 4 {
        // Indexed, in the static table.
        0b1100..=0b1111 => {
            let (name, value) = static_entry(integer::decode(input, 6)?)?;
            Ok(Field { name: static_bytes(name), value: static_bytes(value), is_sensitive: false })
        }
        // Literal with a name of the static table.
        0b0101 | 0b0111 => {
            let (name, _) = static_entry(integer::decode(input, 4)?)?;
            let value = Cow::Owned(decode_string(input, 7)?);
            Ok(Field { name: static_bytes(name), value, is_sensitive: first & 0b0010_0000 != 0 })
        }
        // Literal with a literal name.
        0b0010 | 0b0011 => {
            let (name, value) =
                (Cow::Owned(decode_string(input, 3)?), Cow::Owned(decode_string(input, 7)?));
            Ok(Field { name, value, is_sensitive: first & 0b0001_0000 != 0 })
        }
        // A reference to the dynamic table, before or after the Base.
        _ => Err(DecodeError::Dynamic),
    }
}

fn static_bytes(text: &'static str) -> Cow<'static, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

fn static_entry(index: u64) -> Result<(&'static str, &'static str), DecodeError> {
    let entry = usize::try_from(index).ok().and_then(|index| STATIC.get(index));
    entry.copied().ok_or(DecodeError::Static)
}

/// Decodes a string literal whose length has a prefix of `prefix` bits.
fn decode_string(input: &mut &[u8], prefix: u8) -> Result<Vec<u8>, DecodeError> {
    let is_huffman = input.first().is_some_and(|byte| byte & 1 << prefix != 0);
    let length = usize::try_from(integer::decode(input, prefix)?);
    let length = length.map_err(|_| DecodeError::Truncated)?;
    let (text, rest) = input.split_at_checked(length).ok_or(DecodeError::Truncated)?;
    *input = rest;
    if is_huffman { huffman::decode(text) } else { Ok(text.to_vec()) }
}

#[cfg(test)]
mod tests;
