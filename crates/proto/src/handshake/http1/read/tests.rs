use alloc::format;
use alloc::string::String;

use proptest::prelude::*;

use super::*;
use crate::handshake::http1::write_request;

fn request(head: &str) -> Result<RequestHead<'_>, HeadError> {
    RequestHead::parse(head.as_bytes(), &HeadLimits::default())
}

fn response(head: &[u8]) -> Result<ResponseHead<'_>, HeadError> {
    ResponseHead::parse(head, &HeadLimits::default())
}

#[test]
fn request_head_is_split_into_its_parts() {
    let head = request("\r\nGET /a?b HTTP/1.1\r\nHost:h\nX: \t y z \r\n\r\n").unwrap();
    assert_eq!((head.method(), head.minor_version()), ("GET", 1));
    assert_eq!(head.target().path_and_query(), "/a?b");
    let fields: Vec<_> = head.fields().iter().collect();
    assert_eq!(fields, [("Host", b"h".as_slice()), ("X", b"y z")]);
    assert_eq!(head.fields().values("x").next(), Some(b"y z".as_slice()));
}

#[test]
fn response_head_is_split_into_its_parts() {
    let head = response(b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n").unwrap();
    assert_eq!((head.status(), head.minor_version()), (101, 1));
    assert_eq!(head.reason_phrase(), b"Switching Protocols");
    assert_eq!((head.fields().len(), head.fields().is_empty()), (1, false));
    let shown = format!("{:?}", head.fields());
    assert!(shown.contains("\"A\"") && shown.contains("\"b\""), "{shown}");
    for (head, phrase) in [
        (b"HTTP/1.1 200\r\n\r\n".as_slice(), b"".as_slice()),
        (b"HTTP/1.0 200 \n\n", b""),
        (b"HTTP/1.1 404 Pas trouv\xe9\r\n\r\n", b"Pas trouv\xe9"),
    ] {
        let head = response(head).unwrap();
        assert_eq!(head.reason_phrase(), phrase);
        assert!(head.fields().is_empty());
    }
}

/// RFC 9110 §2.5.
#[test]
fn http1_later_versions_are_read_as_1_1() {
    let head = request("\r\nGET /a?b HTTP/1.2\r\nHost:h\r\nX: y\r\n\r\n").unwrap();
    assert_eq!((head.method(), head.minor_version()), ("GET", 1));
    assert_eq!(head.target().path_and_query(), "/a?b");
    let fields: Vec<_> = head.fields().iter().collect();
    assert_eq!(fields, [("Host", b"h".as_slice()), ("X", b"y")]);
    let head = response(b"HTTP/1.9 101 Switching HTTP/1.2\r\nA: b\r\n\r\n").unwrap();
    assert_eq!((head.status(), head.minor_version()), (101, 1));
    assert_eq!(head.reason_phrase(), b"Switching HTTP/1.2");
    assert_eq!(head.fields().len(), 1);
    // HTTP/1.0 is another matter: it has no upgrade (RFC 9110 §7.8).
    assert_eq!(request("GET / HTTP/1.0\r\n\r\n").unwrap().minor_version(), 0);
    assert_eq!(response(b"HTTP/1.0 101 X\r\n\r\n").unwrap().minor_version(), 0);
}

#[test]
fn request_head_faults_are_rejected() {
    for (head, error) in [
        ("", HeadError::Incomplete),
        ("GET / HTTP/1.1\r\n", HeadError::Incomplete),
        ("GET / HTTP/1.1\r\n\r\nx", HeadError::Incomplete),
        ("GET /\r\n\r\n", HeadError::StartLine),
        ("GET  / HTTP/1.1\r\n\r\n", HeadError::StartLine),
        ("GET / HTTP/1.1 \r\n\r\n", HeadError::StartLine),
        ("GET / http/1.1\r\n\r\n", HeadError::StartLine),
        ("G{T / HTTP/1.1\r\n\r\n", HeadError::StartLine),
        ("GET / HTTP/2.0\r\n\r\n", HeadError::Version),
        ("GET / HTTP/0.9\r\n\r\n", HeadError::Version),
        ("GET / HTTP/1.2 \r\n\r\n", HeadError::StartLine),
        ("GET  / HTTP/1.2\r\n\r\n", HeadError::StartLine),
        ("G{T / HTTP/1.2\r\n\r\n", HeadError::StartLine),
        ("GET / HTTP/1.2\r\nA : b\r\n\r\n", HeadError::SpaceBeforeColon { line: 2 }),
        ("GET / HTTP/1.2\r\n", HeadError::Incomplete),
        ("GET / HTTP/1.2\r\n\r\nx", HeadError::Incomplete),
        ("GET chat HTTP/1.1\r\n\r\n", HeadError::Target),
        ("GET /caf\u{e9} HTTP/1.1\r\n\r\n", HeadError::Target),
        ("GET / HTTP/1.1\r\n A: b\r\n\r\n", HeadError::Folded { line: 2 }),
        ("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", HeadError::Folded { line: 3 }),
        ("GET / HTTP/1.1\r\nA : b\r\n\r\n", HeadError::SpaceBeforeColon { line: 2 }),
        ("GET / HTTP/1.1\r\nA: b\r\nB\t: c\r\n\r\n", HeadError::SpaceBeforeColon { line: 3 }),
        ("GET / HTTP/1.1\r\nA\r\n\r\n", HeadError::FieldName { line: 2 }),
        ("GET / HTTP/1.1\r\n: b\r\n\r\n", HeadError::FieldName { line: 2 }),
        ("GET / HTTP/1.1\r\nA(: b\r\n\r\n", HeadError::FieldName { line: 2 }),
        ("GET / HTTP/1.1\r\nA: b\0\r\n\r\n", HeadError::FieldValue { line: 2 }),
        // A bare CR is invalid (RFC 9112 §2.2).
        ("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", HeadError::FieldValue { line: 2 }),
        ("GET / HTTP/1.1\r\nA: b\r\r\n\r\n", HeadError::FieldValue { line: 2 }),
        ("GET / HTTP/1.1\rA: b\r\n\r\n", HeadError::StartLine),
    ] {
        assert_eq!(request(head).unwrap_err(), error, "{head:?}");
    }
}

#[test]
fn response_head_faults_are_rejected() {
    for (head, error) in [
        ("HTTP/1.1 \r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1 10\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1 1010 X\r\n\r\n", HeadError::StartLine),
        ("HTTP/2.0 101 X\r\n\r\n", HeadError::Version),
        ("HTTP/1.7  101 X\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1  101 X\r\n\r\n", HeadError::StartLine),
        ("HTTP/1.1 101 X\r\nA: b\r\n c\r\n\r\n", HeadError::Folded { line: 3 }),
        ("HTTP/1.1 101 X\r\nA : b\r\n\r\n", HeadError::SpaceBeforeColon { line: 2 }),
    ] {
        assert_eq!(response(head.as_bytes()).unwrap_err(), error, "{head:?}");
    }
}

#[test]
fn limits_on_heads_hold_without_the_finder() {
    let head = String::from("GET / HTTP/1.1\r\n") + &"A:\r\n".repeat(2000) + "\r\n";
    assert_eq!(request(&head).unwrap_err(), HeadError::TooManyFields { max_fields: 100 });
    let raised = HeadLimits::default().max_fields(2000);
    assert_eq!(RequestHead::parse(head.as_bytes(), &raised).unwrap().fields().len(), 2000);
    // Empty lines before the head are not fields, and are not numbered.
    let none = HeadLimits::default().max_fields(0);
    let head = b"\r\n\nGET / HTTP/1.1\r\n\r\n";
    assert!(RequestHead::parse(head, &none).unwrap().fields().is_empty());
    let folded = request("\r\nGET / HTTP/1.1\r\n A: b\r\n\r\n").unwrap_err();
    assert_eq!(folded, HeadError::Folded { line: 2 });
    let short = raised.max_head_bytes(100);
    let error = RequestHead::parse(&[b'\0'; 101], &short).unwrap_err();
    assert_eq!(error, HeadError::TooLarge { max_head_bytes: 100 });
}

proptest! {
    #[test]
    fn head_reader_survives_any_bytes(head in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = RequestHead::parse(&head, &HeadLimits::default());
        let _ = ResponseHead::parse(&head, &HeadLimits::default());
    }

    #[test]
    fn head_reader_survives_nearly_valid_heads(
        line in "[GET /.:*]{0,20}",
        rest in "[A: \t\r\n]{0,40}",
    ) {
        for head in [
            format!("{line} HTTP/1.1\r\n{rest}\r\n\r\n"),
            format!("HTTP/1.1 {line}\r\n{rest}\r\n\r\n"),
        ] {
            let _ = request(&head);
            let _ = response(head.as_bytes());
        }
    }

    #[test]
    fn head_is_read_back(
        path in "/[!\"$-~]{0,20}",
        headers in proptest::collection::vec(
            ("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", "([!-~]([ -~]{0,9}[!-~])?)?"),
            0..9,
        ),
    ) {
        let head = write_request("GET", &path, headers.clone()).unwrap();
        let head = RequestHead::parse(&head, &HeadLimits::default()).unwrap();
        prop_assert_eq!(head.target().path_and_query(), path);
        let read: Vec<_> = head.fields().iter().collect();
        let sent: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())).collect();
        prop_assert_eq!(read, sent);
    }
}
