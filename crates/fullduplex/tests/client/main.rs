//! What can go wrong on the way to a server, and what else than an open WebSocket it may
//! answer: each a clear error, within bounds of time and memory.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod addresses;
#[path = "../common/mod.rs"]
mod common;
mod proxies;
mod requests;
mod steps;
mod timeouts;
#[cfg(feature = "_tls")]
mod tls_settings;
#[cfg(feature = "_tls")]
mod transport;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::{direct, switching};
use fullduplex::client::{BoxFuture, Connect, Proxy, Resolve};
use fullduplex::server::Server;
use fullduplex::{Client, ClientBuilder, CloseCause, Error, ErrorKind, NetStream};
use fullduplex_testkit::peak_rss;
use fullduplex_testkit::pipe::pipe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves one connection after the other in a way of its own.
async fn serving<F>(handle: impl Fn(TcpStream, String) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            tokio::spawn(handle(stream, String::from_utf8(head).unwrap()));
        }
    });
    format!("ws://{address}/")
}

/// Answers every request with these bytes, and ends.
async fn answering(answer: impl Into<Vec<u8>>) -> String {
    let answer: Arc<[u8]> = answer.into().into();
    serving(move |mut stream, _| {
        let answer = answer.clone();
        async move {
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

async fn fails(builder: ClientBuilder, url: &str) -> Error {
    builder.build().unwrap().connect(url).await.unwrap_err()
}

struct Fixed(Vec<SocketAddr>);

impl Resolve for Fixed {
    fn resolve<'a>(&'a self, host: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        assert_eq!(host, "many.example");
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

#[tokio::test]
async fn connect_reports_resets_and_ends_in_each_phase() {
    for answer in [
        &b""[..],
        b"HTTP/1.1",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
    ] {
        let error = fails(direct(), &answering(answer).await).await;
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().contains("opening handshake"), "{error}");
        assert!(error.is_retryable());
    }
    for answer in ["", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso"] {
        let url = serving(move |stream, _| reset_after(stream, answer)).await;
        let error = fails(direct(), &url).await;
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("opening handshake"), "{error}");
        assert!(error.is_retryable());
    }
}

/// Writes, and closes with a reset (RST).
async fn reset_after(mut stream: TcpStream, answer: &'static str) {
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.set_zero_linger().unwrap();
}

/// A server that resets each connection at once, before it was asked anything.
#[tokio::test]
async fn connect_reports_a_reset_after_tcp_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            reset_after(stream, "").await;
        }
    });
    for scheme in ["ws", "wss"] {
        let error = fails(direct(), &format!("{scheme}://{address}/")).await;
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn connect_survives_a_reset_after_the_101() {
    for reset in [true, false] {
        let url = serving(move |stream, head| async move {
            let mut stream = stream;
            stream.write_all(switching(&head, "").as_bytes()).await.unwrap();
            if reset {
                stream.set_zero_linger().unwrap();
            }
        })
        .await;
        let (mut websocket, _) = direct().build().unwrap().connect(&url).await.unwrap();
        let error = websocket.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(websocket.next().await.is_none());
        let cause = if reset { CloseCause::TransportError } else { CloseCause::TransportEnd };
        assert_eq!(websocket.close_info().unwrap().cause, cause);
    }
}

/// What a server may do that is asked for TLS.
#[cfg(feature = "_tls")]
#[tokio::test]
async fn tls_handshake_faults_are_reported() {
    for (answer, reset, kind, says) in [
        ("", true, ErrorKind::Io, "during the TLS handshake"),
        ("", false, ErrorKind::Io, "perhaps this port does not use TLS"),
        // The beginning of a ServerHello.
        ("\x16\x03\x03\x00\x7a\x02\x00", true, ErrorKind::Io, "during the TLS handshake"),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", false, ErrorKind::Tls, "does not speak TLS"),
        // An alert: no common version.
        ("\x15\x03\x03\x00\x02\x02\x46", false, ErrorKind::Tls, "protocol_version"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // All of the ClientHello, as an end over unread bytes is a reset.
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.unwrap();
            let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            stream.read_exact(&mut hello).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            if reset {
                stream.set_zero_linger().unwrap();
            }
        });
        let error = fails(direct(), &url).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn response_that_is_garbage_or_too_long_is_reported() {
    for (answer, kind) in [
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_string(), ErrorKind::Handshake),
        ("\0\0\0\0\r\n\r\n".to_string(), ErrorKind::Handshake),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n".to_string(), ErrorKind::Handshake),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(2000)), ErrorKind::Limit),
        (format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(100_000)), ErrorKind::Limit),
    ] {
        let error = fails(direct(), &answering(answer.clone()).await).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn response_body_without_end_is_cut() {
    let url = serving(|mut stream, _| async move {
        let head = "HTTP/1.1 500 Oh no\r\nRetry-After: 7\r\nContent-Length: 1000000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 1 << 20];
        while stream.write_all(&piece).await.is_ok() {}
    })
    .await;
    let before = peak_rss();
    let error = fails(direct(), &url).await;
    let response = error.response().unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.body().len(), 64 << 10);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(error.is_retryable());
    assert!(peak_rss() - before < 16 << 20);
}

/// A refusal whose body comes for ever, a byte at a time.
struct Dripping;

impl Connect for Dripping {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        let (near, mut far) = pipe(4096);
        tokio::spawn(async move {
            let head = "HTTP/1.1 500 Oh no\r\nContent-Length: 1000000000\r\n\r\n";
            far.write_all(head.as_bytes()).await.unwrap();
            while far.write_u8(b'x').await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

#[tokio::test(start_paused = true)]
async fn response_body_that_drips_is_cut() {
    let begun = tokio::time::Instant::now();
    let error = fails(direct().connector(Dripping), "ws://a.example/").await;
    assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
    let response = error.response().unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.body().starts_with(b"xxx"));
}

#[tokio::test]
async fn response_401_and_407_are_told_apart() {
    let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"here\"\r\n\
                  Content-Length: 0\r\n\r\n";
    let error = fails(direct(), &answering(answer).await).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Handshake, false));
    assert!(error.to_string().contains("Basic realm=\"here\""), "{error}");

    let answer = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                  Proxy-Authenticate: Basic realm=\"way\"\r\nContent-Length: 2\r\n\r\nno";
    let proxy = answering(answer).await.replace("ws:", "http:");
    let proxy = Proxy::parse(&proxy).unwrap();
    let error = fails(Client::builder().proxy(proxy), "ws://a.example/").await;
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(error.to_string().contains("Basic realm=\"way\""), "{error}");
    assert_eq!(&error.response().unwrap().body()[..], b"no");
}

/// A server that wants a certain request and opens a WebSocket.
async fn opening(expected: &'static [&'static str], missing: &'static [&'static str]) -> String {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve_handshakes(move |handshake| async move {
        let request = format!("{:?}", handshake.request());
        for words in expected {
            assert!(request.contains(words), "{words} in {request}");
        }
        for words in missing {
            assert!(!request.contains(words), "{words} not in {request}");
        }
        drop(handshake.accept().await);
    }));
    url
}

#[tokio::test]
async fn debug_shows_no_secrets() {
    let client = direct()
        .bearer_auth("secret")
        .header("X-Key", "secret")
        .proxy(Proxy::parse("http://me:secret@a/").unwrap())
        .build()
        .unwrap();
    assert!(!format!("{client:?}").contains("secret"), "{client:?}");
    let error = client.connect("http://me:secret@a/").await.unwrap_err();
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}
