//! Every public future, dropped wherever it waits: nothing is lost or doubled.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use common::{echo, numbered, open};
use fullduplex::{CloseCode, Config, MessageKind, MessageWriter, Role, Transport};
use fullduplex_testkit::cancel::{poll_at_most, retry_cancelled};
use fullduplex_testkit::hostile::{Faults, Hostile};
use fullduplex_testkit::pipe::pipe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Transports that wait at every call, so that there are many points to be dropped at.
macro_rules! ends {
    () => {{
        let (a, b) = pipe(64);
        let faults = |seed| Faults { read: 20, write: 20, seed: Some(seed), ..Faults::BYTEWISE };
        let client = open(Hostile::new(a, faults(1)), Role::Client, Config::default());
        let server = open(Hostile::new(b, faults(2)), Role::Server, Config::default());
        (client, server)
    }};
}

#[tokio::test]
async fn cancelled_next_and_send_neither_lose_nor_duplicate() {
    for most in 1..12 {
        let (mut client, server) = ends!();
        tokio::spawn(echo(server));
        for i in 0..30 {
            let message = numbered(i, i * 23);
            // Dropped before it is ready, the message was not sent, so sending again is right.
            retry_cancelled(most, async |n| poll_at_most(client.send(message.clone()), n).await)
                .await
                .unwrap();
            let answer =
                retry_cancelled(most, async |n| poll_at_most(client.next(), n).await).await;
            assert_eq!(answer.unwrap().unwrap(), message);
        }
        let info = retry_cancelled(most, async |n| {
            poll_at_most(client.close(CloseCode::NORMAL, "end"), n).await
        })
        .await
        .unwrap();
        assert!(info.is_clean(), "{info:?}");
        assert_eq!(info.reason(), "end");
    }
}

#[tokio::test]
async fn cancelled_send_to_a_full_queue_sends_once() {
    for most in 1..6 {
        let (mut client, mut server) = ends!();
        let receiving = tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(Ok(message)) = server.next().await {
                seen.push(message);
            }
            seen
        });
        // More than the high water, so that sends wait.
        for i in 0..60 {
            retry_cancelled(most, async |n| poll_at_most(client.send(numbered(i, 5_000)), n).await)
                .await
                .unwrap();
        }
        retry_cancelled(most, async |n| poll_at_most(client.flush(), n).await).await.unwrap();
        client.close(CloseCode::NORMAL, "").await.unwrap();
        let seen = receiving.await.unwrap();
        assert_eq!(seen.len(), 60);
        assert!(seen.into_iter().enumerate().all(|(i, m)| m == numbered(i, 5_000)));
    }
}

#[tokio::test]
async fn cancelled_ping_is_sent_at_most_once() {
    let (mut client, server) = ends!();
    tokio::spawn(echo(server));
    for i in 0..20 {
        let pong =
            retry_cancelled(3, async |n| poll_at_most(client.ping(b"x"), n).await).await.unwrap();
        if i % 2 == 0 {
            // It is answered as the connection is read; dropped or not.
            let reading = poll_at_most(client.next(), 1000);
            tokio::select! {
                answered = pong => assert!(answered.is_ok()),
                _ = reading => panic!("nothing is received"),
            }
        }
        retry_cancelled(3, async |n| poll_at_most(client.pong(b"y"), n).await).await.unwrap();
    }
    assert!(client.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
}

/// Writes a message in parts of at most `part` bytes, with calls that are cancelled.
async fn write_cancelled<S: Transport>(
    mut writer: MessageWriter<'_, S>,
    message: &[u8],
    part: usize,
    most: usize,
) {
    let mut rest = message;
    while !rest.is_empty() {
        let part = &rest[..rest.len().min(part)];
        let written = retry_cancelled(most, async |n| poll_at_most(writer.write(part), n).await);
        rest = &rest[written.await.unwrap()..];
    }
    retry_cancelled(most, async |n| poll_at_most(writer.shutdown(), n).await).await.unwrap();
}

#[tokio::test]
async fn cancelled_readers_and_writers_continue() {
    for most in 1..6 {
        let (mut client, mut server) = ends!();
        let data: Vec<u8> = (0..20_000_u32).map(|i| i.to_le_bytes()[0]).collect();
        let expected = data.clone();
        let sending = async {
            write_cancelled(client.writer(MessageKind::Binary), &data, data.len(), most).await;
        };
        let receiving = async {
            let mut received = Vec::new();
            // A reader that was not begun is begun by the next call.
            assert!(poll_at_most(server.next_reader(), 1).await.is_none());
            let mut reader = server.next_reader().await.unwrap().unwrap();
            loop {
                let mut buffer = [0; 100];
                let len = retry_cancelled(most, async |n| {
                    poll_at_most(reader.read(&mut buffer), n).await
                })
                .await;
                match len.unwrap() {
                    0 => break,
                    len => received.extend_from_slice(&buffer[..len]),
                }
            }
            assert!(received == expected);
        };
        tokio::join!(sending, receiving);
    }
}

#[tokio::test]
async fn cancelled_writers_of_clones_do_not_interleave() {
    for most in 1..6 {
        let (client, mut server) = ends!();
        let (send, _receive) = client.split();
        let write = async |letter: u8| {
            write_cancelled(send.writer(MessageKind::Binary), &[letter; 5000], 300, most).await;
        };
        let receiving = async {
            let mut seen = Vec::new();
            for _ in 0..3 {
                let message = server.next().await.unwrap().unwrap();
                assert_eq!(message.len(), 5000);
                let first = message.as_bytes()[0];
                assert!(message.as_bytes().iter().all(|byte| *byte == first));
                seen.push(first);
            }
            seen.sort_unstable();
            assert_eq!(seen, [1, 2, 3]);
        };
        tokio::join!(write(1), write(2), write(3), receiving);
    }
}

#[tokio::test]
async fn cancelled_close_stays_queued() {
    let (mut client, mut server) = ends!();
    assert!(poll_at_most(client.close(CloseCode::GOING_AWAY, "soon"), 1).await.is_none());
    // Nobody polls the client any more; the runtime's driver writes, and when it is dropped
    // the closing is finished in the background.
    drop(client);
    assert!(server.next().await.is_none());
    let info = server.close_info().unwrap();
    assert!(info.is_clean());
    assert_eq!((info.code(), info.reason()), (CloseCode::GOING_AWAY, "soon"));
}
