use http::HeaderValue;

use super::*;

const HEAD: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

fn refusal(asked: &IncomingRequest, config: &ServerConfig) -> Option<String> {
    let refused = asked.acceptance(config, None, Vec::new()).err();
    assert_eq!(refused.is_some(), asked.breaks_a_rule(config));
    refused.map(|denied| denied.to_string())
}

#[test]
fn request_that_was_changed_is_checked_again() {
    let config = ServerConfig::default();
    let asked = || IncomingRequest::read(Bytes::from_static(HEAD), &config).unwrap();
    assert_eq!(refusal(&asked(), &config), None);

    let mut keyless = asked();
    keyless.request_mut().headers_mut().remove("sec-websocket-key").unwrap();
    assert!(refusal(&keyless, &config).unwrap().contains("Sec-WebSocket-Key"));
    assert_eq!(keyless.offered(), ["chat"], "it is what the client offered");

    for (origin, is_welcome) in [("http://a.example", true), ("http://b.example", false)] {
        let mut of_a_page = asked();
        let origin = HeaderValue::from_static(origin);
        of_a_page.request_mut().headers_mut().insert("origin", origin);
        assert_eq!(refusal(&of_a_page, &config).is_none(), is_welcome);
    }

    let mut other = asked();
    *other.request_mut() = Request::new(());
    assert!(refusal(&other, &config).is_some());
}

#[test]
fn host_that_no_request_can_name_is_refused() {
    let mut config = ServerConfig::default();
    config.handshake.max_head_bytes = 1 << 20;
    for (len, is_taken) in [(u16::MAX as usize, true), (1 << 16, false)] {
        let name = "a".repeat(len);
        let head = [&HEAD[..HEAD.len() - 2], name.as_bytes(), b": x\r\n\r\n"].concat();
        let asked = IncomingRequest::read(head.into(), &config);
        let fields = asked.map(|asked| asked.request().headers().len());
        let refused = Err(HeadError::FieldName { line: 8 });
        assert_eq!(fields, if is_taken { Ok(7) } else { refused }, "{len}");
    }
}

#[test]
fn origin_is_checked_against_the_policy() {
    let config = ServerConfig::default();
    for (origin, is_welcome) in [("http://a.example", true), ("http://b.example", false)] {
        let field = format!("\r\nOrigin: {origin}\r\n\r\n");
        let head = [HEAD.strip_suffix(b"\r\n\r\n").unwrap(), field.as_bytes()].concat();
        let asked = IncomingRequest::read(head.into(), &config).unwrap();
        assert_eq!(refusal(&asked, &config).is_none(), is_welcome, "{origin}");
    }
}

#[test]
fn origin_is_checked_against_the_host_that_a_proxy_forwards() {
    let config = ServerConfig::default();
    for (origin, is_welcome) in [("http://b.example", true), ("http://a.example", false)] {
        let field = format!("\r\nOrigin: {origin}\r\n\r\n");
        let head = [HEAD.strip_suffix(b"\r\n\r\n").unwrap(), field.as_bytes()].concat();
        let mut asked = IncomingRequest::read(head.into(), &config).unwrap();
        let mut remote = ConnectInfo::new(PeerAddr::Unix);
        remote.client.host = Some("b.example".into());
        asked.request.set_remote(remote);
        for _looked_at in 0..2 {
            assert_eq!(refusal(&asked, &config).is_none(), is_welcome, "{origin}");
            asked.request_mut();
        }
    }
}
