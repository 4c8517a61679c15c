//! What becomes of messages to a client that reads slowly.

use std::time::Duration;

use bytes::Bytes;
use fullduplex_socketio::engine::{
    Data, EndReason, EngineConfig, Outgoing, SendOutcome, Sender, memory,
};
use tokio::time::timeout;

/// Sends numbered messages of 16 kB until the queue is full, and returns how many were accepted.
fn fill(sender: &Sender) -> usize {
    let mut seen = Vec::new();
    for number in 0.. {
        let outcome = sender.send(&numbered(number));
        seen.push(outcome);
        if !outcome.is_accepted() {
            break;
        }
    }
    // Sent while the WebSocket takes them, then queued.
    assert!(seen.is_sorted_by_key(|outcome| *outcome as u8), "{seen:?}");
    assert!(seen.contains(&SendOutcome::Sent) && seen.contains(&SendOutcome::Queued));
    assert_eq!(seen.last(), Some(&SendOutcome::Full));
    seen.len() - 1
}

fn numbered(number: usize) -> Outgoing {
    Outgoing::text(&format!("{number:>16384}"))
}

/// Waits for something that has to happen soon.
async fn soon<T>(waiting: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), waiting).await.expect("it happens in time")
}

fn number(data: &Data) -> usize {
    let Data::Text(text) = data else { panic!("{data:?}") };
    text.trim().parse().unwrap()
}

#[tokio::test]
async fn sending_to_a_slow_client_is_bounded_and_loses_nothing_that_was_accepted() {
    let config = EngineConfig::default().max_queue_bytes(200_000);
    let (session, mut client) = memory::pair(config);
    let sender = session.sender().clone();
    let mut accepted = fill(&sender);
    // The session's task still moves a few into the WebSocket.
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !sender.send(&numbered(accepted)).is_accepted() {
            break;
        }
        accepted += 1;
    }
    assert!(sender.queued_bytes() > 100_000 && sender.queued_bytes() <= 200_000);
    assert_eq!(sender.send_volatile(&Outgoing::text("now or never")), SendOutcome::Full);
    let len = numbered(0).len();
    assert!(timeout(Duration::from_millis(50), sender.ready(len)).await.is_err());
    let waiting = tokio::spawn(async move {
        sender.ready(len).await;
        sender.send(&numbered(accepted))
    });
    for expected in 0..=accepted {
        let data = soon(client.recv()).await;
        assert_eq!(number(&data.unwrap()), expected);
    }
    assert!(soon(waiting).await.unwrap().is_accepted());
    assert_eq!(session.sender().queued_bytes(), 0);
    let volatile = session.sender().send_volatile(&Outgoing::text("now"));
    assert_eq!(volatile, SendOutcome::Sent);
    assert_eq!(soon(client.recv()).await, Some("now".into()));
}

#[tokio::test]
async fn sending_with_a_key_replaces_what_still_waits() {
    let (session, mut client) = memory::pair(EngineConfig::default());
    let sender = session.sender();
    let accepted = fill(sender) - 1;
    // The queue is full, so that there is space for nothing but a replacement.
    assert_eq!(sender.send_keyed(1, &numbered(1)), SendOutcome::Full);
    for expected in 0..2 {
        assert_eq!(number(&soon(client.recv()).await.unwrap()), expected);
    }
    soon(sender.ready(numbered(0).len())).await;
    assert_eq!(sender.send_keyed(1, &Outgoing::text("1000")), SendOutcome::Queued);
    assert_eq!(sender.send_keyed(1, &Outgoing::text("2000")), SendOutcome::Replaced);
    for expected in (2..=accepted).chain([2000]) {
        let data = soon(client.recv()).await;
        assert_eq!(number(&data.unwrap()), expected);
    }
}

#[tokio::test]
async fn close_of_a_slow_client_sends_what_is_queued_first() {
    let (session, mut client) = memory::pair(EngineConfig::default());
    let accepted = fill(session.sender());
    session.sender().close(EndReason::ForcedClose);
    assert_eq!(session.sender().send(&numbered(0)), SendOutcome::Closed);
    assert_eq!(session.sender().end_reason(), None);
    for expected in 0..accepted {
        let data = soon(client.recv()).await;
        assert_eq!(number(&data.unwrap()), expected);
    }
    assert_eq!(soon(client.recv()).await, None);
    assert_eq!(soon(session.sender().closed()).await, EndReason::ForcedClose);
}

#[tokio::test]
async fn attachments_follow_their_message_directly() {
    let (session, mut client) = memory::pair(EngineConfig::default());
    let attached = Outgoing::text("with").with_attachments([Bytes::from_static(b"bytes")]);
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let (sender, attached) = (session.sender().clone(), attached.clone());
            std::thread::spawn(move || {
                for _ in 0..50 {
                    assert!(sender.send(&attached).is_accepted());
                }
            })
        })
        .collect();
    for _ in 0..8 * 50 {
        assert_eq!(soon(client.recv()).await, Some("with".into()));
        assert_eq!(soon(client.recv()).await, Some(Data::Binary(Bytes::from_static(b"bytes"))));
    }
    for sender in senders {
        sender.join().unwrap();
    }
}

#[tokio::test]
async fn received_messages_are_there_after_the_end() {
    let (mut session, mut client) = memory::pair(EngineConfig::default());
    for text in ["a", "b"] {
        client.send(text).await;
    }
    client.close().await;
    assert_eq!(soon(session.sender().closed()).await, EndReason::TransportClose);
    assert_eq!(soon(session.recv()).await, Some("a".into()));
    assert_eq!(soon(session.recv()).await, Some("b".into()));
    assert_eq!(soon(session.recv()).await, None);
}
