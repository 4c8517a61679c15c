//! JSON whose bytes are attachments.

use std::io;

use bytes::Bytes;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

use crate::packet::EncodeError;

/// Writes bytes as placeholders, and keeps them as attachments.
pub(super) struct Placeholders<'a> {
    pub(super) attachments: &'a mut Vec<Bytes>,
}

impl Formatter for Placeholders<'_> {
    fn write_byte_array<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        value: &[u8],
    ) -> io::Result<()> {
        write!(writer, r#"{{"_placeholder":true,"num":{}}}"#, self.attachments.len())?;
        self.attachments.push(Bytes::copy_from_slice(value));
        Ok(())
    }
}

/// Appends this value to the text.
pub(super) fn write<T: Serialize + ?Sized>(
    text: &mut Vec<u8>,
    value: &T,
    attachments: &mut Vec<Bytes>,
) -> Result<(), EncodeError> {
    let formatter = Placeholders { attachments };
    let mut serializer = serde_json::Serializer::with_formatter(text, formatter);
    value.serialize(&mut serializer).map_err(|error| EncodeError::Unserializable(error.to_string()))
}

/// Appends this string to the text, in quotes.
pub(super) fn push_string(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            control if control < ' ' => {
                use std::fmt::Write as _;
                // Writing to a string can't fail.
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

/// Serializes a value of ours, which can't fail.
pub(super) fn to_string<T: Serialize + ?Sized>(value: &T) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, CompactFormatter);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8(text).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// Whether arrays and objects are nested at most `max` deep. The text need not be valid.
pub(super) fn is_depth_within(json: &[u8], max: usize) -> bool {
    // Mostly there are few brackets, and counting them is much faster than following them.
    let brackets = json.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    brackets <= max || is_nested_within(json, max)
}

fn is_nested_within(json: &[u8], max: usize) -> bool {
    let mut depth = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => {
                            bytes.next();
                        }
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    true
}
