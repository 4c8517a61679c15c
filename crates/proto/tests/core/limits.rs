//! What a peer may cost, at its exact bounds (`Limits`).

use std::time::Duration;

use fullduplex_proto::{Config, Limits, MessageKind, ProtocolError as E, Role};
use fullduplex_testkit::pair::{End, EndEvent};

use crate::oracle::{masked, plain};

const NOW: Duration = Duration::ZERO;

fn client(limits: Limits) -> End {
    End::new(Role::Client, Config::default().limits(limits))
}

fn sized(max_message_size: Option<u64>) -> Limits {
    Limits::default().max_message_size(max_message_size)
}

/// A message of these fragments.
fn fragmented(payload: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let count = payload.len().div_ceil(size);
    for (i, piece) in payload.chunks(size).enumerate() {
        let fin = if i + 1 == count { 0x80 } else { 0 };
        bytes.extend(plain(if i == 0 { 0x02 } else { 0x00 } | fin, piece));
    }
    bytes
}

#[test]
fn limits_on_message_size_are_exact_at_any_cut() {
    for size in [1, 7, 999, 1_000] {
        let mut end = client(sized(Some(1_000)));
        end.receive(&fragmented(&[5; 1_000], size), NOW);
        end.receive(&fragmented(&[5; 1_000], size), NOW);
        let message = EndEvent::Message(MessageKind::Binary, vec![5; 1_000].into());
        assert_eq!(end.take_events(), [message.clone(), message]);
        end.receive(&fragmented(&[5; 1_001], size), NOW);
        assert_eq!(end.take_events(), [EndEvent::Error(E::MessageTooBig { limit: 1_000 })]);
    }
    let mut end = client(sized(Some(0)));
    end.receive(&plain(0x81, ""), NOW);
    end.receive(&plain(0x81, "a")[..2], NOW);
    let too_big = EndEvent::Error(E::MessageTooBig { limit: 0 });
    assert_eq!(end.take_events(), [EndEvent::Message(MessageKind::Text, "".into()), too_big]);
}

#[test]
fn limits_refuse_lengths_that_would_wrap() {
    // §5.2: a frame may claim 2^63 - 1 bytes. A message of more never ends.
    let mut end = client(sized(None));
    end.receive(&plain(0x02, "a"), NOW);
    end.receive(b"\x80\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", NOW);
    let too_big = EndEvent::Error(E::MessageTooBig { limit: u64::MAX >> 1 });
    assert_eq!(end.take_events(), [too_big]);
    for len in [1u64 << 62, u64::MAX >> 1, u64::from(u32::MAX) + 1] {
        let mut end = client(Limits::default());
        end.receive(&[&[0x82, 0x7F][..], &len.to_be_bytes()].concat(), NOW);
        assert_eq!(end.take_events(), [EndEvent::Error(E::MessageTooBig { limit: 1 << 20 })]);
    }
    for len in [1u64 << 63, u64::MAX] {
        let mut end = End::new(Role::Server, Config::default().limits(sized(None)));
        end.receive(&[&[0x82, 0xFF][..], &len.to_be_bytes(), &[1; 4]].concat(), NOW);
        assert_eq!(end.take_events(), [EndEvent::Error(E::LengthTopBit)]);
    }
}

#[test]
fn fragments_budget_is_as_documented() {
    // A frame too many is found at its header: `limit` and one for each 32 bytes before it.
    for (limit, size) in [(1, 0), (10, 1), (10, 16), (10, 31), (3, 7)] {
        let allowed = (1..1_000).find(|n| n + 1 > limit + n * size / 32).unwrap();
        let limits = Limits::default().max_fragments(limit as u32);
        let mut end = client(limits);
        let payload = vec![0; size];
        end.receive(&plain(0x02, &payload), NOW);
        for _ in 1..allowed {
            end.receive(&plain(0x00, &payload), NOW);
        }
        assert_eq!(end.take_events(), [], "{limit}, {size}");
        end.receive(&plain(0x00, &payload), NOW);
        let too_many = E::TooManyFragments { limit: limit as u32 };
        assert_eq!(end.take_events(), [EndEvent::Error(too_many)], "{limit}, {size}");
    }
    // With 32 bytes in each there is no end to it, and each message begins anew.
    let limits = Limits::default().max_fragments(1);
    let mut end = client(limits);
    end.receive(&fragmented(&[1; 32 * 500], 32), NOW);
    end.receive(&fragmented(&[1; 32 * 500], 32), NOW);
    assert_eq!(end.take_events().len(), 2);
}

#[test]
fn fragments_of_long_messages_may_be_small() {
    // Autobahn 9.3 and 9.4: 4 MiB in fragments of 64 bytes and more, and four times that.
    for (len, size) in [(4 << 20, 64), (4 << 20, 256), (16 << 20, 64), (16 << 20, 1 << 20)] {
        let payload = vec![3; len];
        let mut end = client(sized(Some(len as u64)));
        // As a transport would give it.
        for piece in fragmented(&payload, size).chunks(64 << 10) {
            end.receive(piece, NOW);
        }
        let events = end.take_events();
        assert!(
            events == [EndEvent::Message(MessageKind::Binary, payload.into())],
            "{len} by {size}"
        );
    }
}

#[test]
fn fragments_that_are_empty_are_refused_at_the_limit() {
    let mut end = client(sized(None));
    end.receive(&plain(0x01, ""), NOW);
    let mut sent = 0;
    while end.events.is_empty() {
        end.receive(&plain(0x00, ""), NOW);
        sent += 1;
    }
    assert_eq!(end.take_events(), [EndEvent::Error(E::TooManyFragments { limit: 4096 })]);
    assert_eq!(sent, 4096);
}

#[test]
fn limits_allow_a_steady_rate_of_control_frames() {
    let mut end = End::new(Role::Server, Config::default());
    // 500 a second in bursts of 50, pings and pongs mixed.
    for i in 0..2_000 {
        let now = Duration::from_millis(100 * i);
        end.receive(&[masked(0x89, "x"), masked(0x8A, "y")].concat().repeat(25), now);
        end.transmit(usize::MAX);
        assert!(!end.take_events().iter().any(|t| matches!(t, EndEvent::Error(_))), "{now:?}");
    }
    // Twice as many a second are not, once the burst is spent.
    let mut failed = None;
    for i in 0..200 {
        let now = Duration::from_millis(200_000 + 100 * i);
        end.receive(&masked(0x89, "x").repeat(100), now);
        if let Some(EndEvent::Error(error)) = end.take_events().last() {
            failed = Some((i, *error));
        }
    }
    let (after, error) = failed.unwrap();
    assert_eq!(error, E::TooManyControlFrames { limit: 500 });
    assert!((98..=102).contains(&after), "5,000 in hand last for 10 s: failed after {after}");
}
