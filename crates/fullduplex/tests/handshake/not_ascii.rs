//! Header fields and targets with bytes that are not ASCII.

use fullduplex::Client;
use fullduplex::server::{self, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::accept_for;
use crate::{REQUEST, answer, with};

/// What is not ASCII is wrong where it may not stand, and is never taken for something that is
/// missing.
#[tokio::test]
async fn header_values_that_are_not_ascii_are_not_missing() {
    let replace = |from: &str, to: &[u8]| {
        let at = REQUEST.find(from).unwrap();
        [&REQUEST.as_bytes()[..at], to, &REQUEST.as_bytes()[at + from.len()..]].concat()
    };
    for (request, status, says) in [
        (replace("Host: a.example", b"Host: caf\xc3\xa9.example"), 400, "Host"),
        (replace("Host: a.example", b"Host: caf\xe9.example"), 400, "Host"),
        (
            replace("Host: a.example", b"Host: a.example\r\nOrigin: http://\xe9.example"),
            400,
            "Origin",
        ),
        (
            replace("Host: a.example", b"Host: a.example\r\nOrigin: http://\xc3\xa9.example"),
            400,
            "Origin",
        ),
        (replace("b, a", b"b, \xc3\xa9"), 400, "Protocol"),
        (replace("b, a", b"\xff"), 400, "Protocol"),
        (replace("Version: 13", b"Version: 13\xb2"), 426, "ersion"),
        (replace("dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25jZQ=\xe9"), 400, "Key"),
        (
            replace("Host: a.example", b"Host: a.example\r\nX-Name: caf\xe9\r\nCookie: a=\xc3\xa9"),
            101,
            "",
        ),
    ] {
        let hosts = server::policy::HostPolicy::list(["a.example"]).unwrap();
        let (head, error) = answer(&request, with(|c| c.host_policy = hosts.clone())).await;
        let shown = request.escape_ascii();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}\n{head}");
        assert_eq!(error.is_none(), status == 101);
        let missing = ["missing", "names none", "without"];
        assert!(
            head.contains(says) && !missing.iter().any(|m| head.contains(m)),
            "{shown}\n{head}"
        );
    }
}

/// A response may have such bytes in its reason phrase and in the values of fields.
#[tokio::test]
async fn response_bytes_that_are_not_ascii_are_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for status in ["101 caf\u{e9}", "403 caf\u{e9}"] {
            let mut stream = listener.accept().await.unwrap().0;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let answer = format!(
                "HTTP/1.1 {status}\r\nX-Name: caf\u{e9}\r\nContent-Length: 0\r\n\
                 Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                accept_for(&head)
            );
            let answer = if status.starts_with("101") {
                answer.replace("Content-Length: 0\r\n", "")
            } else {
                answer
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let client = Client::builder().proxies(fullduplex::client::Proxies::none()).build().unwrap();
    let (_, response) = client.connect(&url).await.unwrap();
    assert_eq!(response.headers()["x-name"].as_bytes(), "caf\u{e9}".as_bytes());
    let error = client.connect(&url).await.unwrap_err();
    assert_eq!(error.response().unwrap().headers()["x-name"].as_bytes(), "caf\u{e9}".as_bytes());
}

/// A target that is not encoded as it must be is refused and not put right, as others on the way
/// may have read it in another way (RFC 9112 §3.2).
#[tokio::test]
async fn targets_that_are_not_encoded_are_refused() {
    for target in ["/a?\"b\"", "/a?<b>", "/caf\u{e9}", "/a?caf\u{e9}", "/a?b#c", "/a^`{|}"] {
        let request = REQUEST.replace("/chat?x=1", target);
        let (head, error) = answer(request.as_bytes(), ServerConfig::default()).await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{target}: {head}");
        let error = error.unwrap().to_string();
        assert!(error.contains("target") && error.contains("RFC 9112 §3.2"), "{target}: {error}");
    }
    // The last is what browsers send as it is (URL Standard, "query percent-encode set").
    for target in ["/a?%22b%22=%3Cb%3E&caf%C3%A9", "/a|b?{c}|d^`[e]'"] {
        let request = REQUEST.replace("/chat?x=1", target);
        let (head, _) = answer(request.as_bytes(), ServerConfig::default()).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{target}: {head}");
    }
}
