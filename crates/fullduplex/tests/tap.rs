//! Taps: what they see of WebSockets on each HTTP version and in both roles, and what they cannot
//! do to them.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "http2",
    feature = "http3",
    feature = "tap",
    feature = "tower"
))]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::tls::{LOCALHOST, localhost, trusting};
use common::{echo, say};
use fullduplex::client::{HttpVersion, Proxies};
use fullduplex::server::{Server, ServerConfig, WebSocketLayer};
use fullduplex::tap::{ConnectionTap, Direction, Opening, Tap, TransportEnd};
use fullduplex::{
    Client, CloseCode, DeflateConfig, Message, Role, SendHalf, WebSocket, WebSocketBuilder,
};
use fullduplex_testkit::eventually;
use http::Version;
use tower::{ServiceBuilder, service_fn};

/// What a tap has seen of one WebSocket.
#[derive(Default)]
struct Seen {
    opening: String,
    is_secure: bool,
    version: Option<Version>,
    received: Vec<u8>,
    sent: Vec<u8>,
    ends: Vec<(Direction, String)>,
    is_dropped: bool,
    last: Option<Instant>,
}

impl Seen {
    fn end(&self, direction: Direction) -> &str {
        let found = self.ends.iter().find(|(each, _)| *each == direction);
        found.map_or("open", |(_, end)| end)
    }
}

/// A tap that keeps what it sees of its last WebSocket.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Seen>>);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    fn see(&self, at: Instant, see: impl FnOnce(&mut Seen)) {
        let mut seen = self.0.lock().unwrap();
        assert!(seen.last.is_none_or(|last| last <= at), "in order");
        seen.last = Some(at);
        see(&mut seen);
    }

    /// Waits for both ends.
    async fn finished(&self) {
        eventually("both ends", || self.0.lock().unwrap().is_dropped).await;
    }
}

impl Tap for Recorder {
    fn opened(&self, opening: &Opening<'_>) -> Option<Box<dyn ConnectionTap>> {
        let (request, response) = (opening.request, opening.response);
        let mut seen = self.0.lock().unwrap();
        let role = if opening.role == Role::Client { "client" } else { "server" };
        seen.opening = format!(
            "{role} {} {} {} {} {} {}",
            request.method(),
            request.uri().path(),
            response.status().as_u16(),
            request.headers()["sec-websocket-protocol"].to_str().unwrap(),
            response.headers()["sec-websocket-protocol"].to_str().unwrap(),
            opening.subprotocol.unwrap(),
        );
        assert!(opening.deflate.is_some());
        assert!(request.headers()["sec-websocket-extensions"].len() > 10);
        assert_eq!(response.version(), request.version());
        seen.version = Some(request.version());
        seen.is_secure = opening.is_secure;
        Some(Box::new(self.clone()))
    }
}

impl ConnectionTap for Recorder {
    fn received(&mut self, bytes: &[u8], at: Instant) {
        self.see(at, |seen| seen.received.extend(bytes));
    }

    fn sent(&mut self, bytes: &[u8], at: Instant) {
        self.see(at, |seen| seen.sent.extend(bytes));
    }

    fn ended(&mut self, direction: Direction, end: &TransportEnd, at: Instant) {
        self.see(at, |seen| seen.ends.push((direction, end.to_string())));
    }
}

/// The observer of one WebSocket, which says when it is dropped.
struct UntilDropped(Recorder);

impl ConnectionTap for UntilDropped {
    fn received(&mut self, bytes: &[u8], at: Instant) {
        self.0.received(bytes, at);
    }

    fn sent(&mut self, bytes: &[u8], at: Instant) {
        self.0.sent(bytes, at);
    }

    fn ended(&mut self, direction: Direction, end: &TransportEnd, at: Instant) {
        self.0.ended(direction, end, at);
    }
}

impl Drop for UntilDropped {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().is_dropped = true;
    }
}

/// A [`Recorder`] that knows when it is dropped.
#[derive(Clone, Debug, Default)]
struct Watched(Recorder);

impl Tap for Watched {
    fn opened(&self, opening: &Opening<'_>) -> Option<Box<dyn ConnectionTap>> {
        self.0.opened(opening)?;
        Some(Box::new(UntilDropped(self.0.clone())))
    }
}

fn config(tap: &Watched) -> ServerConfig {
    let config = ServerConfig::default().http2(true).subprotocols(["chat"]);
    config.deflate(DeflateConfig::default()).tap(Arc::new(tap.clone()) as Arc<dyn Tap>)
}

async fn serve(is_secure: bool, tap: &Watched) -> SocketAddr {
    let mut server = Server::bind("127.0.0.1:0").await.unwrap().config(config(tap));
    if is_secure {
        server = server.tls(localhost()).http3();
    }
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(echo));
    address
}

/// Talks with a server, and compares what the taps of both sides have seen.
async fn talk(version: HttpVersion, address: SocketAddr, is_secure: bool, server: &Watched) {
    let (client, scheme) = (Watched::default(), if is_secure { "wss" } else { "ws" });
    let builder = Client::builder().tls(trusting(LOCALHOST)).proxies(Proxies::none());
    let builder = builder.subprotocols(["chat"]).deflate(DeflateConfig::default());
    let builder = builder.http_version(version).tap(Arc::new(client.clone()));
    let url = format!("{scheme}://localhost:{}/room", address.port());
    let (mut websocket, _) = builder.build().unwrap().connect(url).await.unwrap();
    say(&mut websocket, "hello").await;
    let long = "long and long and ".repeat(40_000);
    websocket.send(&*long).await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some(&*long));
    assert!(websocket.close(CloseCode::NORMAL, "bye").await.unwrap().is_clean());
    drop(websocket);
    client.0.finished().await;
    server.0.finished().await;

    let (client, server) = (client.0.0.lock().unwrap(), server.0.0.lock().unwrap());
    let what = format!("{version:?}, TLS {is_secure}");
    let (method, status, http) = match version {
        HttpVersion::Http1 => ("GET", 101, Version::HTTP_11),
        HttpVersion::Http2 => ("CONNECT", 200, Version::HTTP_2),
        _ => ("CONNECT", 200, Version::HTTP_3),
    };
    let expected = format!("{method} /room {status} chat chat chat");
    assert_eq!(client.opening, format!("client {expected}"), "{what}");
    assert_eq!(server.opening, format!("server {expected}"), "{what}");
    assert_eq!((client.version, server.version), (Some(http), Some(http)), "{what}");
    // A layer in a server of hyper on HTTP/1.1 does not know it; there is no TLS here with one.
    assert_eq!((client.is_secure, server.is_secure), (is_secure, is_secure), "{what}");
    assert!(client.sent == server.received && client.received == server.sent, "{what}");
    // "hello" is not worth compressing. The client masks.
    assert_eq!(server.sent[..7], *b"\x81\x05hello", "{what}");
    assert_eq!(client.sent[..2], *b"\x81\x85", "{what}");
    assert!(server.sent.len() < long.len() / 10, "compressed: {}", server.sent.len());
    assert!(server.sent.ends_with(b"\x88\x05\x03\xe8bye"), "{what}");
    for seen in [&client, &server] {
        assert_eq!(seen.ends.len(), 2, "{what}: {:?}", seen.ends);
    }
    assert_eq!(client.end(Direction::Received), "finished (FIN)", "{what}");
    assert_eq!(server.end(Direction::Sent), "finished (FIN)", "{what}");
    // A server does not wait for the client's end of TCP, and ends streams of HTTP/2 at once.
    let ends = (client.end(Direction::Sent), server.end(Direction::Received));
    match version {
        HttpVersion::Http1 => assert_eq!(ends.0, "finished (FIN)", "{what}"),
        HttpVersion::Http2 => assert!(!matches!(ends.0, "open" | "dropped"), "{what}: {ends:?}"),
        _ => assert_eq!(ends, ("finished (FIN)", "finished (FIN)"), "{what}"),
    }
}

#[tokio::test]
async fn tap_sees_the_same_on_both_sides_of_each_version() {
    for (version, is_secure) in [
        (HttpVersion::Http1, false),
        (HttpVersion::Http2, false),
        (HttpVersion::Http1, true),
        (HttpVersion::Http2, true),
        (HttpVersion::Http3, true),
    ] {
        let tap = Watched::default();
        let address = serve(is_secure, &tap).await;
        talk(version, address, is_secure, &tap).await;
    }
}

#[tokio::test]
async fn tap_sees_websockets_in_servers_that_hyper_runs() {
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let tap = Watched::default();
        let layer = WebSocketLayer::new(|websocket, _| echo(websocket)).config(config(&tap));
        let page = service_fn(|_: http::Request<hyper::body::Incoming>| async {
            Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
        });
        let address = common::hyper::serve(ServiceBuilder::new().layer(layer).service(page)).await;
        talk(version, address, false, &tap).await;
    }
}

/// Two ends in memory, the server's with a tap.
fn tapped_pair(tap: impl ConnectionTap) -> (WebSocket<tokio::io::DuplexStream>, WebSocket) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let server = WebSocketBuilder::server().tap(tap);
    (WebSocket::client(near), server.build(fullduplex::NetStream::new(far)).unwrap())
}

#[tokio::test]
async fn tap_sees_what_came_with_the_handshake() {
    let (_near, far) = tokio::io::duplex(64);
    let recorder = Recorder::default();
    let builder = WebSocketBuilder::server().tap(recorder.clone());
    let mut server = builder.received(&b"\x81\x82\0\0\0\0hi"[..]).build(far).unwrap();
    assert_eq!(server.next().await.unwrap().unwrap().as_text(), Some("hi"));
    assert_eq!(recorder.0.lock().unwrap().received, b"\x81\x82\0\0\0\0hi");
}

#[tokio::test]
async fn tap_sees_a_reset_of_tcp_from_both_sides() {
    let tap = Watched::default();
    let address = serve(false, &tap).await;
    let client = Watched::default();
    let builder = Client::builder().proxies(Proxies::none()).subprotocols(["chat"]);
    let builder = builder.deflate(DeflateConfig::default()).tap(Arc::new(client.clone()));
    let url = format!("ws://{address}/room");
    let (mut websocket, _) = builder.build().unwrap().connect(url).await.unwrap();
    say(&mut websocket, "hello").await;
    websocket.abort();
    client.0.finished().await;
    tap.0.finished().await;
    let (client, server) = (client.0.0.lock().unwrap(), tap.0.0.lock().unwrap());
    assert_eq!(client.end(Direction::Sent), "reset");
    assert_eq!(client.end(Direction::Received), "dropped");
    let reset = server.end(Direction::Received);
    assert!(reset.starts_with("reset ("), "{reset}");
}

/// An observer that panics at the byte `!`, and in its `Drop`.
struct Panics(Arc<Mutex<usize>>);

impl ConnectionTap for Panics {
    fn received(&mut self, bytes: &[u8], _: Instant) {
        *self.0.lock().unwrap() += 1;
        assert!(!bytes.contains(&b'!'), "as asked");
    }

    fn sent(&mut self, _: &[u8], _: Instant) {}
}

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("as asked");
    }
}

#[tokio::test]
async fn tap_that_panics_is_dropped_and_the_websocket_goes_on() {
    let calls = Arc::default();
    let (mut client, server) = tapped_pair(Panics(Arc::clone(&calls)));
    tokio::spawn(echo(server));
    say(&mut client, "one").await;
    // Masked bytes show no `!` by chance alone: all 256 values do, under each byte of the key.
    let all: Vec<u8> = (0..=255).flat_map(|byte| [byte; 4]).cycle().take(64 << 10).collect();
    client.send(Message::Binary(all.into())).await.unwrap();
    assert!(client.next().await.unwrap().is_ok());
    let before = *calls.lock().unwrap();
    say(&mut client, "two").await;
    assert_eq!(*calls.lock().unwrap(), before);
    assert!(client.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
}

/// An observer that sends on its own WebSocket for each read.
struct Answers(Arc<Mutex<Option<SendHalf>>>);

impl ConnectionTap for Answers {
    fn received(&mut self, _: &[u8], _: Instant) {
        if let Some(send) = self.0.lock().unwrap().take() {
            send.try_send("from the tap").unwrap();
            assert!(send.stats().sent.text > 0);
        }
    }

    fn sent(&mut self, _: &[u8], _: Instant) {}
}

#[tokio::test]
async fn tap_may_use_its_websocket() {
    let slot = Arc::default();
    let (mut client, server) = tapped_pair(Answers(Arc::clone(&slot)));
    let (send, mut receive) = server.split();
    *slot.lock().unwrap() = Some(send.clone());
    client.send("hello").await.unwrap();
    assert_eq!(receive.next().await.unwrap().unwrap().as_text(), Some("hello"));
    assert_eq!(client.next().await.unwrap().unwrap().as_text(), Some("from the tap"));
}

/// An observer that is slow, in a thread of its own for each call.
struct Slow(Arc<Mutex<u64>>);

impl ConnectionTap for Slow {
    fn received(&mut self, bytes: &[u8], _: Instant) {
        std::thread::sleep(Duration::from_micros(200));
        *self.0.lock().unwrap() += bytes.len() as u64;
    }

    fn sent(&mut self, bytes: &[u8], _: Instant) {
        std::thread::sleep(Duration::from_micros(200));
        *self.0.lock().unwrap() += bytes.len() as u64;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tap_that_is_slow_sees_everything() {
    let seen = Arc::default();
    let (mut client, server) = tapped_pair(Slow(Arc::clone(&seen)));
    let (send, mut receive) = server.split();
    let sending = tokio::spawn(async move {
        for _ in 0..40 {
            send.send(Message::Binary(vec![7; 100_000].into())).await.unwrap();
        }
        send
    });
    let receiving = tokio::spawn(async move {
        for _ in 0..40 {
            receive.next().await.unwrap().unwrap();
        }
        receive
    });
    for _ in 0..40 {
        client.send(Message::Binary(vec![8; 100_000].into())).await.unwrap();
        client.next().await.unwrap().unwrap();
    }
    let (send, _receive) = (sending.await.unwrap(), receiving.await.unwrap());
    let stats = send.stats();
    let all = stats.sent.wire + stats.received.wire;
    eventually("all bytes", || *seen.lock().unwrap() == all).await;
}
