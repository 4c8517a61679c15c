//! What a client sends and which answers it takes (RFC 6455 §4.1, RFC 8441 §5).
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use fullduplex_proto::handshake::client::{
    ClientHandshake, Negotiated, RequestError, ResponseError, is_interim, is_protected,
};
use fullduplex_proto::handshake::http1::write_request;
use fullduplex_proto::handshake::{Extension, ExtensionFault};

type Headers = Vec<(&'static str, &'static str)>;

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn bare() -> ClientHandshake {
    ClientHandshake::http1("server.example.com", *b"the sample nonce").unwrap()
}

fn opening() -> ClientHandshake {
    let deflate = Extension::new("permessage-deflate").unwrap();
    let deflate = deflate.with_param("client_max_window_bits", None).unwrap();
    let opening = bare().with_subprotocol("chat").unwrap().with_subprotocol("superchat").unwrap();
    opening.with_extension(deflate)
}

fn valid() -> Headers {
    vec![("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT)]
}

fn without(name: &str) -> Headers {
    valid().into_iter().filter(|(field, _)| *field != name).collect()
}

fn with(name: &'static str, value: &'static str) -> Headers {
    let mut headers = valid();
    headers.push((name, value));
    headers
}

fn replaced(name: &'static str, value: &'static str) -> Headers {
    let mut headers = without(name);
    headers.push((name, value));
    headers
}

#[test]
fn handshake_request_as_it_is_sent() {
    let opening = opening();
    assert_eq!((opening.method(), opening.protocol()), ("GET", None));
    let head = write_request(opening.method(), "/chat", opening.headers()).unwrap();
    let expected = "GET /chat HTTP/1.1\r\n\
        Host: server.example.com\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    assert_eq!(String::from_utf8(head).unwrap(), expected);
}

#[test]
fn handshake_by_extended_connect_sends_neither_upgrade_nor_key() {
    // RFC 8441 §5.
    let opening = ClientHandshake::extended().with_subprotocol("chat").unwrap();
    assert_eq!((opening.method(), opening.protocol()), ("CONNECT", Some("websocket")));
    let headers = opening.headers();
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["Sec-WebSocket-Version", "Sec-WebSocket-Protocol"]);
}

#[test]
fn handshake_request_faults_are_refused() {
    let error = ClientHandshake::http1("a\r\nb", [0; 16]).unwrap_err();
    assert_eq!(error, RequestError::Host("a\r\nb".into()));
    for name in ["", "a b", "a,b", "a\r\n"] {
        let error = bare().with_subprotocol(name).unwrap_err();
        assert_eq!(error, RequestError::SubprotocolInvalid(name.into()));
    }
    let error = opening().with_subprotocol("chat").unwrap_err();
    assert_eq!(error, RequestError::SubprotocolRepeated("chat".into()));
}

#[test]
fn handshake_responses_that_are_accepted() {
    let plain = Negotiated::default();
    for headers in [
        valid(),
        replaced("Upgrade", "WebSocket"),
        replaced("Connection", "keep-alive, upgrade"),
        replaced("Sec-WebSocket-Accept", " s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\t"),
        vec![("upgrade", "websocket"), ("CONNECTION", "Upgrade"), ("sec-websocket-accept", ACCEPT)],
        // A 101 ends with its head whatever it announces (RFC 9112 §6.3).
        with("Content-Length", "5"),
    ] {
        assert_eq!(opening().check(101, headers.as_slice()).as_ref(), Ok(&plain), "{headers:?}");
    }

    let mut headers = with("Sec-WebSocket-Protocol", "superchat");
    headers.push(("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=10"));
    let agreement = opening().check(101, headers.as_slice()).unwrap();
    assert_eq!(agreement.subprotocol.as_deref(), Some("superchat"));
    assert_eq!(agreement.extensions[0].params()[0].value(), Some("10"));
}

#[test]
fn handshake_responses_that_fail() {
    let table = [
        (without("Upgrade"), ResponseError::Upgrade),
        (replaced("Upgrade", ""), ResponseError::Upgrade),
        (replaced("Upgrade", "h2c"), ResponseError::Upgrade),
        (with("Upgrade", "h2c"), ResponseError::Upgrade),
        (without("Connection"), ResponseError::Connection),
        (replaced("Connection", "close"), ResponseError::Connection),
        (without("Sec-WebSocket-Accept"), ResponseError::AcceptMissing),
        (with("Sec-WebSocket-Accept", ACCEPT), ResponseError::AcceptRepeated),
        (replaced("Sec-WebSocket-Accept", ""), ResponseError::AcceptMismatch),
        (
            replaced("Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ResponseError::AcceptMismatch,
        ),
        (with("Sec-WebSocket-Extensions", "mux"), ResponseError::ExtensionNotOffered("mux".into())),
        (
            with("Sec-WebSocket-Extensions", "permessage-deflate, mux"),
            ResponseError::ExtensionNotOffered("mux".into()),
        ),
        (
            with("Sec-WebSocket-Protocol", "mqtt"),
            ResponseError::SubprotocolNotOffered("mqtt".into()),
        ),
        (
            with("Sec-WebSocket-Protocol", "Chat"),
            ResponseError::SubprotocolNotOffered("Chat".into()),
        ),
        (with("Sec-WebSocket-Protocol", ""), ResponseError::SubprotocolInvalid),
        (with("Sec-WebSocket-Protocol", "a b"), ResponseError::SubprotocolInvalid),
        (with("Sec-WebSocket-Protocol", "chat, superchat"), ResponseError::SubprotocolRepeated),
    ];
    for (headers, error) in table {
        let failed = opening().check(101, headers.as_slice()).unwrap_err();
        assert_eq!(failed, error, "{headers:?}");
        assert!(failed.to_string().contains("RFC 6455"), "{failed}");
    }
}

#[test]
fn handshake_response_with_two_subprotocol_fields_fails() {
    let mut headers = with("Sec-WebSocket-Protocol", "chat");
    headers.push(("Sec-WebSocket-Protocol", "chat"));
    let error = opening().check(101, headers.as_slice()).unwrap_err();
    assert_eq!(error, ResponseError::SubprotocolRepeated);
}

#[test]
fn handshake_response_may_not_choose_without_an_offer() {
    let headers = with("Sec-WebSocket-Protocol", "chat");
    let error = bare().check(101, headers.as_slice()).unwrap_err();
    assert_eq!(error, ResponseError::SubprotocolNotOffered("chat".into()));
    let headers = with("Sec-WebSocket-Extensions", "permessage-deflate");
    let error = bare().check(101, headers.as_slice()).unwrap_err();
    assert_eq!(error, ResponseError::ExtensionNotOffered("permessage-deflate".into()));
}

#[test]
fn handshake_response_extension_faults_are_named() {
    for (value, fault) in [
        ("", ExtensionFault::Empty),
        ("permessage-deflate; x=", ExtensionFault::ExpectedToken),
        ("permessage-deflate; x=\"", ExtensionFault::UnclosedQuote),
    ] {
        match opening().check(101, with("Sec-WebSocket-Extensions", value).as_slice()) {
            Err(ResponseError::Extensions(error)) => assert_eq!(error.fault, fault),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn handshake_response_of_another_status_is_returned() {
    for status in [200, 204, 301, 400, 401, 426, 503] {
        let error = opening().check(status, valid().as_slice()).unwrap_err();
        assert_eq!(error, ResponseError::Status(status));
    }
    // Traefik advertises RFC 8441 and answers 501.
    for status in [101, 199, 300, 501] {
        let error = ClientHandshake::extended().check(status, valid().as_slice()).unwrap_err();
        assert_eq!(error, ResponseError::Status(status));
    }
}

#[test]
fn handshake_by_extended_connect_needs_a_2xx_and_no_accept() {
    let none: [(&str, &str); 0] = [];
    for status in [200, 204, 299] {
        assert_eq!(ClientHandshake::extended().check(status, &none), Ok(Negotiated::default()));
    }
    let headers = [("sec-websocket-protocol", "chat")];
    let error = ClientHandshake::extended().check(200, &headers).unwrap_err();
    assert_eq!(error, ResponseError::SubprotocolNotOffered("chat".into()));
}

#[test]
fn interim_responses_are_all_1xx_but_101() {
    let interim: Vec<u16> = (0..=999).filter(|status| is_interim(*status)).collect();
    assert_eq!(interim.len(), 99);
    assert!(interim.contains(&103) && !interim.contains(&101));
}

#[test]
fn handshake_protected_names() {
    for name in [
        "Sec-WebSocket-Key",
        "SEC-WEBSOCKET-ANYTHING",
        "sec-websocket-",
        "Upgrade",
        "connection",
        "Content-Length",
        "Transfer-Encoding",
        "TE",
        "Trailer",
        "Keep-Alive",
        ":path",
    ] {
        assert!(is_protected(name), "{name}");
    }
    for name in ["Host", "Origin", "Cookie", "Authorization", "Sec-Fetch-Mode", "", "caf\u{e9}"] {
        assert!(!is_protected(name), "{name}");
    }
}
