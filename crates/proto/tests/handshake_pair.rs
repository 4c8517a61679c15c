//! Both roles against each other over HTTP/1.1, the bytes cut at every place.
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use fullduplex_proto::handshake::client::{ClientHandshake, Negotiated, is_interim};
use fullduplex_proto::handshake::http1::{
    HeadFinder, HeadLimits, RequestHead, ResponseHead, write_request, write_response,
};
use fullduplex_proto::handshake::server::{HandshakeError, RejectResponse};
use fullduplex_proto::handshake::{Extension, HeaderSource};

const FRAMES: &[u8] = b"\x81\x03\r\n\r\n\n";

fn opening() -> ClientHandshake {
    let deflate = Extension::new("permessage-deflate").unwrap();
    let opening = ClientHandshake::http1("example.com:8080", [7; 16]).unwrap();
    opening.with_subprotocol("chat").unwrap().with_extension(deflate)
}

/// What a server makes of the bytes that came, `None` where it waits for more.
fn serve(finder: &mut HeadFinder, buffer: &[u8]) -> Option<(Vec<u8>, usize)> {
    let length = match finder.find(buffer) {
        Ok(length) => length?,
        Err(error) => panic!("{error}"),
    };
    let head = RequestHead::parse(&buffer[..length], &HeadLimits::default()).unwrap();
    assert_eq!(head.target().path_and_query(), "/room?n=1");
    let request = head.as_request();
    assert!(request.is_websocket());
    // The offer borrows from the buffer, not from the head.
    let offer = request.offer().unwrap();
    drop(head);
    assert_eq!(offer.host(), "example.com:8080");
    let extensions = offer.extensions().to_vec();
    let accepted = offer.accept(offer.client_choice(&["chat"]), extensions).unwrap();
    let answer =
        write_response(accepted.status(), accepted.reason_phrase(), accepted.headers()).unwrap();
    Some((answer, length))
}

fn judge(
    opening: &ClientHandshake,
    finder: &mut HeadFinder,
    buffer: &[u8],
) -> Option<(Negotiated, usize)> {
    let length = finder.find(buffer).unwrap()?;
    let head = ResponseHead::parse(&buffer[..length], &HeadLimits::default()).unwrap();
    let agreement = opening.check(head.status(), head.fields()).unwrap();
    Some((agreement, length))
}

#[test]
fn handshake_does_not_depend_on_the_cuts_and_keeps_frames() {
    let opening = opening();
    let mut request = write_request("GET", "/room?n=1", opening.headers()).unwrap();
    let request_length = request.len();
    request.extend_from_slice(FRAMES);
    let mut whole = HeadFinder::request(HeadLimits::default());
    let (answer, length) = serve(&mut whole, &request).unwrap();
    assert_eq!((length, &request[length..]), (request_length, FRAMES));
    for cut in 0..request.len() {
        let mut finder = HeadFinder::request(HeadLimits::default());
        let early = serve(&mut finder, &request[..cut]);
        assert_eq!(early.is_some(), cut >= request_length);
        let outcome = early.or_else(|| serve(&mut finder, &request));
        assert_eq!(outcome, Some((answer.clone(), length)), "cut at {cut}");
    }

    let mut response = answer.clone();
    response.extend_from_slice(FRAMES);
    for cut in 0..response.len() {
        let mut finder = HeadFinder::response(HeadLimits::default());
        let early = judge(&opening, &mut finder, &response[..cut]);
        assert_eq!(early.is_some(), cut >= answer.len());
        let (agreement, length) =
            early.or_else(|| judge(&opening, &mut finder, &response)).unwrap();
        assert_eq!((length, agreement.subprotocol.as_deref()), (answer.len(), Some("chat")));
        assert_eq!(agreement.extensions.len(), 1);
    }
}

#[test]
fn handshake_of_absolute_form_has_its_own_authority() {
    let opening = opening();
    let target = "http://other.example/room";
    let head = write_request("GET", target, opening.headers()).unwrap();
    let head = RequestHead::parse(&head, &HeadLimits::default()).unwrap();
    assert_eq!(head.as_request().offer().unwrap().host(), "other.example");
}

#[test]
fn handshake_early_hints_come_before_the_response() {
    let bytes = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 401 No\r\n\r\n";
    let limits = HeadLimits::default();
    let first = HeadFinder::response(limits).find(bytes).unwrap().unwrap();
    let head = ResponseHead::parse(&bytes[..first], &limits).unwrap();
    assert!(is_interim(head.status()));
    let rest = &bytes[first..];
    let second = HeadFinder::response(limits).find(rest).unwrap().unwrap();
    assert_eq!(ResponseHead::parse(&rest[..second], &limits).unwrap().status(), 401);
}

#[test]
fn handshake_rejection_is_read_back() {
    let limits = HeadLimits::default();
    let bytes = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = RequestHead::parse(bytes, &limits).unwrap();
    let request = head.as_request();
    assert!(!request.is_websocket());
    let rejection: RejectResponse = request.offer().unwrap_err();
    assert_eq!(rejection.reason(), &HandshakeError::NotWebSocket);
    let answer =
        write_response(rejection.status(), rejection.reason_phrase(), rejection.headers()).unwrap();
    let answer = ResponseHead::parse(&answer, &limits).unwrap();
    assert_eq!(answer.status(), 426);
    let version: Vec<_> = answer.fields().values("sec-websocket-version").collect();
    assert_eq!(version, [b"13"]);
}
