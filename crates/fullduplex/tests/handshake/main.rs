//! The opening handshake on real transports, both roles: leftovers, refusals, bad peers.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod not_ascii;

use std::time::Duration;

use common::{echo, raw};
use fullduplex::server::policy::OriginPolicy;
use fullduplex::server::{self, Handshake, Server, ServerConfig};
use fullduplex::{CloseCode, ErrorKind, HandshakeLimits, Message};
use fullduplex_testkit::pipe::pipe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    let config = with(|c| c.subprotocols = vec!["a".into(), "b".into()]);
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
        let (head, _) =
            answer(request.as_bytes(), with(|c| c.origin_policy = policy.clone())).await;
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
        c.handshake_limits =
            HandshakeLimits::default().handshake_timeout(Duration::from_millis(300));
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

/// RFC 9112 §9.6: the answer has left, and the client may go on sending for longer than the
/// handshake may take.
#[tokio::test(start_paused = true)]
async fn respond_waits_for_an_upload_longer_than_handshake_timeout() {
    let config = with(|c| c.handshake_limits.handshake_timeout = Duration::from_secs(2));
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
    let config = with(|c| c.handshake_limits.handshake_timeout = Duration::from_secs(2));
    let (near, far) = pipe(16);
    near.written().put(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let handshake = Handshake::read(far, config).await.unwrap();
    let error = handshake.respond(http::Response::new("no")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout (2s)"), "{error}");
}
