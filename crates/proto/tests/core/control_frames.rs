//! Pings, pongs and the keepalive (RFC 6455 §5.5.2, §5.5.3).

use std::time::Duration;

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{
    CloseCause, Config, KeepaliveConfig, Limits, MessageKind, ReadyState, Role, SendConfig,
    SendError,
};
use fullduplex_testkit::pair::{End, EndEvent, Pair};

use crate::oracle::{frames, masked, plain};

const NOW: Duration = Duration::ZERO;
const S: Duration = Duration::from_secs(1);

#[test]
fn control_frames_inside_a_fragmented_message_come_in_order() {
    // §5.4: an endpoint must handle control frames in the middle of a fragmented message.
    let bytes = [
        plain(0x01, "He"),
        plain(0x89, "1"),
        plain(0x00, "l"),
        plain(0x8A, "2"),
        plain(0x89, "3"),
        plain(0x80, "lo"),
        plain(0x89, ""),
    ]
    .concat();
    for size in 1..bytes.len() {
        let mut client = End::new(Role::Client, Config::default());
        bytes.chunks(size).for_each(|piece| client.receive(piece, NOW));
        let expected = [
            EndEvent::Ping("1".into()),
            EndEvent::Pong("2".into()),
            EndEvent::Ping("3".into()),
            EndEvent::Message(MessageKind::Text, "Hello".into()),
            EndEvent::Ping("".into()),
        ];
        assert_eq!(client.take_events(), expected, "by {size}");
    }
}

#[test]
fn close_inside_a_fragmented_message_ends_it() {
    let mut client = End::new(Role::Client, Config::default());
    client.receive(&[plain(0x01, "He"), plain(0x88, ""), plain(0x80, "llo")].concat(), NOW);
    assert_eq!(client.take_events(), [EndEvent::Close(None)]);
}

#[test]
fn pong_has_the_pings_payload() {
    // §5.5.3: identical application data.
    for len in [0, 1, 124, 125] {
        let mut server = End::new(Role::Server, Config::default());
        let payload: Vec<u8> = (0..len).collect();
        server.receive(&masked(0x89, &payload), NOW);
        assert_eq!(server.transmit(usize::MAX), plain(0x8A, &payload));
    }
}

#[test]
fn pong_answers_the_latest_ping_and_replaces_no_other_frame() {
    let mut server = End::new(Role::Server, Config::default());
    server.session().ping(b"mine").unwrap();
    server.session().pong(b"unasked").unwrap();
    assert_eq!(server.session().pong(b"again"), Err(SendError::Full));
    for i in 0..100 {
        server.receive(&masked(0x89, [i]), NOW);
    }
    let sent = frames(&server.transmit(usize::MAX));
    let sent: Vec<_> = sent.iter().map(|f| (f.opcode(), &f.payload[..])).collect();
    assert_eq!(sent, [(10, &[99][..]), (9, b"mine"), (10, b"unasked")]);
    assert!(server.session().pong(b"again").is_ok(), "the slot is free again");
}

#[test]
fn pong_waits_for_the_end_of_the_frame_and_not_of_the_message() {
    let send = SendConfig::default().fragment_size(1_000);
    // At each place where the transport can have stopped.
    for at in 1..5_020 {
        let mut server = End::new(Role::Server, Config::default().send(send));
        server.session().send(MessageKind::Binary, Bytes::from(vec![1; 5_000])).unwrap();
        let mut wire = server.transmit(at);
        server.receive(&masked(0x89, "now"), NOW);
        wire.extend(server.transmit(usize::MAX));
        let opcodes: Vec<u8> = frames(&wire).iter().map(super::oracle::Frame::opcode).collect();
        let pong = opcodes.iter().position(|o| *o == 10).unwrap();
        assert_eq!(pong, at.div_ceil(1_004), "taken up to {at}: {opcodes:?}");
    }
}

#[test]
fn backpressure_bounds_what_waits_for_a_stalled_transport() {
    let limits = Limits::default().max_control_rate(u32::MAX);
    let mut client = End::new(Role::Client, Config::default().limits(limits));
    while client.session().send(MessageKind::Binary, Bytes::from(vec![0; 1_000])).is_ok() {}
    client.transmit(1);
    let full = client.session().buffered();
    assert!(full <= 65 << 10);
    for i in 0..10_000_u32 {
        client.receive(&plain(0x89, i.to_be_bytes()), NOW);
        let _ = client.session().ping(&[0; 125]);
        let _ = client.session().pong(&[0; 125]);
        client.transmit(0);
        assert!(client.session().buffered() <= full + 4 * (6 + 125));
    }
}

#[test]
fn keepalive_counts_a_single_byte_of_a_frame() {
    let mut p = Pair::new(Config::default());
    p.advance(19 * S);
    p.client.receive(&plain(0x82, [0; 200])[..1], p.now);
    p.advance(S);
    assert!(!p.client.session().wants_write(), "not pinged: it was not silent");
    assert!(p.server.session().wants_write(), "pinged: it was");
    p.advance(10 * S);
    assert!(p.client.session().wants_write());
    p.client.transmit(usize::MAX);
    // The next byte comes at the last moment.
    p.advance(Duration::from_micros(19_999_999));
    p.client.receive(&plain(0x82, [0; 200])[1..2], p.now);
    p.advance(S);
    assert_eq!(p.client.session().state(), ReadyState::Open);
    assert_eq!(p.server.session().close_info().unwrap().cause, CloseCause::KeepaliveTimeout);
}

#[test]
fn keepalive_can_be_off_and_ends_with_the_closing() {
    let off = KeepaliveConfig::default().interval(None);
    let mut p = Pair::new(Config::default().keepalive(off));
    assert_eq!(p.client.session().poll_timeout(), None);
    p.advance(1_000_000 * S);
    assert_eq!(p.client.session().state(), ReadyState::Open);

    let mut p = Pair::new(Config::default());
    p.advance(20 * S);
    p.settle();
    p.client.session().close(None, p.now);
    assert_eq!(p.client.session().poll_timeout(), Some(30 * S), "only the close deadline");
}

#[test]
fn keepalive_has_one_ping_in_a_slow_transport() {
    let keepalive = KeepaliveConfig::default().interval(S).timeout(S);
    let mut server = End::new(Role::Server, Config::default().keepalive(keepalive));
    server.session().send(MessageKind::Binary, Bytes::from(vec![0; 10_000])).unwrap();
    let mut sent = server.transmit(1);
    for i in 0..1_000_u32 {
        let now = server.session().poll_timeout().unwrap();
        server.session().handle_timeout(now);
        if i % 2 == 0 {
            // Pinged: the peer shows life, and is silent again for an interval.
            server.receive(&masked(0x82, [i as u8]), now);
        }
        sent.extend(server.transmit(1));
        assert!(server.session().buffered() <= 10_003 + 10);
    }
    sent.extend(server.transmit(usize::MAX));
    sent.extend(server.transmit(usize::MAX));
    assert!(!server.session().wants_write());
    assert_eq!(frames(&sent).len(), 3, "the first ping and the last");
}

#[test]
fn keepalive_gives_up_a_transport_that_takes_nothing() {
    let keepalive = KeepaliveConfig::default().interval(S).timeout(S);
    let mut server = End::new(Role::Server, Config::default().keepalive(keepalive));
    server.session().send(MessageKind::Binary, Bytes::from(vec![0; 10_000])).unwrap();
    server.transmit(1);
    for given_up in [false, false, false, true] {
        let now = server.session().poll_timeout().unwrap();
        server.receive(&masked(0x82, [7]), now);
        assert_eq!(server.session().handle_timeout(now), given_up, "at {now:?}");
    }
    assert_eq!(server.session().close_info().unwrap().cause, CloseCause::KeepaliveTimeout);
}
