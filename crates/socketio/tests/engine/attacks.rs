use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fullduplex::server::Server;
use fullduplex::server::limits::ConnectionLimits;
use fullduplex_socketio::engine::{EndReason, Engine, EngineConfig};
use http::Request;
use http_body::{Body, Frame};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

use crate::client::{Polling, get, send};
use crate::echo;

async fn serve(engine: &Engine) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(engine.clone().serve(server));
    address
}

/// Opens a WebSocket by hand, and returns its socket behind the head of the response.
async fn open(address: SocketAddr, query: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /engine.io/?EIO=4&transport=websocket{query} HTTP/1.1\r\nHost: localhost\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(socket.read_u8().await.unwrap());
    }
    assert!(read.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&read));
    socket
}

/// A frame with all reserved bits (CVE-2022-21676: it ended the official server).
const INVALID_FRAME: &[u8] = &[0xf1, 0x85, 0, 0, 0, 0, b'4', b'a', b'b', b'c', b'd'];

#[tokio::test]
async fn invalid_frame_ends_its_session_only() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let address = serve(&engine).await;
    let bystander = Polling::open(&engine).await;
    let mut socket = open(address, "").await;
    socket.write_all(INVALID_FRAME).await.unwrap();
    assert_eq!(ends.recv().await, Some(EndReason::TransportError));
    // During an upgrade it ends the WebSocket only.
    let session = Polling::open(&engine).await;
    let mut socket = open(address, &format!("&sid={}", session.sid)).await;
    socket.write_all(INVALID_FRAME).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await.unwrap();
    for session in [session, bystander] {
        session.post("4a").await;
        assert_eq!(session.poll().await.content, "4a");
    }
}

/// CVE-2022-41940: a reset at a bad moment ended the official server.
#[tokio::test]
async fn reset_connection_ends_its_session_only() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let address = serve(&engine).await;
    let bystander = Polling::open(&engine).await;
    let reset = |socket: TcpStream| {
        socket.set_zero_linger().unwrap();
        drop(socket);
    };
    // Before the response, with the WebSocket open, and in the middle of a frame.
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHo").await.unwrap();
    reset(socket);
    let mut socket = open(address, "").await;
    socket.write_all(&INVALID_FRAME[..1]).await.unwrap();
    reset(socket);
    assert_eq!(ends.recv().await, Some(EndReason::TransportClose));
    let session = Polling::open(&engine).await;
    reset(open(address, &format!("&sid={}", session.sid)).await);
    for session in [session, bystander] {
        session.post("4a").await;
        assert_eq!(session.poll().await.content, "4a");
    }
}

/// A content that never ends: each piece comes after a second.
struct Endless(Pin<Box<tokio::time::Sleep>>);

impl Endless {
    fn new() -> Self {
        Self(Box::pin(tokio::time::sleep(Duration::ZERO)))
    }
}

impl Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::task::ready!(self.0.as_mut().poll(cx));
        self.0.as_mut().reset(Instant::now() + Duration::from_secs(1));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"4")))))
    }
}

#[tokio::test(start_paused = true)]
async fn content_of_a_post_is_bounded_in_time() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    let begun = Instant::now();
    let uri = format!("/engine.io/?{}", session.query());
    let request = Request::post(uri).body(Endless::new()).unwrap();
    let response = engine.service().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 408);
    assert_eq!(begun.elapsed().as_secs(), 20);
    assert_eq!(ends.recv().await, Some(EndReason::TransportError));
}

#[tokio::test(start_paused = true)]
async fn content_of_a_post_is_bounded_in_bytes() {
    let (engine, _ends) = echo(EngineConfig::default().max_payload(10));
    let session = Polling::open(&engine).await;
    assert_eq!(session.post("4".repeat(11)).await.status, 413);
    let uri = format!("/engine.io/?{}", session.query());
    // Not a byte is read of what says that it is too long.
    let request = Request::post(&uri).header("content-length", "11").body(Endless::new()).unwrap();
    let begun = Instant::now();
    assert_eq!(engine.service().oneshot(request).await.unwrap().status(), 413);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let request = Request::post(&uri).body(Endless::new()).unwrap();
    assert_eq!(engine.service().oneshot(request).await.unwrap().status(), 413);
    assert_eq!(begun.elapsed().as_secs(), 10);
    // The session goes on.
    assert_eq!(session.post("4456789012").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn post_that_is_cut_ends_the_session() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    let uri = format!("/engine.io/?{}", session.query());
    let request = Request::post(uri).body(Endless::new()).unwrap();
    let posting = engine.service().oneshot(request);
    assert!(timeout(Duration::from_secs(3), posting).await.is_err());
    assert_eq!(ends.recv().await, Some(EndReason::TransportError));
    assert_eq!(engine.session_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn post_beside_another_ends_the_session() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    let uri = format!("/engine.io/?{}", session.query());
    let request = Request::post(uri).body(Endless::new()).unwrap();
    let first = tokio::spawn(engine.service().oneshot(request));
    tokio::task::yield_now().await;
    assert_eq!(session.post("4a").await.status, 400);
    assert_eq!(ends.recv().await, Some(EndReason::TransportError));
    assert_ne!(first.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn sessions_are_limited_in_number() {
    let limits = ConnectionLimits::default().max_connections(2);
    let (engine, _ends) = echo(EngineConfig::default().limits(limits));
    let first = Polling::open(&engine).await;
    Polling::open(&engine).await;
    let query = "EIO=4&transport=polling";
    let refused = send(&engine, get(query)).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers["retry-after"], "5");
    first.post("1").await;
    tokio::task::yield_now().await;
    assert_eq!(send(&engine, get(query)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn polls_of_a_session_count_as_one_connection_of_their_address() {
    let limits = ConnectionLimits::default().max_per_address(1);
    let (engine, _ends) = echo(EngineConfig::default().limits(limits));
    let from = |address: &str, query: &str| {
        let mut request: Request<Full<Bytes>> = get(query);
        let peer: SocketAddr = format!("{address}:1000").parse().unwrap();
        request.extensions_mut().insert(fullduplex::server::policy::PeerAddr::from(peer));
        request
    };
    let query = "EIO=4&transport=polling";
    let answer = send(&engine, from("192.0.2.1", query)).await;
    assert_eq!(answer.status, 200);
    let open: serde_json::Value = serde_json::from_str(&answer.content[1..]).unwrap();
    let session = Polling { engine: engine.clone(), sid: open["sid"].as_str().unwrap().into() };
    for _ in 0..3 {
        session.post("4a").await;
        assert_eq!(session.poll().await.content, "4a");
    }
    assert_eq!(send(&engine, from("192.0.2.1", query)).await.status, 429);
    assert_eq!(send(&engine, from("192.0.2.2", query)).await.status, 200);
}
