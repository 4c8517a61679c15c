use super::*;
use crate::engine::EngineConfig;
use crate::{Delivery, DisconnectReason, Namespace, SlowPolicy, Socket};

/// A server whose queues are short, with one client that does not read, and one that does.
async fn slow(policy: SlowPolicy) -> (SocketIo, Namespace, Client, Socket) {
    let engine = EngineConfig::default().max_queue_bytes(40_000);
    let io = build(SocketIo::builder().engine(engine).slow(policy));
    let main = io.of("/").open();
    let client = Client::connected(&io).await;
    let socket = main.all().fetch().remove(0);
    (io, main, client, socket)
}

fn payload(number: usize) -> (usize, String) {
    (number, "x".repeat(16_000))
}

/// Receives events until this one, and returns their numbers.
async fn numbers(client: &mut Client) -> Vec<u64> {
    let mut numbers = Vec::new();
    loop {
        let packet = client.next().await;
        let json: Json = serde_json::from_str(&packet[1..]).expect("JSON");
        if json[0] == "end" {
            return numbers;
        }
        numbers.push(json[1].as_u64().expect("a number"));
    }
}

#[tokio::test]
async fn slow_client_whose_messages_are_dropped_is_told_how_many() {
    let policy = SlowPolicy::Drop { event: Some("missed".into()) };
    let (_io, main, mut client, socket) = slow(policy).await;
    let mut accepted = 0;
    let mut dropped = 0;
    for number in 0..200 {
        let report = main.all().emit("m", payload(number)).await;
        accepted += report.accepted();
        dropped += report.dropped;
    }
    assert!(dropped > 0 && accepted > 0 && accepted + dropped == 200);
    assert_eq!(socket.dropped(), dropped as u64);
    assert_eq!(socket.emit("m", payload(200)).await, Delivery::Dropped(dropped as u64 + 1));
    let mut received = 0;
    while received < accepted {
        assert!(client.next().await.starts_with(r#"2["m","#));
        received += 1;
    }
    // The client hears of it though nothing else is sent.
    assert_eq!(client.next().await, format!(r#"2["missed",{}]"#, dropped + 1));
    assert!(socket.emit("end", ()).await.is_accepted());
    assert_eq!(client.next().await, r#"2["end"]"#);
}

#[tokio::test]
async fn slow_client_is_closed_by_default() {
    let (_io, main, _client, socket) = slow(SlowPolicy::default()).await;
    let mut closed = 0;
    for number in 0..200 {
        closed += main.all().emit("m", payload(number)).await.closed;
    }
    assert_eq!(closed, 1);
    assert_eq!(socket.reason(), Some(DisconnectReason::SlowClient));
    assert_eq!(socket.emit("m", ()).await, Delivery::Closed);
    assert!(main.is_empty());
}

#[tokio::test]
async fn emit_to_one_slow_client_waits() {
    let (_io, _main, mut client, socket) = slow(SlowPolicy::default()).await;
    let sending = tokio::spawn(async move {
        for number in 0..100 {
            assert!(socket.emit("m", payload(number)).await.is_accepted());
        }
        socket.emit("end", ()).await
    });
    assert_eq!(numbers(&mut client).await, (0..100).collect::<Vec<u64>>());
    assert!(in_time(sending).await.expect("no panic").is_accepted());
}

#[tokio::test]
async fn broadcast_waits_for_a_slow_client_whose_policy_says_so() {
    let (_io, main, mut client, _socket) = slow(SlowPolicy::Wait).await;
    let sending = tokio::spawn(async move {
        for number in 0..100 {
            assert_eq!(main.all().emit("m", payload(number)).await.accepted(), 1);
        }
        main.all().emit("end", ()).await;
    });
    assert_eq!(numbers(&mut client).await, (0..100).collect::<Vec<u64>>());
    in_time(sending).await.expect("no panic");
}

#[tokio::test]
async fn messages_with_a_key_are_conflated_for_a_slow_client() {
    let (_io, main, mut client, socket) = slow(SlowPolicy::Drop { event: None }).await;
    socket.set_slow_policy(SlowPolicy::Conflate);
    for number in 0..200 {
        let report = main.all().keyed(7).emit("m", payload(number)).await;
        assert_eq!(report.accepted(), 1, "the newest one is always taken");
    }
    assert!(socket.dropped() > 0);
    let sending = tokio::spawn(async move {
        while !socket.emit("end", ()).await.is_accepted() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let received = numbers(&mut client).await;
    assert!(received.len() < 200);
    assert!(received.is_sorted());
    assert_eq!(received.last(), Some(&199), "the last one is not lost");
    in_time(sending).await.expect("no panic");
}

#[tokio::test]
async fn volatile_messages_are_never_queued() {
    let (_io, main, _client, socket) = slow(SlowPolicy::default()).await;
    let mut dropped = 0;
    for number in 0..200 {
        dropped += main.all().volatile().emit("m", payload(number)).await.dropped;
    }
    assert!(dropped > 0);
    assert!(socket.is_connected());
    assert!(matches!(socket.emit_volatile("m", payload(0)).await, Delivery::Dropped(_)));
}
