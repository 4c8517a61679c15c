//! `fdx explain hex`: frames, bit by bit.

use std::fmt::Write as _;

use fullduplex::Message;
use serde_json::{Value, json};

use super::frames::{Complete, Dissection, Frame, code_of};
use crate::base::escape::printable;

/// The longest payload that many programs take by default, in bytes.
const USUAL_LIMIT: u64 = 1 << 20;
/// The most payload bytes of a frame that are shown.
const MAX_SHOWN: usize = 64;
/// The most characters of a text that are shown.
const MAX_TEXT: usize = 1000;

/// Returns the frames as lines for people.
pub(super) fn describe(dissection: &Dissection<'_>) -> String {
    let mut out = String::new();
    for (i, frame) in dissection.frames.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        // Writing to a string does not fail.
        let _ = write_frame(&mut out, i + 1, frame);
    }
    if !dissection.rest.is_empty() {
        let rest = dissection.rest;
        let _ = writeln!(out, "{} bytes left: {}, which begin a header", rest.len(), hex(rest));
    }
    out
}

fn write_frame(out: &mut String, number: usize, frame: &Frame<'_>) -> std::fmt::Result {
    let header = &frame.header;
    let from = if frame.is_of_client() { "masked, as by a client" } else { "as by a server" };
    let (name, len) = (frame.opcode_name(), header.payload_len());
    writeln!(out, "frame {number}, at byte {}: {name}, {len} bytes, {from}", frame.offset)?;
    let [first, second, rest @ ..] = frame.header_bytes else { return Ok(()) };
    let bit = |bit: bool| u8::from(bit);
    let last = if header.fin() { "the last frame of its message" } else { "more frames follow" };
    row(out, &hex(&[*first]), &format!("{}.......  FIN: {last}", bit(header.fin())))?;
    row(out, "", &format!(".{:03b}....  RSV1 to RSV3{}", header.rsv(), rsv_words(header.rsv())))?;
    let bits = header.opcode_bits();
    row(out, "", &format!("....{bits:04b}  opcode {bits:#x}: {name}"))?;
    let is_masked = header.key().is_some();
    let mask = if is_masked { "masked" } else { "not masked" };
    row(out, &hex(&[*second]), &format!("{}.......  MASK: {mask}", bit(is_masked)))?;
    let short = second & 0x7f;
    let (words, extended) = match short {
        126 => ("126: the length is in the next 2 bytes".into(), 2),
        127 => ("127: the length is in the next 8 bytes".into(), 8),
        _ => (format!("length {short}"), 0),
    };
    row(out, "", &format!(".{short:07b}  {words}"))?;
    if let (1.., Some(bytes)) = (extended, rest.get(..extended)) {
        row(out, &hex(bytes), &format!("length {len}"))?;
    }
    if let Some(key) = header.key() {
        row(out, &hex(&key), "masking key")?;
    }
    write_payload(out, frame)?;
    if let Some(complete) = &frame.complete {
        writeln!(out, "  {}", describe_complete(complete))?;
    }
    if let Some(violation) = &frame.violation {
        writeln!(out, "  breaks a rule: {violation}")?;
        writeln!(out, "  who receives it closes with {}", violation.close_code())?;
        if let Some(code) = code_of(&frame.payload).filter(|_| frame.opcode_name() == "close") {
            writeln!(out, "  its code is {code}")?;
        }
    } else if frame.is_ignored {
        writeln!(out, "  is ignored, as it follows a Close or a broken rule")?;
    }
    Ok(())
}

fn write_payload(out: &mut String, frame: &Frame<'_>) -> std::fmt::Result {
    let shown = frame.payload.len().min(MAX_SHOWN);
    let chunks = frame.wire_payload[..shown].chunks(16).zip(frame.payload[..shown].chunks(16));
    for (wire, plain) in chunks {
        if frame.is_of_client() {
            row(out, &hex(wire), &format!("payload, unmasked: {}", hex(plain)))?;
        } else {
            row(out, &hex(wire), "payload")?;
        }
    }
    if frame.payload.len() > shown {
        row(out, "…", &format!("{} more", frame.payload.len() - shown))?;
    }
    if frame.header.payload_len() > USUAL_LIMIT {
        writeln!(out, "  the limit of who receives a message that long may be lower")?;
    }
    if frame.missing() > 0 {
        writeln!(out, "  {} bytes of the payload are missing", frame.missing())?;
    }
    Ok(())
}

/// Writes bytes and what they mean. A row of more bytes than the column has room for stays one.
fn row(out: &mut String, bytes: &str, words: &str) -> std::fmt::Result {
    writeln!(out, "  {bytes:<24}{}{words}", if bytes.len() >= 24 { "  " } else { "" })
}

const fn rsv_words(bits: u8) -> &'static str {
    match bits {
        0 => "",
        4 => ": RSV1, compressed by permessage-deflate",
        _ => ": bits without a meaning",
    }
}

fn describe_complete(complete: &Complete) -> String {
    match complete {
        Complete::Message(Message::Text(text)) => {
            format!("text message, {} bytes: {}", text.len(), quoted(text))
        }
        Complete::Message(message) => {
            let bytes = message.as_bytes();
            let more = if bytes.len() > MAX_SHOWN { " …" } else { "" };
            let shown = hex(&bytes[..bytes.len().min(MAX_SHOWN)]);
            format!("binary message, {} bytes: {shown}{more}", bytes.len())
        }
        Complete::Ping(payload) => format!("ping: {}", quoted(&payload.escape_ascii().to_string())),
        Complete::Pong(payload) => format!("pong: {}", quoted(&payload.escape_ascii().to_string())),
        Complete::Close(None) => "close without a code, reported as 1005".into(),
        Complete::Close(Some(frame)) => {
            format!("close {}: {}", frame.code, quoted(&frame.reason))
        }
    }
}

fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(MAX_TEXT).collect();
    let more = if shown.len() < text.len() { " …" } else { "" };
    format!("\"{}\"{more}", printable(&shown))
}

/// Returns bytes in hexadecimal with spaces.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        let space = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{space}{byte:02x}");
    }
    text
}

/// Returns the frames as JSON.
pub(super) fn to_json(dissection: &Dissection<'_>) -> Value {
    let frames: Vec<Value> = dissection.frames.iter().map(frame_to_json).collect();
    json!({ "frames": frames, "rest": hex(dissection.rest) })
}

fn frame_to_json(frame: &Frame<'_>) -> Value {
    let rsv = frame.header.rsv();
    let complete: Vec<Value> = frame.complete.iter().map(complete_to_json).collect();
    json!({
        "offset": frame.offset,
        "header": hex(frame.header_bytes),
        "fin": frame.header.fin(),
        "rsv1": rsv & 4 != 0,
        "rsv2": rsv & 2 != 0,
        "rsv3": rsv & 1 != 0,
        "opcode": frame.header.opcode_bits(),
        "name": frame.opcode_name(),
        "masked": frame.is_of_client(),
        "masking_key": frame.header.key().map(|key| hex(&key)),
        "length": frame.header.payload_len(),
        "missing": frame.missing(),
        "payload": hex(&frame.payload),
        "violation": frame.violation.as_ref().map(ToString::to_string),
        "close_code": frame.violation.as_ref().map(|rule| rule.close_code().get()),
        "ignored": frame.is_ignored,
        "complete": complete,
    })
}

fn complete_to_json(complete: &Complete) -> Value {
    match complete {
        Complete::Message(Message::Text(text)) => json!({ "text": text.as_str() }),
        Complete::Message(message) => json!({ "binary": hex(message.as_bytes()) }),
        Complete::Ping(payload) => json!({ "ping": hex(payload) }),
        Complete::Pong(payload) => json!({ "pong": hex(payload) }),
        Complete::Close(frame) => json!({
            "close": frame.as_ref().map(|frame| frame.code.get()),
            "reason": frame.as_ref().map(|frame| frame.reason.as_str()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::dissect;
    use super::*;

    #[test]
    fn hex_shows_each_bit_of_a_frame() {
        let said = describe(&dissect(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"));
        let expected = "\
frame 1, at byte 0: text, 5 bytes, masked, as by a client
  81                      1.......  FIN: the last frame of its message
                          .000....  RSV1 to RSV3
                          ....0001  opcode 0x1: text
  85                      1.......  MASK: masked
                          .0000101  length 5
  37 fa 21 3d             masking key
  7f 9f 4d 51 58          payload, unmasked: 48 65 6c 6c 6f
  text message, 5 bytes: \"Hello\"
";
        assert_eq!(said, expected);
    }

    #[test]
    fn hex_says_what_is_missing_or_broken() {
        let said = describe(&dissect(b"\x82\x7e\x01\x00ab"));
        assert!(said.contains("01 00                   length 256"), "{said}");
        assert!(said.contains("254 bytes of the payload are missing"), "{said}");
        let said = describe(&dissect(b"\x88\x02\x03\xee\x81"));
        assert!(said.contains("breaks a rule: ") && said.contains("its code is 1006"), "{said}");
        assert!(said.ends_with("1 bytes left: 81, which begin a header\n"), "{said}");
        let said = describe(&dissect(b"\x81\x08\x1b[31mred"));
        assert!(said.contains("\"\\u{1b}[31mred\""), "{said}");
    }

    #[test]
    fn hex_as_json_has_the_same() {
        let json = to_json(&dissect(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x88\x01\x03"));
        let frame = &json["frames"][0];
        assert_eq!((&frame["rsv1"], &frame["opcode"]), (&json!(true), &json!(1)));
        assert_eq!(frame["complete"], json!([{ "text": "Hello" }]));
        assert_eq!(json["frames"][1]["close_code"], json!(1002));
    }
}
