//! Pings that are awaited, and the peer's Pings and Pongs as the application sees them.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use fullduplex::{CloseCode, ControlFrame, ErrorKind, SendHalf, WebSocket, WebSocketBuilder, pair};
use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::in_time;

/// Reads until the end, in the background.
fn read(websocket: WebSocket) -> SendHalf {
    let (send, mut receive) = websocket.split();
    tokio::spawn(async move { while receive.next().await.is_some() {} });
    send
}

#[tokio::test]
async fn ping_resolves_to_its_round_trip() {
    for swaps in [false, true] {
        let (mut near, mut far) = pair();
        if swaps {
            std::mem::swap(&mut near, &mut far);
        }
        let (send, _far) = (read(near), read(far));
        assert_eq!(send.round_trip(), None);
        for payload in [&b""[..], b"x", &[7; 125]] {
            let pong = send.ping(payload).await.unwrap();
            let took = in_time("the Pong", pong).await.unwrap();
            let recorded = send.round_trip().unwrap();
            assert!(took.abs_diff(recorded) < Duration::from_micros(1), "{took:?} {recorded:?}");
        }
        // One that is not awaited.
        drop(send.ping(b"dropped").await.unwrap());
        assert_eq!(send.ping(&[0; 126]).await.unwrap_err().kind(), ErrorKind::Misuse);
    }
}

#[tokio::test(start_paused = true)]
async fn ping_measures_until_the_pong_is_read() {
    let (client, mut server) = pair();
    let send = read(client);
    let pong = send.ping(b"1").await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    // The peer reads, and answers.
    assert!(server.next().now_or_never().is_none());
    assert_eq!(in_time("the Pong", pong).await.unwrap().as_secs(), 3);
}

#[tokio::test]
async fn ping_fails_with_the_connection() {
    let (mut client, server) = pair();
    // Nobody answers.
    let first = client.ping(b"1").await.unwrap();
    let second = client.ping(b"2").await.unwrap();
    client.flush().await.unwrap();
    let third = client.ping(b"3").await.unwrap();
    client.abort();
    for pong in [first, second, third] {
        let error = in_time("the error", pong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(error.to_string().contains("aborted"), "{error}");
    }
    drop(server);
    assert!(client.ping(b"late").await.is_err());
    // Dropped with all that it has.
    let (mut client, server) = pair();
    let pong = client.ping(b"1").await.unwrap();
    drop((client, server));
    assert!(in_time("the error", pong).await.is_err());
}

/// A server whose client is played by the test.
fn played() -> (SendHalf<DuplexStream>, DuplexStream) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (send, mut receive) = WebSocket::server(near).split();
    tokio::spawn(async move { while receive.next().await.is_some() {} });
    (send, far)
}

#[tokio::test]
async fn ping_is_answered_by_the_pong_of_a_later_one() {
    let (send, mut peer) = played();
    let first = send.ping(b"a").await.unwrap();
    let second = send.ping(b"b").await.unwrap();
    let mut third = pin!(send.ping(b"c").await.unwrap());
    // Masked with zeros. One that answers nothing changes nothing.
    peer.write_all(b"\x8a\x81\0\0\0\0z\x8a\x81\0\0\0\0b").await.unwrap();
    in_time("the first", first).await.unwrap();
    in_time("the second", second).await.unwrap();
    assert!((&mut third).now_or_never().is_none());
    peer.write_all(b"\x8a\x81\0\0\0\0c").await.unwrap();
    in_time("the third", third).await.unwrap();
}

#[tokio::test]
async fn pings_that_wait_are_bounded() {
    let (send, mut peer) = played();
    tokio::spawn(async move {
        let mut bytes = [0; 1024];
        while peer.read(&mut bytes).await.unwrap() > 0 {}
    });
    let first = send.ping(b"first").await.unwrap();
    // Those that are dropped take no place.
    for _ in 0..200 {
        drop(send.ping(b"dropped").await.unwrap());
    }
    let mut waiting = Vec::new();
    for i in 0..63_u8 {
        waiting.push(send.ping(&[i]).await.unwrap());
    }
    let mut first = pin!(first);
    assert!((&mut first).now_or_never().is_none());
    waiting.push(send.ping(b"one too many").await.unwrap());
    let error = in_time("the error", first).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(waiting.iter_mut().all(|pong| pong.now_or_never().is_none()));
}

/// A waker that uses the connection.
struct Asks(SendHalf);

impl Wake for Asks {
    fn wake(self: Arc<Self>) {
        assert!(self.0.buffered_amount() < 1000);
        let _ = self.0.try_send("it was woken");
    }
}

#[tokio::test]
async fn ping_wakes_without_a_lock() {
    let (client, mut server) = pair();
    let send = read(client);
    let mut pong = pin!(send.ping(b"1").await.unwrap());
    let waker = Waker::from(Arc::new(Asks(send.clone())));
    assert!(pong.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let message = in_time("it", server.next()).await.unwrap().unwrap();
    assert_eq!(message.as_text(), Some("it was woken"));
    in_time("the Pong", pong).await.unwrap();
}

#[tokio::test]
async fn control_frames_are_seen_in_order() {
    let (mut client, server) = pair();
    let mut frames = client.control_frames();
    let send = read(client);
    let server = read(server);
    server.ping(b"1").await.unwrap();
    server.flush().await.unwrap();
    server.pong(b"2").await.unwrap();
    let pong = send.ping(b"3").await.unwrap();
    for expected in [
        ControlFrame::Ping("1".into()),
        ControlFrame::Pong("2".into()),
        ControlFrame::Pong("3".into()),
    ] {
        assert_eq!(in_time("a frame", frames.next()).await, Some(expected));
    }
    in_time("the Pong", pong).await.unwrap();
    // A second stream ends the first.
    let mut second = send.control_frames();
    assert_eq!(in_time("the end", frames.next()).await, None);
    server.ping(b"4").await.unwrap();
    assert_eq!(in_time("a frame", second.next()).await, Some(ControlFrame::Ping("4".into())));
    // It ends with the connection, and so does one that is made later.
    let closing = tokio::spawn(async move { server.close(CloseCode::NORMAL, "").await });
    assert_eq!(in_time("the end", second.next()).await, None);
    assert!(in_time("closing", closing).await.unwrap().unwrap().is_clean());
    in_time("closed", send.closed()).await;
    assert_eq!(in_time("the end", send.control_frames().next()).await, None);
}

#[tokio::test]
async fn control_frames_that_are_not_taken_are_dropped() {
    let (near, mut peer) = tokio::io::duplex(1 << 20);
    let mut config = fullduplex::Config::default();
    config.limits.max_control_rate = 1000;
    let mut server = WebSocketBuilder::server().config(config).build(near).unwrap();
    let mut frames = server.control_frames();
    for i in 0..100_u8 {
        peer.write_all(&[0x89, 0x81, 0, 0, 0, 0, i]).await.unwrap();
    }
    peer.write_all(b"\x81\x81\0\0\0\0x").await.unwrap();
    assert!(in_time("a message", server.next()).await.unwrap().is_ok());
    let first: Vec<_> = std::iter::from_fn(|| frames.next().now_or_never().flatten()).collect();
    assert_eq!(first.len(), 64);
    assert_eq!(first[63], ControlFrame::Ping(vec![63].into()));
    // A stream that was dropped is of no consequence.
    drop(frames);
    peer.write_all(b"\x89\x81\0\0\0\0y\x81\x81\0\0\0\0x").await.unwrap();
    assert!(in_time("a message", server.next()).await.unwrap().is_ok());
}

#[cfg(all(feature = "tls", feature = "http2", feature = "http3"))]
#[tokio::test]
async fn ping_is_measured_on_each_version() {
    for (version, client, server, _open) in crate::on_each_version().await {
        let (client, server) = (read(client), read(server));
        for send in [&client, &server] {
            let pong = in_time(version, send.ping(b"1")).await.unwrap();
            in_time(version, pong).await.unwrap();
            assert!(send.round_trip().is_some(), "{version}");
        }
    }
}
