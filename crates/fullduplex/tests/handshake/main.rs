//! The opening handshake on real transports, both roles: leftovers, refusals, bad peers.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

use std::time::Duration;

use common::{accept_for, echo, raw};
use fullduplex::server::{self, Handshake, OriginPolicy, Server, ServerConfig};
use fullduplex::{Client, CloseCode, ErrorKind, HandshakeLimits, Message};
use fullduplex_testkit::pipe::{Pipe, pipe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const REQUEST: &str = "GET /chat?x=1 HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: b, a\r\n\r\n";

/// What a server on a pipe answers to these bytes, until it is done.
async fn answer(request: &[u8], config: ServerConfig) -> (String, Option<fullduplex::Error>) {
    let (near, far) = pipe(1 << 20);
    near.written().put(request);
    near.written().end();
    let error = server::accept_with(far, config).await.err();
    (String::from_utf8_lossy(&near.incoming().take()).into_owned(), error)
}

fn with(config: impl Fn(&mut ServerConfig)) -> ServerConfig {
    let mut this = ServerConfig::default();
    config(&mut this);
    this
}

#[tokio::test]
async fn handshake_is_accepted_and_negotiated() {
    let config = with(|c| c.protocols = vec!["a".into(), "b".into()]);
    let (head, error) = answer(REQUEST.as_bytes(), config).await;
    assert!(error.is_none());
    let lower = head.to_lowercase();
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert!(lower.contains("sec-websocket-protocol: b\r\n"), "the client's favourite: {head}");
}

#[tokio::test]
async fn handshake_is_refused_with_the_right_status() {
    let swap = |from: &str, to: &str| REQUEST.replace(from, to).into_bytes();
    let many = "X: y\r\n".repeat(101);
    for (request, status, names) in [
        (swap("GET", "POST"), 405, "Allow: GET"),
        (swap("HTTP/1.1", "HTTP/1.0"), 400, ""),
        (swap("Host: a.example\r\n", ""), 400, ""),
        (swap("Upgrade: websocket\r\n", "Upgrade: h2c\r\n"), 400, ""),
        (swap("Connection: keep-alive, Upgrade\r\n", ""), 400, ""),
        (swap("dGhlIHNhbXBsZSBub25jZQ==", "tooshort"), 400, ""),
        (swap("Version: 13", "Version: 8"), 426, "Sec-WebSocket-Version: 13"),
        (swap("b, a", "b, b"), 400, ""),
        (swap("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello"), 400, ""),
        (swap("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, ""),
        (swap("\r\n\r\n", "\r\nOrigin: http://evil.example\r\n\r\n"), 403, ""),
        (swap("\r\n\r\n", &format!("\r\n{many}\r\n")), 431, ""),
        (swap("chat", &"c".repeat(20_000)), 431, ""),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 426, "Upgrade: websocket"),
        (b"\x16\x03\x01\x02\x00\x01".to_vec(), 400, ""),
        (b"nonsense\r\n\r\n".to_vec(), 400, ""),
    ] {
        let (head, error) = answer(&request, ServerConfig::default()).await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(300)]);
        let error = error.unwrap_or_else(|| panic!("accepted: {shown}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}\n{head}");
        assert!(head.to_lowercase().contains(&names.to_lowercase()), "{names} in {head}");
        assert!(head.trim_end().ends_with(&error.to_string()), "the body says why: {head}");
    }
}

#[tokio::test]
async fn origin_can_be_allowed() {
    let request = REQUEST.replace("\r\n\r\n", "\r\nOrigin: https://b.example\r\n\r\n");
    for policy in [OriginPolicy::list(["https://b.example"]).unwrap(), OriginPolicy::DangerousAny] {
        let (head, _) = answer(request.as_bytes(), with(|c| c.origin = policy.clone())).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{policy:?}: {head}");
    }
}

#[tokio::test(start_paused = true)]
async fn handshake_with_a_slow_head_is_refused_with_408() {
    let (mut near, far) = pipe(1 << 16);
    let accepting = tokio::spawn(server::accept(far));
    let begun = tokio::time::Instant::now();
    for byte in REQUEST.bytes() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if near.write_all(&[byte]).await.is_err() {
            break;
        }
    }
    let error = accepting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(14));
    assert!(String::from_utf8(near.incoming().take()).unwrap().starts_with("HTTP/1.1 408 "));
}

/// A masked text frame.
const FRAME: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

#[tokio::test]
async fn handshake_keeps_bytes_after_the_request() {
    let all = [REQUEST.as_bytes(), FRAME, FRAME].concat();
    for cut in 0..=all.len() {
        let (near, far) = pipe(1 << 16);
        near.written().put(&all[..cut]);
        let (rest, wire) = (all[cut..].to_vec(), near.written());
        let serving = tokio::spawn(async move {
            let mut websocket = server::accept(far).await.unwrap();
            let first = websocket.next().await.unwrap().unwrap();
            (first, websocket.next().await.unwrap().unwrap())
        });
        tokio::task::yield_now().await;
        wire.put(&rest);
        let (a, b) = serving.await.unwrap();
        assert_eq!((a, b), (Message::text("Hello"), Message::text("Hello")), "cut at {cut}");
        drop(near);
    }
}

/// A client on a pipe, whose server is the test.
async fn client_meets(
    answer: impl Fn(&str) -> Vec<u8>,
) -> Result<(fullduplex::WebSocket<Pipe>, Pipe), fullduplex::Error> {
    let (near, mut far) = pipe(1 << 20);
    let serving = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(far.read_u8().await.unwrap());
        }
        let answer = answer(std::str::from_utf8(&head).unwrap());
        far.written().put(&answer);
        far.written().end();
        far
    };
    let client = Client::builder().subprotocol("a").build().unwrap();
    let connecting = client.connect_over(near, "ws://a.example/chat?x=1");
    let (connected, far) = tokio::join!(connecting, serving);
    connected.map(|(websocket, _)| (websocket, far))
}

fn upgrade(head: &str, more: &str) -> String {
    let accept = accept_for(head);
    format!(
        "HTTP/1.1 101 Whatever\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn handshake_of_a_client_keeps_bytes_after_the_response() {
    let (mut websocket, _far) = client_meets(|head| {
        assert!(head.starts_with("GET /chat?x=1 HTTP/1.1\r\nHost: a.example\r\n"), "{head}");
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
        let head = upgrade(head, "Sec-WebSocket-Protocol: a\r\n");
        [interim.as_bytes(), head.as_bytes(), b"\x81\x05Hello"].concat()
    })
    .await
    .unwrap();
    assert_eq!(websocket.subprotocol(), Some("a"));
    assert_eq!(websocket.next().await.unwrap().unwrap(), Message::text("Hello"));
    let error = websocket.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "no Close frame came");
    assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
}

#[tokio::test]
async fn handshake_of_a_client_refuses_wrong_responses() {
    type Answer = fn(&str) -> String;
    let answers: [(Answer, &str); 10] = [
        (|h| upgrade(h, "").replace("101", "200"), "200"),
        (|h| upgrade(h, "").replace("upgrade: WebSocket", "upgrade: h2c"), "Upgrade"),
        (|h| upgrade(h, "").replace("connection: upgrade", "connection: close"), "Connection"),
        (|h| upgrade(h, "").replace("sec-websocket-accept", "x"), "Accept"),
        (|_| upgrade("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", ""), "Accept"),
        (|h| upgrade(h, "Sec-WebSocket-Protocol: z\r\n"), "subprotocol"),
        (|h| upgrade(h, "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "permessage-deflate"),
        (|_| "SSH-2.0-OpenSSH_9.2\r\n".into(), "HTTP"),
        (|_| String::new(), "ended"),
        (|h| upgrade(h, &"X: y\r\n".repeat(1200)), "max_fields = 1000"),
    ];
    for (answer, what) in answers {
        let error = client_meets(|head| answer(head).into_bytes()).await.unwrap_err();
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

#[tokio::test]
async fn handshake_rejection_has_status_headers_and_body() {
    let answer = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater and more";
    let error = client_meets(|_| answer.into()).await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.body(), "later");
    assert!(error.is_retryable());
    let huge = format!("HTTP/1.1 403 No\r\n\r\n{}", "x".repeat(300_000));
    let error = client_meets(|_| huge.clone().into_bytes()).await.unwrap_err();
    assert_eq!(error.response().unwrap().body().len(), 64 << 10);
    assert!(!error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn handshake_with_a_silent_server_times_out() {
    let (near, _far) = pipe(1 << 16);
    let error = Client::default().connect_over(near, "ws://a/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout"), "{error}");
}

#[test]
fn client_builder_names_what_is_wrong() {
    for (builder, what) in [
        (Client::builder().header("Sec-WebSocket-Key", "x"), "Sec-WebSocket-Key"),
        (Client::builder().header("bad name", "x"), "bad name"),
        (Client::builder().header("x", "bad\nvalue"), "value of the header x"),
        (Client::builder().subprotocol("a b"), "token"),
        (Client::builder().subprotocol("a").subprotocol("a"), "twice"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

#[tokio::test]
async fn connect_errors_name_what_is_wrong() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = fullduplex::connect(&format!("ws://{free}/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.is_retryable() && error.to_string().contains(&free.to_string()), "{error}");
    let error = fullduplex::connect("ws://does-not-exist.invalid/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resolve);
}

#[tokio::test]
async fn connect_that_is_dropped_closes_its_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let connecting = tokio::spawn(async move { fullduplex::connect(&url).await.map(drop) });
    let (mut socket, _) = listener.accept().await.unwrap();
    socket.read_u8().await.unwrap();
    connecting.abort();
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.unwrap();
}

async fn echo_server(config: ServerConfig) -> String {
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve(echo));
    url
}

#[tokio::test]
async fn close_of_a_failed_connection_arrives_before_the_socket_closes() {
    let url = echo_server(ServerConfig::default()).await;
    // Far more than fits: closing over unread bytes would take the Close back.
    let (mut websocket, _) = fullduplex::connect(&url).await.unwrap();
    let (send, mut receive) = {
        websocket.send(vec![0; 1 << 21]).await.unwrap();
        websocket.split()
    };
    assert!(receive.next().await.is_none_or(|end| end.is_err()));
    let info = send.close_info().unwrap();
    assert_eq!(info.code(), CloseCode::MESSAGE_TOO_BIG);
    assert!(info.reason().contains("max_message_size (1048576 bytes)"), "{info:?}");
}

#[tokio::test]
async fn handshake_with_many_bad_peers_spares_the_others() {
    let config = with(|c| {
        c.handshake = HandshakeLimits {
            handshake_timeout: Duration::from_millis(300),
            ..HandshakeLimits::default()
        };
    });
    let url = echo_server(config).await;
    let address = url.trim_start_matches("ws://").trim_end_matches('/').to_owned();
    let (mut good, _) = fullduplex::connect(&url).await.unwrap();
    let mut bad = Vec::new();
    for i in 0..200_usize {
        let mut socket = TcpStream::connect(&address).await.unwrap();
        let head = REQUEST.replace("a.example", &address);
        let bytes: Vec<u8> = match i % 5 {
            0 => head.as_bytes()[..i % head.len()].to_vec(),
            1 => vec![0xFF; 1000],
            2 => [head.as_bytes(), b"\x83\x80\0\0\0\0"].concat(),
            3 => [head.as_bytes(), b"\x81\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0"].concat(),
            _ => [head.as_bytes(), FRAME].concat(),
        };
        // The server may have hung up by now, as it should.
        let _ = socket.write_all(&bytes).await;
        if i % 2 == 0 {
            bad.push(socket);
        }
        good.send(format!("still here {i}")).await.unwrap();
        assert_eq!(good.next().await.unwrap().unwrap(), Message::text(format!("still here {i}")));
    }
    assert!(good.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
}

#[tokio::test]
async fn http_requests_are_answered_on_the_same_port() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve_handshakes(|handshake: Handshake| async move {
        assert!(handshake.peer_addr().unwrap().ip().is_loopback() && !handshake.is_websocket());
        let body = format!("you asked for {}", handshake.request().uri());
        handshake.respond(http::Response::new(body)).await.unwrap();
    }));
    let answer = raw(address, "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nyou asked for /a?b"), "{answer}");
}

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
        let hosts = server::HostPolicy::list(["a.example"]).unwrap();
        let (head, error) = answer(&request, with(|c| c.hosts = hosts.clone())).await;
        let shown = request.escape_ascii();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}\n{head}");
        assert_eq!(error.is_none(), status == 101);
        let missing = ["missing", "no Host", "names none", "without"];
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
                "HTTP/1.1 {status}\r\nX-Name: caf\u{e9}\r\nContent-Length: 0\r\nUpgrade: websocket\r\n\
                 Connection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
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

/// RFC 9112 §9.6: the answer has left, and the client may go on sending for longer than the
/// handshake may take.
#[tokio::test(start_paused = true)]
async fn respond_waits_for_an_upload_longer_than_handshake_timeout() {
    let config = with(|c| c.handshake.handshake_timeout = Duration::from_secs(2));
    let (mut near, far) = pipe(1 << 16);
    let head = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 80\r\n\r\n";
    near.write_all(head.as_bytes()).await.unwrap();
    let handshake = Handshake::read(far, config).await.unwrap();
    let client = tokio::spawn(async move {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            near.write_all(&[b'x'; 10]).await.unwrap();
        }
        near.shutdown().await.unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        answer
    });
    handshake.respond(http::Response::builder().status(413).body("no").unwrap()).await.unwrap();
    let answer = client.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("no"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn respond_to_a_client_that_takes_no_answer_ends_after_handshake_timeout() {
    let config = with(|c| c.handshake.handshake_timeout = Duration::from_secs(2));
    let (near, far) = pipe(16);
    near.written().put(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let handshake = Handshake::read(far, config).await.unwrap();
    let error = handshake.respond(http::Response::new("no")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout (2s)"), "{error}");
}
