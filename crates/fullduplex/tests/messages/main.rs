//! Messages both ways: order, gathering, backpressure, halves, keepalive.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

use std::time::Duration;

use common::{echo, numbered, open, pair, pair_with};
use fullduplex::{
    CloseCause, CloseCode, Config, ErrorKind, Initiator, KeepaliveConfig, Message, MessageKind,
    ReadyState, Role, SendConfig,
};
use fullduplex_testkit::hostile::{Hostile, Manners};
use fullduplex_testkit::pipe::pipe;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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
    assert_eq!(error.error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("high_water"), "{error}");
    assert_eq!(error.message.len(), 10_000, "handed back");
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
        let manners = Manners { read: 50, write: 70, seed: Some(seed), ..Manners::BYTEWISE };
        let manners = if seed == 0 { Manners::BYTEWISE } else { manners };
        let (a, b) = pipe(40);
        let mut client = open(Hostile::new(a, manners.clone()), Role::Client, Config::default());
        let server = open(Hostile::new(b, manners), Role::Server, Config::default());
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
        let manners =
            Manners { read: 64, write: 64, seed: None, pending: true, fail_at: Some(call) };
        let mut client = open(Hostile::new(a, manners), Role::Client, Config::default());
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
        tokio::spawn(async move { send.close(CloseCode::NORMAL, "").await.map(|()| send) });
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
async fn message_reader_and_writer_stream_long_messages() {
    let config = {
        let mut config = Config::default();
        config.limits.max_message_size = None;
        config
    };
    // Small here; by hand with 5 GB: FULLDUPLEX_STREAM_MB=5000, in release.
    let megabytes = std::env::var("FULLDUPLEX_STREAM_MB").map_or(64, |mb| mb.parse().unwrap());
    let before = fullduplex_testkit::peak_rss();
    let (mut client, mut server) = pair_with(1 << 18, config);
    let sending = tokio::spawn(async move {
        let block: Vec<u8> = (0..1 << 20).map(|i: u32| i.to_le_bytes()[0]).collect();
        let mut writer = client.writer(MessageKind::Binary);
        for _ in 0..megabytes {
            writer.write_all(&block).await.unwrap();
        }
        writer.shutdown().await.unwrap();
        client.send("after").await.unwrap();
        client
    });
    let mut reader = server.next_reader().await.unwrap().unwrap();
    assert_eq!(reader.kind(), MessageKind::Binary);
    let mut total = 0_usize;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let len = reader.read(&mut buffer).await.unwrap();
        if len == 0 {
            break;
        }
        assert!(buffer[..len].iter().enumerate().all(|(i, b)| *b == (total + i).to_le_bytes()[0]));
        total += len;
    }
    assert_eq!(total, megabytes << 20);
    assert_eq!(server.next().await.unwrap().unwrap(), Message::text("after"));
    drop(sending.await.unwrap());
    let grown = fullduplex_testkit::peak_rss().saturating_sub(before);
    // For those who run it at full size.
    #[allow(clippy::print_stdout)]
    {
        println!("{megabytes} MiB through; peak memory grew by {} KiB", grown >> 10);
    }
    assert!(grown < 32 << 20, "memory grew by {grown} bytes");
}

#[tokio::test]
async fn message_reader_that_is_dropped_skips_the_rest() {
    let (mut client, mut server) = pair(1 << 20);
    client.send(vec![1; 100_000]).await.unwrap();
    client.send("second").await.unwrap();
    let mut reader = server.next_reader().await.unwrap().unwrap();
    reader.read_exact(&mut [0; 10]).await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap(), Message::text("second"));
    client.send(vec![1; 100_000]).await.unwrap();
    client.send("fourth").await.unwrap();
    drop(server.next_reader().await.unwrap().unwrap());
    let mut reader = server.next_reader().await.unwrap().unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "fourth");
}

#[tokio::test]
async fn byte_stream_carries_bytes() {
    let (client, server) = pair(1 << 12);
    let (mut a, mut b) = (client.into_byte_stream(), server.into_byte_stream());
    let data: Vec<u8> = (0..200_000_u32).map(|i| (i * 7).to_le_bytes()[1]).collect();
    let expected = data.clone();
    let sending = tokio::spawn(async move {
        a.write_all(&data).await.unwrap();
        a.shutdown().await.unwrap();
        let mut rest = Vec::new();
        a.read_to_end(&mut rest).await.unwrap();
        assert!(a.get_ref().close_info().unwrap().is_clean());
    });
    let mut received = Vec::new();
    b.read_to_end(&mut received).await.unwrap();
    assert!(received == expected);
    b.shutdown().await.unwrap();
    sending.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keepalive_finds_a_silent_peer() {
    let (a, mut b) = pipe(1 << 12);
    let mut client = open(a, Role::Client, Config::default());
    let start = tokio::time::Instant::now();
    let error = client.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("keepalive_timeout"), "{error}");
    assert_eq!(start.elapsed().as_secs(), 40);
    assert!(client.next().await.is_none());
    let mut ping = [0; 14];
    b.read_exact(&mut ping).await.unwrap();
    assert_eq!(ping[0], 0x89);
}

/// The last byte comes just after a look, at half an interval, just before one.
#[tokio::test(start_paused = true)]
async fn keepalive_pings_at_most_an_interval_after_the_last_byte() {
    for last in [0, 1, 9, 11, 19, 21, 29] {
        let (a, mut b) = pipe(1 << 12);
        let mut client = open(a, Role::Client, Config::default());
        let reading = tokio::spawn(async move { while let Some(Ok(_)) = client.next().await {} });
        // An empty message each second.
        for _ in 0..last {
            tokio::time::sleep(Duration::from_secs(1)).await;
            b.write_all(&[0x82, 0]).await.unwrap();
        }
        let start = tokio::time::Instant::now();
        let mut ping = [0; 14];
        b.read_exact(&mut ping).await.unwrap();
        let silence = start.elapsed();
        let most = Duration::from_millis(20_005);
        assert_eq!(ping[0], 0x89);
        assert!((Duration::from_secs(10)..=most).contains(&silence), "{last}: {silence:?}");
        reading.abort();
    }
}

/// A handler that neither reads nor ends, in whichever program, is found out, though the library
/// that it runs on sends Pings of its own.
#[tokio::test(start_paused = true)]
async fn keepalive_finds_a_stuck_handler_whose_end_pings() {
    for stuck in [Role::Client, Role::Server] {
        let (client, server) = pair(1 << 10);
        let (mut reads, held) =
            if stuck == Role::Server { (client, server) } else { (server, client) };
        let start = tokio::time::Instant::now();
        let error = reads.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains("keepalive_timeout"), "{error}");
        assert!((30..=41).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        assert_eq!(reads.close_info().unwrap().cause, CloseCause::KeepaliveTimeout);
        drop(held);
    }
}

/// The answer waits for its reader: that is not the time it took to come.
#[tokio::test(start_paused = true)]
async fn keepalive_round_trip_leaves_out_time_without_a_reader() {
    let (mut client, server) = pair(1 << 12);
    tokio::spawn(echo(server));
    assert!(tokio::time::timeout(Duration::from_secs(5), client.next()).await.is_err());
    tokio::time::sleep(Duration::from_secs(33)).await;
    assert!(tokio::time::timeout(Duration::from_millis(1), client.next()).await.is_err());
    assert_eq!(client.round_trip(), None);
    assert!(tokio::time::timeout(Duration::from_secs(60), client.next()).await.is_err());
    assert!(client.round_trip().unwrap() < Duration::from_secs(1), "{:?}", client.round_trip());
}

#[tokio::test(start_paused = true)]
async fn keepalive_keeps_an_answering_peer_and_knows_its_round_trip() {
    let (mut client, server) = pair(1 << 12);
    tokio::spawn(echo(server));
    let quiet = tokio::time::timeout(Duration::from_secs(3600), client.next()).await;
    assert!(quiet.is_err(), "nothing came and nothing ended");
    assert_eq!(client.state(), ReadyState::Open);
    assert!(client.round_trip().is_some());
}

/// The peer answers each ping, but nobody is there to see it.
#[tokio::test(start_paused = true)]
async fn keepalive_keeps_a_connection_that_sends_without_reading() {
    let (mut client, mut server) = pair(1 << 12);
    tokio::spawn(async move { while let Some(Ok(_)) = server.next().await {} });
    for second in 0..300 {
        client.send(format!("second {second}")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(client.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
}

/// A wait for a message that was dropped is no listening.
#[tokio::test(start_paused = true)]
async fn keepalive_keeps_a_connection_that_read_once_and_then_only_sends() {
    let (mut client, mut server) = pair(1 << 12);
    tokio::spawn(async move { while let Some(Ok(_)) = server.next().await {} });
    assert!(tokio::time::timeout(Duration::from_secs(1), client.next()).await.is_err());
    for second in 0..300 {
        client.send(format!("second {second}")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(client.state(), ReadyState::Open);
}

/// Over a socket, it can be seen that there is something unread.
#[tokio::test]
async fn keepalive_keeps_a_connection_that_stopped_reading() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let keepalive = KeepaliveConfig {
        interval: Some(Duration::from_millis(20)),
        timeout: Duration::from_millis(20),
    };
    let eager = Config { keepalive, ..Config::default() };
    // Of two halves, one that is kept is not read for.
    let (send, mut receive) = open(stream, Role::Client, eager).split();
    let patient = Config::default();
    let mut server = open(listener.accept().await.unwrap().0, Role::Server, patient);
    tokio::spawn(async move { while let Some(Ok(_)) = server.next().await {} });
    // It reads until nothing is there, and then never again.
    let stream = StreamExt::next(&mut receive);
    assert!(tokio::time::timeout(Duration::from_millis(1), stream).await.is_err());
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        send.send("still here").await.unwrap();
    }
    assert_eq!(send.state(), ReadyState::Open);
}

/// Without keepalive, as its answers need somebody who reads.
fn idle_after(seconds: Option<u64>) -> Config {
    let keepalive = KeepaliveConfig { interval: None, ..KeepaliveConfig::default() };
    Config { idle_timeout: seconds.map(Duration::from_secs), keepalive, ..Config::default() }
}

#[tokio::test(start_paused = true)]
async fn idle_timeout_closes_an_idle_connection() {
    let (a, b) = pipe(1 << 12);
    let mut client = open(a, Role::Client, idle_after(Some(60)));
    let mut server = open(b, Role::Server, idle_after(None));
    let talking = tokio::spawn(async move {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(50)).await;
            server.send("still here").await.unwrap();
        }
        while let Some(Ok(_)) = server.next().await {}
        server.close_info().unwrap()
    });
    for _ in 0..5 {
        client.next().await.unwrap().unwrap();
    }
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        client.send("here too").await.unwrap();
    }
    let start = tokio::time::Instant::now();
    assert!(client.next().await.is_none());
    assert!((60..=75).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let info = client.close_info().unwrap();
    assert_eq!((info.cause, info.is_clean()), (CloseCause::IdleTimeout, true));
    let error = client.send("late").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("idle_timeout"), "{error}");
    assert_eq!(talking.await.unwrap().code(), CloseCode::GOING_AWAY);
}

/// A message that takes its time to arrive is no idleness, but a peer that stops is.
#[tokio::test(start_paused = true)]
async fn idle_timeout_spares_a_long_message_under_way() {
    let (a, mut b) = pipe(1 << 12);
    let mut client = open(a, Role::Client, idle_after(Some(60)));
    let sending = tokio::spawn(async move {
        b.write_all(&[0x82, 127, 0, 0, 0, 0, 0, 8, 0, 0]).await.unwrap();
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            b.write_all(&[0; 100]).await.unwrap();
        }
        b
    });
    let quiet = tokio::time::timeout(Duration::from_secs(590), client.next()).await;
    assert!(quiet.is_err(), "nothing came and nothing ended");
    assert_eq!(client.state(), ReadyState::Open);
    let _silent = sending.await.unwrap();
    let error = client.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(client.close_info().unwrap().cause, CloseCause::IdleTimeout);
}

#[tokio::test]
async fn fragments_of_a_long_message_arrive_as_one() {
    let send = SendConfig { fragment_size: 1000, ..SendConfig::default() };
    let (mut client, server) = pair_with(1 << 12, Config { send, ..Config::default() });
    tokio::spawn(echo(server));
    client.send(numbered(3, 500_000)).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), numbered(3, 500_000));
}

#[tokio::test(start_paused = true)]
async fn limits_on_message_size_close_the_connection() {
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
