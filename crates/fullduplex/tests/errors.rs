//! What a client's errors say: the setting, the variable, the header, what was waited for.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use std::future::pending;
use std::io;
use std::net::SocketAddr;

use common::{direct, switching};
use fullduplex::client::{BoxFuture, Connect, Proxy, Resolve};
use fullduplex::{Client, ClientBuilder, Error, ErrorKind, HandshakeLimits, NetStream};
use fullduplex_testkit::pipe::pipe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Makes pipes, to a peer that answers what it is asked by this, or never.
struct Answering(Option<fn(&str) -> String>);

impl Connect for Answering {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        let (near, mut far) = pipe(1 << 16);
        let answer = self.0;
        tokio::spawn(async move {
            let mut head = Vec::new();
            while answer.is_none() || !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = far.read_u8().await else { return };
                head.push(byte);
            }
            if let Some(answer) = answer {
                let answer = answer(std::str::from_utf8(&head).unwrap());
                far.write_all(answer.as_bytes()).await.unwrap();
                let _ = far.read_to_end(&mut Vec::new()).await;
            }
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

struct Never;

impl Connect for Never {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        Box::pin(pending())
    }
}

impl Resolve for Never {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(pending())
    }
}

async fn fails(builder: ClientBuilder, url: &str) -> Error {
    builder.build().unwrap().connect(url).await.unwrap_err()
}

fn proxied() -> ClientBuilder {
    Client::builder().proxy(Proxy::parse("http://proxy.example:3128").unwrap())
}

#[tokio::test(start_paused = true)]
async fn timeout_errors_name_what_was_waited_for() {
    let silent = || Answering(None);
    for (builder, url, says) in [
        (direct().resolver(Never), "ws://a.example/", "looking up the address of \"a.example\""),
        (direct().connector(Never), "ws://a.example/", "connecting to a.example:80"),
        (proxied().connector(Never), "ws://a.example/", "connecting to proxy.example:3128"),
        (proxied().connector(silent()), "ws://a.example/", "the proxy http://proxy.example:3128"),
        #[cfg(feature = "_tls")]
        (direct().connector(silent()), "wss://a.example/", "the TLS handshake with a.example"),
    ] {
        let error = fails(builder, url).await;
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let text = error.to_string();
        assert!(text.starts_with("timed out: connect_timeout (30s) while "), "{text}");
        assert!(text.contains(says), "{says}: {text}");
    }
    let error = fails(direct().connector(silent()), "ws://a.example/").await.to_string();
    let says = "handshake_timeout (10s) while waiting for the server's response";
    assert!(error.contains(says), "{error}");
    // Each deadline has its own words.
    let error = fails(direct().connector(Never), "ws://b.example/").await.to_string();
    assert!(error.contains("connecting to b.example:80"), "{error}");
}

#[cfg(feature = "http2")]
#[tokio::test(start_paused = true)]
async fn timeout_errors_name_http2_settings() {
    let builder =
        direct().http_version(fullduplex::client::HttpVersion::Http2).connector(Answering(None));
    let error = fails(builder, "ws://a.example/").await.to_string();
    assert!(error.contains("while waiting for the server's HTTP/2 SETTINGS"), "{error}");
}

/// A proxy's 407 with these fields.
fn wanting(fields: &str) -> String {
    format!("HTTP/1.1 407 No\r\n{fields}Content-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn proxy_errors_say_what_a_407_asks_for_and_what_can_be_done() {
    type Answer = fn(&str) -> String;
    let cases: [(Answer, &str, &str); 4] = [
        (
            |_| wanting("Proxy-Authenticate: Negotiate, NTLM\r\n"),
            "the proxy requires Negotiate, NTLM (407), but only Basic",
            "the proxy requires Negotiate, NTLM (407), but only Basic",
        ),
        (
            |_| wanting("Proxy-Authenticate: NTLM realm=\"x, Basic y\"\r\n"),
            "but only Basic (RFC 7617) is supported",
            "but only Basic (RFC 7617) is supported",
        ),
        (
            |_| wanting("Proxy-Authenticate: NTLM\r\nProxy-Authenticate: basic realm=\"x\"\r\n"),
            "requires a user and password in its URL",
            "does not accept the user and password",
        ),
        (
            |_| wanting(""),
            "requires authentication of an unknown scheme (407 without Proxy-Authenticate)",
            "does not accept the user and password (407 without Proxy-Authenticate)",
        ),
    ];
    for (answer, says, says_to_credentials) in cases {
        for (user, says) in [("", says), ("me:secret@", says_to_credentials)] {
            let proxy = Proxy::parse(&format!("http://{user}proxy.example")).unwrap();
            let builder = Client::builder().proxy(proxy).connector(Answering(Some(answer)));
            let error = fails(builder, "ws://a.example/").await;
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Proxy, false));
            let text = error.to_string();
            assert!(text.contains(says) && !text.contains("secret"), "{says}: {text}");
        }
    }
}

#[test]
fn header_errors_name_the_header() {
    for (name, value, says) in [
        ("X Key", "1", "\"X Key\""),
        ("", "1", "\"\""),
        ("X-Key", "sec\nret", "X-Key"),
        ("Upgrade", "1", "Upgrade"),
    ] {
        let error = Client::builder().header(name, value).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        let text = error.to_string();
        assert!(text.contains(says) && !text.contains("sec"), "{text}");
    }
}

#[tokio::test]
async fn url_errors_say_how_a_url_begins() {
    for url in ["127.0.0.1:80", "localhost:9001/echo", "example.com/chat", "[::1]:80"] {
        let error = fails(direct(), url).await;
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("begin it with ws://"), "{error}");
    }
}

/// A client chose whom it asks, so that it takes more than a server does.
#[tokio::test]
async fn limits_of_a_client_allow_many_fields() {
    let answer: fn(&str) -> String =
        |head| switching(head, &"X-Field: one of many in a head\r\n".repeat(900));
    let client = direct().connector(Answering(Some(answer))).build().unwrap();
    client.connect("ws://a.example/").await.unwrap();
    let builder = direct().connector(Answering(Some(answer)));
    let builder = builder.handshake_limits(HandshakeLimits::default());
    let error = fails(builder, "ws://a.example/").await;
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("max_"), "{error}");
}
