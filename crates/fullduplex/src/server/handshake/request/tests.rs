use http::HeaderValue;

use super::*;

const HEAD: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

fn rejection(request: &IncomingRequest, config: &ServerConfig) -> Option<String> {
    let rejected = request.accept(config, Vec::new()).err();
    assert_eq!(rejected.is_some(), request.breaks_a_rule(config));
    rejected.map(|cause| cause.to_string())
}

#[test]
fn request_that_was_changed_is_checked_again() {
    let config = ServerConfig::default();
    let request = || IncomingRequest::read(Bytes::from_static(HEAD), &config).unwrap();
    assert_eq!(rejection(&request(), &config), None);

    let mut keyless = request();
    keyless.request_mut().headers_mut().remove("sec-websocket-key").unwrap();
    assert!(rejection(&keyless, &config).unwrap().contains("Sec-WebSocket-Key"));
    assert_eq!(keyless.subprotocols(), ["chat"], "the client's offer is not changed");

    for (origin, is_allowed) in [("http://a.example", true), ("http://b.example", false)] {
        let mut from_page = request();
        let origin = HeaderValue::from_static(origin);
        from_page.request_mut().headers_mut().insert("origin", origin);
        assert_eq!(rejection(&from_page, &config).is_none(), is_allowed);
    }

    let mut other = request();
    *other.request_mut() = Request::new(());
    assert!(rejection(&other, &config).is_some());
}

#[test]
fn field_name_that_is_too_long_is_rejected() {
    let mut config = ServerConfig::default();
    config.handshake_limits.max_head_bytes = 1 << 20;
    for (len, is_accepted) in [(u16::MAX as usize, true), (1 << 16, false)] {
        let name = "a".repeat(len);
        let head = [&HEAD[..HEAD.len() - 2], name.as_bytes(), b": x\r\n\r\n"].concat();
        let request = IncomingRequest::read(head.into(), &config);
        let fields = request.map(|request| request.request().headers().len());
        let rejected = Err(HeadError::FieldName { line: 8 });
        assert_eq!(fields, if is_accepted { Ok(7) } else { rejected }, "{len}");
    }
}

#[test]
fn origin_is_checked_against_the_policy() {
    let config = ServerConfig::default();
    for (origin, is_allowed) in [("http://a.example", true), ("http://b.example", false)] {
        let field = format!("\r\nOrigin: {origin}\r\n\r\n");
        let head = [HEAD.strip_suffix(b"\r\n\r\n").unwrap(), field.as_bytes()].concat();
        let request = IncomingRequest::read(head.into(), &config).unwrap();
        assert_eq!(rejection(&request, &config).is_none(), is_allowed, "{origin}");
    }
}

#[test]
fn origin_is_checked_against_the_host_that_a_proxy_forwards() {
    let config = ServerConfig::default();
    for (origin, is_allowed) in [("http://b.example", true), ("http://a.example", false)] {
        let field = format!("\r\nOrigin: {origin}\r\n\r\n");
        let head = [HEAD.strip_suffix(b"\r\n\r\n").unwrap(), field.as_bytes()].concat();
        let mut request = IncomingRequest::read(head.into(), &config).unwrap();
        let mut remote = ConnectInfo::new(PeerAddr::Unix);
        remote.client.host = Some("b.example".into());
        request.request.set_remote(remote);
        for _checked in 0..2 {
            assert_eq!(rejection(&request, &config).is_none(), is_allowed, "{origin}");
            request.request_mut();
        }
    }
}
