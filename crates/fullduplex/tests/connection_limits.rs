//! For whom WebSockets are counted, whatever carries them and whoever stands before the server.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "http2",
    feature = "http3",
    feature = "hyper"
))]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use common::tls::{LOCALHOST, localhost, trusting};
use common::{direct, echo, say};
use fullduplex::client::HttpVersion;
use fullduplex::server::policy::{ForwardedHeader, ProxyMode};
use fullduplex::server::{Body, Server, ServerConfig, ServerHandle};
use fullduplex_testkit::eventually;
use h2::client::SendRequest;
use h2::ext::Protocol;
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower::service_fn;

/// Behind proxies on this machine, with so many places for an address.
fn behind_proxies(per_address: u32) -> ServerConfig {
    let mut config = ServerConfig::default().http2(true);
    config.limits.connections.max_per_address = Some(per_address);
    config.forwarding.header = ForwardedHeader::XForwardedFor;
    config.forwarding.trusted = "127.0.0.1".parse().unwrap();
    config
}

/// A server with empty pages.
async fn bind(config: ServerConfig) -> Server {
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let page = async |_: Request<Body>| Ok::<_, Infallible>(Response::new(String::new()));
    server.service(service_fn(page))
}

async fn server(config: ServerConfig) -> (SocketAddr, ServerHandle) {
    let server = bind(config).await;
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    tokio::spawn(server.serve(echo));
    (address, handle)
}

async fn left(handle: &ServerHandle, websockets: usize) {
    eventually("WebSockets have left", || handle.websocket_count() <= websockets).await;
}

#[tokio::test]
async fn limits_count_clients_behind_a_proxy_on_every_version() {
    let server = bind(behind_proxies(2)).await.tls(localhost()).http3();
    let url = format!("wss://localhost:{}/", server.local_addr().unwrap().port());
    let handle = server.handle();
    tokio::spawn(server.serve(echo));
    let client = |version: HttpVersion, from: &str| {
        let builder = direct().http_version(version).tls(trusting(LOCALHOST));
        builder.header("x-forwarded-for", from).build().unwrap()
    };
    // All versions together count for one.
    let versions = [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3];
    for (i, version) in versions.into_iter().enumerate() {
        let (a, b) = (client(version, "192.0.2.1"), client(version, "192.0.2.2"));
        let (mut one, _) = a.connect(&url).await.unwrap();
        say(&mut one, "hello").await;
        let (mut other, _) =
            client(versions[(i + 1) % 3], "192.0.2.1").connect(&url).await.unwrap();
        say(&mut other, "hello").await;
        let error = a.connect(&url).await.unwrap_err();
        let refusal = error.response().unwrap();
        assert_eq!(refusal.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refusal.body(), "too many connections from one address (max_per_address = 2)\n");
        let (mut fine, _) = b.connect(&url).await.unwrap();
        say(&mut fine, "hello").await;
        let open = handle.websocket_count();
        drop(other);
        left(&handle, open - 1).await;
        let (mut again, _) = a.connect(&url).await.unwrap();
        say(&mut again, "hello").await;
        drop((one, fine, again));
        left(&handle, 0).await;
    }
    assert_eq!(handle.stats().connections.rejected_per_address, 3);
}

/// What a stream of HTTP/2 is answered when it asks for a WebSocket, and what holds it open.
async fn open(
    send: &mut SendRequest<Bytes>,
    from: Option<&str>,
) -> (StatusCode, impl Sized + use<>) {
    let request = Request::connect("http://a/").extension(Protocol::from_static("websocket"));
    let request = request.header("sec-websocket-version", "13");
    let request = match from {
        Some(from) => request.header("x-forwarded-for", from),
        None => request,
    };
    let mut ready = send.clone().ready().await.unwrap();
    let (answer, stream) = ready.send_request(request.body(()).unwrap(), false).unwrap();
    let answer = answer.await.unwrap();
    (answer.status(), (answer, stream))
}

async fn http2(address: SocketAddr, before: &str) -> SendRequest<Bytes> {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(before.as_bytes()).await.unwrap();
    let mut send = common::http2::connect(tcp).await.ready().await.unwrap();
    // The SETTINGS have come with the first answer.
    let page = Request::get("http://a/").body(()).unwrap();
    let (answer, _) = send.send_request(page, true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
    send
}

#[tokio::test]
async fn limits_count_streams_of_several_clients_on_one_connection() {
    let (address, handle) = server(behind_proxies(1)).await;
    let mut send = http2(address, "").await;
    let (status, first) = open(&mut send, Some("192.0.2.1")).await;
    assert_eq!(status, 200);
    assert_eq!(open(&mut send, Some("192.0.2.1")).await.0, 429);
    let (status, other) = open(&mut send, Some("192.0.2.2")).await;
    assert_eq!(status, 200);
    assert_eq!(open(&mut http2(address, "").await, Some("192.0.2.1")).await.0, 429);
    drop(first);
    left(&handle, 1).await;
    assert_eq!(open(&mut send, Some("192.0.2.2")).await.0, 429);
    assert_eq!(open(&mut send, Some("192.0.2.1")).await.0, 200);
    drop(other);
}

#[tokio::test]
async fn limits_count_a_connection_of_one_client_once() {
    let mut config = behind_proxies(2);
    config.proxy_protocol.mode = ProxyMode::Required;
    config.proxy_protocol.trusted = "127.0.0.1".parse().unwrap();
    let (address, handle) = server(config).await;
    let client = "PROXY TCP4 192.0.2.8 10.0.0.2 1 2\r\n";
    let mut send = http2(address, client).await;
    let (status, first) = open(&mut send, None).await;
    assert_eq!(status, 200);
    let (status, second) = open(&mut send, None).await;
    assert_eq!(status, 200);
    assert_eq!(open(&mut send, None).await.0, 429);
    // The connection itself counts too.
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(format!("{client}GET / HTTP/1.1\r\n").as_bytes()).await.unwrap();
    assert_eq!(tcp.read(&mut [0]).await.unwrap_or(0), 0);
    // Whichever of them goes, one takes its place.
    for gone in [first, second] {
        drop(gone);
        left(&handle, 1).await;
        let (status, new) = open(&mut send, None).await;
        assert_eq!(status, 200);
        assert_eq!(open(&mut send, None).await.0, 429);
        drop(new);
        left(&handle, 1).await;
        std::mem::forget(open(&mut send, None).await);
    }
    drop(send);
}

/// A page for one client, and then a WebSocket for another, by the connection of a proxy.
#[tokio::test]
async fn limits_follow_a_proxys_connection_to_its_next_client() {
    let (address, handle) = server(behind_proxies(1)).await;
    let asks = async |page_for: &str, websocket_for: &str| {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        let page = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {page_for}\r\n\r\n");
        tcp.write_all(page.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        while !answers.ends_with(b"\r\n\r\n") {
            tcp.read_buf(&mut answers).await.unwrap();
        }
        assert!(answers.starts_with(b"HTTP/1.1 200 "));
        answers.clear();
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {websocket_for}\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        tcp.write_all(upgrade.as_bytes()).await.unwrap();
        tcp.read_buf(&mut answers).await.unwrap();
        let status = String::from_utf8_lossy(&answers[9..12]).into_owned();
        (status, tcp)
    };
    let (status, first) = asks("192.0.2.1", "192.0.2.2").await;
    assert_eq!(status, "101");
    assert_eq!(asks("192.0.2.1", "192.0.2.2").await.0, "429");
    // For the pages of the other nothing is held.
    let (status, _second) = asks("192.0.2.2", "192.0.2.1").await;
    assert_eq!(status, "101");
    drop(first);
    left(&handle, 1).await;
    assert_eq!(asks("192.0.2.1", "192.0.2.2").await.0, "101");
}
