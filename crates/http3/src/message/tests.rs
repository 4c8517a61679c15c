use super::*;

fn fields(all: &[(&str, &str)]) -> Vec<Field<'static>> {
    let owned = |text: &str| Cow::Owned(text.as_bytes().to_vec());
    let field = |(name, value): &(&str, &str)| Field {
        name: owned(name),
        value: owned(value),
        is_sensitive: false,
    };
    all.iter().map(field).collect()
}

const CONNECT: [(&str, &str); 5] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":path", "/chat?x=1"),
    (":authority", "h:8443"),
];

/// Parses the request above with one field changed, added, or removed if there is no value.
fn changed(name: &'static str, value: Option<&'static str>) -> Result<Request<()>, RuleViolation> {
    let mut all: Vec<_> = CONNECT.into_iter().filter(|(n, _)| *n != name).collect();
    all.extend(value.map(|value| (name, value)));
    read_request(&fields(&all))
}

#[test]
fn request_is_read_back() {
    let request = Request::connect("https://h:8443/chat?x=1")
        .header("sec-websocket-version", "13")
        .header("cookie", "a=b")
        .header("host", "h:8443")
        .extension(ConnectProtocol::WEBSOCKET)
        .body(())
        .unwrap();
    let sent = request_fields(&request).unwrap();
    assert!(sent[..5].iter().all(|field| field.name[0] == b':'));
    assert!(sent.iter().all(|field| field.is_sensitive == (&*field.name == b"cookie")));
    let read = read_request(&sent).unwrap();
    assert_eq!((read.method(), read.uri()), (request.method(), request.uri()));
    assert_eq!(read.version(), http::Version::HTTP_3);
    assert_eq!(read.extensions().get::<ConnectProtocol>().unwrap().as_str(), "websocket");
    assert_eq!(read.headers()["sec-websocket-version"], "13");
    assert!(read.headers()["cookie"].is_sensitive());
    assert!(!read.headers().contains_key("host"));
}

#[test]
fn request_of_every_kind_is_read_back() {
    for (method, uri) in [("GET", "https://h/"), ("CONNECT", "h:443"), ("POST", "http://h/a?b")] {
        let request = Request::builder().method(method).uri(uri).body(()).unwrap();
        let read = read_request(&request_fields(&request).unwrap()).unwrap();
        assert_eq!((read.method(), read.uri()), (request.method(), request.uri()));
        assert!(read.extensions().get::<ConnectProtocol>().is_none());
    }
    let asterisk = [(":method", "OPTIONS"), (":scheme", "https"), (":path", "*"), ("host", "h")];
    assert_eq!(read_request(&fields(&asterisk)).unwrap().uri().path(), "*");
}

#[test]
fn cookies_are_joined() {
    let all = [&CONNECT[..], &[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")]].concat();
    let request = read_request(&fields(&all)).unwrap();
    let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
    assert_eq!(cookies, ["a=b; c=d"]);
}

#[test]
fn request_faults_are_rejected() {
    assert!(changed("x", Some("y")).is_ok());
    assert!(changed("host", Some("H:8443")).is_ok());
    assert!(changed("te", Some("trailers")).is_ok());
    for (name, value) in [
        (":method", None),
        (":method", Some("GET")),
        (":method", Some("a b")),
        (":scheme", None),
        (":scheme", Some("a b")),
        (":path", None),
        (":path", Some("")),
        (":path", Some("chat")),
        (":path", Some("*")),
        (":path", Some("/#x")),
        (":path", Some("/a b")),
        (":authority", None),
        (":authority", Some("")),
        (":authority", Some("me@h")),
        (":authority", Some("gr\u{fc}n")),
        (":status", Some("200")),
        (":unknown", Some("x")),
        ("host", Some("other")),
        ("connection", Some("upgrade")),
        ("upgrade", Some("websocket")),
        ("keep-alive", Some("1")),
        ("proxy-connection", Some("close")),
        ("transfer-encoding", Some("chunked")),
        ("te", Some("gzip")),
        ("X-Upper", Some("x")),
        ("a b", Some("x")),
        ("", Some("x")),
        ("x", Some("a\r\nb: c")),
        ("x", Some("\0")),
        ("x", Some(" a")),
        ("x", Some("a\t")),
    ] {
        let violation = changed(name, value).expect_err(name);
        assert_eq!(violation.code, ErrorCode::MESSAGE_ERROR, "{name}");
        assert!(!violation.is_connection_error);
    }
    // Order, duplicates, and CONNECT without a protocol.
    for wrong in [
        &[&CONNECT[..4], &[("x", "y")], &CONNECT[4..]].concat()[..],
        &[&CONNECT[..], &CONNECT[4..]].concat(),
        &[&CONNECT[..], &[("host", "h:8443"), ("host", "h:8443")]].concat(),
        &[CONNECT[0], CONNECT[2], CONNECT[3], CONNECT[4]],
        &[CONNECT[0]],
    ] {
        assert_eq!(read_request(&fields(wrong)).unwrap_err().code, ErrorCode::MESSAGE_ERROR);
    }
}

#[test]
fn response_is_read_back() {
    let response = Response::builder().status(204).header("set-cookie", "a=b").body(()).unwrap();
    let sent = response_fields(&response).unwrap();
    assert!(sent[1].is_sensitive);
    let read = read_response(&sent).unwrap();
    assert_eq!((read.status(), read.headers()), (response.status(), response.headers()));
    assert!(read_response(&fields(&[(":status", "103")])).is_ok());
    for wrong in [
        &[][..],
        &[(":status", "101")],
        &[(":status", "20")],
        &[(":status", "2000")],
        &[(":status", "+20")],
        &[(":status", "200"), (":status", "200")],
        &[(":status", "200"), (":path", "/")],
        &[("x", "y"), (":status", "200")],
        &[(":status", "200"), ("connection", "close")],
    ] {
        let violation = read_response(&fields(wrong)).unwrap_err();
        assert_eq!(violation.code, ErrorCode::MESSAGE_ERROR, "{wrong:?}");
    }
}

#[test]
fn response_faults_name_field_and_status() {
    for (name, value) in
        [("connection", "close"), ("keep-alive", "1"), ("upgrade", "x"), ("te", "gzip")]
    {
        let violation = read_response(&fields(&[(":status", "403"), (name, value)])).unwrap_err();
        assert_eq!(violation.status, Some(StatusCode::FORBIDDEN));
        let said = violation.to_string();
        assert!(said.contains(&format!("the field {name} ")), "{said}");
        assert!(said.contains("status 403") && said.contains("RFC 9114 §4.2"), "{said}");
    }
    assert_eq!(read_request(&fields(&[(":status", "403")])).unwrap_err().status, None);
}

#[test]
fn request_that_may_not_be_sent_is_rejected() {
    let request = |builder: http::request::Builder| builder.body(()).unwrap();
    for wrong in [
        request(Request::get("https://h/").extension(ConnectProtocol::WEBSOCKET)),
        request(Request::get("/")),
        request(Request::get("https://h/").header("connection", "close")),
        request(Request::get("https://h/").header("te", "gzip")),
    ] {
        assert!(matches!(request_fields(&wrong), Err(Error::Misuse(_))));
    }
    let switching = Response::builder().status(101).body(()).unwrap();
    assert!(matches!(response_fields(&switching), Err(Error::Misuse(_))));
}

/// RFC 9114 §4.3.
#[test]
fn trailers_have_no_pseudo_header_fields() {
    let trailers = read_trailers(&fields(&[("x-sum", "1"), ("x-sum", "2")])).unwrap();
    assert_eq!(trailers.get_all("x-sum").iter().count(), 2);
    for wrong in [(":status", "200"), (":path", "/"), (":x", "y"), ("X-Sum", "1"), ("upgrade", "x")]
    {
        let violation = read_trailers(&fields(&[("x-sum", "1"), wrong])).unwrap_err();
        assert_eq!(
            (violation.code, violation.is_connection_error),
            (ErrorCode::MESSAGE_ERROR, false),
            "{wrong:?}"
        );
    }
    let mut connection = HeaderMap::new();
    connection.insert("connection", HeaderValue::from_static("close"));
    assert!(trailer_fields(&connection).is_err());
}
