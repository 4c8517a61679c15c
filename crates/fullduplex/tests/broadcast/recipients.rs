//! Whom a message is for: all members but one, and those of topics.

use fullduplex::broadcast::{Group, LagPolicy, PublishReport, Subscription, Topics};
use fullduplex::proto::deflate::{MAX_WINDOW_BITS, MIN_WINDOW_BITS};
use fullduplex::{Message, PreparedMessage, WebSocket};
use fullduplex_testkit::Rng;
use tokio::io::DuplexStream;

use super::{Crowd, any_message, pair};

impl Crowd {
    /// Publishes a message to all members of a group but one.
    fn publish_except(
        &mut self,
        group: &Group,
        members: &[fullduplex::broadcast::Membership],
        except: usize,
        message: &Message,
    ) {
        let prepared = PreparedMessage::new(message.clone());
        let published = match message {
            Message::Text(_) => group.publish_except(&prepared, &members[except]),
            Message::Binary(_) => group.publish_keyed_except(1, &prepared, &members[except]),
        };
        assert_eq!((published.delivered, published.dropped), (self.ends.len() - 1, 0));
        for (i, expected) in self.expected.iter_mut().enumerate() {
            if i != except {
                expected.push(message.clone());
            }
        }
    }
}

#[tokio::test]
async fn broadcast_to_all_but_one_keeps_the_order_of_the_calls() {
    for count in [3, 24] {
        let mut crowd = Crowd::new(count);
        let (group, members) = crowd.group(1);
        for seed in 0..100 {
            let mut rng = Rng::new(seed);
            for _ in 0..rng.below(20) {
                let (message, who) = (any_message(&mut rng), rng.below(count));
                match rng.below(4) {
                    0 => crowd.publish(&group, 1, &message),
                    1 => {
                        crowd.expected[who].push(message.clone());
                        crowd.ends[who].send(message).await.unwrap();
                    }
                    _ => crowd.publish_except(&group, &members, who, &message),
                }
            }
            crowd.receive().await;
        }
    }
}

#[tokio::test]
async fn broadcast_to_all_but_a_member_of_another_group_reaches_all() {
    let mut crowd = Crowd::new(3);
    let (group, _members) = crowd.group(1);
    let (_other, others) = crowd.group(2);
    let message = Message::text("to all");
    let published = group.publish_except(&PreparedMessage::new(message.clone()), &others[1]);
    assert_eq!(published.delivered, 3);
    crowd.expected.iter_mut().for_each(|all| all.push(message.clone()));
    crowd.receive().await;
}

#[tokio::test]
async fn broadcast_compresses_for_recipients_only() {
    let crowd = Crowd::new(12);
    let (group, mut members) = crowd.group(1);
    let is_compressed = |prepared: &PreparedMessage| {
        (MIN_WINDOW_BITS..=MAX_WINDOW_BITS).any(|bits| prepared.is_compressed(bits))
    };
    let long = || PreparedMessage::new("long ".repeat(1000));
    // Of these twelve, numbers 3 and 11 compress.
    let published = long();
    group.publish_except(&published, &members[3]);
    assert!(is_compressed(&published), "the other one needs it");
    members.truncate(11);
    let published = long();
    group.publish_except(&published, &members[3]);
    assert!(!is_compressed(&published), "nobody needs it");
    group.publish_except(&published, &members[4]);
    assert!(is_compressed(&published));
}

/// Returns the texts that a client receives up to and with `last`.
async fn texts_up_to(client: &mut WebSocket<DuplexStream>, last: &str) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    while texts.last().is_none_or(|text| text != last) {
        let message = client.next().await.unwrap().unwrap();
        texts.push(message.as_text().unwrap().to_owned());
    }
    texts
}

#[tokio::test]
async fn broadcast_topics_accept_halves_and_leave_out_one() {
    let topics = Topics::new();
    let (server, mut whole) = pair();
    let (other, mut by_half) = pair();
    let (send, _receive) = other.split();
    let subscribe = |topic: &str| -> [Subscription; 2] {
        let policy = LagPolicy::DropOldest { keep: 9 };
        [topics.subscribe(topic, &server, policy), topics.subscribe_half(topic, &send, policy)]
    };
    let [first, second] = subscribe("news");
    let sport = topics.subscribe("sport", &server, LagPolicy::DropNewest);
    assert_eq!((first.topic(), sport.topic()), ("news", "sport"));
    let mut names = topics.names();
    names.sort();
    assert_eq!(names, ["news", "sport"]);

    let count = |report: PublishReport| report.delivered;
    assert_eq!(count(topics.publish_except("news", &PreparedMessage::new("a"), &first)), 1);
    assert_eq!(count(topics.publish_except("news", &PreparedMessage::new("b"), &second)), 1);
    assert_eq!(count(topics.publish_except("news", &PreparedMessage::new("c"), &sport)), 2);
    assert_eq!(count(topics.publish_except("none", &PreparedMessage::new("d"), &first)), 0);
    assert_eq!(count(topics.publish_keyed("news", 1, &PreparedMessage::new("e"))), 2);
    assert_eq!(count(topics.publish_keyed("none", 1, &PreparedMessage::new("f"))), 0);
    let keyed = |topic, text| {
        count(topics.publish_keyed_except(topic, 2, &PreparedMessage::new(text), &first))
    };
    assert_eq!([keyed("news", "g"), keyed("none", "h")], [1, 0]);
    // One that is in both topics gets it once.
    assert_eq!(count(topics.publish_to_all(&PreparedMessage::new("end"))), 2);
    assert_eq!(texts_up_to(&mut whole, "end").await, ["b", "c", "e", "end"]);
    assert_eq!(texts_up_to(&mut by_half, "end").await, ["a", "c", "e", "g", "end"]);
    assert_eq!(count(topics.publish("news", &PreparedMessage::new("after"))), 2);
    assert_eq!(texts_up_to(&mut whole, "after").await, ["after"], "nothing came twice");

    drop((first, second, sport));
    assert!(topics.names().is_empty());
    assert_eq!(topics.publish_to_all(&PreparedMessage::new("late")), PublishReport::default());
}
