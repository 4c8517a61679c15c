//! Rows and WebSockets as the page takes them.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fullduplex::Role;
use fullduplex_inspect::recording::RecordedOpening;
use fullduplex_inspect::store::{Retention, Row, RowKind, Socket, SocketSide};
use serde_json::{Value, json};

use crate::base::escape::printable;
use crate::inspect::event::{handling_name, name};

/// The most bytes of a payload in a row.
const MAX_PREVIEW: usize = 160;

/// Returns a row for the list.
pub(super) fn row(row: &Row) -> Value {
    let mut object = json!({
        "n": row.sequence,
        "s": row.socket,
        "at": micros(row.at),
        "d": row.sender().map(direction),
    });
    match &row.kind {
        RowKind::Frame { shown, handling, retention } => {
            let frame = &shown.frame;
            object["kind"] = kind(row).into();
            object["len"] = row.payload_len().into();
            object["text"] = match (frame.close(), why(*retention)) {
                (Some((code, reason)), _) => printable(&format!("{} {reason}", code.get())),
                (None, Some(why)) => why.into(),
                (None, None) => preview(row.payload()),
            }
            .into();
            if let Some(message) = frame.message.as_ref().filter(|message| message.is_compressed) {
                object["compressed"] = true.into();
                object["wire"] = message.wire_len.into();
            }
            if let Some(violation) = frame.violation {
                object["bad"] = violation.to_string().into();
            }
            if frame.is_ignored {
                object["ignored"] = true.into();
            }
            if let Some(handling) = handling_name(*handling) {
                object["handling"] = handling.into();
            }
            if let Some(round_trip) = shown.round_trip {
                object["rtt"] = micros(round_trip).into();
            }
        }
        RowKind::End { how, .. } => {
            object["kind"] = "end".into();
            object["text"] = printable(how).into();
        }
        RowKind::Note { text } => {
            object["kind"] = "note".into();
            object["text"] = printable(text).into();
        }
        _ => object["kind"] = "other".into(),
    }
    object
}

/// Returns all about a row.
pub(super) fn detail(row: &Row) -> Value {
    let mut object = json!({
        "n": row.sequence,
        "kind": kind(row),
        "from": row.sender().map(name),
        "kept": true,
        "rtt": null,
    });
    let text = match &row.kind {
        RowKind::End { how, .. } => Some(how),
        RowKind::Note { text } => Some(text),
        _ => None,
    };
    match text {
        Some(text) => object["text"] = text.as_str().into(),
        None => match std::str::from_utf8(row.payload()) {
            Ok(text) => object["text"] = text.into(),
            Err(_) => object["base64"] = BASE64_STANDARD.encode(row.payload()).into(),
        },
    }
    let RowKind::Frame { shown, retention, .. } = &row.kind else { return object };
    let frame = &shown.frame;
    let is_whole = row.payload().len() as u64 == row.payload_len();
    let cut = (!is_whole)
        .then(|| format!("{} of {} B are kept.", row.payload().len(), row.payload_len()));
    if let Some(why) = why(*retention).map(str::to_owned).or(cut) {
        object["kept"] = false.into();
        object["why"] = why.into();
    }
    object["rtt"] = shown.round_trip.map(micros).into();
    object["violation"] = frame.violation.map(|violation| violation.to_string()).into();
    object["header"] = json!({
        "fin": frame.header.fin(),
        "rsv": frame.header.rsv(),
        "opcode": frame.header.opcode_bits(),
        "key": frame.header.key().map(|key| hex(&key)),
        "length": frame.header.payload_len(),
        "bits": frame.length_form().bits(),
        "wire": frame.wire_len(),
        "fragment": frame.fragment,
    });
    object["message"] = frame.message.as_ref().map_or(Value::Null, |message| {
        json!({
            "length": message.len,
            "wire": message.wire_len,
            "fragments": message.fragments,
            "compressed": message.is_compressed,
        })
    });
    object
}

/// Returns a WebSocket for the list.
pub(super) fn socket(socket: &Socket) -> Value {
    let opening = &socket.opening;
    let close = socket.close.as_ref().map(
        |(side, code, reason)| json!({"from": name(*side), "code": code.get(), "reason": reason}),
    );
    json!({
        "id": socket.id,
        "url": opening.url,
        "version": opening.version,
        "status": opening.status,
        "refused": is_refused(opening),
        "request": opening.request,
        "response": opening.response,
        "subprotocol": socket.subprotocol(),
        "deflate": opening.deflate().map(|params| params.to_string()),
        "client": side(&socket.client),
        "server": side(&socket.server),
        "close": close,
        "rtt": socket.round_trip.map(micros),
        "ended": socket.is_ended(),
    })
}

/// Returns whether no WebSocket was opened, by a 101 or a 2xx to an extended CONNECT (RFC 8441).
fn is_refused(opening: &RecordedOpening) -> bool {
    match &*opening.method {
        "CONNECT" => !(200..300).contains(&opening.status),
        _ => opening.status != 101,
    }
}

fn side(side: &SocketSide) -> Value {
    json!({
        "frames": side.frames,
        "messages": side.messages,
        "wire": side.wire_bytes,
        "violations": side.violations,
        "end": side.end.as_ref().map(|(_, how)| how),
    })
}

/// Returns the direction as a filter names it.
fn direction(sender: Role) -> &'static str {
    if sender == Role::Client { "out" } else { "in" }
}

/// Returns the opcode of a frame, with the number of a fragment.
fn kind(row: &Row) -> String {
    let Some(shown) = row.as_frame() else { return "note".into() };
    let frame = &shown.frame;
    let number = frame.fragment.filter(|number| *number > 1 || !frame.header.fin());
    let number = number.map(|number| format!(" #{number}")).unwrap_or_default();
    format!("{}{number}", frame.opcode_name())
}

/// Returns why a payload is not there.
fn why(retention: Retention) -> Option<&'static str> {
    match retention {
        Retention::Withheld => Some("hidden, as it may have secrets (--redact)"),
        Retention::Dropped => Some("no longer kept (--max-memory)"),
        _ => None,
    }
}

/// Returns the beginning of a payload: as text, or else in hexadecimal.
fn preview(payload: &[u8]) -> String {
    let cut = payload.len().min(MAX_PREVIEW);
    let part = &payload[..cut];
    let text = match std::str::from_utf8(part) {
        Ok(text) => Some(text),
        // It is cut within a character.
        Err(error) if error.error_len().is_none() && cut < payload.len() => {
            std::str::from_utf8(&part[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    text.map_or_else(|| hex(&part[..part.len().min(48)]), printable)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use fullduplex_inspect::Conversation;
    use fullduplex_inspect::store::Handling;

    use super::*;

    #[test]
    fn row_and_its_detail_say_what_was_seen() {
        let mut rows = Vec::new();
        let mut conversation = Conversation::new();
        let bytes = b"\x01\x02\x1b{\x80\x01}\x83\x01\xff";
        conversation.push(Role::Server, bytes, Duration::ZERO, |shown| {
            rows.push(Row::frame(1, shown, Handling::Passed));
        });
        let [first, second, third] = [0, 1, 2].map(|at| row(&rows[at]));
        assert_eq!((&first["kind"], &first["d"]), (&"text #1".into(), &"in".into()));
        assert_eq!((&second["text"], &second["len"]), (&"\\u{1b}{}".into(), &3.into()));
        assert!(third["bad"].as_str().unwrap().contains("RFC 6455"), "{third}");
        assert_eq!(third["text"], "ff");
        let second = detail(&rows[1]);
        assert_eq!(
            (&second["text"], &second["message"]["fragments"]),
            (&"\u{1b}{}".into(), &2.into())
        );
        assert_eq!(detail(&rows[2])["base64"], "/w==");
    }

    #[test]
    fn preview_is_cut_between_characters() {
        assert_eq!(preview("ü".repeat(100).as_bytes()), "ü".repeat(80));
        assert_eq!(preview(format!("x{}", "ü".repeat(100)).as_bytes()).chars().count(), 80);
        assert_eq!(preview(b"\xff\x00"), "ff00");
    }

    #[test]
    fn socket_is_refused_by_its_method_and_status() {
        for (method, status, expected) in [
            ("GET", 101, false),
            ("GET", 200, true),
            ("CONNECT", 200, false),
            ("CONNECT", 403, true),
        ] {
            let opening =
                RecordedOpening { method: method.into(), status, ..RecordedOpening::default() };
            assert_eq!(is_refused(&opening), expected, "{method} {status}");
        }
    }
}
