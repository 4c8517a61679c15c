//! What a server takes and refuses (RFC 6455 §4.2, RFC 8441 §5).
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use fullduplex_proto::handshake::http1::HeadError;
use fullduplex_proto::handshake::server::{
    ClientOffer, HandshakeError, HandshakeRequest, HttpCarrier, Inspection, MAX_SUBPROTOCOLS,
    NotOffered, OwnedOffer, RejectResponse,
};
use fullduplex_proto::handshake::{Extension, ExtensionFault};

type Headers = Vec<(String, Vec<u8>)>;

const H1: HttpCarrier<'static> = HttpCarrier::Http1 { minor: 1 };
const H2: HttpCarrier<'static> = HttpCarrier::Stream { protocol: Some("websocket") };

fn pairs(headers: &[(&str, &str)]) -> Headers {
    headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec())).collect()
}

/// The request of RFC 6455 §1.3.
fn valid() -> Headers {
    pairs(&[
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Origin", "http://example.com"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Sec-WebSocket-Version", "13"),
    ])
}

fn without(name: &str) -> Headers {
    valid().into_iter().filter(|(field, _)| field != name).collect()
}

fn with(name: &str, value: impl AsRef<[u8]>) -> Headers {
    let mut headers = valid();
    headers.push((name.into(), value.as_ref().to_vec()));
    headers
}

fn replaced(name: &str, value: impl AsRef<[u8]>) -> Headers {
    let mut headers = without(name);
    headers.push((name.into(), value.as_ref().to_vec()));
    headers
}

fn request<'h>(
    method: &'h str,
    carrier: HttpCarrier<'h>,
    headers: &'h Headers,
) -> HandshakeRequest<'h, &'h [(String, Vec<u8>)]> {
    let authority = match carrier {
        HttpCarrier::Stream { .. } => Some("server.example.com"),
        _ => None,
    };
    HandshakeRequest::new(method, carrier, authority, headers)
}

fn offer(headers: &Headers) -> Result<ClientOffer<'_>, RejectResponse> {
    request("GET", H1, headers).offer()
}

#[test]
fn handshake_example_of_the_rfc() {
    let headers = valid();
    let offer = offer(&headers).unwrap();
    assert_eq!(offer.host(), "server.example.com");
    assert_eq!(offer.origin(), Some("http://example.com"));
    assert_eq!(offer.subprotocols(), ["chat", "superchat"]);
    assert_eq!(offer.extensions(), []);

    let accepted = offer.accept(Some("chat"), Vec::new()).unwrap();
    assert_eq!((accepted.status(), accepted.reason_phrase()), (101, "Switching Protocols"));
    let headers: Vec<_> = accepted.headers().collect();
    let expected = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("Sec-WebSocket-Protocol", "chat"),
    ];
    assert_eq!(headers, expected);
}

#[test]
fn handshake_example_of_extended_connect() {
    // RFC 8441 §5.1.
    let headers = pairs(&[
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("sec-websocket-version", "13"),
        ("origin", "http://www.example.com"),
    ]);
    let offer = request("CONNECT", H2, &headers).offer().unwrap();
    assert_eq!(offer.host(), "server.example.com");
    let extensions = offer.extensions().to_vec();
    let accepted = offer.accept(Some("chat"), extensions).unwrap();
    assert_eq!(accepted.status(), 200);
    let headers: Vec<_> = accepted.headers().collect();
    let expected =
        [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Extensions", "permessage-deflate")];
    assert_eq!(headers, expected);
}

#[test]
fn handshake_requests_of_real_peers_are_accepted() {
    for headers in [
        // Firefox.
        replaced("Connection", "keep-alive, Upgrade"),
        replaced("Upgrade", "WebSocket"),
        replaced("Upgrade", "h2c, websocket"),
        replaced("Connection", "upgrade"),
        with("Connection", "keep-alive"),
        with("Upgrade", "h2c"),
        replaced("Host", "server.example.com:8080"),
        replaced("Host", "[2001:db8::1]:9000"),
        replaced("Origin", "null"),
        replaced("Sec-WebSocket-Version", " 13\t"),
        replaced("Sec-WebSocket-Key", " dGhlIHNhbXBsZSBub25jZQ== "),
        without("Origin"),
        with("Content-Length", "0"),
        with("Cookie", b"caf\xe9"),
        // Chromium, then Firefox.
        with("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        with("Sec-WebSocket-Extensions", "permessage-deflate"),
    ] {
        assert!(offer(&headers).is_ok(), "{headers:?}");
    }
}

#[test]
fn handshake_subprotocol_fields_are_one_list() {
    let headers = with("sec-websocket-protocol", "v3, ,v2");
    assert_eq!(offer(&headers).unwrap().subprotocols(), ["chat", "superchat", "v3", "v2"]);
}

#[test]
fn handshake_upgrade_rejections() {
    let many: Vec<String> = (0..=MAX_SUBPROTOCOLS).map(|i| format!("p{i}")).collect();
    let table = [
        (without("Host"), HandshakeError::HostMissing, 400),
        (with("Host", "server.example.com"), HandshakeError::HostRepeated, 400),
        (replaced("Host", ""), HandshakeError::HostInvalid, 400),
        (replaced("Host", "a, b"), HandshakeError::HostInvalid, 400),
        (replaced("Host", "user@a"), HandshakeError::HostInvalid, 400),
        (replaced("Host", b"\xff"), HandshakeError::HostInvalid, 400),
        (without("Upgrade"), HandshakeError::UpgradeMissing, 400),
        (replaced("Upgrade", "websockets"), HandshakeError::UpgradeMissing, 400),
        (replaced("Upgrade", "\"websocket\""), HandshakeError::UpgradeMissing, 400),
        (without("Connection"), HandshakeError::ConnectionMissing, 400),
        (replaced("Connection", "keep-alive"), HandshakeError::ConnectionMissing, 400),
        (replaced("Connection", "close"), HandshakeError::ConnectionMissing, 400),
        (without("Sec-WebSocket-Version"), HandshakeError::VersionMissing, 426),
        (replaced("Sec-WebSocket-Version", "8"), HandshakeError::VersionUnsupported, 426),
        (replaced("Sec-WebSocket-Version", "013"), HandshakeError::VersionUnsupported, 426),
        // A client names one version (RFC 6455 §4.3): the answer could not say which was meant.
        (replaced("Sec-WebSocket-Version", "8, 13"), HandshakeError::VersionUnsupported, 426),
        (with("Sec-WebSocket-Version", "13"), HandshakeError::VersionUnsupported, 426),
        (without("Sec-WebSocket-Key"), HandshakeError::KeyMissing, 400),
        (with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), HandshakeError::KeyRepeated, 400),
        (replaced("Sec-WebSocket-Key", ""), HandshakeError::KeyInvalid, 400),
        (replaced("Sec-WebSocket-Key", "c2hvcnQ="), HandshakeError::KeyInvalid, 400),
        (with("Origin", "http://example.com"), HandshakeError::OriginInvalid, 400),
        (replaced("Origin", b"http://caf\xe9"), HandshakeError::OriginInvalid, 400),
        (replaced("Origin", ""), HandshakeError::OriginInvalid, 400),
        (with("Content-Length", "1"), HandshakeError::BodyAnnounced, 400),
        (with("Content-Length", "00"), HandshakeError::BodyAnnounced, 400),
        (with("Content-Length", ""), HandshakeError::BodyAnnounced, 400),
        (with("Content-Length", "0, 0"), HandshakeError::BodyAnnounced, 400),
        (with("Transfer-Encoding", "chunked"), HandshakeError::BodyAnnounced, 400),
        (with("Transfer-Encoding", "identity"), HandshakeError::BodyAnnounced, 400),
        (with("Transfer-Encoding", ""), HandshakeError::BodyAnnounced, 400),
        (replaced("Sec-WebSocket-Protocol", ""), HandshakeError::SubprotocolInvalid, 400),
        (replaced("Sec-WebSocket-Protocol", "a b"), HandshakeError::SubprotocolInvalid, 400),
        (replaced("Sec-WebSocket-Protocol", "a/b"), HandshakeError::SubprotocolInvalid, 400),
        (replaced("Sec-WebSocket-Protocol", b"\xff"), HandshakeError::SubprotocolInvalid, 400),
        (replaced("Sec-WebSocket-Protocol", "a, b, a"), HandshakeError::SubprotocolRepeated, 400),
        (with("Sec-WebSocket-Protocol", "chat"), HandshakeError::SubprotocolRepeated, 400),
        (
            replaced("Sec-WebSocket-Protocol", many.join(",")),
            HandshakeError::SubprotocolsTooMany,
            400,
        ),
    ];
    for (headers, reason, status) in table {
        let rejection = offer(&headers).unwrap_err();
        assert_eq!((rejection.reason(), rejection.status()), (&reason, status), "{headers:?}");
        assert!(rejection.to_string().contains("RFC "), "{rejection}");
        assert!(request("GET", H1, &headers).is_websocket());
    }
}

#[test]
fn handshake_with_two_content_lengths_is_refused_even_if_zero() {
    let mut headers = with("Content-Length", "0");
    headers.push(("content-length".into(), b"0".to_vec()));
    assert_eq!(offer(&headers).unwrap_err().reason(), &HandshakeError::BodyAnnounced);
    let mut headers = with("Content-Length", "0");
    headers.push(("transfer-encoding".into(), b"chunked".to_vec()));
    assert_eq!(offer(&headers).unwrap_err().reason(), &HandshakeError::BodyAnnounced);
}

#[test]
fn handshake_extension_faults_are_named() {
    let headers = with("Sec-WebSocket-Extensions", "permessage-deflate; =");
    let rejection = offer(&headers).unwrap_err();
    let HandshakeError::Extensions(error) = rejection.reason() else { panic!("{rejection}") };
    assert_eq!((error.fault, error.offset), (ExtensionFault::ExpectedToken, 20));
    assert_eq!(rejection.status(), 400);
}

#[test]
fn handshake_rejections_carry_the_headers_that_are_due() {
    let headers_of = |rejection: &RejectResponse| rejection.headers().collect::<Vec<_>>();

    let method = request("POST", H1, &valid()).offer().unwrap_err();
    assert_eq!((method.status(), method.reason_phrase()), (405, "Method Not Allowed"));
    assert_eq!(headers_of(&method), [("Allow", "GET")]);
    assert!(!method.closes_connection());

    let version = offer(&replaced("Sec-WebSocket-Version", "8, 13")).unwrap_err();
    let upgrade =
        [("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket"), ("Connection", "Upgrade")];
    assert_eq!(headers_of(&version), upgrade);

    let plain = offer(&pairs(&[("Host", "a")])).unwrap_err();
    assert_eq!((plain.status(), plain.reason()), (426, &HandshakeError::NotWebSocket));
    assert_eq!(headers_of(&plain), upgrade);

    let body = offer(&with("Transfer-Encoding", "chunked")).unwrap_err();
    assert_eq!(headers_of(&body), [("Connection", "close")]);
    assert!(body.closes_connection());
}

#[test]
fn handshake_rejection_with_unread_content_closes_the_connection() {
    let posted = pairs(&[("Host", "a"), ("Content-Length", "5")]);
    let plain = request("POST", H1, &posted).offer().unwrap_err();
    assert_eq!(plain.status(), 426);
    assert!(plain.headers().any(|header| header == ("Connection", "Upgrade, close")));
    let method = with("Content-Length", "5");
    let method = request("POST", H1, &method).offer().unwrap_err();
    assert_eq!(method.headers().collect::<Vec<_>>(), [("Allow", "GET"), ("Connection", "close")]);
}

#[test]
fn handshake_over_http_1_0_is_refused() {
    let headers = valid();
    let rejection = request("GET", HttpCarrier::Http1 { minor: 0 }, &headers).offer().unwrap_err();
    assert_eq!((rejection.status(), rejection.reason()), (400, &HandshakeError::HttpVersion));
    assert!(rejection.closes_connection());
}

#[test]
fn handshake_is_told_apart_from_an_ordinary_request() {
    let is_websocket =
        |headers: &[(&str, &str)]| request("GET", H1, &pairs(headers)).is_websocket();
    assert!(!is_websocket(&[("Host", "a")]));
    assert!(!is_websocket(&[("Upgrade", "h2c"), ("Connection", "Upgrade")]));
    assert!(is_websocket(&[("Upgrade", "websocket")]));
    // Behind a proxy that drops hop-by-hop fields.
    assert!(is_websocket(&[("Sec-WebSocket-Key", "x")]));
    assert!(is_websocket(&[("Sec-WebSocket-Version", "13")]));
    assert!(is_websocket(&[("Sec-WebSocket-Protocol", "chat")]));
    assert!(is_websocket(&[("Sec-WebSocket-Extensions", "permessage-deflate")]));
    // This field belongs to responses.
    assert!(!is_websocket(&[("Sec-WebSocket-Accept", "x")]));
}

#[test]
fn handshake_by_extended_connect_has_its_own_rules() {
    let version = pairs(&[("sec-websocket-version", "13")]);
    let refused = |method, carrier| {
        let rejection = request(method, carrier, &version).offer().unwrap_err();
        assert!(!rejection.closes_connection());
        assert!(rejection.headers().all(|(name, _)| name != "Connection" && name != "Upgrade"));
        (rejection.status(), rejection.reason().clone(), rejection.headers().next())
    };
    let connect_udp = HttpCarrier::Stream { protocol: Some("connect-udp") };
    assert_eq!(refused("CONNECT", connect_udp), (501, HandshakeError::UnknownProtocol, None));
    assert_eq!(refused("GET", H2), (405, HandshakeError::Method, Some(("Allow", "CONNECT"))));
    let plain = HttpCarrier::Stream { protocol: None };
    let thirteen = Some(("Sec-WebSocket-Version", "13"));
    assert_eq!(refused("GET", plain), (400, HandshakeError::NotWebSocket, thirteen));

    // Neither key nor upgrade is asked for (RFC 8441 §5).
    let mut odd = pairs(&[("sec-websocket-version", "13"), ("sec-websocket-key", "?")]);
    assert!(request("CONNECT", H2, &odd).offer().is_ok());
    odd.push(("content-length".into(), b"4".to_vec()));
    let rejection = request("CONNECT", H2, &odd).offer().unwrap_err();
    assert_eq!(rejection.reason(), &HandshakeError::BodyAnnounced);

    let old = pairs(&[("sec-websocket-version", "12")]);
    let rejection = request("CONNECT", H2, &old).offer().unwrap_err();
    assert_eq!((rejection.status(), rejection.headers().next()), (400, thirteen));
}

#[test]
fn handshake_authority_overrides_host() {
    let host_of = |carrier, method, authority, host: Option<&str>| {
        let mut headers = without("Host");
        headers.extend(host.map(|host| ("Host".to_string(), host.as_bytes().to_vec())));
        let request = HandshakeRequest::new(method, carrier, authority, headers.as_slice());
        match request.offer() {
            Ok(offer) => Ok(offer.host().to_string()),
            Err(rejection) => Err(rejection.reason().clone()),
        }
    };
    // Absolute-form (RFC 9112 §3.2.2); `Host` must be there all the same (§3.2).
    assert_eq!(host_of(H1, "GET", Some("a:1"), Some("b")), Ok("a:1".into()));
    assert_eq!(host_of(H1, "GET", Some("a"), None), Err(HandshakeError::HostMissing));
    assert_eq!(host_of(H1, "GET", Some("a@b"), Some("b")), Err(HandshakeError::HostInvalid));
    // A stream (RFC 9113 §8.3.1).
    assert_eq!(host_of(H2, "CONNECT", Some("a"), None), Ok("a".into()));
    assert_eq!(host_of(H2, "CONNECT", None, Some("b")), Ok("b".into()));
    assert_eq!(host_of(H2, "CONNECT", Some("a"), Some("A:443")), Ok("a".into()));
    assert_eq!(host_of(H2, "CONNECT", Some("a"), Some("b")), Err(HandshakeError::HostConflict));
    assert_eq!(host_of(H2, "CONNECT", None, None), Err(HandshakeError::HostMissing));
}

#[test]
fn http_requests_must_have_one_host() {
    let host_of = |carrier, authority, hosts: &[&str]| {
        let headers: Vec<_> = hosts.iter().map(|host| ("Host", host.as_bytes())).collect();
        let request = HandshakeRequest::new("GET", carrier, authority, headers.as_slice());
        let host = request.host().map(|host| host.map(ToOwned::to_owned));
        host.map_err(|rejection| (rejection.reason().clone(), rejection.closes_connection()))
    };
    let page = HttpCarrier::Stream { protocol: None };
    let old = HttpCarrier::Http1 { minor: 0 };
    // RFC 9112 §3.2.
    assert_eq!(host_of(H1, None, &["a"]), Ok(Some("a".into())));
    assert_eq!(host_of(H1, None, &[]), Err((HandshakeError::HostMissing, true)));
    assert_eq!(host_of(H1, None, &["a", "a"]), Err((HandshakeError::HostRepeated, true)));
    assert_eq!(host_of(H1, None, &["a b"]), Err((HandshakeError::HostInvalid, true)));
    assert_eq!(host_of(old, None, &[]), Ok(None));
    assert_eq!(host_of(old, None, &["a", "a"]), Err((HandshakeError::HostRepeated, true)));
    // RFC 9113 §8.3.1.
    assert_eq!(host_of(page, Some("a"), &["b"]), Err((HandshakeError::HostConflict, false)));
    assert_eq!(host_of(page, None, &[]), Err((HandshakeError::HostMissing, false)));
}

#[test]
fn handshake_rejection_reasons_of_the_caller() {
    let headers = valid();
    let rejection = offer(&headers).unwrap().reject(HandshakeError::OriginRejected);
    assert_eq!((rejection.status(), rejection.reason_phrase()), (403, "Forbidden"));
    assert_eq!(rejection.headers().count(), 0);
    for (reason, status) in [
        (HandshakeError::HostRejected, 403),
        (HandshakeError::TimedOut, 408),
        (HandshakeError::Head(HeadError::TooLarge { max_head_bytes: 1 }), 431),
        (HandshakeError::Head(HeadError::TooManyFields { max_fields: 1 }), 431),
        (HandshakeError::Head(HeadError::Version), 505),
        (HandshakeError::Head(HeadError::Folded { line: 2 }), 400),
    ] {
        assert_eq!(RejectResponse::new(reason, H1).status(), status);
    }
    assert!(RejectResponse::new(HeadError::NotHttp.into(), H1).closes_connection());
}

#[test]
fn handshake_subprotocol_by_either_sides_preference() {
    let headers = valid();
    let offer = offer(&headers).unwrap();
    assert_eq!(offer.client_choice(&["superchat", "chat"]), Some("chat"));
    assert_eq!(offer.server_choice(&["superchat", "chat"]), Some("superchat"));
    assert_eq!(offer.client_choice(&["Chat"]), None);
    assert_eq!(offer.server_choice::<&str>(&[]), None);
}

#[test]
fn handshake_response_holds_to_what_was_offered() {
    let headers = with("Sec-WebSocket-Extensions", "a; x, b");
    let offer = offer(&headers).unwrap();
    let extension = |name: &str| Extension::new(name).unwrap();
    let error = offer.accept(Some("mqtt"), Vec::new()).unwrap_err();
    assert_eq!(error, NotOffered::Subprotocol("mqtt".into()));
    let error = offer.accept(None, vec![extension("a"), extension("c")]).unwrap_err();
    assert_eq!(error, NotOffered::Extension("c".into()));

    let accepted = offer.accept(None, vec![extension("b"), extension("a")]).unwrap();
    assert_eq!(accepted.headers().last(), Some(("Sec-WebSocket-Extensions", "b, a")));
    assert_eq!((accepted.subprotocol(), accepted.extensions().len()), (None, 2));
    // Null is the absence of the field (RFC 6455 §4.2.2 item 4).
    let bare = offer.accept(None, Vec::new()).unwrap();
    assert_eq!(bare.headers().count(), 3);
}

#[test]
fn handshake_inspection_equals_its_three_checks() {
    let ordinary = pairs(&[("Host", "a"), ("Accept", "*/*")]);
    let (hostless, keyless) = (without("Host"), without("Sec-WebSocket-Key"));
    let twice = with("Host", "another.example.com");
    let body = with("Transfer-Encoding", "chunked");
    for headers in [valid(), ordinary, hostless, keyless, twice, body] {
        for carrier in
            [H1, H2, HttpCarrier::Http1 { minor: 0 }, HttpCarrier::Stream { protocol: None }]
        {
            for method in ["GET", "CONNECT"] {
                let request = request(method, carrier, &headers);
                let Inspection { is_websocket, host, offer, .. } = request.inspect();
                assert_eq!(is_websocket, request.is_websocket());
                assert_eq!(host, request.host());
                assert_eq!(format!("{offer:?}"), format!("{:?}", request.offer()));
            }
        }
    }
}

#[test]
fn handshake_owned_offer_is_answered_as_the_offer() {
    let headers = with("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
    let offer = offer(&headers).unwrap();
    let terms = OwnedOffer::from(offer.clone());
    assert!(
        terms.has_origin()
            && !OwnedOffer::from(self::offer(&without("Origin")).unwrap()).has_origin()
    );
    assert_eq!(terms.subprotocols(), offer.subprotocols());
    assert_eq!(terms.extensions(), offer.extensions());
    for subprotocol in [None, Some("superchat"), Some("other")] {
        for extension in ["permessage-deflate", "other"] {
            let extensions = vec![Extension::new(extension).unwrap()];
            let of_offer = offer.accept(subprotocol, extensions.clone());
            let of_terms = terms.accept(subprotocol, extensions);
            assert_eq!(format!("{of_terms:?}"), format!("{of_offer:?}"));
        }
    }
}

/// Gateways pass the key of a handshake of HTTP/1.1 on, and make no answer of their own: their
/// client fails without one.
#[test]
fn handshake_accept_value_answers_a_key_on_a_stream() {
    let names = |key: &[&str]| {
        let mut headers = pairs(&[("sec-websocket-version", "13")]);
        headers.extend(key.iter().map(|key| ("sec-websocket-key".into(), key.as_bytes().to_vec())));
        let request = request("CONNECT", H2, &headers);
        let accepted = request.offer().unwrap().accept(None, Vec::new()).unwrap();
        assert_eq!((accepted.status(), accepted.reason_phrase()), (200, "OK"));
        accepted.headers().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    let answered = ["Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="];
    assert_eq!(names(&["dGhlIHNhbXBsZSBub25jZQ=="]), answered);
    for none in [&[][..], &["?"], &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="]] {
        assert_eq!(names(none), [""; 0], "{none:?}");
    }
}

#[test]
fn handshake_rejections_have_the_phrase_of_their_status() {
    // RFC 9110 §15.5, §15.6; RFC 6585 §5.
    let of = |reason, carrier| {
        let rejection = RejectResponse::new(reason, carrier);
        (rejection.status(), rejection.reason_phrase())
    };
    for (reason, status, phrase) in [
        (HandshakeError::KeyMissing, 400, "Bad Request"),
        (HandshakeError::OriginRejected, 403, "Forbidden"),
        (HandshakeError::Method, 405, "Method Not Allowed"),
        (HandshakeError::TimedOut, 408, "Request Timeout"),
        (HandshakeError::VersionMissing, 426, "Upgrade Required"),
        (HeadError::TooManyFields { max_fields: 1 }.into(), 431, "Request Header Fields Too Large"),
        (HandshakeError::UnknownProtocol, 501, "Not Implemented"),
        (HeadError::Version.into(), 505, "HTTP Version Not Supported"),
    ] {
        assert_eq!(of(reason, H1), (status, phrase));
    }
    // A stream can't upgrade.
    assert_eq!(of(HandshakeError::VersionMissing, H2), (400, "Bad Request"));
}

/// A next request can't be told from what is left of one that is not understood (RFC 9112 §9.3,
/// §11.2); a request that is well formed but not welcome leaves no doubt.
#[test]
fn handshake_rejection_closes_the_connection_where_the_next_request_is_in_doubt() {
    for (reason, closes) in [
        (HandshakeError::BodyAnnounced, true),
        (HandshakeError::HostMissing, true),
        (HandshakeError::HostRepeated, true),
        (HandshakeError::HostInvalid, true),
        (HandshakeError::TimedOut, true),
        (HeadError::NotHttp.into(), true),
        (HandshakeError::OriginRejected, false),
        (HandshakeError::HostRejected, false),
        (HandshakeError::NotWebSocket, false),
        (HandshakeError::KeyInvalid, false),
        (HandshakeError::SubprotocolsTooMany, false),
    ] {
        let closes_connection =
            |carrier| RejectResponse::new(reason.clone(), carrier).closes_connection();
        assert_eq!(closes_connection(H1), closes, "{reason}");
        assert!(closes_connection(HttpCarrier::Http1 { minor: 0 }), "HTTP/1.0 keeps none");
        assert!(!closes_connection(H2), "a stream ends by itself");
    }
}

#[test]
fn handshake_subprotocols_may_be_as_many_as_the_limit() {
    let many: Vec<String> = (0..MAX_SUBPROTOCOLS).map(|i| format!("p{i}")).collect();
    let headers = replaced("Sec-WebSocket-Protocol", many.join(","));
    assert_eq!(offer(&headers).unwrap().subprotocols(), many);
}
