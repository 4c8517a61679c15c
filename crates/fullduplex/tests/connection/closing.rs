//! Closes without a code, and ends without a Close.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fullduplex::{
    CloseCause, CloseCode, Config, ErrorKind, Initiator, Message, ReadyState, WebSocketBuilder,
    pair,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::in_time;

#[tokio::test]
async fn close_without_a_code_is_1005_at_both_ends() {
    for swaps in [false, true] {
        for by_half in [false, true] {
            let (mut near, mut far) = pair();
            if swaps {
                std::mem::swap(&mut near, &mut far);
            }
            let closing = tokio::spawn(async move {
                if by_half {
                    near.send_only().close(CloseCode::NO_STATUS, "").await.unwrap()
                } else {
                    near.close(CloseCode::NO_STATUS, "").await.unwrap()
                }
            });
            assert!(in_time("the end", far.next()).await.is_none());
            let info = far.close_info().unwrap();
            assert_eq!((info.code(), &info.received), (CloseCode::NO_STATUS, &None));
            assert_eq!(info.to_string(), "closed by the peer without a code");
            let info = in_time("closing", closing).await.unwrap();
            assert!(info.is_clean() && info.is_normal(), "{info:?}");
            assert_eq!((info.code(), info.sent), (CloseCode::NO_STATUS, None));
        }
    }
}

/// As a bridge does.
#[tokio::test]
async fn close_can_be_passed_on_as_it_came() {
    for code in [CloseCode::NO_STATUS, CloseCode::new(4000)] {
        let (mut client, mut bridge) = pair();
        let (mut onwards, mut server) = pair();
        client.start_close(code, "").unwrap();
        assert!(in_time("the Close", bridge.next()).await.is_none());
        let info = bridge.close_info().unwrap();
        onwards.start_close(info.code(), info.reason()).unwrap();
        assert!(in_time("the end", server.next()).await.is_none());
        assert_eq!(server.close_info().unwrap().code(), code);
    }
}

#[tokio::test]
async fn close_with_a_reason_needs_a_code_that_may_be_sent() {
    let (mut client, _server) = pair();
    for (code, reason) in [
        (CloseCode::NO_STATUS, "why"),
        (CloseCode::ABNORMAL, ""),
        (CloseCode::NORMAL, &"x".repeat(124)),
    ] {
        assert_eq!(client.start_close(code, reason).unwrap_err().kind(), ErrorKind::Misuse);
        let error = client.close(code, reason).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
    }
    assert_eq!(client.state(), ReadyState::Open);
}

#[tokio::test]
async fn abort_ends_both_ends_at_once() {
    for swaps in [false, true] {
        let (mut near, mut far) = pair();
        if swaps {
            std::mem::swap(&mut near, &mut far);
        }
        far.send("received, and not asked for").await.unwrap();
        near.abort();
        assert_eq!(near.state(), ReadyState::Closed);
        let info = near.close_info().unwrap();
        assert_eq!(info.cause, CloseCause::Aborted);
        assert_eq!((info.initiator, info.code()), (Initiator::Local, CloseCode::ABNORMAL));
        assert_eq!(info.to_string(), "aborted by this end");
        let error = in_time("the error", near.next()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(error.close_info().unwrap().cause, CloseCause::Aborted);
        assert!(in_time("the end", near.next()).await.is_none());
        assert_eq!(near.send("late").await.unwrap_err().kind(), ErrorKind::Closed);
        // The other end sees that there was no Close.
        assert!(in_time("the end", far.next()).await.unwrap().is_err());
        assert_eq!(far.close_info().unwrap().code(), CloseCode::ABNORMAL);
        // Once more changes nothing.
        near.abort();
        assert_eq!(near.close_info().unwrap().cause, CloseCause::Aborted);
    }
}

/// A payload that shows when it is dropped.
struct Payload(Vec<u8>, #[allow(dead_code, reason = "it is counted")] Arc<()>);

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[tokio::test]
async fn abort_by_a_clone_ends_all_that_waits() {
    let live = Arc::new(());
    let payload = Payload(vec![0; 50_000], live.clone());
    let (mut far, near) = pair();
    let (send, mut receive) = near.split();
    send.send(Message::Binary(Bytes::from_owner(payload))).await.unwrap();
    let receiving = tokio::spawn(async move { receive.next().await });
    let waiting = send.clone();
    let sending = tokio::spawn(async move {
        loop {
            if let Err(error) = waiting.send(vec![0; 30_000]).await {
                return error;
            }
        }
    });
    let closing = send.clone();
    let closed = tokio::spawn(async move { closing.closed().await });
    while send.buffered_amount() < 64 << 10 {
        tokio::task::yield_now().await;
    }
    send.abort();
    assert_eq!(Arc::strong_count(&live), 1, "what waits is freed at once");
    let error = in_time("receiving", receiving).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.close_info().unwrap().cause, CloseCause::Aborted);
    assert_eq!(in_time("sending", sending).await.unwrap().kind(), ErrorKind::Closed);
    in_time("closed", closed).await.unwrap();
    // What had left arrives, and then no Close.
    let end = async {
        while far.next().await.is_some_and(|message| message.is_ok()) {}
        far.close_info().unwrap().code()
    };
    assert_eq!(in_time("the end", end).await, CloseCode::ABNORMAL);
}

#[tokio::test]
async fn abort_while_closing_ends_the_wait_for_the_peer() {
    let (mut client, _server) = pair();
    client.start_close(CloseCode::NORMAL, "").unwrap();
    client.abort();
    let info = client.close_info().unwrap();
    assert_eq!((info.cause, info.is_clean()), (CloseCause::Aborted, false));
    assert!(in_time("the end", client.next()).await.unwrap().is_err());
    // After the end of the closing handshake there is nothing to abort.
    let (mut client, mut server) = pair();
    let closing = tokio::spawn(async move {
        let info = client.close(CloseCode::NORMAL, "").await.unwrap();
        client.abort();
        (info, client.close_info().unwrap())
    });
    assert!(in_time("the end", server.next()).await.is_none());
    let (before, after) = in_time("closing", closing).await.unwrap();
    assert!(before.is_clean());
    assert_eq!(before, after);
}

/// The receiving half has the socket, and nobody polls it.
#[tokio::test]
async fn abort_by_a_half_ends_a_socket_that_is_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    let (send, _receive) = fullduplex::WebSocket::server(socket).split();
    send.send("first").await.unwrap();
    send.flush().await.unwrap();
    send.abort();
    let mut received = Vec::new();
    in_time("the end", peer.read_to_end(&mut received)).await.unwrap();
    assert_eq!(received, b"\x81\x05first");
}

#[tokio::test]
async fn abort_while_a_task_reads_ahead_drops_its_transport() {
    let (mut near, mut far) = pair();
    // So that a task reads for it.
    for _ in 0..10 {
        near.send("tick").await.unwrap();
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    far.send(Message::text("kept")).await.unwrap();
    far.flush().await.unwrap();
    tokio::task::yield_now().await;
    near.abort();
    let end = async { while far.next().await.is_some_and(|message| message.is_ok()) {} };
    in_time("the end", end).await;
    assert_eq!(far.close_info().unwrap().code(), CloseCode::ABNORMAL);
    let error = in_time("the error", near.next()).await.unwrap().unwrap_err();
    assert_eq!(error.close_info().unwrap().cause, CloseCause::Aborted);
    assert!(in_time("the end", near.next()).await.is_none());
}

#[cfg(all(feature = "tls", feature = "http2", feature = "http3"))]
#[tokio::test]
async fn abort_is_1006_on_each_version() {
    for by_client in [true, false] {
        for (version, client, server, _open) in crate::on_each_version().await {
            let (mut near, mut far) = if by_client { (client, server) } else { (server, client) };
            near.send("first").await.unwrap();
            let message = in_time(version, far.next()).await.unwrap().unwrap();
            assert_eq!(message.as_text(), Some("first"));
            near.abort();
            let ended = in_time(version, far.next()).await;
            assert!(ended.unwrap().is_err(), "{version}");
            assert_eq!(far.close_info().unwrap().code(), CloseCode::ABNORMAL, "{version}");
        }
    }
}

#[cfg(all(feature = "tls", feature = "http2", feature = "http3"))]
#[tokio::test]
async fn close_without_a_code_is_1005_on_each_version() {
    for (version, mut client, mut server, _open) in crate::on_each_version().await {
        let closing =
            tokio::spawn(async move { client.close(CloseCode::NO_STATUS, "").await.unwrap() });
        assert!(in_time(version, server.next()).await.is_none());
        assert_eq!(server.close_info().unwrap().code(), CloseCode::NO_STATUS, "{version}");
        assert!(in_time(version, closing).await.unwrap().is_clean(), "{version}");
    }
}

/// Its write would go on for a minute, as nothing tells it that the window stays shut.
#[tokio::test]
async fn abort_ends_the_write_of_a_peer_that_is_blocked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let writing = std::thread::spawn(move || {
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        // A binary message of 2^40 bytes, masked with zeros.
        socket.write_all(&[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        let payload = vec![0; 64 << 10];
        loop {
            if let Err(error) = socket.write_all(&payload) {
                return error.kind();
            }
        }
    });
    let (socket, _) = listener.accept().await.unwrap();
    let config = Config::default().max_message_size(None);
    let (send, mut receive) =
        WebSocketBuilder::server().config(config).build(socket).unwrap().split();
    tokio::time::sleep(Duration::from_secs(1)).await; // until its buffers are full
    send.abort();
    assert!(in_time("the end", receive.next()).await.is_none_or(|next| next.is_err()));
    let kind = tokio::task::spawn_blocking(|| writing.join().unwrap()).await.unwrap();
    assert!(matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{kind:?}");
}
