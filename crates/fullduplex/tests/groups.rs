//! One message to many, of whom some are slow.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

mod common;

use common::open;
use fullduplex::group::{Group, Published, Slow, Topics};
use fullduplex::{CloseCode, Config, Message, PreparedMessage, Role, WebSocket};
use tokio::io::{DuplexStream, duplex};

/// How much lies in the pipe of a peer that does not read.
const PIPE: usize = 4096;

/// A server's WebSocket and its client's.
fn pair() -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = duplex(PIPE);
    let config = Config::default();
    (open(near, Role::Server, config), open(far, Role::Client, config))
}

fn numbered(i: usize) -> PreparedMessage {
    PreparedMessage::new(Message::text(format!("{i:5}{}", "x".repeat(1000))))
}

fn number(message: &Message) -> usize {
    message.as_text().unwrap()[..5].trim().parse().unwrap()
}

async fn numbers(client: &mut WebSocket<DuplexStream>, last: usize) -> Vec<usize> {
    let mut seen = Vec::new();
    while seen.last() != Some(&last) {
        seen.push(number(&client.next().await.unwrap().unwrap()));
    }
    seen
}

#[tokio::test]
async fn a_member_that_stands_still_costs_the_others_nothing() {
    let group = Group::new();
    let (stalled, mut unread) = pair();
    let _stalled = group.join(&stalled, Slow::DropNewest);
    let mut others = Vec::new();
    for _ in 0..10 {
        let (server, client) = pair();
        others.push((group.join(&server, Slow::DropNewest), server, client));
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
async fn the_newest_are_kept_for_a_slow_member() {
    let group = Group::new();
    let (server, mut client) = pair();
    let _member = group.join(&server, Slow::DropOldest { keep: 10 });
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
async fn what_is_out_of_date_is_replaced() {
    let group = Group::new();
    let (server, mut client) = pair();
    let _member = group.join(&server, Slow::DropOldest { keep: 100 });
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
async fn who_is_too_slow_can_be_closed() {
    let group = Group::new();
    let (server, mut client) = pair();
    let _member = group.join(&server, Slow::Close(CloseCode::new(1013)));
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

#[tokio::test]
async fn members_come_and_go() {
    let topics = Topics::new();
    let (server, mut client) = pair();
    let message = numbered(1);
    assert_eq!(topics.publish("news", &message), Published::default());
    let one = topics.subscribe("news", &server, Slow::DropNewest);
    let two = topics.subscribe("sport", &server, Slow::DropNewest);
    assert_eq!((topics.len(), topics.group("news").unwrap().len()), (2, 1));
    assert_eq!(topics.publish("news", &message).delivered, 1);
    drop(one);
    assert_eq!(topics.publish("news", &message), Published::default());
    assert_eq!(topics.publish("sport", &numbered(2)).delivered, 1);
    assert_eq!(numbers(&mut client, 2).await, [1, 2]);
    // One that has gone without a word is missed by nobody.
    drop((server, client));
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let published = topics.publish("sport", &message);
    assert_eq!((published.delivered, published.dropped), (0, 1));
    drop(two);
    assert!(topics.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_publish_at_once() {
    let group = Group::new();
    let mut members = Vec::new();
    for _ in 0..20 {
        let (server, client) = pair();
        members.push((group.join(&server, Slow::DropOldest { keep: 1000 }), server, client));
    }
    let publishers: Vec<_> = (0..4)
        .map(|_| {
            let group = group.clone();
            tokio::spawn(async move {
                for i in 0..100 {
                    group.publish(&numbered(i));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for (_, _, client) in &mut members {
        let mut seen = [0; 100];
        for _ in 0..400 {
            seen[number(&client.next().await.unwrap().unwrap())] += 1;
        }
        assert_eq!(seen, [4; 100]);
    }
    for publisher in publishers {
        publisher.await.unwrap();
    }
}
