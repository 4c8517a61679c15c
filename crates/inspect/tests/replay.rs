//! Recorded talks: what is sent again, and what differs.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fullduplex_inspect::proto::{MessageKind, Role};
use fullduplex_inspect::recording::{Record, RecordKind};
use fullduplex_inspect::replay::{
    DifferenceKind, Plan, PlanStep, Said, Talk, TalkBuilder, TalkItem, Timing, compare,
};
use fullduplex_inspect::{DecoderLimits, har};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn talk() -> Talk {
    let bytes = |at, sender, bytes: &[u8]| {
        let kind = RecordKind::Bytes { sender, bytes: bytes.to_vec() };
        Record { connection: 3, at: ms(at), kind }
    };
    let open = RecordKind::Open(Box::default());
    let records = [
        Record { connection: 3, at: ms(0), kind: open },
        bytes(10, Role::Server, b"\x81\x05hello\x89\x00"),
        bytes(20, Role::Client, b"\x8a\x80\0\0\0\0\x01\x81\0\0\0\0h\x80\x81\0\0\0\0i"),
        bytes(30, Role::Client, b"\x82\x82\0\0\0\0\x01\x02"),
        bytes(40, Role::Server, b"\x81\x02ok"),
        bytes(50, Role::Client, b"\x88\x82\0\0\0\0\x03\xe8"),
        bytes(60, Role::Server, b"\x88\x02\x03\xe8\x81\x01x"),
    ];
    let mut talks = Talk::of_recording(&records, DecoderLimits::default());
    assert_eq!((talks.len(), talks[0].connection), (1, 3));
    talks.remove(0)
}

fn text(payload: &str) -> Said {
    let payload = payload.to_owned().into();
    Said::Message { kind: MessageKind::Text, payload, is_cut: false }
}

fn texts(payloads: &[&str]) -> Vec<TalkItem> {
    let item = |payload: &&str| TalkItem { sender: Role::Server, at: ms(0), what: text(payload) };
    payloads.iter().map(item).collect()
}

#[test]
fn talk_of_a_recording_has_its_messages_and_closes() {
    let talk = talk();
    let words: Vec<String> = talk.items.iter().map(|item| item.what.to_string()).collect();
    assert_eq!(
        words,
        [
            "text of 5 B \"hello\"",
            "text of 2 B \"hi\"",
            "binary of 2 B \"\\u{1}\\u{2}\"",
            "text of 2 B \"ok\"",
            "Close 1000 \"\"",
            "Close 1000 \"\"",
        ]
    );
    assert_eq!((talk.items_of(Role::Client).count(), talk.items[1].at), (3, ms(20)));
}

#[test]
fn plan_sends_in_time_at_once_or_in_lockstep() {
    let talk = talk();
    let mut fast = Plan::new(&talk, Role::Client, Timing::Fast);
    assert_eq!((fast.remaining(), fast.next_step(ms(0), 0)), (3, PlanStep::Send(text("hi"))));
    let mut original = Plan::new(&talk, Role::Client, Timing::Original);
    assert_eq!(original.next_step(ms(19), 9), PlanStep::WaitUntil(ms(20)));
    assert_eq!(original.next_step(ms(20), 0), PlanStep::Send(text("hi")));
    assert_eq!(original.next_step(ms(20), 0), PlanStep::WaitUntil(ms(30)));
    let mut lockstep = Plan::new(&talk, Role::Client, Timing::Lockstep);
    assert_eq!(lockstep.next_step(ms(99), 0), PlanStep::WaitForMessages(1));
    assert_eq!(lockstep.next_step(ms(0), 1), PlanStep::Send(text("hi")));
    assert!(matches!(lockstep.next_step(ms(0), 1), PlanStep::Send(_)));
    assert_eq!(lockstep.next_step(ms(0), 1), PlanStep::WaitForMessages(2));
    assert!(matches!(lockstep.next_step(ms(0), 2), PlanStep::Send(Said::Close { .. })));
    assert_eq!((lockstep.next_step(ms(0), 2), lockstep.remaining()), (PlanStep::Done, 0));
    // As the server, which speaks first.
    let mut mock = Plan::new(&talk, Role::Server, Timing::Lockstep);
    assert_eq!(mock.next_step(ms(0), 0), PlanStep::Send(text("hello")));
    assert_eq!(mock.next_step(ms(0), 0), PlanStep::WaitForMessages(2));
}

#[test]
fn differences_are_found_where_they_are() {
    let words = |recorded: &[&str], now: &[&str], ignored: &[&str]| -> Vec<String> {
        let differences = compare(&texts(recorded), &texts(now), ignored);
        differences.iter().map(ToString::to_string).collect()
    };
    let none: [&str; 0] = [];
    assert_eq!(words(&["a", "b"], &["a", "b"], &[]), none);
    assert_eq!(words(&["a", "b", "c"], &["a", "c"], &[]), ["1: missing: text of 1 B \"b\""]);
    assert_eq!(words(&["a", "c"], &["a", "b", "c"], &[]), ["1: not recorded: text of 1 B \"b\""]);
    assert_eq!(
        words(&["a", "b"], &["a", "x", "y"], &[]),
        ["1: byte 0: \"b\", now \"x\"", "2: not recorded: text of 1 B \"y\""]
    );
    assert_eq!(words(&["a"], &[], &[]), ["0: missing: text of 1 B \"a\""]);
    assert_eq!(words(&["1"], &["2"], &[]), ["0: 1, now 2"]);
    let long = ["x".repeat(80), "y".repeat(80)].concat();
    assert_eq!(
        words(&[&long], &[&long[..81]], &[]),
        [format!("0: byte 81: …\"{}{}\"…, now nothing", "x".repeat(11), "y".repeat(49))]
    );
    // Order of keys and space do not matter.
    let recorded = r#"{"a":1,"list":[1,{"b":2}],"time":5}"#;
    assert_eq!(words(&[recorded], &[r#"{"time":5, "list":[1,{"b":2}],"a":1}"#], &[]), none);
    let now = r#"{"a":1,"list":[1,{"b":3},4],"time":6,"new":null}"#;
    assert_eq!(
        words(&[recorded], &[now], &[]),
        ["0: .list[1].b: 2, now 3; .list[2]: nothing, now 4; .time: 5, now 6; \
             .new: nothing, now null"]
    );
    assert_eq!(words(&[recorded], &[now], &["time", "list", "new"]), none);
    let many: Vec<String> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
    let many = format!("{{{}}}", many.join(","));
    let differences = compare(&texts(&[&many]), &texts(&["{}"]), &[]);
    let DifferenceKind::Changed { places, .. } = &differences[0].kind else { panic!() };
    assert_eq!(places.len(), 10);
}

#[test]
fn talk_of_a_har_file_is_that_of_its_records() {
    let text = r#"{"log": {"entries": [{
        "startedDateTime": "2026-01-02T03:04:05.000Z",
        "request": {"url": "wss://example.com/"}, "response": {"status": 101},
        "_webSocketMessages": [
            {"type": "receive", "time": 1767323046, "opcode": 1, "data": "who?"},
            {"type": "send", "time": 1767323047, "opcode": 2, "data": "/w=="}]}]}}"#;
    let socket = &har::read(text).unwrap()[0];
    let records: Vec<Record> = socket.to_records(1).collect();
    let talks = Talk::of_recording(&records, DecoderLimits::default());
    assert_eq!(talks, [Talk::of_har(socket)]);
    assert!(!talks[0].closes_first(Role::Client) && talk().closes_first(Role::Client));
    let mut builder = TalkBuilder::new(DecoderLimits::default());
    for record in &records {
        builder.push(record);
    }
    assert_eq!(builder.memory(), talks[0].items.iter().map(TalkItem::memory).sum::<usize>());
}
