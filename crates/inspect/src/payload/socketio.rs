//! Engine.IO v4, and Socket.IO v5 within.

use super::{MAX_SUMMARY, Parts, json_based};
use crate::tree::{Problem, Tree, TreeValue};

/// The packets of Engine.IO.
const ENGINE: [&str; 7] = ["open", "close", "ping", "pong", "message", "upgrade", "noop"];

/// The packets of Socket.IO.
const SOCKET: [&str; 7] =
    ["connect", "disconnect", "event", "ack", "connect_error", "binary_event", "binary_ack"];

pub(super) fn decode(payload: &[u8]) -> Parts {
    let Some((first, rest)) = payload.split_first() else {
        return fault(0, "there is no packet", None);
    };
    let Some(name) = name(*first, &ENGINE) else {
        return fault(0, "a packet of Engine.IO begins with a digit from 0 to 6", None);
    };
    if name == "message" {
        return message(rest);
    }
    let all = 0..payload.len();
    let packet = ("engine", text(name, 0..1));
    let (data, problem) = match rest {
        [] => (None, None),
        _ if name == "open" => json_based::read(rest, 1),
        _ => (Some(text(&String::from_utf8_lossy(rest), 1..payload.len())), None),
    };
    let said = data.as_ref().map(|data| match data.as_text() {
        Some(text) => text.to_owned(),
        None => data.to_line(MAX_SUMMARY),
    });
    let summary = format!("{name} {}", said.unwrap_or_default()).trim_end().to_owned();
    let fields = [Some(packet), data.map(|data| ("data", data))];
    Parts { summary, tree: Some(Tree::fields(fields.into_iter().flatten(), all)), problem }
}

fn name(digit: u8, names: &[&'static str; 7]) -> Option<&'static str> {
    names.get(usize::from(digit.checked_sub(b'0')?)).copied()
}

fn text(text: &str, span: std::ops::Range<usize>) -> Tree {
    Tree::new(TreeValue::Text(text.to_owned()), span)
}

fn fault(at: usize, what: &str, tree: Option<Tree>) -> Parts {
    let problem = Problem { at, what: what.to_owned() };
    Parts { summary: what.to_owned(), tree, problem: Some(problem) }
}

/// Decodes a packet of Socket.IO, which begins at the second byte of its payload.
fn message(packet: &[u8]) -> Parts {
    let all = 0..packet.len() + 1;
    let engine = ("engine", text("message", 0..1));
    let Some(kind) = packet.first().and_then(|first| name(*first, &SOCKET)) else {
        let rest = text(&String::from_utf8_lossy(packet), 1..all.end);
        let what = "a packet of Socket.IO begins with a digit from 0 to 6";
        return fault(1, what, Some(Tree::fields([engine, ("data", rest)], all)));
    };
    let mut at = 1;
    let mut fields = vec![engine, ("packet", text(kind, 1..2))];
    let mut said = vec![kind.to_owned()];
    if kind.starts_with("binary") {
        let digits = digits(&packet[at..]);
        if packet.get(at + digits) == Some(&b'-') {
            let count = number(&packet[at..at + digits], at + 1);
            said.push(format!("with {} attachments", count.to_line(20)));
            fields.push(("attachments", count));
            at += digits + 1;
        }
    }
    if packet.get(at) == Some(&b'/') {
        let len = packet[at..].iter().position(|&byte| byte == b',');
        let len = len.unwrap_or(packet.len() - at);
        let namespace = String::from_utf8_lossy(&packet[at..at + len]).into_owned();
        fields.push(("namespace", text(&namespace, at + 1..at + 1 + len)));
        said.push(namespace);
        at = (at + len + 1).min(packet.len());
    }
    let digits = digits(&packet[at..]);
    if digits > 0 {
        let id = number(&packet[at..at + digits], at + 1);
        said.push(id.to_line(20));
        fields.push(("id", id));
        at += digits;
    }
    let mut problem = None;
    if at < packet.len() {
        let (data, fault) = json_based::read(&packet[at..], at + 1);
        problem = fault;
        if let Some(data) = data {
            match data.items() {
                [] => said.push(data.to_line(MAX_SUMMARY)),
                items => said.extend(items.iter().map(|item| item.to_line(MAX_SUMMARY))),
            }
            fields.push(("data", data));
        }
    }
    Parts { summary: said.join(" "), tree: Some(Tree::fields(fields, all)), problem }
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// Returns a number of digits; text if it is too long for one.
fn number(digits: &[u8], at: usize) -> Tree {
    let digits = String::from_utf8_lossy(digits);
    let value = digits.parse().map(TreeValue::Integer);
    Tree::new(value.unwrap_or_else(|_| TreeValue::Text(digits.to_string())), at..at + digits.len())
}
