//! What is seen, as JSON lines. They have ASCII only: no byte of a peer controls a terminal.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fullduplex::MessageKind;
use fullduplex_inspect::store::Retention;
use fullduplex_inspect::{ConversationFrame, InflationStop, Message};
use serde_json::{Value, json};

use super::event::{Event, Summary, TunnelContent, handling_name, name};
use super::head::Head;
use crate::frames::CutEnd;

/// Returns the line of an event; `None` if it has none.
pub(super) fn line(number: u64, at: Duration, event: &Event<'_>) -> Option<String> {
    let mut object = match event {
        Event::Accepted(from) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let from = from.map(|from| from.to_string());
            json!({"event": "connection", "time": micros(now), "client": from})
        }
        Event::Tunnel { to, content } => {
            let content = match content {
                TunnelContent::Plain => "plain",
                TunnelContent::OpenedTls => "opened TLS",
                TunnelContent::Tls => "TLS",
            };
            json!({"event": "tunnel", "to": to, "content": content})
        }
        Event::Stream { connection, id } => json!({"event": "stream", "of": connection, "id": id}),
        Event::Request { head, changes } => {
            let changes: Vec<_> =
                changes.iter().map(|change| json!([change.name, change.before])).collect();
            let mut object = head_object("request", head);
            object["changed_from"] = changes.into();
            object
        }
        Event::Response(head) => head_object("response", head),
        Event::Body { sender, len } => {
            json!({"event": "body", "from": name(*sender), "length": len})
        }
        Event::Trailers { sender, fields } => {
            let fields = fields.iter().map(|(name, value)| json!([name, value]));
            let fields = fields.collect::<Vec<_>>();
            json!({"event": "trailers", "from": name(*sender), "fields": fields})
        }
        Event::Opened(opening) => {
            let deflate = opening.deflate().map(|params| params.to_string());
            json!({"event": "open", "url": opening.url, "deflate": deflate})
        }
        Event::Bytes { .. } | Event::Refused(_) => return None,
        Event::Frame { shown, handling, retention, .. } => {
            let mut object = frame(shown, *retention);
            if let Some(handling) = handling_name(*handling) {
                object["handling"] = handling.into();
            }
            object
        }
        Event::Lost { sender, bytes } => {
            json!({"event": "lost", "from": name(*sender), "bytes": bytes})
        }
        Event::Cut { sender, cut } => {
            let from = name(*sender);
            match cut {
                CutEnd::Frame(frame) => json!({
                    "event": "cut", "from": from, "opcode": frame.opcode_name(),
                    "seen": frame.payload_seen, "length": frame.header.payload_len(),
                }),
                CutEnd::Header(bytes) => {
                    json!({"event": "cut", "from": from, "header": BASE64_STANDARD.encode(bytes)})
                }
            }
        }
        Event::End { sender, how } => json!({"event": "end", "from": name(*sender), "how": how}),
        Event::Closed(summary) => closed(summary),
        Event::Note(text) => json!({"event": "note", "text": text}),
    };
    object["connection"] = number.into();
    object["at"] = micros(at).into();
    Some(ascii(&object))
}

/// Returns the line of a text that is of no connection.
pub(super) fn note(text: &str) -> String {
    ascii(&json!({"event": "note", "text": text}))
}

/// Returns the line about lines that were left out.
pub(super) fn missed_line(missed: u64) -> String {
    json!({"event": "missed", "lines": missed}).to_string()
}

fn head_object(event: &str, head: &Head) -> Value {
    let fields: Vec<_> = head.fields().map(|(name, value)| json!([name, value])).collect();
    json!({"event": event, "start_line": head.start_line(), "fields": fields})
}

fn frame(shown: &ConversationFrame, retention: Retention) -> Value {
    let frame = &shown.frame;
    let mut object = json!({
        "event": "frame",
        "from": name(shown.sender),
        "opcode": frame.opcode_name(),
        "opcode_bits": frame.header.opcode_bits(),
        "fin": frame.header.fin(),
        "rsv": frame.header.rsv(),
        "masked": frame.header.key().is_some(),
        "length": frame.header.payload_len(),
        "length_bits": frame.length_form().bits(),
        "wire_length": frame.wire_len(),
        "began": micros(frame.began),
    });
    if let Some(fragment) = frame.fragment.filter(|number| *number > 1 || !frame.header.fin()) {
        object["fragment"] = fragment.into();
    }
    if let Some(violation) = frame.violation {
        object["violation"] = violation.to_string().into();
    }
    if frame.is_ignored {
        object["ignored"] = true.into();
    }
    match retention {
        Retention::Redacted => object["redacted"] = true.into(),
        Retention::Withheld => object["hidden"] = true.into(),
        _ => {}
    }
    if let Some(round_trip) = shown.round_trip {
        object["round_trip"] = micros(round_trip).into();
    }
    if let Some((code, reason)) = frame.close() {
        object["code"] = code.get().into();
        object["reason"] = reason.into();
    } else if frame.is_control() && !frame.payload.is_empty() {
        content(&mut object, &frame.payload);
    }
    if let Some(message) = &frame.message {
        object["message"] = of_message(message, retention);
    }
    object
}

fn of_message(message: &Message, retention: Retention) -> Value {
    let mut object = json!({
        "kind": if message.kind == MessageKind::Text { "text" } else { "binary" },
        "length": message.len,
        "wire_length": message.wire_len,
        "fragments": message.fragments,
        "compressed": message.is_compressed,
    });
    if retention == Retention::Kept && (message.payload.len() as u64) < message.len {
        object["kept"] = message.payload.len().into();
    }
    if let Some(stop) = message.inflation_stop {
        object["not_decompressed"] = match stop {
            InflationStop::Limit => "too long",
            InflationStop::HistoryLost => "an earlier one was not",
            _ => "not valid",
        }
        .into();
    }
    content(&mut object, &message.payload);
    object
}

/// Adds a payload: as text if it is UTF-8, else in Base64.
fn content(object: &mut Value, payload: &[u8]) {
    match std::str::from_utf8(payload) {
        Ok(text) => object["text"] = text.into(),
        Err(_) => object["base64"] = BASE64_STANDARD.encode(payload).into(),
    }
}

fn closed(summary: &Summary) -> Value {
    let mut object = json!({"event": "closed", "violations": summary.violations});
    for (side, name) in ["client", "server"].into_iter().enumerate() {
        object[name] = json!({
            "bytes": summary.bytes[side],
            "frames": summary.frames[side],
            "messages": summary.messages[side],
        });
    }
    if let Some((side, close)) = &summary.first_close {
        object["closed_first"] = name(*side).into();
        if let Some((code, reason)) = close {
            object["code"] = (*code).into();
            object["reason"] = reason.as_str().into();
        }
    }
    if let Some((side, how)) = &summary.first_end {
        object["ended_first"] = name(*side).into();
        object["end"] = how.as_str().into();
    }
    object
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Returns JSON in ASCII. Other characters are in strings only, where they can be escaped.
fn ascii(value: &Value) -> String {
    let text = value.to_string();
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ' '..='~') {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_line_has_ascii_only() {
        let text = "\u{1b}[31m \u{9b} \u{202e} 🎉 \"\\ \u{7f}";
        let line = note(text);
        assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["text"], text);
    }
}
