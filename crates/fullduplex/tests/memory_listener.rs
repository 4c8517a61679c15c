//! A server without sockets: connections in memory, under paused time.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2"))]

mod common;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use common::{direct, echo, say};
use fullduplex::client::HttpVersion;
use fullduplex::server::listen::{MemoryConnector, memory};
use fullduplex::server::{DrainOptions, Server, ServerConfig, ServerHandle};
use fullduplex::{Client, CloseCode, ErrorKind};
use http::{Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

fn serving(change: impl FnOnce(Server) -> Server) -> (MemoryConnector, ServerHandle) {
    let (listener, connector) = memory();
    let server = change(Server::from_listener(listener));
    assert!(server.local_addr().is_err());
    let handle = server.handle();
    tokio::spawn(server.serve(echo));
    (connector, handle)
}

fn client(version: HttpVersion, connector: &MemoryConnector) -> Client {
    direct().http_version(version).connector(connector.clone()).build().unwrap()
}

const URL: &str = "ws://in-memory.example/";

#[tokio::test(start_paused = true)]
async fn memory_listener_serves_every_version_over_one_stream() {
    let (connector, handle) = serving(|server| server.http2(true));
    let mut versions = vec![HttpVersion::Http1];
    if cfg!(feature = "http2") {
        versions.push(HttpVersion::Http2);
    }
    for version in versions {
        let (mut websocket, _) = client(version, &connector).connect(URL).await.unwrap();
        say(&mut websocket, "short").await;
        say(&mut websocket, &"long ".repeat(100_000)).await;
        assert_eq!(handle.websocket_count(), 1);
        assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn memory_listener_obeys_limits_and_authentication() {
    let (connector, handle) = serving(|server| {
        let config = ServerConfig::default().max_per_address(1);
        server.config(config).authenticate(|request| async move {
            if request.uri().path() == "/no" {
                return Err(Response::builder().status(401).body(Bytes::new()).unwrap());
            }
            Ok(request)
        })
    });
    let error = client(HttpVersion::Http1, &connector).connect("ws://a/no").await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), StatusCode::UNAUTHORIZED);
    // Without an address, only the total counts.
    let (one, _) = client(HttpVersion::Http1, &connector).connect(URL).await.unwrap();
    let (two, _) = client(HttpVersion::Http1, &connector).connect(URL).await.unwrap();
    let address: SocketAddr = "192.0.2.1:5000".parse().unwrap();
    let named = client(HttpVersion::Http1, &connector.from_address(address));
    let (_first, _) = named.connect(URL).await.unwrap();
    named.connect(URL).await.unwrap_err();
    assert_eq!(handle.stats().connections.rejected_per_address, 1);
    drop((one, two));
}

#[tokio::test(start_paused = true)]
async fn memory_listener_takes_plain_streams() {
    let timeout = Duration::from_secs(10);
    let (connector, _handle) =
        serving(|server| server.config(ServerConfig::default().handshake_timeout(timeout)));
    let begun = Instant::now();
    let mut stream = connector.connect().await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let took = begun.elapsed();
    assert!(took >= timeout && took < 2 * timeout, "{took:?} of the paused clock");
}

#[tokio::test(start_paused = true)]
async fn memory_listener_drains_and_then_refuses() {
    let (connector, handle) = serving(|server| server);
    let client = client(HttpVersion::Http1, &connector);
    let (mut websocket, _) = client.connect(URL).await.unwrap();
    say(&mut websocket, "hello").await;
    let begun = Instant::now();
    // It does not answer the Close.
    let deadline = Duration::from_secs(5);
    let report = handle.drain(DrainOptions::default().spread(Duration::ZERO).deadline(deadline));
    let report = report.await;
    assert_eq!((report.notified, report.cut), (1, 1));
    let took = begun.elapsed();
    assert!(took >= deadline && took < 2 * deadline, "{took:?} of the paused clock");
    // Lets the task of `serve` drop its listener.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(connector.connect().await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(client.connect(URL).await.unwrap_err().kind(), ErrorKind::Io);
}
