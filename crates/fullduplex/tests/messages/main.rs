//! Messages both ways: order, gathering, backpressure, halves, keepalive.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

#[path = "../common/mod.rs"]
mod common;
mod keepalive;
mod reads;
mod streams;

use std::time::Duration;

use common::{echo, numbered, open, pair, pair_with};
use fullduplex::{CloseCode, Config, ErrorKind, Initiator, Message, ReadyState, Role, SendConfig};
use fullduplex_testkit::hostile::{Faults, Hostile};
use fullduplex_testkit::pipe::pipe;
use futures_util::{SinkExt, StreamExt};

#[tokio::test]
async fn messages_are_echoed() {
    let (mut client, server) = pair(1 << 16);
    tokio::spawn(echo(server));
    for message in [Message::text(""), Message::text("grüße 🌍"), Message::binary(vec![7; 300_000])]
    {
        client.send(message.clone()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), message);
    }
    let info = client.close(CloseCode::NORMAL, "bye").await.unwrap();
    assert!(info.is_clean());
    assert_eq!(
        (info.initiator, info.code(), info.reason()),
        (Initiator::Local, CloseCode::NORMAL, "bye")
    );
    assert_eq!(client.state(), ReadyState::Closed);
    assert!(client.next().await.is_none());
    assert_eq!(client.send("late").await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn stats_count_messages_and_bytes() {
    let (mut client, mut server) = pair(1 << 16);
    client.send("grüße").await.unwrap();
    client.send(vec![0; 1000]).await.unwrap();
    client.flush().await.unwrap();
    server.next().await.unwrap().unwrap();
    server.next().await.unwrap().unwrap();
    let (sent, received) = (client.stats().sent, server.stats().received);
    assert_eq!(sent, received);
    // A frame's header, its masking key, its payload.
    assert_eq!((sent.text, sent.binary, sent.payload, sent.wire), (1, 1, 1007, 6 + 7 + 8 + 1000));
    assert_eq!(client.stats().received, fullduplex::DirectionStats::default());
}

#[tokio::test]
async fn send_gathers_messages_into_few_writes() {
    let (a, b) = pipe(1 << 20);
    let written = a.written();
    let mut client = open(a, Role::Client, Config::default());
    let mut server = open(b, Role::Server, Config::default());
    for i in 0..500 {
        client.send(format!("message {i}")).await.unwrap();
    }
    // The first at once, the others when this task waits.
    assert_eq!(written.writes().len(), 1);
    for i in 0..500 {
        assert_eq!(server.next().await.unwrap().unwrap(), Message::text(format!("message {i}")));
    }
    assert_eq!(written.writes().len(), 2);
}

#[tokio::test]
async fn send_answers_a_batch_in_one_write() {
    let (a, b) = pipe(1 << 20);
    let answers = b.written();
    let mut client = open(a, Role::Client, Config::default());
    tokio::spawn(echo(open(b, Role::Server, Config::default())));
    for i in 0..100 {
        SinkExt::feed(&mut client, Message::text(i.to_string())).await.unwrap();
    }
    SinkExt::flush(&mut client).await.unwrap();
    for i in 0..100 {
        let message = StreamExt::next(&mut client).await.unwrap().unwrap();
        assert_eq!(message, Message::text(i.to_string()));
    }
    assert_eq!(answers.writes().len(), 1);
}

#[tokio::test]
async fn send_is_flushed_while_its_task_waits_elsewhere() {
    let (mut client, mut server) = pair(1 << 16);
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    client.send("a").await.unwrap();
    client.send("b").await.unwrap();
    tokio::spawn(async move {
        // Two messages lie in one read, so these answers are gathered ...
        for _ in 0..2 {
            let message = server.next().await.unwrap().unwrap();
            server.send(message).await.unwrap();
        }
        // ... and must not wait for this.
        held.await.unwrap();
        drop(server);
    });
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("a"));
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("b"));
    release.send(()).unwrap();
}

#[tokio::test]
async fn backpressure_of_a_full_transport_holds_the_sender() {
    let (a, b) = pipe(1000);
    let mut client = open(a, Role::Client, Config::default());
    let mut sent = 0;
    let error = loop {
        match client.try_send(vec![0; 10_000]) {
            Ok(()) => sent += 1,
            Err(full) => break full,
        }
    };
    assert!(error.is_full());
    assert!(error.to_string().contains("high_water"), "{error}");
    assert_eq!(error.into_message().len(), 10_000, "handed back");
    assert!(
        (64 << 10..75 << 10).contains(&client.buffered_amount()),
        "{}",
        client.buffered_amount()
    );
    assert!(fullduplex_testkit::cancel::poll_at_most(client.send("x"), 1).await.is_none());
    let mut server = open(b, Role::Server, Config::default());
    let sending = tokio::spawn(async move {
        client.send("now").await.unwrap();
        assert!(client.buffered_amount() <= 16 << 10, "low water: {}", client.buffered_amount());
        client
    });
    for _ in 0..sent {
        assert_eq!(server.next().await.unwrap().unwrap().len(), 10_000);
    }
    assert_eq!(server.next().await.unwrap().unwrap(), Message::text("now"));
    sending.await.unwrap();
}

#[tokio::test]
async fn transport_that_is_hostile_carries_all_messages() {
    for seed in 0..20 {
        let faults = Faults { read: 50, write: 70, seed: Some(seed), ..Faults::BYTEWISE };
        let faults = if seed == 0 { Faults::BYTEWISE } else { faults };
        let (a, b) = pipe(40);
        let mut client = open(Hostile::new(a, faults.clone()), Role::Client, Config::default());
        let server = open(Hostile::new(b, faults), Role::Server, Config::default());
        tokio::spawn(echo(server));
        for i in 0..20 {
            let message = numbered(i, i * 97);
            client.send(message.clone()).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), message);
        }
        assert!(client.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn transport_that_fails_at_any_call_is_an_error_and_not_a_panic() {
    for call in 0..40 {
        let (a, b) = pipe(100);
        let faults = Faults { read: 64, write: 64, seed: None, pending: true, fail_at: Some(call) };
        let mut client = open(Hostile::new(a, faults), Role::Client, Config::default());
        tokio::spawn(echo(open(b, Role::Server, Config::default())));
        let talk = async {
            for i in 0..10 {
                client.send(numbered(i, 100)).await?;
                match client.next().await {
                    Some(message) => drop(message?),
                    None => break,
                }
            }
            Ok::<(), fullduplex::Error>(())
        };
        if let Err(error) = tokio::time::timeout(Duration::from_secs(5), talk).await.unwrap() {
            assert_eq!(error.kind(), ErrorKind::Io, "call {call}: {error}");
        }
    }
}

#[tokio::test]
async fn halves_work_on_different_tasks() {
    let (client, server) = pair(1 << 12);
    tokio::spawn(echo(server));
    let (send, mut receive) = client.split();
    let other = send.clone();
    let sending = tokio::spawn(async move {
        for i in 0..1000 {
            (if i % 2 == 0 { &send } else { &other }).send(numbered(i, 100)).await.unwrap();
        }
        send.ping(b"x").await.unwrap();
        send
    });
    for i in 0..1000 {
        assert_eq!(receive.next().await.unwrap().unwrap(), numbered(i, 100));
    }
    let send = sending.await.unwrap();
    let closing =
        tokio::spawn(async move { send.close(CloseCode::NORMAL, "").await.map(|_| send) });
    assert!(receive.next().await.is_none());
    assert!(closing.await.unwrap().unwrap().close_info().unwrap().is_clean());
}

#[tokio::test]
async fn halves_send_without_the_receiving_half() {
    let (client, mut server) = pair(1 << 12);
    let (send, receive) = client.split();
    drop(receive);
    server.ping(b"are you there").await.unwrap();
    server.send("unheard").await.unwrap();
    send.send("heard").await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap(), Message::text("heard"));
    drop(send);
    assert!(server.next().await.is_none());
    assert_eq!(server.close_info().unwrap().code(), CloseCode::GOING_AWAY);
}

#[tokio::test]
async fn pong_leaves_without_the_application_sending() {
    let (a, b) = pipe(1 << 12);
    let pongs = b.written();
    let mut server = open(b, Role::Server, Config::default());
    a.written().put(b"\x89\x82\0\0\0\0hi");
    assert!(fullduplex_testkit::cancel::poll_at_most(server.next(), 1).await.is_none());
    assert_eq!(pongs.take(), b"\x8A\x02hi");
    drop(a);
}

#[tokio::test]
async fn fragments_of_a_long_message_arrive_as_one() {
    let send = SendConfig::default().fragment_size(1000);
    let (mut client, server) = pair_with(1 << 12, Config::default().send(send));
    tokio::spawn(echo(server));
    client.send(numbered(3, 500_000)).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), numbered(3, 500_000));
}

#[tokio::test(start_paused = true)]
async fn limits_on_message_rate_close_the_connection() {
    for (messages, bytes, size, names) in [
        (Some(10), None, 10, "max_message_rate (10 a second)"),
        (None, Some(1000), 100, "max_byte_rate (1000 bytes a second)"),
    ] {
        let mut config = Config::default();
        config.limits.max_message_rate = messages;
        config.limits.max_byte_rate = bytes;
        let (mut client, server) = pair_with(1 << 16, config);
        tokio::spawn(echo(server));
        // At the rate for as long as one likes, ...
        for _ in 0..300 {
            client.send(vec![0; size]).await.unwrap();
            client.next().await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // ... and ten times as much at once, but no more.
        let mut answered = 0;
        while let Some(Ok(_)) = {
            let _ = client.send(vec![0; size]).await;
            client.next().await
        } {
            answered += 1;
        }
        assert!((95..=101).contains(&answered), "{answered}");
        let info = client.close_info().unwrap();
        assert_eq!(info.code(), CloseCode::POLICY_VIOLATION);
        assert!(info.reason().contains(names), "{info}");
    }
}
