//! STOMP 1.0 to 1.2.

use std::ops::Range;

use super::{MAX_SUMMARY, Parts, json_based};
use crate::tree::{MAX_NODES, Problem, Tree, TreeValue};

const COMMANDS: [&str; 15] = [
    "CONNECT",
    "STOMP",
    "CONNECTED",
    "SEND",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "ACK",
    "NACK",
    "BEGIN",
    "COMMIT",
    "ABORT",
    "DISCONNECT",
    "MESSAGE",
    "RECEIPT",
    "ERROR",
];

/// The headers that a summary has.
const SHOWN: [&str; 6] = ["destination", "id", "subscription", "message", "receipt-id", "version"];

/// Returns whether a payload begins with a command.
pub(super) fn is_frame(payload: &[u8]) -> bool {
    let line = payload.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.len() < payload.len() && COMMANDS.iter().any(|command| command.as_bytes() == line)
}

pub(super) fn decode(payload: &[u8]) -> Parts {
    if payload.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        return Parts { summary: "heart-beat".into(), ..Parts::default() };
    }
    let mut at = 0;
    let mut next = || {
        let len = payload[at..].iter().position(|&byte| byte == b'\n');
        let line = at..len.map_or(payload.len(), |len| at + len);
        at = (line.end + 1).min(payload.len());
        let is_last = len.is_none();
        let has_return = payload[line.clone()].ends_with(b"\r");
        (line.start..line.end - usize::from(has_return), is_last)
    };
    let of = |span: Range<usize>| {
        let text = String::from_utf8_lossy(&payload[span.clone()]).into_owned();
        Tree::new(TreeValue::Text(text), span)
    };
    let (command, mut is_cut) = next();
    let mut headers = Vec::new();
    while !is_cut && headers.len() < MAX_NODES / 2 {
        let (line, is_last) = next();
        is_cut = is_last;
        if line.is_empty() {
            break;
        }
        let colon = payload[line.clone()].iter().position(|&byte| byte == b':');
        let colon = line.start + colon.unwrap_or(line.len());
        headers.push((of(line.start..colon), of((colon + 1).min(line.end)..line.end)));
    }
    let headers = Tree::new(TreeValue::Map(headers), command.end..at);
    // The body ends with a zero byte, which a length of content allows within it.
    let end = payload.iter().rposition(|&byte| byte == 0).filter(|&end| end >= at);
    let problem = match end {
        Some(_) => None,
        None => Some(Problem { at: payload.len(), what: "the frame is not ended by 0x00".into() }),
    };
    let body = at..end.unwrap_or(payload.len());
    let mut said = vec![String::from_utf8_lossy(&payload[command.clone()]).into_owned()];
    for name in SHOWN {
        said.extend(headers.get(name).and_then(Tree::as_text).map(str::to_owned));
    }
    let mut fields = vec![("command", of(command)), ("headers", headers)];
    if !body.is_empty() {
        let bytes = &payload[body.clone()];
        let json = match bytes.first() {
            Some(b'{' | b'[') => json_based::read(bytes, body.start),
            _ => (None, None),
        };
        let content = match (json, std::str::from_utf8(bytes)) {
            ((Some(tree), None), _) => tree,
            (_, Ok(_)) => of(body),
            (_, Err(_)) => Tree::new(TreeValue::Bytes(bytes.to_vec()), body),
        };
        said.push(content.to_line(MAX_SUMMARY));
        fields.push(("body", content));
    }
    let tree = Some(Tree::fields(fields, 0..payload.len()));
    Parts { summary: said.join(" "), tree, problem }
}
