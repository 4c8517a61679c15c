//! Whether a row matches.

use std::cell::OnceCell;

use fullduplex_proto::MessageKind;
use fullduplex_proto::frame::OpCode;

use super::expression::{Comparison, Expression, Literal, Root, Term, Test};
use super::needle::Needle;
use super::vocabulary::{Count, Flag, Kind, Time, Words};
use crate::conversation::ConversationFrame;
use crate::payload::Decoded;
use crate::store::{Handling, Retention, Row, RowKind, Socket};
use crate::tree::{Json, Reader, Tree, TreeValue};

/// A row that is matched, with what was found out about it.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    row: &'a Row,
    socket: Option<&'a Socket>,
    json: OnceCell<Option<Tree>>,
    decoded: OnceCell<Option<Decoded>>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(row: &'a Row, socket: Option<&'a Socket>) -> Self {
        Self { row, socket, json: OnceCell::new(), decoded: OnceCell::new() }
    }

    pub(super) fn matches(&self, expression: &Expression) -> bool {
        match expression {
            Expression::Or(parts) => parts.iter().any(|part| self.matches(part)),
            Expression::And(parts) => parts.iter().all(|part| self.matches(part)),
            Expression::Not(part) => !self.matches(part),
            Expression::Term(term) => self.matches_term(term),
        }
    }

    fn matches_term(&self, term: &Term) -> bool {
        match term {
            Term::From(role) => self.row.sender() == Some(*role),
            Term::Kind(kind) => self.is(*kind),
            Term::Flag(flag) => self.has(*flag),
            Term::Count(field, comparison, count) => {
                self.count(*field).is_some_and(|own| comparison.holds(&own, count))
            }
            Term::Time(field, comparison, time) => self.matches_time(*field, *comparison, time),
            Term::Ratio(comparison, ratio) => {
                self.ratio().is_some_and(|own| comparison.holds(&own, ratio))
            }
            Term::Words(field, pattern) => {
                self.words(*field).is_some_and(|text| has_pattern(text, pattern))
            }
            Term::Format(format) => self.decoded().is_some_and(|decoded| decoded.format == *format),
            Term::Payload(needle) => needle.is_in(self.text()),
            Term::Path(root, path, test) => {
                let tree = match root {
                    Root::Json => self.json(),
                    Root::Tree => self.decoded().and_then(|decoded| decoded.tree.as_ref()),
                };
                tree.is_some_and(|tree| {
                    path.any(tree, &mut |value| test.as_ref().is_none_or(|test| test.holds(value)))
                })
            }
        }
    }

    fn frame(&self) -> Option<&'a ConversationFrame> {
        self.row.as_frame()
    }

    /// Returns what a search looks at: a payload, or the words of a row that is not a frame.
    fn text(&self) -> &'a [u8] {
        match &self.row.kind {
            RowKind::Frame { .. } => self.row.payload(),
            RowKind::End { how: text, .. } | RowKind::Note { text } => text.as_bytes(),
        }
    }

    fn decoded(&self) -> Option<&Decoded> {
        self.decoded.get_or_init(|| self.row.decode(self.socket)).as_ref()
    }

    fn json(&self) -> Option<&Tree> {
        let json = self.json.get_or_init(|| {
            let payload = self.row.payload();
            let begin = payload.iter().find(|byte| !byte.is_ascii_whitespace());
            // Most of what is not JSON ends here.
            begin.filter(|byte| b"{[\"-0123456789tfn".contains(byte))?;
            Json::new(&mut Reader::new(payload, 0)).document()
        });
        json.as_ref()
    }

    fn is(&self, kind: Kind) -> bool {
        let Some(ConversationFrame { frame, .. }) = self.frame() else {
            return match self.row.kind {
                RowKind::End { .. } => kind == Kind::End,
                RowKind::Note { .. } => kind == Kind::Note,
                RowKind::Frame { .. } => false,
            };
        };
        let is_message = |kind| frame.message.as_ref().is_some_and(|message| message.kind == kind);
        let opcode = frame.opcode();
        match kind {
            Kind::Text => opcode == Some(OpCode::Text) || is_message(MessageKind::Text),
            Kind::Binary => opcode == Some(OpCode::Binary) || is_message(MessageKind::Binary),
            Kind::Continuation => opcode == Some(OpCode::Continuation),
            Kind::Close => opcode == Some(OpCode::Close),
            Kind::Ping => opcode == Some(OpCode::Ping),
            Kind::Pong => opcode == Some(OpCode::Pong),
            Kind::Reserved => opcode.is_none(),
            Kind::Control => frame.is_control(),
            Kind::Frame => true,
            Kind::Message => frame.message.is_some(),
            Kind::End | Kind::Note => false,
        }
    }

    fn has(&self, flag: Flag) -> bool {
        let RowKind::Frame { shown, handling, retention } = &self.row.kind else { return false };
        let frame = &shown.frame;
        let message = frame.message.as_ref();
        match flag {
            Flag::Fin => frame.header.fin(),
            Flag::Rsv1 => frame.header.rsv() & 4 != 0,
            Flag::Rsv2 => frame.header.rsv() & 2 != 0,
            Flag::Rsv3 => frame.header.rsv() & 1 != 0,
            Flag::Mask => frame.header.key().is_some(),
            Flag::LongLength => !frame.is_length_minimal(),
            Flag::Fragments => self.count(Count::Fragments).is_some_and(|count| count > 1),
            Flag::Deflate => message.is_some_and(|message| message.is_compressed),
            Flag::Payload => !self.row.payload().is_empty(),
            Flag::RoundTrip => shown.round_trip.is_some(),
            Flag::Bad => frame.violation.is_some(),
            Flag::Ignored => frame.is_ignored,
            Flag::Dropped => *handling == Handling::Dropped,
            Flag::Replaced => *handling == Handling::Replaced,
            Flag::Injected => *handling == Handling::Injected,
            Flag::Redacted => matches!(retention, Retention::Redacted | Retention::Withheld),
        }
    }

    fn count(&self, field: Count) -> Option<u64> {
        match field {
            Count::Socket => return Some(self.row.socket),
            Count::Row => return Some(self.row.sequence),
            _ => {}
        }
        let frame = &self.frame()?.frame;
        let message = frame.message.as_ref();
        match field {
            Count::Size => Some(self.row.payload_len()),
            Count::Wire => Some(message.map_or(frame.payload_seen, |message| message.wire_len)),
            Count::Fragments => message.map(|message| message.fragments).or(frame.fragment),
            Count::Code => frame.close().map(|(code, _)| u64::from(code.get())),
            Count::Opcode => Some(u64::from(frame.header.opcode_bits())),
            Count::Socket | Count::Row => None,
        }
    }

    fn matches_time(
        &self,
        field: Time,
        comparison: Comparison,
        time: &std::time::Duration,
    ) -> bool {
        let own = match field {
            Time::At => Some(self.row.at),
            Time::RoundTrip => self.frame().and_then(|shown| shown.round_trip),
            Time::Took => self.frame().map(|ConversationFrame { frame, .. }| {
                let began = frame.message.as_ref().map_or(frame.began, |message| message.began);
                frame.ended.saturating_sub(began)
            }),
        };
        own.is_some_and(|own| comparison.holds(&own, time))
    }

    /// Returns the share of a compressed message's bytes that went over the wire.
    fn ratio(&self) -> Option<f64> {
        let message = self.frame()?.frame.message.as_ref()?;
        // A ratio needs no more digits.
        #[allow(clippy::cast_precision_loss)]
        let ratio = message.wire_len as f64 / message.len.max(1) as f64;
        message.is_compressed.then_some(ratio)
    }

    fn words(&self, field: Words) -> Option<&'a str> {
        let socket = self.socket?;
        match field {
            Words::Host => Some(socket.host()),
            Words::Path => Some(socket.path()),
            Words::Url => Some(&socket.opening.url),
            Words::Subprotocol => socket.subprotocol(),
            Words::Version => Some(&socket.opening.version),
        }
    }
}

impl Test {
    fn holds(&self, value: &Tree) -> bool {
        match self {
            Self::Value(comparison, literal) => compare(value, *comparison, literal),
            Self::Contains(needle) => contains(value, needle),
        }
    }
}

/// Returns whether a value compares so. Values of different types are not equal, and none of them
/// is less.
fn compare(value: &Tree, comparison: Comparison, literal: &Literal) -> bool {
    match (&value.value, literal) {
        (TreeValue::Null, Literal::Null) => comparison.holds(&(), &()),
        (TreeValue::Bool(own), Literal::Bool(other)) => comparison.holds(own, other),
        (TreeValue::Text(own), Literal::Text(other)) => comparison.holds(own, other),
        (TreeValue::Integer(_) | TreeValue::Float(_), Literal::Number(other)) => {
            value.as_f64().is_some_and(|own| comparison.holds(&own, other))
        }
        _ => comparison == Comparison::NotEqual,
    }
}

fn contains(value: &Tree, needle: &Needle) -> bool {
    match &value.value {
        TreeValue::Text(text) => needle.is_in(text.as_bytes()),
        TreeValue::Bytes(bytes) => needle.is_in(bytes),
        TreeValue::Integer(integer) => needle.is_in(integer.to_string().as_bytes()),
        TreeValue::Float(float) => needle.is_in(float.to_string().as_bytes()),
        TreeValue::Bool(bool) => needle.is_in(bool.to_string().as_bytes()),
        TreeValue::Null | TreeValue::List(_) | TreeValue::Map(_) => false,
    }
}

/// Returns whether a text has a pattern, without regard to the case of ASCII letters. One with `*`,
/// which is for any characters, must match the whole text.
fn has_pattern(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_ascii_lowercase(), pattern.to_ascii_lowercase());
    let Some((first, rest)) = pattern.split_once('*') else { return text.contains(&pattern) };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_is_a_part_or_has_stars() {
        for (text, pattern, expected) in [
            ("api.example.com", "EXAMPLE", true),
            ("api.example.com", "*.example.com", true),
            ("example.com", "*.example.com", false),
            ("api.example.com", "api*", true),
            ("api.example.com", "api.*.com", true),
            ("api.example.com", "a*x*m", true),
            ("api.example.com", "a*x*o", false),
            ("aba", "ab*ba", false),
            ("", "*", true),
            ("", "", true),
        ] {
            assert_eq!(has_pattern(text, pattern), expected, "{text} {pattern}");
        }
    }
}
