//! An application that only sends: pings and the peer's Close are answered all the same, and what
//! arrives meanwhile waits for whoever asks for it.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{direct, numbered, open, pair};
use fullduplex::server::Server;
use fullduplex::{CloseCode, Config, ErrorKind, Message, Role, State};
use fullduplex_testkit::pipe::pipe;
use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const S: Duration = Duration::from_secs(1);

/// On a socket, with each way to send.
#[tokio::test(start_paused = true)]
async fn close_is_answered_by_a_handler_that_only_sends() {
    for way in 0..3 {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", server.local_addr().unwrap());
        tokio::spawn(server.serve(move |mut websocket| async move {
            loop {
                let sent = match way {
                    0 => websocket.send("tick").await.is_ok(),
                    1 => SinkExt::send(&mut websocket, "tick".into()).await.is_ok(),
                    _ => websocket.try_send("tick").is_ok(),
                };
                if !sent {
                    return;
                }
                sleep(S).await;
            }
        }));
        let (mut client, _) = direct().build().unwrap().connect(&url).await.unwrap();
        for tick in 0..5 {
            assert!(client.next().await.unwrap().is_ok(), "tick {tick}");
            client.send("which nobody reads").await.unwrap();
        }
        let start = Instant::now();
        let info = client.close(CloseCode::NORMAL, "enough").await.unwrap();
        assert!(info.is_clean(), "{way}: {info:?}");
        assert!(start.elapsed() < S / 2, "{way}: {:?}", start.elapsed());
    }
}

/// Frame by frame: an unread message, then a Ping.
#[tokio::test(start_paused = true)]
async fn ping_is_answered_by_a_handler_that_only_sends() {
    let (a, mut b) = pipe(1 << 12);
    let mut websocket = open(a, Role::Client, Config::default());
    b.write_all(b"\x81\x05hello\x89\x02hi").await.unwrap();
    tokio::spawn(async move {
        while websocket.send("tick").await.is_ok() {
            sleep(S).await;
        }
    });
    let pong = async {
        loop {
            let mut head = [0; 6];
            b.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(head[1] & 0x7f)];
            b.read_exact(&mut payload).await.unwrap();
            if head[0] == 0x8a {
                return payload.len();
            }
        }
    };
    assert_eq!(timeout(5 * S, pong).await.unwrap(), 2);
}

/// Nothing is lost or reordered, however reading and only sending follow one another.
#[tokio::test]
async fn messages_read_for_a_handler_that_only_sends_stay_in_order() {
    let (mut client, mut server) = pair(1 << 12);
    let sending = tokio::spawn(async move {
        for i in 0..300 {
            client.send(numbered(i, i * 7)).await.unwrap();
        }
        client.close(CloseCode::NORMAL, "").await.unwrap();
    });
    let mut next = 0;
    while next < 300 {
        for _ in 0..next % 9 {
            let _ = server.try_send("again");
            tokio::task::yield_now().await;
        }
        for _ in 0..=next % 4 {
            if next == 300 {
                break;
            }
            if next % 5 == 0 {
                let mut reader = server.next_reader().await.unwrap().unwrap();
                let mut read = Vec::new();
                reader.read_to_end(&mut read).await.unwrap();
                assert_eq!(Message::from(read), numbered(next, next * 7));
            } else {
                assert_eq!(server.next().await.unwrap().unwrap(), numbered(next, next * 7));
            }
            next += 1;
        }
    }
    assert!(server.next().await.is_none());
    assert!(server.close_info().unwrap().is_clean());
    sending.await.unwrap();
}

/// The peer has to wait when nobody asks for all that it sends.
#[tokio::test(start_paused = true)]
async fn memory_of_a_handler_that_only_sends_is_bounded() {
    let (client, mut server) = pair(1 << 12);
    let (send, mut receive) = client.split();
    let flood = tokio::spawn(async move { while send.send(vec![0; 1000]).await.is_ok() {} });
    let drain = tokio::spawn(async move { while let Some(Ok(_)) = receive.next().await {} });
    for _ in 0..20 {
        server.send("tick").await.unwrap();
        sleep(S).await;
    }
    let received = server.traffic().received.payload;
    assert!((30_000..=70_000).contains(&received), "{received}");
    for _ in 0..500 {
        assert_eq!(server.next().await.unwrap().unwrap().len(), 1000);
    }
    drop(server);
    flood.await.unwrap();
    drain.await.unwrap();
}

/// A peer that is gone is found out, as its silence is heard.
#[tokio::test(start_paused = true)]
async fn keepalive_finds_a_dead_peer_of_a_handler_that_only_sends() {
    let (a, mut b) = pipe(1 << 12);
    let mut websocket = open(a, Role::Server, Config::default());
    let taking = tokio::spawn(async move { while b.read(&mut [0; 999]).await.unwrap() > 0 {} });
    let start = Instant::now();
    let error = loop {
        sleep(S).await;
        if let Err(error) = websocket.send("tick").await {
            break error;
        }
        assert!(start.elapsed() < 100 * S, "not found out");
    };
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert_eq!(websocket.state(), State::Closed);
    drop(websocket);
    taking.await.unwrap();
}

/// Dropped while a task reads in its place, it closes as ever.
#[tokio::test(start_paused = true)]
async fn close_of_a_dropped_handler_that_only_sent_is_finished() {
    let (mut client, mut server) = pair(1 << 12);
    let reading = tokio::spawn(async move {
        while let Some(Ok(_)) = client.next().await {}
        client.close_info().unwrap()
    });
    for _ in 0..10 {
        server.send("tick").await.unwrap();
        sleep(S).await;
    }
    drop(server);
    let info = timeout(S, reading).await.unwrap().unwrap();
    assert_eq!((info.code(), info.is_clean()), (CloseCode::GOING_AWAY, true));
}
