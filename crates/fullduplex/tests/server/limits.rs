//! Limits on connections, handshakes and their time.

use std::time::Duration;

use fullduplex::CloseCode;
use fullduplex::client::HttpVersion;
use fullduplex::server::ServerConfig;
use fullduplex_testkit::eventually;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::common::{client, say};
use crate::{both_versions, serving};

#[tokio::test]
async fn limits_on_connections_hold() {
    let mut config = ServerConfig::default();
    config.limits.connections.max_connections = Some(3);
    let (address, handle, _) = serving(config).await;
    let client = client(HttpVersion::Http1);
    let url = format!("ws://{address}/");
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(client.connect(&url).await.unwrap().0);
    }
    let error = client.connect(&url).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(all.pop());
    eventually("there is room", || handle.connection_count() < 3).await;
    let (mut websocket, _) = client.connect(&url).await.unwrap();
    say(&mut websocket, "there is room again").await;
}

/// Closed over what it has not read, the socket would take the answer back.
#[tokio::test]
async fn limits_on_connections_are_reported_behind_a_long_request() {
    use std::io::Write as _;

    let mut config = ServerConfig::default();
    config.limits.connections.max_connections = Some(1);
    let (address, handle, _) = serving(config).await;
    let _first = client(HttpVersion::Http1).connect(format!("ws://{address}/")).await.unwrap();
    assert_eq!(handle.connection_count(), 1);
    for length in [0, 5000, 15_000] {
        // On this thread, so that the server accepts it when all of the request has come.
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let long = "x".repeat(length);
        let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut socket = TcpStream::from_std(socket).unwrap();
        let mut answer = String::new();
        let read = timeout(Duration::from_secs(10), socket.read_to_string(&mut answer)).await;
        read.expect("it is closed").unwrap_or_else(|error| panic!("{length}: {error}"));
        assert!(answer.starts_with("HTTP/1.1 503 "), "{length}: {answer}");
    }
}

/// Only a connection that ends over unread content waits for its client.
#[tokio::test]
async fn connection_ends_at_once_where_an_earlier_request_was_not_read() {
    let (address, handle, _) = serving(ServerConfig::default()).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let post = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
    socket.write_all(post.as_bytes()).await.unwrap();
    let mut first = Vec::new();
    while !first.ends_with(b"\r\n0\r\n\r\n") {
        first.push(socket.read_u8().await.unwrap());
    }
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    socket.write_all(get.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // This end stays open. The deadline of a server that waits for it would never come.
    tokio::time::pause();
    eventually("it has left", || handle.connection_count() == 0).await;
}

#[tokio::test]
async fn limits_on_handshakes_end_the_oldest() {
    let mut config = ServerConfig::default();
    config.limits.max_handshakes = 10;
    let (address, ..) = serving(config).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let client = client(HttpVersion::Http1);
    let (mut websocket, _) = client.connect(format!("ws://{address}/")).await.unwrap();
    say(&mut websocket, "still served").await;
    // The first are gone without an answer.
    let mut bytes = Vec::new();
    assert_eq!(silent[0].read_to_end(&mut bytes).await.unwrap(), 0);
}

#[tokio::test]
async fn http2_connection_without_streams_is_ended() {
    let mut config = both_versions();
    config.limits.http_idle_timeout = Duration::from_millis(200);
    config.handshake_limits.handshake_timeout = Duration::from_secs(5);
    let (address, handle, _) = serving(config).await;
    let client = client(HttpVersion::Http2);
    let (mut websocket, _) = client.connect(format!("ws://{address}/")).await.unwrap();
    // In real time, as sockets know no other: five times `idle_timeout`, or more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    say(&mut websocket, "not idle").await;
    assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    // And one that never says anything behind the preface and its SETTINGS.
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut bytes = Vec::new();
    silent.read_to_end(&mut bytes).await.unwrap();
    eventually("no connection is left", || handle.connection_count() == 0).await;
}
