//! Recordings and HAR files: written, read, and made of each other.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fullduplex_inspect::DecoderLimits;
use fullduplex_inspect::har::{self, HarMessage, HarSocket};
use fullduplex_inspect::proto::{MessageKind, Role};
use fullduplex_inspect::recording::{HEADER, Record, RecordKind, RecordedOpening};

fn opening() -> RecordedOpening {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    RecordedOpening {
        url: "wss://example.com/chat?a=\"b".into(),
        time: Duration::from_micros(1_767_323_045_678_901),
        version: "HTTP/1.1".into(),
        method: "GET".into(),
        request: vec![field("Host", "example.com"), field("X-A", "1"), field("X-A", "2")],
        status: 101,
        response: vec![field("Sec-WebSocket-Extensions", "permessage-deflate")],
    }
}

fn records() -> Vec<Record> {
    let record = |at, kind| Record { connection: 7, at: Duration::from_micros(at), kind };
    let bytes = |sender, bytes: &[u8]| RecordKind::Bytes { sender, bytes: bytes.to_vec() };
    vec![
        record(0, RecordKind::Open(Box::new(opening()))),
        record(1_500, bytes(Role::Client, b"\x01\x82\0\0\0\0hi\x80\x81\0\0\0\0!")),
        record(2_000, bytes(Role::Server, b"\xc1\x07\xf2\x48\xcd\xc9")),
        record(3_000, bytes(Role::Server, b"\xc9\x07\x00\x89\x00\x82\x02\x00\xff")),
        record(3_500, RecordKind::Lost { sender: Role::Client, bytes: 70_000 }),
        record(4_000, RecordKind::End { sender: Role::Server, how: "finished (FIN)".into() }),
    ]
}

#[test]
fn recording_is_read_as_it_was_written() {
    assert_eq!(Record::parse(HEADER), Ok(None));
    for record in records() {
        let line = record.to_line();
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(Record::parse(&line), Ok(Some(record)));
    }
    let deflate = opening().deflate().unwrap();
    assert_eq!((deflate.server_max_window_bits, deflate.server_no_context_takeover), (15, false));
    assert_eq!(RecordedOpening::default().deflate(), None);
}

#[test]
fn recording_of_later_versions_is_read_as_far_as_it_is_known() {
    let more = r#"{"connection":1,"at":2,"from":"client","bytes":"","more":[1]}"#;
    assert!(matches!(Record::parse(more).unwrap().unwrap().kind, RecordKind::Bytes { .. }));
    for line in ["", "  ", r#"{"connection":1,"at":2,"mark":"x"}"#] {
        assert_eq!(Record::parse(line), Ok(None));
    }
}

#[test]
fn recording_with_a_fault_is_an_error_that_names_it() {
    for (line, words) in [
        ("x", "expected value"),
        ("[]", "not a JSON object"),
        (r#"{"fullduplex-recording":2}"#, "version 2"),
        (r#"{"connection":1,"at":2,"from":"me","bytes":""}"#, "not client or server"),
        (r#"{"connection":1,"at":2,"from":"client","bytes":"?"}"#, "bytes"),
        (r#"{"connection":1,"at":-2,"from":"client","bytes":""}"#, "at is not a number"),
        (r#"{"at":2,"from":"client","bytes":""}"#, "connection is not a number"),
        (r#"{"connection":1,"at":0,"open":1}"#, "open is not an object"),
        (r#"{"connection":1,"at":0,"open":{"status":200}}"#, "url is not a text"),
    ] {
        let error = Record::parse(line).unwrap_err().to_string();
        assert!(error.contains(words), "{line}: {error}");
    }
}

#[test]
fn har_of_a_recording_has_its_messages() {
    let sockets = har::of_recording(&records(), DecoderLimits::default());
    let message = |sender, after, kind, data: &[u8]| HarMessage {
        sender,
        time: opening().time + Duration::from_micros(after),
        kind,
        data: data.to_vec(),
    };
    let messages = vec![
        message(Role::Client, 1_500, MessageKind::Text, b"hi!"),
        message(Role::Server, 3_000, MessageKind::Text, b"Hello"),
        message(Role::Server, 3_000, MessageKind::Binary, b"\x00\xff"),
    ];
    assert_eq!(sockets, [HarSocket { opening: opening(), messages }]);
    // The same comes back, to the microsecond.
    assert_eq!(har::read(&har::write(&sockets)).unwrap(), sockets);
    assert!(har::of_recording(&records()[1..], DecoderLimits::default()).is_empty());
}

/// An entry as Chromium exports it, with what other programs add.
#[test]
fn har_of_a_browser_is_read() {
    let text = r#"{"log": {"version": "1.2", "entries": [
        {"request": {"url": "https://example.com/"}},
        {"_resourceType": "websocket", "startedDateTime": "2026-01-02T04:04:05.500+01:00",
         "request": {"method": "GET", "url": "wss://example.com/", "httpVersion": "HTTP/1.1",
                     "headers": [{"name": "Host", "value": "example.com"}]},
         "response": {"status": 101, "headers": []},
         "_webSocketMessages": [
            {"type": "send", "time": 1767323046.123456, "opcode": 1, "data": "h\u00fc"},
            {"type": "receive", "time": 1767323046.2, "opcode": 2, "data": "AP8="},
            {"type": "receive", "time": 1767323046.2, "opcode": 9, "data": ""},
            {"type": "error", "time": 1767323047.0, "opcode": -1, "data": "closed"}]}]}}"#;
    let sockets = har::read(text).unwrap();
    assert_eq!(sockets.len(), 1);
    let [sent, received] = &sockets[0].messages[..] else { panic!("{sockets:?}") };
    assert_eq!((sent.sender, sent.kind), (Role::Client, MessageKind::Text));
    assert_eq!((&*sent.data, sent.time.as_micros()), ("h\u{fc}".as_bytes(), 1_767_323_046_123_456));
    assert_eq!((received.sender, &*received.data), (Role::Server, &b"\x00\xff"[..]));
    assert_eq!(sockets[0].opening.time, Duration::from_millis(1_767_323_045_500));
    for (text, words) in [
        ("{", "EOF"),
        ("{}", "log.entries"),
        (r#"{"log":{"entries":[{"_webSocketMessages":[{"type":"send","opcode":1}]}]}}"#, "no data"),
        (
            r#"{"log":{"entries":[{"_webSocketMessages":
                [{"type":"send","opcode":2,"data":"?","time":1}]}]}}"#,
            "a binary message",
        ),
        (
            r#"{"log":{"entries":[{"_webSocketMessages":
                [{"type":"send","opcode":1,"data":"","time":-1}]}]}}"#,
            "no time",
        ),
    ] {
        let error = har::read(text).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}
