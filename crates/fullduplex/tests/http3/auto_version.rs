//! HTTP/3 chosen by `Alt-Svc`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fullduplex::Client;
use fullduplex::client::{HttpVersion, SocketOptions};
use http::Response;
use tokio::io::AsyncWriteExt as _;

use crate::common::say;
use crate::{Server, common, echo, server};

/// The same server on HTTP/1.1, which offers HTTP/3 on this port.
async fn tcp(server: &Server, offered: u16) -> String {
    let tls = self::server(&server.identity, rustls::DEFAULT_VERSIONS);
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let config = Arc::new(fullduplex::server::ServerConfig::default());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(stream) = tls.accept(tcp).await else { continue };
            let handshake = fullduplex::server::Handshake::read(stream, config.clone()).await;
            let mut handshake = handshake.unwrap();
            handshake.add_header("alt-svc", format!("h3=\":{offered}\"; ma=60"));
            tokio::spawn(common::echo(handshake.accept().await.unwrap()));
        }
    });
    url
}

#[tokio::test]
async fn auto_takes_http3_where_offered_and_falls_back() {
    let server = Server::websockets(echo);
    let attempt_timeout = Duration::from_millis(500);
    let options = SocketOptions::default().attempt_timeout(attempt_timeout);
    let auto = || {
        server
            .builder()
            .http_version(HttpVersion::Auto)
            .socket_options(options.clone())
            .build()
            .unwrap()
    };
    let versions = async |client: &Client, url: &str| {
        let mut versions = Vec::new();
        for _ in 0..3 {
            let (mut websocket, response) = client.connect(url).await.unwrap();
            say(&mut websocket, "hello").await;
            versions.push(response.version());
        }
        versions
    };
    let url = tcp(&server, server.address.port()).await;
    let (one, three) = (http::Version::HTTP_11, http::Version::HTTP_3);
    assert_eq!(versions(&auto(), &url).await, [one, three, three]);
    assert_eq!(server.connections(), 1);
    // Offered, and not there.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = tcp(&server, silent.local_addr().unwrap().port()).await;
    let client = auto();
    assert_eq!(versions(&client, &url).await, [one, one, one]);
    // It was tried once, by what it can read, and then no more.
    let mut datagram = [0; 2000];
    assert!(silent.try_recv(&mut datagram).unwrap() >= 1200);
    while silent.try_recv(&mut datagram).is_ok() {}
    client.connect(&url).await.unwrap();
    assert_eq!(silent.try_recv(&mut datagram).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

/// As with an intermediary that makes a request of HTTP/1.1 of it, without a key.
#[tokio::test]
async fn auto_falls_back_from_an_http3_that_does_not_carry_websockets() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = Server::websockets(move |mut incoming| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            let response = Response::builder().status(400).body(()).unwrap();
            drop(incoming.stream.send_response(&response).await);
            drop(incoming.stream.shutdown().await);
        }
    });
    let url = tcp(&server, server.address.port()).await;
    let client = server.builder().http_version(HttpVersion::Auto).build().unwrap();
    for _ in 0..4 {
        let (mut websocket, response) = client.connect(&url).await.unwrap();
        say(&mut websocket, "hello").await;
        assert_eq!(response.version(), http::Version::HTTP_11);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 400);
    assert!(error.to_string().contains("can't carry a WebSocket on HTTP/3"), "{error}");
}
