//! An application that only sends: pings and the peer's Close are answered all the same, and what
//! arrives meanwhile waits for whoever asks for it.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use std::time::Duration;

use common::{direct, numbered, open, pair};
use fullduplex::proto::MessageKind;
use fullduplex::server::Server;
use fullduplex::{
    CloseCode, Config, DeflateConfig, ErrorKind, KeepaliveConfig, Message, ReadyState, Role,
    WebSocket, WebSocketBuilder,
};
use fullduplex_testkit::pipe::{Pipe, pipe};
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
    let received = server.stats().received.payload;
    assert!((30_000..=70_000).contains(&received), "{received}");
    for _ in 0..500 {
        assert_eq!(server.next().await.unwrap().unwrap().len(), 1000);
    }
    drop(server);
    flood.await.unwrap();
    drain.await.unwrap();
}

/// Nor does it grow where each message is answered with more, so that reading in the background
/// begins anew each time.
#[tokio::test(start_paused = true)]
async fn memory_of_a_handler_that_sends_more_than_it_reads_is_bounded() {
    let (client, mut server) = pair(1 << 12);
    let (send, mut receive) = client.split();
    let flood = tokio::spawn(async move { while send.send(vec![0; 1000]).await.is_ok() {} });
    let drain = tokio::spawn(async move { while let Some(Ok(_)) = receive.next().await {} });
    for round in 1..=100 {
        assert_eq!(server.next().await.unwrap().unwrap().len(), 1000);
        for _ in 0..5 {
            server.send("tick").await.unwrap();
            sleep(S).await;
        }
        let held = server.stats().received.payload - 1000 * round;
        assert!(held <= 70_000, "{held} after {round}");
    }
    drop(server);
    flood.await.unwrap();
    drain.await.unwrap();
}

/// Nor by one message, which is read piece by piece at last.
#[tokio::test(start_paused = true)]
async fn memory_of_a_handler_that_only_sends_is_bounded_within_a_message() {
    const LONG: usize = 1 << 20;
    for compresses in [false, true] {
        let (mut client, mut server) = unlimited(compresses);
        let flood = tokio::spawn(async move {
            let mut writer = client.writer(MessageKind::Binary);
            writer.write_all(&vec![7; LONG]).await.unwrap();
            writer.shutdown().await.unwrap();
            client.send("the next").await.unwrap();
            while let Some(Ok(_)) = client.next().await {}
        });
        for _ in 0..20 {
            server.send("tick").await.unwrap();
            sleep(S).await;
        }
        let received = server.stats().received.wire;
        assert!(received <= 70_000 && received > 100, "{compresses}: {received}");
        let mut reader = server.next_reader().await.unwrap().unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert!(all == vec![7; LONG], "{compresses}: {}", all.len());
        assert_eq!(server.next().await.unwrap().unwrap().as_text(), Some("the next"));
        drop(server);
        flood.await.unwrap();
    }
}

/// Two ends without a limit for messages.
fn unlimited(compresses: bool) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let mut config = Config::default();
    config.limits.max_message_size = None;
    let deflate = DeflateConfig::balanced();
    let (answer, server) = deflate.accept(&deflate.offers()).unwrap();
    let client = deflate.check(&[answer]).unwrap().unwrap();
    let (a, b) = pipe(1 << 9);
    let open = |stream, role, deflate| {
        let deflate = Some(deflate).filter(|_| compresses);
        WebSocketBuilder::new(role).config(config).deflate(deflate).build(stream).unwrap()
    };
    (open(a, Role::Client, client), open(b, Role::Server, server))
}

/// A client that does not mind how long its messages are not taken, and a server.
fn patient_pair() -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let (a, b) = pipe(1 << 12);
    let keepalive = KeepaliveConfig::default().interval(None);
    let patient = Config::default().keepalive(keepalive);
    (open(a, Role::Client, patient), open(b, Role::Server, Config::default()))
}

/// Who can't be answered for so long that it would be given up gets a Close instead, and the
/// application learns what it has to do.
#[tokio::test(start_paused = true)]
async fn handler_that_only_sends_learns_that_it_must_read() {
    for length in [0, 1000, 1 << 20] {
        let (client, mut server) = patient_pair();
        let (send, mut receive) = client.split();
        let flood = tokio::spawn(async move { while send.send(vec![0; length]).await.is_ok() {} });
        let drain = tokio::spawn(async move {
            while let Some(Ok(_)) = receive.next().await {}
            receive.close_info().unwrap()
        });
        let start = Instant::now();
        let error = loop {
            sleep(S).await;
            if let Err(error) = server.send("tick").await {
                break error;
            }
            assert!(start.elapsed() < 60 * S, "{length}");
        };
        assert!(start.elapsed() > 30 * S, "{length}: {:?}", start.elapsed());
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("must read"), "{error}");
        // What waited is there, and then the reason.
        let mut last = None;
        while let Some(message) = server.next().await {
            last = Some(message);
        }
        let last = last.unwrap().unwrap_err();
        assert!(last.to_string().contains("must read"), "{last}");
        let info = timeout(S, drain).await.expect("the peer need not wait").unwrap();
        assert_eq!(info.code(), CloseCode::INTERNAL_ERROR, "{length}: {info:?}");
        flood.await.unwrap();
    }
}

/// Backpressure is no fault: one who reads, however slowly, is left alone.
#[tokio::test(start_paused = true)]
async fn handler_that_reads_slowly_is_not_cut() {
    for length in [0, 1000, 1 << 20] {
        let (client, mut server) = patient_pair();
        let (send, mut receive) = client.split();
        let flood = tokio::spawn(async move { while send.send(vec![0; length]).await.is_ok() {} });
        let drain = tokio::spawn(async move { while let Some(Ok(_)) = receive.next().await {} });
        for _ in 0..30 {
            for _ in 0..15 {
                server.send("tick").await.unwrap();
                sleep(S).await;
            }
            assert_eq!(server.next().await.unwrap().unwrap().len(), length);
        }
        drop(server);
        flood.await.unwrap();
        drain.await.unwrap();
    }
}

/// Nor is one that has dropped the receiving half at last, for which all is read.
#[tokio::test(start_paused = true)]
async fn handler_that_splits_after_it_only_sent_is_not_cut() {
    let (client, mut server) = pair(1 << 12);
    let (send, mut receive) = client.split();
    let flood = tokio::spawn(async move {
        while send.send(vec![0; 10_000]).await.is_ok() {
            sleep(S / 10).await;
        }
    });
    let drain = tokio::spawn(async move { while let Some(Ok(_)) = receive.next().await {} });
    for _ in 0..20 {
        server.send("tick").await.unwrap();
        sleep(S).await;
    }
    let (server, _) = server.split();
    for _ in 0..100 {
        server.send("tick").await.unwrap();
        sleep(S).await;
    }
    drop(server);
    flood.await.unwrap();
    drain.await.unwrap();
}

/// Pieces of one message count as messages do.
#[tokio::test(start_paused = true)]
async fn close_is_answered_while_a_message_is_written() {
    let (mut client, mut server) = pair(1 << 12);
    let writing = tokio::spawn(async move {
        let mut writer = server.writer(MessageKind::Binary);
        while writer.write_all(b"piece").await.is_ok() && writer.flush().await.is_ok() {
            sleep(S).await;
        }
    });
    sleep(8 * S).await;
    client.send("which nobody reads").await.unwrap();
    let start = Instant::now();
    let info = client.close(CloseCode::NORMAL, "enough").await.unwrap();
    assert!(info.is_clean() && start.elapsed() < S, "{info:?} after {:?}", start.elapsed());
    writing.await.unwrap();
}

/// Several messages that answer one are no sign that nobody asks for the next.
#[tokio::test(start_paused = true)]
async fn sending_a_burst_of_answers_reads_nothing_ahead() {
    let (mut client, mut server) = pair(1 << 12);
    for round in 1..5 {
        client.send("question").await.unwrap();
        client.send("unread").await.unwrap();
        client.flush().await.unwrap();
        assert!(server.next().await.unwrap().is_ok());
        for i in 0..20 {
            match i % 3 {
                0 => server.send("answer").await.unwrap(),
                1 => server.feed("answer".into()).await.unwrap(),
                _ => server.try_send("answer").unwrap(),
            }
        }
        sleep(S).await;
        let received = server.stats().received.text;
        assert_eq!(received, 2 * round - 1);
        assert_eq!(server.next().await.unwrap().unwrap().as_text(), Some("unread"));
    }
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
    assert_eq!(websocket.state(), ReadyState::Closed);
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

/// The end that a task has read in place of the application is no reason to drop what is queued.
#[tokio::test(start_paused = true)]
async fn close_of_a_dropped_handler_that_only_sent_loses_nothing_that_is_queued() {
    // The peer's last bytes: none, or those of an opcode that is reserved; and what follows the
    // messages then.
    for (last, end) in [(&b""[..], &b""[..]), (b"\x83\x80\0\0\0\0", b"\x03\xea")] {
        let (a, mut b) = pipe(1 << 10);
        let mut websocket = open(a, Role::Server, Config::default());
        for _ in 0..5 {
            websocket.send(vec![7; 4 << 10]).await.unwrap();
            sleep(S).await;
        }
        b.write_all(last).await.unwrap();
        if last.is_empty() {
            b.shutdown().await.unwrap();
        }
        sleep(S).await;
        assert_eq!(websocket.state(), ReadyState::Closing);
        drop(websocket);
        let mut received = Vec::new();
        loop {
            sleep(4 * S).await;
            let mut piece = [0; 512];
            match timeout(60 * S, b.read(&mut piece)).await.unwrap().unwrap() {
                0 => break,
                length => received.extend_from_slice(&piece[..length]),
            }
        }
        let messages = 5 * (4 + (4 << 10));
        assert!(received.len() >= messages, "{last:?}: {}", received.len());
        let rest = &received[messages..];
        // Its Close, which has a reason behind the code.
        let found = if rest.is_empty() { rest } else { &rest[2..4] };
        assert_eq!(found, end, "{last:?}: {rest:02x?}");
    }
}
