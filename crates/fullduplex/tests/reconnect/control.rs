//! A forced reconnect, the figures, and the sender as a sink, on every version of HTTP.

use std::time::Duration;

use fullduplex::client::{
    Backoff, DisconnectReason, HttpVersion, OfflinePolicy, ReconnectEvent, Reconnecting,
};
use fullduplex::server::{Server, ServerConfig};
use fullduplex::{CloseCode, ErrorKind, Message, ReadyState};
use fullduplex_testkit::eventually;
use futures_util::stream::FusedStream as _;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;

use crate::common::direct;
use crate::common::tls::{LOCALHOST, localhost, trusting};
use crate::{free, quick, to};

const VERSIONS: [HttpVersion; 3] = [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3];

/// A server that echoes and tells with which code each WebSocket was closed.
async fn echoing() -> (u16, mpsc::UnboundedReceiver<u16>) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let server = server.config(ServerConfig::default().http2(true)).tls(localhost()).http3();
    let port = server.local_addr().unwrap().port();
    let (sender, codes) = mpsc::unbounded_channel();
    tokio::spawn(server.serve(move |mut websocket| {
        let sender = sender.clone();
        async move {
            while let Some(Ok(message)) = websocket.next().await {
                let _ = websocket.send(message).await;
            }
            let _ = sender.send(websocket.close_info().unwrap().code().get());
        }
    }));
    (port, codes)
}

/// A client whose backoff is longer than the test.
fn patient(version: HttpVersion, port: u16) -> Reconnecting {
    let client = direct().http_version(version).tls(trusting(LOCALHOST)).build().unwrap();
    let hour = Duration::from_secs(3600);
    let backoff = Backoff::default().initial(hour).max(hour);
    client.reconnecting(format!("wss://localhost:{port}/")).backoff(backoff).start()
}

async fn event(client: &mut Reconnecting) -> ReconnectEvent {
    let event = tokio::time::timeout(Duration::from_secs(20), StreamExt::next(client));
    event.await.expect("an event in time").expect("a further event")
}

async fn connected(client: &mut Reconnecting) {
    let event = event(client).await;
    assert!(matches!(event, ReconnectEvent::Connected { attempts: 1, .. }), "{event:?}");
}

#[tokio::test]
async fn reconnect_on_request_keeps_the_queue_and_waits_for_no_backoff() {
    for version in VERSIONS {
        let (port, mut codes) = echoing().await;
        let mut client = patient(version, port);
        connected(&mut client).await;
        for code in [1001, 4001] {
            match code {
                1001 => client.reconnect(),
                code => client.sender().reconnect_with_close(CloseCode::new(code), "gap").unwrap(),
            }
            let told = event(&mut client).await;
            let is_requested = matches!(
                told,
                ReconnectEvent::Disconnected {
                    reason: DisconnectReason::Requested,
                    retry_in: Some(Duration::ZERO)
                }
            );
            assert!(is_requested, "{told:?}");
            client.send("kept").await.unwrap();
            connected(&mut client).await;
            let told = event(&mut client).await;
            assert!(matches!(told, ReconnectEvent::Message(text) if text == "kept"));
            let seen = tokio::time::timeout(Duration::from_secs(20), codes.recv()).await;
            assert_eq!(seen.unwrap(), Some(code), "{version:?}");
        }
        let stats = client.stats();
        assert_eq!((stats.attempts, stats.connections, stats.queued), (3, 3, 0));
        assert_eq!((stats.traffic.sent.text, stats.traffic.received.text), (2, 2));
        let present = client.connection_stats().unwrap();
        assert_eq!((present.sent.text, present.received.text), (1, 1));
        assert!(stats.connected > Duration::ZERO && stats.connected < Duration::from_secs(60));
    }
}

/// As of a program that finds each message after a gap wrong.
#[tokio::test]
async fn reconnect_on_request_ends_one_connection_however_often_it_is_called() {
    for version in VERSIONS {
        let (port, mut codes) = echoing().await;
        let mut client = patient(version, port);
        connected(&mut client).await;
        for i in 0..10 {
            client.send(i.to_string()).await.unwrap();
        }
        client.flush().await.unwrap();
        let all = || client.connection_stats().is_some_and(|stats| stats.received.text == 10);
        eventually("the echoes", all).await;
        for _ in 0..10 {
            assert!(matches!(event(&mut client).await, ReconnectEvent::Message(_)));
            client.reconnect();
        }
        let told = event(&mut client).await;
        let is_requested = matches!(
            told,
            ReconnectEvent::Disconnected { reason: DisconnectReason::Requested, .. }
        );
        assert!(is_requested, "{told:?}");
        client.reconnect();
        connected(&mut client).await;
        let seen = tokio::time::timeout(Duration::from_secs(20), codes.recv()).await;
        assert_eq!(seen.unwrap(), Some(1001), "{version:?}");
        // The connection that has opened stays.
        client.send("kept").await.unwrap();
        let told = event(&mut client).await;
        assert!(matches!(told, ReconnectEvent::Message(text) if text == "kept"));
        assert_eq!(client.stats().connections, 2);
        client.reconnect();
        let told = event(&mut client).await;
        assert!(matches!(told, ReconnectEvent::Disconnected { .. }), "{told:?}");
        connected(&mut client).await;
    }
}

#[tokio::test]
async fn reconnect_on_request_ends_the_delay() {
    let address = free().await;
    let client = direct().build().unwrap();
    let backoff = Backoff::default().initial(Duration::from_secs(1 << 30)).max(Duration::MAX);
    let mut client = client.reconnecting(format!("ws://{address}/")).backoff(backoff).start();
    let failed = event(&mut client).await;
    assert!(matches!(failed, ReconnectEvent::Disconnected { .. }), "{failed:?}");
    client.reconnect();
    let failed = event(&mut client).await;
    assert!(matches!(failed, ReconnectEvent::Disconnected { .. }), "{failed:?}");
    assert_eq!((client.stats().attempts, client.stats().connections), (2, 0));
}

#[tokio::test]
async fn reconnect_state_follows_the_connection() {
    let (port, _codes) = echoing().await;
    let mut client = patient(HttpVersion::Http1, port);
    assert_eq!(client.state(), ReadyState::Connecting);
    assert_eq!(client.ping(b"").await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(client.connection_stats().is_none() && client.round_trip().is_none());
    connected(&mut client).await;
    assert_eq!(client.state(), ReadyState::Open);
    let pong = client.ping(b"now").await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), pong).await.unwrap().unwrap();
    client.send("1").await.unwrap();
    client.flush().await.unwrap();
    assert_eq!((client.queue_len(), client.buffered_amount()), (0, 0));
    assert!(matches!(event(&mut client).await, ReconnectEvent::Message(_)));
    let sender = client.sender();
    assert!(sender.start_close(CloseCode::ABNORMAL, "").is_err());
    assert!(sender.start_close(CloseCode::NO_STATUS, "why").is_err());
    sender.start_close(CloseCode::NORMAL, "").unwrap();
    assert!(!client.is_terminated());
    while StreamExt::next(&mut client).await.is_some() {}
    assert!(client.is_terminated());
    eventually("the end", || sender.state() == ReadyState::Closed).await;
    assert_eq!(sender.flush().await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(!sender.try_send("late").unwrap_err().is_full());
}

#[tokio::test]
async fn reconnect_closes_without_a_code() {
    for version in VERSIONS {
        let (port, mut codes) = echoing().await;
        let mut client = patient(version, port);
        connected(&mut client).await;
        client.sender().reconnect_with_close(CloseCode::NO_STATUS, "").unwrap();
        let told = event(&mut client).await;
        assert!(matches!(told, ReconnectEvent::Disconnected { .. }), "{told:?}");
        connected(&mut client).await;
        client.start_close(CloseCode::NO_STATUS, "").unwrap();
        for _ in 0..2 {
            let seen = tokio::time::timeout(Duration::from_secs(20), codes.recv()).await;
            assert_eq!(seen.unwrap(), Some(CloseCode::NO_STATUS.get()), "{version:?}");
        }
    }
}

#[tokio::test]
async fn reconnect_queue_counts_what_it_drops() {
    let client = to(free().await).queue(2, OfflinePolicy::DropOldest).start();
    for text in ["1", "2", "3"] {
        client.try_send(text).unwrap();
    }
    assert_eq!((client.stats().queued, client.stats().dropped), (2, 1));
    let client = to(free().await).queue(2, OfflinePolicy::Wait).start();
    client.try_send("1").unwrap();
    client.try_send("2").unwrap();
    let full = client.try_send("3").unwrap_err();
    assert!(full.is_full());
    assert_eq!(full.into_message(), Message::from("3"));
}

#[tokio::test]
async fn reconnect_sender_is_a_sink() {
    let (port, _codes) = echoing().await;
    let client = direct().http_version(HttpVersion::Http1).tls(trusting(LOCALHOST));
    let client = client.build().unwrap().reconnecting(format!("wss://localhost:{port}/"));
    let mut client = client.backoff(quick()).queue(2, OfflinePolicy::Wait).start();
    let mut sender = client.sender();
    let sending = tokio::spawn(async move {
        for number in 0..20 {
            sender.feed(Message::from(number.to_string())).await.unwrap();
        }
        SinkExt::flush(&mut sender).await.unwrap();
        assert_eq!(sender.queue_len(), 0);
        SinkExt::close(&mut sender).await.unwrap();
        assert_eq!(sender.state(), ReadyState::Closed);
    });
    let mut texts = Vec::new();
    while let Some(event) = StreamExt::next(&mut client).await {
        if let ReconnectEvent::Message(message) = event {
            texts.push(message.as_text().unwrap().to_owned());
        }
    }
    let expected: Vec<_> = (0..20).map(|number: u32| number.to_string()).collect();
    assert_eq!(texts, expected);
    tokio::time::timeout(Duration::from_secs(20), sending).await.unwrap().unwrap();
}
