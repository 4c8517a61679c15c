//! What a server may answer on HTTP/1.1 beside the plain 101, and URLs out of the ordinary.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "_tls"))]

mod common;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use common::{direct, switching};
use fullduplex::client::{BoxFuture, Connect, Resolve};
use fullduplex::{Error, ErrorKind, NetStream, WebSocket};
use fullduplex_testkit::pipe::pipe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Servers whose answer is made from the head of the request.
struct Answering<F>(F);

impl<F: Fn(&str) -> Vec<u8> + Clone + Send + Sync + 'static> Connect for Answering<F> {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        let (near, mut far) = pipe(4096);
        let answer = self.0.clone();
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(far.read_u8().await.unwrap());
            }
            // The client may have read enough.
            let _ = far.write_all(&answer(std::str::from_utf8(&head).unwrap())).await;
            // Until it ends.
            let _ = far.read_to_end(&mut Vec::new()).await;
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

async fn meets(
    answer: impl Fn(&str) -> Vec<u8> + Clone + Send + Sync + 'static,
) -> Result<WebSocket, Error> {
    let client = direct().connector(Answering(answer)).build().unwrap();
    client.connect("ws://a.example/").await.map(|(websocket, _)| websocket)
}

const HELLO: &str = "\u{1}\u{5}hello";

/// A text frame.
fn frame() -> Vec<u8> {
    let mut frame = HELLO.as_bytes().to_vec();
    frame[0] = 0x81;
    frame
}

/// RFC 9110 §15.2: any number of interim responses, within reason.
#[tokio::test]
async fn interim_responses_are_skipped_and_bounded() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\n\
                   HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let mut websocket =
        meets(move |head| [interim.as_bytes(), switching(head, "").as_bytes(), &frame()].concat())
            .await
            .unwrap();
    let message = websocket.next().await.unwrap().unwrap();
    assert_eq!(message.as_text(), Some("hello"));

    let error = meets(move |_| interim.repeat(100_000).into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("interim"), "{error}");
}

#[tokio::test]
async fn response_with_a_folded_line_is_refused() {
    for folded in ["X: a\r\n b\r\n", "Upgrade:\r\n websocket\r\n"] {
        let error = meets(move |head| switching(head, folded).into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Handshake);
        assert!(error.to_string().contains("folded"), "{error}");
    }
}

/// RFC 9112 §6.3: a 101 has no content, whatever its fields say.
#[tokio::test]
async fn response_101_is_followed_by_frames() {
    for fields in
        ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 0\r\n"]
    {
        let opened = meets(move |head| [switching(head, fields).as_bytes(), &frame()].concat());
        let message = opened.await.unwrap().next().await.unwrap().unwrap();
        assert_eq!(message.as_text(), Some("hello"), "{fields}");
    }
}

#[tokio::test]
async fn response_with_two_accept_values_is_refused() {
    let wrong = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let error = meets(move |head| switching(head, wrong).into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert!(error.to_string().contains("Sec-WebSocket-Accept"), "{error}");
}

/// A coding is the application's to undo; the bound holds for what came.
#[tokio::test]
async fn response_body_in_a_coding_is_returned_as_it_came() {
    let body = [0x1f, 0x8b, 0x08, 0x00, 0xff];
    let head = "HTTP/1.1 403 No\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n";
    let error = meets(move |_| [head.as_bytes(), &body].concat()).await.unwrap_err();
    assert_eq!(error.response().unwrap().body()[..], body);
    assert_eq!(error.response().unwrap().headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn response_body_in_chunks_is_bounded() {
    for chunk in ["1\r\nx\r\n".repeat(100_000), format!("100000\r\n{}", "x".repeat(0x10_0000))] {
        let head = "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n";
        let error = meets(move |_| format!("{head}{chunk}").into()).await.unwrap_err();
        let body = error.response().unwrap().body();
        assert_eq!(body.len(), 64 << 10);
        assert!(body.iter().all(|byte| *byte == b'x'));
    }
}

#[tokio::test]
async fn redirect_loop_ends() {
    for status in [301, 302, 303, 307, 308] {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = asked.clone();
        let answer = move |head: &str| {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let to = if path == "/a" { "/b" } else { "/a" };
            seen.lock().unwrap().push(path);
            format!("HTTP/1.1 {status} So\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into()
        };
        let client = direct().connector(Answering(answer)).max_redirects(5).build().unwrap();
        let error = client.connect("ws://a.example/a").await.unwrap_err();
        assert!(error.to_string().contains("max_redirects (5)"), "{error}");
        assert_eq!(*asked.lock().unwrap(), ["/a", "/b", "/a", "/b", "/a", "/b"]);
    }
}

/// Servers with TLS that send their clients elsewhere.
#[cfg(feature = "_tls")]
struct Redirecting(&'static str, Arc<Mutex<Vec<u16>>>);

#[cfg(feature = "_tls")]
impl Connect for Redirecting {
    fn connect<'a>(&'a self, _: &'a str, port: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        self.1.lock().unwrap().push(port);
        let (near, far) = pipe(4096);
        let to = self.0;
        tokio::spawn(async move {
            let mut tls = common::tls::acceptor(&[]).accept(far).await.unwrap();
            let answer = format!("HTTP/1.1 307 So\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            tls.write_all(answer.as_bytes()).await.unwrap();
            let _ = tls.read_to_end(&mut Vec::new()).await;
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

#[cfg(feature = "_tls")]
#[tokio::test]
async fn redirect_never_leads_out_of_tls() {
    for to in ["ws://a.example/", "http://a.example/", "ws://a.example:443/x"] {
        let asked: Arc<Mutex<Vec<u16>>> = Arc::default();
        let tls = fullduplex::client::ClientTls::new().dangerous_accept_any_certificate();
        let builder = direct().tls(tls).max_redirects(5);
        let client = builder.connector(Redirecting(to, asked.clone())).build().unwrap();
        let error = client.connect("wss://a.example/").await.unwrap_err();
        assert!(error.to_string().contains("from wss: to ws:"), "{error}");
        assert_eq!(error.response().unwrap().status(), 307);
        assert_eq!(*asked.lock().unwrap(), [443]);
    }
}

/// A certificate is for the name without the dot of the root (RFC 6066 §3).
#[cfg(feature = "_tls")]
#[tokio::test]
async fn tls_name_may_have_a_trailing_dot() {
    let tls = common::tls::trusting(common::tls::LOCALHOST);
    let client = direct().tls(tls).connector(Redirecting("/", Arc::default()));
    let error = client.build().unwrap().connect("wss://localhost./").await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 307, "{error}");
}

/// Where the client would go.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<(String, u16)>>>);

impl Resolve for Noted {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.0.lock().unwrap().push((host.into(), port));
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

#[tokio::test]
async fn uri_host_names_are_resolved_in_their_dns_form() {
    let noted = Noted::default();
    let client = direct().resolver(noted.clone()).build().unwrap();
    for url in ["ws://BÜCHER.example/", "ws://a.example.:81/", "ws://%61.example/"] {
        assert_eq!(client.connect(url).await.unwrap_err().kind(), ErrorKind::Resolve, "{url}");
    }
    let expected = [("xn--bcher-kva.example", 80), ("a.example.", 81), ("a.example", 80)];
    let expected = expected.map(|(host, port)| (host.to_owned(), port));
    assert_eq!(*noted.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn uri_faults_are_refused_before_anything_is_sent() {
    let noted = Noted::default();
    let client = direct().resolver(noted.clone()).build().unwrap();
    for (url, what) in [
        ("ws://[fe80::1%25]/", "IPv6"),
        ("ws://[fe80::1%25a%2Fb]/", "IPv6"),
        ("ws://a.example:0/", "port 0"),
        ("ws://:80/", "host"),
        ("ws://a.example/#", "fragment"),
        ("ws://a%00b/", "URL"),
        ("ws://a b/", "URL"),
        ("ws://me%3Ayou:secret@a.example/", "colon"),
        ("ws://me:%FF@a.example/", "UTF-8"),
    ] {
        let error = client.connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{url}: {error}");
        assert!(error.to_string().contains(what), "{url}: {error}");
    }
    assert!(noted.0.lock().unwrap().is_empty());
}
