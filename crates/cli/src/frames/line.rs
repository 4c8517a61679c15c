//! A frame as a line of text.

use std::fmt::Write as _;

use fullduplex::MessageKind;
use fullduplex_inspect::{ConversationFrame, Frame, InflationStop, Message};

use super::reader::CutEnd;
use crate::base::escape::printable;

/// The most bytes of a payload that are shown.
const MAX_SHOWN: usize = 60;

/// Returns the line of a frame: its opcode, the bits of its header, its length, and what it says.
/// `is_answer` says that a Close was seen before.
pub(crate) fn of_frame(shown: &ConversationFrame, is_answer: bool) -> String {
    let frame = &shown.frame;
    let mut line = header(frame);
    let _ = write!(line, "{} B", frame.payload_seen);
    let is_unread = frame.violation.is_some() || frame.is_ignored;
    if let Some((code, reason)) = frame.close() {
        let _ = write!(line, " {}", code.get());
        // The reason of one that breaks a rule need not be UTF-8.
        match frame.payload.get(2..) {
            Some(bytes) if std::str::from_utf8(bytes).is_err() => line.push_str(&quoted(bytes)),
            _ => {
                let _ = write!(line, " {reason:?}");
            }
        }
        line.push_str(if is_answer { " (the answer)" } else { " (the first)" });
    } else if (frame.is_control() || is_unread) && !frame.payload.is_empty() {
        line.push_str(&quoted(&frame.payload));
    }
    if let Some(round_trip) = shown.round_trip {
        let _ = write!(line, ", {:.1} ms after the ping", round_trip.as_secs_f64() * 1000.0);
    }
    if let Some(message) = &frame.message {
        line.push_str(&of_message(message));
    }
    line.push_str(&faults(frame));
    printable(&line)
}

/// Returns the beginning of the message that is complete with this frame: as text, or else in
/// hexadecimal.
pub(crate) fn content(shown: &ConversationFrame) -> Option<String> {
    let message = shown.frame.message.as_ref().filter(|message| !message.payload.is_empty())?;
    Some(printable(&quoted(&message.payload)))
}

/// Returns the line of a frame or a header within which the transport ended.
pub(crate) fn of_cut(cut: &CutEnd) -> String {
    match cut {
        CutEnd::Frame(frame) => of_cut_frame(frame),
        CutEnd::Header(bytes) => of_cut_header(bytes),
    }
}

fn of_cut_frame(frame: &Frame) -> String {
    let mut line = header(frame);
    let (seen, len) = (frame.payload_seen, frame.header.payload_len());
    let _ = write!(line, "cut after {seen} of {len} B");
    line.push_str(&faults(frame));
    printable(&line)
}

fn of_cut_header(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cut within a header: {}", bytes.join(" "))
}

/// Returns the opcode, the bits, and the form of the length.
fn header(frame: &Frame) -> String {
    let mut line = String::from(frame.opcode_name());
    if frame.opcode().is_none() {
        let _ = write!(line, " {:#x}", frame.header.opcode_bits());
    }
    if let Some(number) = frame.fragment.filter(|&number| number > 1 || !frame.header.fin()) {
        let _ = write!(line, " #{number}");
    }
    if frame.header.fin() {
        line.push_str(" fin");
    }
    for (bit, name) in [(4, " rsv1"), (2, " rsv2"), (1, " rsv3")] {
        if frame.header.rsv() & bit != 0 {
            line.push_str(name);
        }
    }
    if frame.header.key().is_some() {
        line.push_str(" mask");
    }
    let _ = write!(line, " len{} ", frame.length_form().bits());
    line
}

/// Returns what a message says that its only frame does not.
fn of_message(message: &Message) -> String {
    let mut text = String::new();
    if message.fragments > 1 || message.is_compressed {
        let kind = if message.kind == MessageKind::Text { "text" } else { "binary" };
        let _ = write!(text, ", {kind} message of {} B", message.len);
    }
    if message.fragments > 1 {
        let _ = write!(text, " in {} fragments", message.fragments);
    }
    if message.is_compressed {
        let _ = write!(text, " from {} B compressed", message.wire_len);
        match message.inflation_stop {
            None => {
                let permille = message.wire_len.saturating_mul(1000) / message.len.max(1);
                let _ = write!(text, ", {}.{} %", permille / 10, permille % 10);
            }
            Some(InflationStop::HistoryLost) => {
                text.push_str(", not decompressed, as an earlier one was not");
            }
            Some(InflationStop::Limit) => text.push_str(", not decompressed further: too long"),
            Some(_) => text.push_str(", not decompressed further"),
        }
    }
    text
}

/// Returns what is wrong with a frame.
fn faults(frame: &Frame) -> String {
    match (frame.violation, frame.is_ignored) {
        (Some(violation), false) => format!(" !! {violation}"),
        (Some(violation), true) => format!(" !! {violation}; ignored after what was before"),
        (None, true) => " !! ignored after what was before".into(),
        (None, false) => String::new(),
    }
}

/// Returns the beginning of a payload: as text, or else in hexadecimal.
fn quoted(payload: &[u8]) -> String {
    let shown = &payload[..payload.len().min(MAX_SHOWN)];
    let more = if shown.len() < payload.len() { "…" } else { "" };
    if let Ok(text) = std::str::from_utf8(shown) {
        return format!(" {text:?}{more}");
    }
    let mut hex = String::from(" ");
    for byte in shown {
        let _ = write!(hex, "{byte:02x}");
    }
    hex + more
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fullduplex::{DeflateConfig, Role};
    use fullduplex_inspect::Conversation;

    use super::*;

    fn lines(steps: &[(Role, &[u8])]) -> Vec<String> {
        let config = DeflateConfig::default();
        let (_, deflate) = config.accept(&config.offers()).unwrap();
        let mut conversation = Conversation::new().with_deflate(deflate.params());
        let (mut lines, mut has_closed) = (Vec::new(), false);
        for (index, (role, bytes)) in (0..).zip(steps) {
            conversation.push(*role, bytes, Duration::from_millis(10 * index), |shown| {
                lines.push(of_frame(&shown, has_closed));
                has_closed |= shown.frame.close().is_some();
            });
        }
        for role in [Role::Client, Role::Server] {
            lines.extend(conversation.finish(role).map(|frame| of_cut_frame(&frame)));
        }
        lines
    }

    #[test]
    fn line_of_a_frame_shows_its_header_and_what_it_is_part_of() {
        let lines = lines(&[
            (Role::Client, b"\x81\x82\0\0\0\0hi"),
            (Role::Server, b"\x01\x02He\x89\x02a\x1b\x80\x03llo"),
            (Role::Client, b"\x8a\x82\0\0\0\0a\x1b"),
            (Role::Server, b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"),
            (Role::Server, b"\x88\x05\x03\xe8bye"),
            (Role::Client, b"\x88\x82\0\0\0\0\x03\xe8"),
        ]);
        assert_eq!(
            lines,
            [
                "text fin mask len7 2 B",
                "text #1 len7 2 B",
                r#"ping fin len7 2 B "a\u{1b}""#,
                "continuation #2 fin len7 3 B, text message of 5 B in 2 fragments",
                r#"pong fin mask len7 2 B "a\u{1b}", 10.0 ms after the ping"#,
                "text fin rsv1 len7 7 B, text message of 5 B from 7 B compressed, 140.0 %",
                r#"close fin len7 5 B 1000 "bye" (the first)"#,
                r#"close fin mask len7 2 B 1000 "" (the answer)"#,
            ]
        );
    }

    #[test]
    fn line_of_a_close_shows_a_reason_that_is_no_text_in_hexadecimal() {
        let lines = lines(&[(Role::Server, b"\x88\x04\x03\xe8\xff\xfe")]);
        assert!(lines[0].starts_with("close fin len7 4 B 1000 fffe (the first) !! "), "{lines:?}");
    }

    #[test]
    fn line_of_a_frame_names_the_rule_that_it_breaks() {
        let lines = lines(&[(Role::Server, b"\x83\x01\xff\x81\x02hi\x82\x7e\x00\x7eab")]);
        assert_eq!(
            lines,
            [
                "reserved 0x3 fin len7 1 B ff !! opcode 0x3 is reserved (RFC 6455 §5.2)",
                r#"text fin len7 2 B "hi" !! ignored after what was before"#,
                "binary fin len16 cut after 2 of 126 B !! ignored after what was before",
            ]
        );
    }
}
