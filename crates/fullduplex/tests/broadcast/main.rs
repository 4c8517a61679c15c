//! One message to many, of whom some are slow.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

#[path = "../common/mod.rs"]
mod common;
mod recipients;
mod slow_members;

use std::time::{Duration, Instant};

use common::open;
use fullduplex::broadcast::{Group, LagPolicy, Membership, PublishReport, Topics};
use fullduplex::proto::PerMessageDeflate;
use fullduplex::{
    CloseCode, Config, DeflateConfig, Message, MessageKind, PreparedMessage, Role, WebSocket,
    WebSocketBuilder,
};
use fullduplex_testkit::Rng;
use fullduplex_testkit::eventually;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

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
async fn broadcast_members_come_and_go() {
    let topics = Topics::new();
    let (server, mut client) = pair();
    let message = numbered(1);
    assert_eq!(topics.publish("news", &message), PublishReport::default());
    let one = topics.subscribe("news", &server, LagPolicy::DropNewest);
    let two = topics.subscribe("sport", &server, LagPolicy::DropNewest);
    assert_eq!((topics.len(), topics.group("news").unwrap().len()), (2, 1));
    assert_eq!(topics.publish("news", &message).delivered, 1);
    drop(one);
    assert_eq!(topics.publish("news", &message), PublishReport::default());
    assert_eq!(topics.publish("sport", &numbered(2)).delivered, 1);
    assert_eq!(numbers(&mut client, 2).await, [1, 2]);
    // One that has gone without a word is missed by nobody.
    drop((server, client));
    let mut published = PublishReport::default();
    eventually("it is seen to be gone", || {
        published = topics.publish("sport", &message);
        published.delivered == 0
    })
    .await;
    assert_eq!((published.delivered, published.dropped), (0, 1));
    drop(two);
    assert!(topics.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broadcast_by_many_publishers_reaches_all() {
    let group = Group::new();
    let mut members = Vec::new();
    for _ in 0..20 {
        let (server, client) = pair();
        members.push((group.join(&server, LagPolicy::DropOldest { keep: 1000 }), server, client));
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

/// What a server and a client agree on about compression.
fn agreed() -> [PerMessageDeflate; 2] {
    let config = DeflateConfig::balanced();
    let (answer, server) = config.accept(&config.offers()).unwrap();
    [server, config.check(&[answer]).unwrap().unwrap()]
}

/// Ends of several kinds that join groups, with what their peers should receive.
struct Crowd {
    ends: Vec<WebSocket<DuplexStream>>,
    peers: Vec<WebSocket<DuplexStream>>,
    expected: Vec<Vec<Message>>,
}

impl Crowd {
    fn new(members: usize) -> Self {
        let (mut ends, mut peers) = (Vec::new(), Vec::new());
        for i in 0..members {
            let (near, far) = duplex(1 << 20);
            let mut config = Config::default();
            if i % 8 == 1 {
                // It has to cut what others send whole.
                config.send.fragment_size = 100;
            }
            // Who masks can't send the frames of others either, nor who compresses.
            let (role, other) = match i % 8 {
                2 => (Role::Client, Role::Server),
                _ => (Role::Server, Role::Client),
            };
            let [at_end, at_peer] = if i % 8 == 3 { agreed().map(Some) } else { [None, None] };
            let make = |stream, role, config, deflate: Option<PerMessageDeflate>| {
                WebSocketBuilder::new(role).config(config).deflate(deflate).build(stream).unwrap()
            };
            ends.push(make(near, role, config, at_end));
            peers.push(make(far, other, Config::default(), at_peer));
        }
        Self { ends, peers, expected: vec![Vec::new(); members] }
    }

    /// Joins every member, or every other one.
    fn group(&self, step: usize) -> (Group, Vec<Membership>) {
        let group = Group::new();
        let members = self.ends.iter().step_by(step);
        let members = members.map(|end| group.join(end, LagPolicy::Close(CloseCode::new(1013))));
        let members = members.collect();
        (group, members)
    }

    fn publish(&mut self, group: &Group, step: usize, message: &Message) {
        let published = group.publish(&PreparedMessage::new(message.clone()));
        assert_eq!(published.delivered, self.ends.len().div_ceil(step));
        self.expected.iter_mut().step_by(step).for_each(|all| all.push(message.clone()));
    }

    async fn receive(&mut self) {
        for (peer, expected) in self.peers.iter_mut().zip(&mut self.expected) {
            for expected in expected.drain(..) {
                assert_eq!(peer.next().await.unwrap().unwrap(), expected);
            }
        }
    }
}

/// A message of any length, mostly a short one.
fn any_message(rng: &mut Rng) -> Message {
    let longest = [10, 200, 4096, 5000][rng.below(4)];
    let len = rng.below(longest + 1);
    if rng.below(2) == 0 { Message::text("x".repeat(len)) } else { Message::from(vec![7; len]) }
}

#[tokio::test]
async fn broadcast_and_send_keep_the_order_of_the_calls() {
    let mut crowd = Crowd::new(24);
    let (all, _all) = crowd.group(1);
    let (some, _some) = crowd.group(2);
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        for _ in 0..rng.below(20) {
            let message = any_message(&mut rng);
            match rng.below(8) {
                0..4 => crowd.publish(&all, 1, &message),
                4..6 => crowd.publish(&some, 2, &message),
                _ => {
                    let who = rng.below(crowd.ends.len());
                    crowd.expected[who].push(message.clone());
                    crowd.ends[who].send(message).await.unwrap();
                }
            }
        }
        crowd.receive().await;
    }
}

#[tokio::test]
async fn broadcast_group_may_shrink_and_have_a_member_twice() {
    let mut crowd = Crowd::new(8);
    let (group, mut members) = crowd.group(1);
    let again = group.join(&crowd.ends[0], LagPolicy::DropNewest);
    let texts = ["one", "two", "three"].map(Message::text);
    for message in &texts[..2] {
        let published = group.publish_keyed(7, &PreparedMessage::new(message.clone()));
        assert_eq!(published.delivered, 9);
        crowd.expected.iter_mut().for_each(|all| all.push(message.clone()));
        crowd.expected[0].push(message.clone());
    }
    // Now there are so few that each has the frames made for itself.
    drop((again, members.remove(7)));
    assert_eq!(group.publish(&PreparedMessage::new(texts[2].clone())).delivered, 7);
    crowd.expected[..7].iter_mut().for_each(|all| all.push(texts[2].clone()));
    crowd.receive().await;
}

#[tokio::test]
async fn broadcast_waits_for_the_end_of_a_fragmented_message() {
    let mut crowd = Crowd::new(12);
    let group = Group::new();
    let members = crowd.ends.iter().map(|end| group.join(end, LagPolicy::DropOldest { keep: 5 }));
    let _members: Vec<_> = members.collect();
    crowd.publish(&group, 1, &Message::text("before"));
    crowd.expected[0].push(Message::text("bit by bit"));
    let mut writer = crowd.ends[0].writer(MessageKind::Text);
    writer.write_all(b"bit by ").await.unwrap();
    let message = Message::text("after");
    assert_eq!(group.publish(&PreparedMessage::new(message.clone())).delivered, 12);
    crowd.expected.iter_mut().for_each(|all| all.push(message.clone()));
    writer.write_all(b"bit").await.unwrap();
    writer.shutdown().await.unwrap();
    crowd.receive().await;
}

#[tokio::test]
async fn broadcast_burst_may_exceed_the_queue() {
    let mut crowd = Crowd::new(16);
    let (group, _members) = crowd.group(1);
    // Ten times `high_water`, in one turn, to transports that take all of it.
    for i in 0..640 {
        let message = Message::text(format!("{i}{}", "x".repeat(1000)));
        crowd.publish(&group, 1, &message);
        let waits = crowd.ends[0].buffered_amount();
        assert!(waits < (64 << 10), "{waits} bytes wait after message {i}");
    }
    crowd.receive().await;
}

#[tokio::test]
async fn broadcast_before_a_close_arrives() {
    let mut crowd = Crowd::new(10);
    let (group, _members) = crowd.group(1);
    let message = Message::text("the last word");
    crowd.publish(&group, 1, &message);
    for end in &mut crowd.ends {
        assert_ne!(end.buffered_amount(), 0);
        end.start_close(CloseCode::NORMAL, "").unwrap();
    }
    let late = group.publish(&PreparedMessage::new("too late"));
    assert_eq!((late.delivered, late.dropped), (0, 10));
    // In the background they read what the peers answer.
    crowd.ends.clear();
    crowd.receive().await;
    for peer in &mut crowd.peers {
        assert!(peer.next().await.is_none());
        assert_eq!(peer.close_info().unwrap().code(), CloseCode::NORMAL);
    }
}

#[tokio::test]
async fn broadcast_is_counted_as_sent() {
    let mut crowd = Crowd::new(10);
    let (group, _members) = crowd.group(1);
    for _ in 0..3 {
        crowd.publish(&group, 1, &Message::text("12345"));
    }
    let sent = crowd.ends[0].stats().sent;
    assert_eq!((sent.text, sent.payload), (3, 15));
    crowd.receive().await;
    let sent = crowd.ends[0].stats().sent;
    assert_eq!((sent.text, sent.payload, sent.wire), (3, 15, 21));
}

#[tokio::test]
async fn broadcast_compresses_while_members_join_and_leave() {
    let (near, _peer) = duplex(PIPE);
    let [deflate, _] = agreed();
    let end = WebSocketBuilder::server().deflate(deflate).build(near).unwrap();
    let group = Group::new();
    let _member = group.join(&end, LagPolicy::DropNewest);
    let mut rng = Rng::new(1);
    let text: Vec<u8> = (0..2_000_000).map(|_| b"abcdefgh"[rng.below(8)]).collect();
    let publishing = std::thread::spawn({
        let group = group.clone();
        move || {
            let begun = Instant::now();
            group.publish(&PreparedMessage::with_level(text, 9).unwrap());
            begun.elapsed()
        }
    });
    let mut longest = Duration::ZERO;
    while !publishing.is_finished() {
        let begun = Instant::now();
        drop(group.join(&end, LagPolicy::DropNewest));
        longest = longest.max(begun.elapsed());
        std::thread::yield_now();
    }
    let took = publishing.join().unwrap();
    assert!(longest < took / 2, "joining waited {longest:?} of {took:?}");
}
