//! MQTT 3.1, 3.1.1 and 5, as far as its packets say what they are.

use std::ops::Range;

use super::{MAX_SUMMARY, Parts};
use crate::tree::{Reader, Tree, TreeValue};

/// The packets, from 1 on.
const PACKETS: [&str; 15] = [
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

type Fields = Vec<(&'static str, Tree)>;

/// Decodes packets one after another. A packet may go on in the next message, which is a problem
/// here.
pub(super) fn decode(payload: &[u8]) -> Parts {
    let mut reader = Reader::new(payload, 0);
    let mut said = Vec::new();
    let mut packets = Vec::new();
    while !reader.is_empty() && !reader.has_problem() {
        let packet = reader.node(|reader| {
            let (fields, summary) = packet(reader)?;
            said.push(summary);
            let fields = fields.into_iter().map(|(name, value)| (Tree::name(name), value));
            Some(TreeValue::Map(fields.collect()))
        });
        packets.extend(packet);
    }
    said.truncate(20);
    let tree = match packets.len() {
        1 => packets.pop(),
        _ => Some(Tree::new(TreeValue::List(packets), 0..payload.len())),
    };
    Parts { summary: said.join("; "), tree, problem: reader.into_problem() }
}

/// Returns whether a payload begins with a CONNECT of a known protocol name.
pub(super) fn is_connect(payload: &[u8]) -> bool {
    let mut reader = Reader::new(payload, 0);
    reader.byte() == Some(0x10)
        && reader.varint(4).is_some()
        && (reader.rest().starts_with(b"\0\x04MQTT") || reader.rest().starts_with(b"\0\x06MQIsdp"))
}

fn integer(number: u64, span: Range<usize>) -> Tree {
    Tree::new(TreeValue::Integer(number.into()), span)
}

fn bool(value: bool, span: Range<usize>) -> Tree {
    Tree::new(TreeValue::Bool(value), span)
}

fn packet(reader: &mut Reader<'_>) -> Option<(Fields, String)> {
    let begin = reader.at();
    let first = reader.byte()?;
    let flags = u64::from(first & 0xf);
    let Some(name) = PACKETS.get(usize::from(first >> 4).wrapping_sub(1)) else {
        reader.fail_at(begin, "0 is not the type of a packet");
        return None;
    };
    let len = usize::try_from(reader.varint(4)?).ok()?;
    let start = reader.at();
    let bytes = reader.take(len);
    let mut inner = reader.within(bytes, start);
    let mut fields = vec![("packet", Tree::new(TreeValue::Text((*name).into()), begin..begin + 1))];
    let read = match *name {
        "CONNECT" => connect(&mut inner, &mut fields),
        "CONNACK" => connack(&mut inner, &mut fields),
        "PUBLISH" => publish(&mut inner, &mut fields, flags, begin),
        "SUBSCRIBE" | "UNSUBSCRIBE" => topics(&mut inner, &mut fields, *name == "SUBSCRIBE"),
        "PUBACK" | "PUBREC" | "PUBREL" | "PUBCOMP" | "SUBACK" | "UNSUBACK" => {
            number(&mut inner, &mut fields, "packet id", 2).map(|_| ())
        }
        _ => Some(()),
    };
    if read.is_some() && !inner.is_empty() {
        let (at, rest) = (inner.at(), inner.rest());
        let name = if *name == "PUBLISH" { "payload" } else { "rest" };
        fields.push((name, content(rest, at)));
    }
    if let Some(problem) = inner.into_problem() {
        reader.fail_at(problem.at, problem.what);
    }
    let mut summary = vec![(*name).to_owned()];
    for (name, value) in fields.iter().skip(1) {
        let text = value.as_text().map(|text| text.chars().take(MAX_SUMMARY).collect());
        let text: String = text.unwrap_or_else(|| value.to_line(MAX_SUMMARY));
        match (*name, &value.value) {
            ("topic" | "payload" | "client id" | "topics", _) => summary.push(text),
            ("qos" | "packet id" | "code", _) => summary.push(format!("{name} {text}")),
            ("retain" | "dup", TreeValue::Bool(true)) => summary.push((*name).to_owned()),
            _ => {}
        }
    }
    Some((fields, summary.join(" ")))
}

/// Returns bytes as text, if they are.
fn content(bytes: &[u8], at: usize) -> Tree {
    let value = match std::str::from_utf8(bytes) {
        Ok(text) => TreeValue::Text(text.to_owned()),
        Err(_) => TreeValue::Bytes(bytes.to_vec()),
    };
    Tree::new(value, at..at + bytes.len())
}

fn number(
    reader: &mut Reader<'_>,
    fields: &mut Fields,
    name: &'static str,
    len: usize,
) -> Option<u64> {
    let begin = reader.at();
    let number = reader.big_endian(len)?;
    fields.push((name, integer(number, begin..reader.at())));
    Some(number)
}

/// Reads bytes with their length before them.
fn prefixed(reader: &mut Reader<'_>) -> Option<Tree> {
    let len = reader.big_endian(2)?;
    let begin = reader.at();
    let bytes = reader.take(usize::try_from(len).ok()?);
    Some(content(bytes, begin))
}

/// Skips the properties of MQTT 5.
fn properties(reader: &mut Reader<'_>, fields: &mut Fields) -> Option<()> {
    let len = reader.varint(4)?;
    let begin = reader.at();
    let bytes = reader.take(usize::try_from(len).ok()?);
    if !bytes.is_empty() {
        let value = TreeValue::Bytes(bytes.to_vec());
        fields.push(("properties", Tree::new(value, begin..reader.at())));
    }
    Some(())
}

fn connect(reader: &mut Reader<'_>, fields: &mut Fields) -> Option<()> {
    fields.push(("protocol", prefixed(reader)?));
    let level = number(reader, fields, "level", 1)?;
    let at = reader.at();
    let flags = reader.big_endian(1)?;
    fields.push(("clean", bool(flags & 2 != 0, at..at + 1)));
    number(reader, fields, "keep alive", 2)?;
    if level >= 5 {
        properties(reader, fields)?;
    }
    fields.push(("client id", prefixed(reader)?));
    if flags & 4 != 0 {
        if level >= 5 {
            properties(reader, fields)?;
        }
        fields.push(("will topic", prefixed(reader)?));
        fields.push(("will payload", prefixed(reader)?));
        fields.push(("will qos", integer(flags >> 3 & 3, at..at + 1)));
    }
    if flags & 0x80 != 0 {
        fields.push(("user name", prefixed(reader)?));
    }
    if flags & 0x40 != 0 {
        fields.push(("password", prefixed(reader)?));
    }
    Some(())
}

fn connack(reader: &mut Reader<'_>, fields: &mut Fields) -> Option<()> {
    let at = reader.at();
    let flags = reader.big_endian(1)?;
    fields.push(("session present", bool(flags & 1 != 0, at..at + 1)));
    number(reader, fields, "code", 1).map(|_| ())
}

/// Reads a PUBLISH but for its payload, which in MQTT 5 begins with properties: a packet does not
/// say of which version it is.
fn publish(reader: &mut Reader<'_>, fields: &mut Fields, flags: u64, begin: usize) -> Option<()> {
    let (first, qos) = (begin..begin + 1, flags >> 1 & 3);
    fields.push(("qos", integer(qos, first.clone())));
    fields.push(("retain", bool(flags & 1 != 0, first.clone())));
    fields.push(("dup", bool(flags & 8 != 0, first)));
    fields.push(("topic", prefixed(reader)?));
    if qos > 0 {
        number(reader, fields, "packet id", 2)?;
    }
    Some(())
}

/// Reads the topics of a SUBSCRIBE or UNSUBSCRIBE. If they are not those of a version before 5,
/// they are taken to have properties before them.
fn topics(reader: &mut Reader<'_>, fields: &mut Fields, has_options: bool) -> Option<()> {
    number(reader, fields, "packet id", 2)?;
    let mut old = reader.within(reader.rest(), reader.at());
    let found = topic_list(&mut old, has_options);
    if old.has_problem() {
        properties(reader, fields)?;
        let found = topic_list(reader, has_options);
        fields.push(("topics", found));
    } else {
        reader.skip(reader.rest().len());
        fields.push(("topics", found));
    }
    Some(())
}

fn topic_list(reader: &mut Reader<'_>, has_options: bool) -> Tree {
    let begin = reader.at();
    let mut topics = Vec::new();
    while !reader.is_empty() && !reader.has_problem() {
        let topic = reader.node(|reader| {
            let topic = prefixed(reader)?;
            if topic.span.is_empty() {
                reader.fail("a topic is empty");
            }
            if has_options {
                reader.byte()?;
            }
            Some(topic.value)
        });
        topics.extend(topic);
    }
    Tree::new(TreeValue::List(topics), begin..reader.at())
}
