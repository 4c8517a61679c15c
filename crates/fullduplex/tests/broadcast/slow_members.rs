//! What is done for members that do not keep up.

use std::time::Duration;

use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::{CloseCode, Config, Role};
use tokio::io::duplex;

use crate::common::open;
use crate::{PIPE, number, numbered, numbers, pair};

#[tokio::test]
async fn broadcast_to_a_stalled_member_does_not_delay_others() {
    let group = Group::new();
    let (stalled, mut unread) = pair();
    let _stalled = group.join(&stalled, LagPolicy::DropNewest);
    let mut others = Vec::new();
    for _ in 0..10 {
        let (server, client) = pair();
        others.push((group.join(&server, LagPolicy::DropNewest), server, client));
    }
    let mut dropped = 0;
    for i in 0..300 {
        let published = group.publish(&numbered(i));
        assert_eq!(published.delivered + published.dropped, 11);
        dropped += published.dropped;
        for (_, _, client) in &mut others {
            assert_eq!(number(&client.next().await.unwrap().unwrap()), i);
        }
    }
    assert!(dropped > 200, "{dropped}");
    // What it did not miss comes, in order and whole.
    let missed_from = 300 - dropped;
    let seen = numbers(&mut unread, missed_from - 1).await;
    assert_eq!(seen, (0..missed_from).collect::<Vec<_>>());
    assert_eq!(stalled.buffered_amount(), 0);
}

#[tokio::test]
async fn broadcast_keeps_messages_for_a_slow_member_at_any_low_water() {
    let (near, far) = duplex(PIPE);
    let mut config = Config::default();
    (config.send.high_water, config.send.low_water) = (1 << 10, (1 << 10) - 1);
    let server = open(near, Role::Server, config);
    let mut client = open(far, Role::Client, Config::default());
    let group = Group::new();
    let _member = group.join(&server, LagPolicy::DropOldest { keep: 100 });
    for i in 0..50 {
        assert_eq!(group.publish(&numbered(i)).delivered, 1, "{i}");
        tokio::task::yield_now().await;
    }
    let seen = tokio::time::timeout(Duration::from_secs(30), numbers(&mut client, 49));
    assert_eq!(seen.await.unwrap(), (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn broadcast_keeps_the_newest_for_a_slow_member() {
    let group = Group::new();
    let (server, mut client) = pair();
    let _member = group.join(&server, LagPolicy::DropOldest { keep: 10 });
    for i in 0..300 {
        group.publish(&numbered(i));
    }
    // Whoever sends now comes behind them.
    let (send, _receive) = server.split();
    let sending = tokio::spawn(async move { send.send("  999 last").await });
    let seen = numbers(&mut client, 999).await;
    let end: Vec<usize> = (290..300).chain([999]).collect();
    assert_eq!(seen[seen.len() - 11..], end);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    assert!(seen.len() < 100, "{}", seen.len());
    sending.await.unwrap().unwrap();
}

#[tokio::test]
async fn broadcast_replaces_messages_of_the_same_key() {
    let group = Group::new();
    let (server, mut client) = pair();
    let _member = group.join(&server, LagPolicy::DropOldest { keep: 100 });
    let fill = loop {
        let before = server.buffered_amount();
        group.publish(&numbered(0));
        if server.buffered_amount() == before {
            break before;
        }
    };
    assert!(fill >= 64 << 10, "{fill}");
    for i in 1..=30 {
        group.publish_keyed(i as u64 % 3, &numbered(i));
    }
    let seen = numbers(&mut client, 30).await;
    assert_eq!(seen.iter().filter(|i| **i > 0).copied().collect::<Vec<_>>(), [28, 29, 30]);
}

#[tokio::test]
async fn broadcast_may_close_a_slow_member() {
    let group = Group::new();
    let (server, mut client) = pair();
    let _member = group.join(&server, LagPolicy::Close(CloseCode::new(1013)));
    let mut closed = 0;
    for i in 0..100 {
        closed += group.publish(&numbered(i)).closed;
    }
    assert_eq!(closed, 1);
    // Somebody has to read what the client answers.
    drop(server);
    while client.next().await.is_some() {}
    let info = client.close_info().unwrap();
    assert_eq!(
        (info.code(), info.reason()),
        (CloseCode::new(1013), "too slow for what is published")
    );
}
