//! Field sections (RFC 9204), without the dynamic table.
//!
//! This end allows its peer a table of no bytes, and uses none itself, whatever the peer
//! allows (§3.2.3). So no field section ever waits for another stream, and the encoder and
//! decoder streams stay empty.

mod huffman;
mod integer;
mod table;

use std::borrow::Cow;

use self::table::STATIC;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::receive_error::ReceiveError;
use crate::settings::LocalSettings;

/// What each field counts in the size of a section, beside its bytes (RFC 9114 §4.2.2).
const FIELD_OVERHEAD: u64 = 32;

/// A header field, or a pseudo-header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// In lower case, if the peer obeys; see [`message`](crate::message).
    pub name: Cow<'a, [u8]>,
    /// Any bytes.
    pub value: Cow<'a, [u8]>,
    /// Never to be put into a table, here or by who passes it on (RFC 9204 §7.1.3).
    pub is_sensitive: bool,
}

impl Field<'_> {
    fn size(&self) -> u64 {
        (self.name.len() + self.value.len()) as u64 + FIELD_OVERHEAD
    }
}

/// How a field section is laid out wrongly.
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
        let why = match error {
            DecodeError::Truncated => "a field section ends too early (RFC 9204 §4.5)",
            DecodeError::Integer => "an integer in a field section is too large (RFC 9204 §4.1.1)",
            DecodeError::Huffman => "a string's Huffman code is wrong (RFC 7541 §5.2)",
            DecodeError::Static => "an index beyond the static table (RFC 9204 §3.1)",
            DecodeError::Dynamic => {
                "a field section refers to the dynamic table, which has no room (RFC 9204 §3.2.3)"
            }
        };
        RuleViolation::connection(ErrorCode::QPACK_DECOMPRESSION_FAILED, why).into()
    }
}

/// What the fields count together, as `max_field_section_size` means it (RFC 9114 §4.2.2).
pub fn size(fields: &[Field<'_>]) -> u64 {
    fields.iter().map(Field::size).sum()
}

/// Appends a field section. Strings are Huffman-coded where that is shorter, but not
/// sensitive values, so that their length tells nothing of their content.
pub fn encode(fields: &[Field<'_>], out: &mut Vec<u8>) {
    // Required Insert Count 0, Base 0 (RFC 9204 §4.5.1).
    out.extend([0, 0]);
    for field in fields {
        let name = std::str::from_utf8(&field.name).unwrap_or("");
        let never = u8::from(field.is_sensitive);
        match table::find(name, &field.value) {
            Some(Ok(index)) if !field.is_sensitive => {
                integer::encode(0b1100_0000, 6, index as u64, out);
            }
            Some(Ok(index) | Err(index)) => {
                integer::encode(0b0101_0000 | never << 5, 4, index as u64, out);
                string(0, 7, &field.value, !field.is_sensitive, out);
            }
            None => {
                string(0b0010_0000 | never << 4, 3, &field.name, true, out);
                string(0, 7, &field.value, !field.is_sensitive, out);
            }
        }
    }
}

/// A string literal: the bit above the length tells whether it is Huffman-coded (§4.1.2).
fn string(first: u8, prefix: u8, text: &[u8], may_shorten: bool, out: &mut Vec<u8>) {
    let short = huffman::encoded_len(text);
    if may_shorten && short < text.len() {
        integer::encode(first | 1 << prefix, prefix, short as u64, out);
        huffman::encode(text, out);
    } else {
        integer::encode(first, prefix, text.len() as u64, out);
        out.extend_from_slice(text);
    }
}

/// Takes a field section apart, within the limits on its size and the number of fields.
pub fn decode(section: &[u8], limits: &LocalSettings) -> Result<Vec<Field<'static>>, ReceiveError> {
    let mut input = section;
    // §4.5.1: there are no insertions to be required, and no base below zero.
    if integer::decode(&mut input, 8)? != 0 || sign_and_base(&mut input)? {
        return Err(DecodeError::Dynamic.into());
    }
    let (mut fields, mut total) = (Vec::new(), 0);
    while !input.is_empty() {
        let field = line(&mut input)?;
        total += field.size();
        limits.check_section_size(total)?;
        fields.push(field);
        if fields.len() > limits.max_fields {
            let most = limits.max_fields as u64;
            return Err(ReceiveError::Limit { setting: "max_fields", most });
        }
    }
    Ok(fields)
}

/// Whether the base lies below zero.
fn sign_and_base(input: &mut &[u8]) -> Result<bool, DecodeError> {
    let is_negative = input.first().is_some_and(|byte| byte & 0x80 != 0);
    integer::decode(input, 7)?;
    Ok(is_negative)
}

/// One field line representation (§4.5.2 to §4.5.6).
fn line(input: &mut &[u8]) -> Result<Field<'static>, DecodeError> {
    let first = *input.first().ok_or(DecodeError::Truncated)?;
    match first >> 4 {
        // Indexed: static.
        0b1100..=0b1111 => {
            let (name, value) = entry(integer::decode(input, 6)?)?;
            Ok(Field { name: bytes(name), value: bytes(value), is_sensitive: false })
        }
        // Literal with the name of the static table.
        0b0101 | 0b0111 => {
            let (name, _) = entry(integer::decode(input, 4)?)?;
            let value = Cow::Owned(text(input, 7)?);
            Ok(Field { name: bytes(name), value, is_sensitive: first & 0b0010_0000 != 0 })
        }
        // Literal with its own name.
        0b0010 | 0b0011 => {
            let (name, value) = (Cow::Owned(text(input, 3)?), Cow::Owned(text(input, 7)?));
            Ok(Field { name, value, is_sensitive: first & 0b0001_0000 != 0 })
        }
        // The dynamic table, before or behind the base.
        _ => Err(DecodeError::Dynamic),
    }
}

fn bytes(text: &'static str) -> Cow<'static, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

fn entry(index: u64) -> Result<(&'static str, &'static str), DecodeError> {
    let entry = usize::try_from(index).ok().and_then(|index| STATIC.get(index));
    entry.copied().ok_or(DecodeError::Static)
}

/// A string literal whose length has so many bits in the first byte.
fn text(input: &mut &[u8], prefix: u8) -> Result<Vec<u8>, DecodeError> {
    let is_coded = input.first().is_some_and(|byte| byte & 1 << prefix != 0);
    let length = usize::try_from(integer::decode(input, prefix)?);
    let length = length.map_err(|_| DecodeError::Truncated)?;
    let (text, rest) = input.split_at_checked(length).ok_or(DecodeError::Truncated)?;
    *input = rest;
    if is_coded { huffman::decode(text) } else { Ok(text.to_vec()) }
}

#[cfg(test)]
mod tests;
