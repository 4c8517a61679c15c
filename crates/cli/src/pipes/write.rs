//! Bytes out of messages.

use std::io::{self, Write};

use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD;
use fullduplex::Message;

use crate::base::escape::is_deceptive;
use crate::base::layout::{hex_view, text_view};
use crate::pipes::format::{BINARY, Format, OutputFormat, TEXT};

/// Writes a message in a format. At a terminal nothing in it has an effect.
pub(crate) fn write_message(
    out: &mut impl Write,
    message: &Message,
    format: OutputFormat,
) -> io::Result<()> {
    match (format.format, format.is_terminal) {
        (Format::Jsonl, to_terminal) => write_json(out, message, to_terminal),
        (_, true) => write_view(out, message, format.format),
        (Format::Lines, false) => {
            out.write_all(message.as_bytes())?;
            out.write_all(&[format.line_end])
        }
        (Format::Raw, false) => out.write_all(message.as_bytes()),
        (Format::LengthPrefixed, false) => {
            let kind = if message.is_text() { TEXT } else { BINARY };
            let len = u32::try_from(message.len()).map_err(|_| {
                io::Error::other("a message is too long for --format length-prefixed: 4 GiB")
            })?;
            out.write_all(&[kind])?;
            out.write_all(&len.to_be_bytes())?;
            out.write_all(message.as_bytes())
        }
    }
}

/// Writes a message for a person: text as lines, all else in hexadecimal.
fn write_view(out: &mut impl Write, message: &Message, format: Format) -> io::Result<()> {
    let view = match message {
        Message::Text(text) if format == Format::Lines => text_view(text.as_str()),
        _ => hex_view(message.as_bytes()),
    };
    out.write_all(view.as_bytes())?;
    out.write_all(b"\n")
}

/// Writes a message as a JSON object in a line.
fn write_json(out: &mut impl Write, message: &Message, to_terminal: bool) -> io::Result<()> {
    match message {
        Message::Text(text) => {
            out.write_all(b"{\"type\":\"text\",\"data\":")?;
            let json = serde_json::to_string(text.as_str())?;
            if to_terminal {
                out.write_all(escape_json(&json).as_bytes())?;
            } else {
                out.write_all(json.as_bytes())?;
            }
            out.write_all(b"}\n")
        }
        Message::Binary(bytes) => {
            let base64 = Base64Display::new(bytes, &BASE64_STANDARD);
            writeln!(out, "{{\"type\":\"binary\",\"data\":\"{base64}\"}}")
        }
    }
}

/// Escapes in a JSON text the characters that deceive at a terminal, so that it says the same.
fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_deceptive(c) {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units);
            escaped.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, is_terminal: bool, message: impl Into<Message>) -> String {
        let format = OutputFormat { format, line_end: b'\n', is_terminal };
        let mut out = Vec::new();
        write_message(&mut out, &message.into(), format).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn messages_at_a_terminal_have_no_effect() {
        let text = "\u{1b}]0;title\u{7}\u{202e}\u{e0041}";
        for format in [Format::Lines, Format::Jsonl, Format::Raw, Format::LengthPrefixed] {
            for message in [Message::text(text), Message::binary(text)] {
                let shown = written(format, true, message);
                let is_plain = |c: char| c == '\n' || !is_deceptive(c);
                assert!(shown.chars().all(is_plain), "{format:?}: {shown:?}");
            }
        }
        // What is escaped in JSON is the same JSON.
        let shown = written(Format::Jsonl, true, text);
        let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(value["data"], text);
    }

    #[test]
    fn json_lines_are_what_they_were_told_to_be() {
        assert_eq!(
            written(Format::Jsonl, false, "a\n\""),
            r#"{"type":"text","data":"a\n\""}"#.to_owned() + "\n"
        );
        let binary = written(Format::Jsonl, false, Message::binary(&[0, 255][..]));
        assert_eq!(binary, "{\"type\":\"binary\",\"data\":\"AP8=\"}\n");
    }
}
