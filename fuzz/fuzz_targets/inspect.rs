//! Filters and payloads from any bytes: a filter is written as it was parsed, and a payload is
//! decoded within its bytes, whatever it is.

#![no_main]

use std::time::Duration;

use fullduplex_inspect::filter::Filter;
use fullduplex_inspect::payload::{Content, Format, decode};
use fullduplex_inspect::proto::{MessageKind, Role};
use fullduplex_inspect::redaction::Redaction;
use fullduplex_inspect::store::{Handling, Row};
use fullduplex_inspect::{Conversation, TreeValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [split, rest @ ..] = bytes else { return };
    let (text, payload) = rest.split_at(usize::from(*split).min(rest.len()));
    decode_all(payload);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(filter) = Filter::parse(text) else { return };
    let written = filter.to_string();
    // What is written may be longer than what was parsed, and too long.
    if let Ok(again) = Filter::parse(&written) {
        assert_eq!(again, filter, "{written}");
    } else {
        assert!(written.len() > text.len(), "{written}");
    }
    let redaction = Redaction::default();
    Conversation::new().push(Role::Server, payload, Duration::ZERO, |frame| {
        let mut row = Row::frame(1, frame, Handling::Passed);
        filter.matches(&row, None);
        row.redact(&redaction);
    });
});

fn decode_all(payload: &[u8]) {
    for kind in [MessageKind::Text, MessageKind::Binary] {
        decode(&Content::new(kind, payload));
    }
    for format in Format::ALL {
        let decoded = format.decode(payload);
        assert!(decoded.summary.len() <= 160);
        let mut trees: Vec<_> = decoded.tree.iter().collect();
        while let Some(tree) = trees.pop() {
            assert!(tree.span.start <= tree.span.end && tree.span.end <= payload.len());
            match &tree.value {
                TreeValue::List(items) => trees.extend(items),
                TreeValue::Map(entries) => {
                    trees.extend(entries.iter().flat_map(|(key, value)| [key, value]));
                }
                _ => {}
            }
        }
    }
}
