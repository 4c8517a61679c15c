//! Peers that are silent or idle.

use std::time::Duration;

use fullduplex::{CloseCause, CloseCode, Config, ErrorKind, KeepaliveConfig, ReadyState, Role};
use fullduplex_testkit::pipe::pipe;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::common::{echo, open, pair};

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
#[tokio::test(start_paused = true)]
async fn keepalive_keeps_a_connection_that_stopped_reading() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    // Of two halves, one that is kept is not read for.
    let (send, mut receive) = open(stream, Role::Client, Config::default()).split();
    let patient = Config::default();
    let mut server = open(listener.accept().await.unwrap().0, Role::Server, patient);
    tokio::spawn(async move { while let Some(Ok(_)) = server.next().await {} });
    // It reads until nothing is there, and then never again.
    let stream = StreamExt::next(&mut receive);
    assert!(tokio::time::timeout(Duration::from_millis(1), stream).await.is_err());
    // Many times as long as a peer may be silent.
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        send.send("still here").await.unwrap();
    }
    assert_eq!(send.state(), ReadyState::Open);
}

/// Without keepalive, as its answers need somebody who reads.
fn idle_after(seconds: Option<u64>) -> Config {
    let keepalive = KeepaliveConfig::default().interval(None);
    Config::default().idle_timeout(seconds.map(Duration::from_secs)).keepalive(keepalive)
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
