//! What leaves, in which order, and how much is held (RFC 6455 §5.3–§5.6).

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
// Test data is cut to size on purpose.
#![allow(clippy::cast_possible_truncation)]

use std::time::Duration;

use fullduplex_proto::bytes::{Buf, Bytes};
use fullduplex_proto::{
    CloseCause, Compression, Config, DeflateConfig, Event, FrameBatch, Limits, Message,
    MessageKind, ProtocolError, ReadyState, Role, SendBuffer, SendConfig, SendError,
};
use fullduplex_testkit::Rng;
use fullduplex_testkit::pair::{End, EndEvent, Pair};

const NOW: Duration = Duration::ZERO;
const S: Duration = Duration::from_secs(1);

/// An open server that sends so.
fn server(send: SendConfig) -> End {
    End::new(Role::Server, Config::default().send(send))
}

#[test]
fn messages_that_are_small_gather_in_one_slice() {
    let mut server = End::new(Role::Server, Config::default());
    for _ in 0..100 {
        server.session().send(MessageKind::Text, Bytes::from("hello")).unwrap();
    }
    let out = server.session().outgoing();
    assert_eq!(out.slices().count(), 1);
    assert_eq!(out.chunk().len(), 700);
}

#[test]
fn messages_that_are_long_are_not_copied() {
    let payload = Bytes::from(vec![7; 10_000]);
    let mut server = server(SendConfig::default());
    server.session().send(MessageKind::Binary, payload.clone()).unwrap();
    let out = server.session().outgoing();
    let slices: Vec<&[u8]> = out.slices().collect();
    assert_eq!(slices.len(), 2);
    assert_eq!(slices[1].as_ptr(), payload.as_ptr());
}

#[test]
fn mask_is_applied_in_place_unless_shared() {
    let mut client = End::new(Role::Client, Config::default());
    let unique = Bytes::from(vec![7; 10_000]);
    let pointer = unique.as_ptr();
    client.session().send(MessageKind::Binary, unique).unwrap();
    assert_eq!(client.session().outgoing().slices().nth(1).unwrap().as_ptr(), pointer);

    let mut client = End::new(Role::Client, Config::default());
    let shared = Bytes::from(vec![7; 10_000]);
    client.session().send(MessageKind::Binary, shared.clone()).unwrap();
    let out = client.session().outgoing();
    // The copy follows its header.
    assert_eq!(out.slices().map(<[u8]>::len).collect::<Vec<_>>(), [8 + 10_000]);
    assert_ne!(out.chunk()[8..].as_ptr(), shared.as_ptr());
    assert!(shared.iter().all(|b| *b == 7), "what others hold is not touched");
}

#[test]
fn mask_key_is_new_for_each_frame() {
    // §5.3: a fresh key for every frame.
    let mut client = End::new(Role::Client, Config::default());
    let mut keys = std::collections::HashSet::new();
    for _ in 0..1000 {
        client.session().send(MessageKind::Binary, Bytes::new()).unwrap();
        let frame = client.transmit(usize::MAX);
        assert_eq!(frame.len(), 6);
        assert!(keys.insert(frame[2..].to_vec()));
    }
}

#[test]
fn backpressure_at_high_water_zero_takes_one_message_at_a_time() {
    let mut server = server(SendConfig::default().high_water(1).low_water(0));
    let session = server.session();
    for _ in 0..3 {
        session.send(MessageKind::Text, Bytes::from("hello")).unwrap();
        assert_eq!(session.check_ready(), Err(SendError::Full));
        let mut out = session.outgoing();
        out.advance(out.remaining());
        assert_eq!(session.check_ready(), Ok(()));
    }
}

#[test]
fn backpressure_keeps_reserved_room() {
    let mut server = server(SendConfig::default().high_water(100).low_water(0));
    let session = server.session();
    session.check_ready().unwrap();
    session.send(MessageKind::Binary, Bytes::from(vec![7; 200])).unwrap();
    assert_eq!(session.check_ready(), Err(SendError::Full));
    let promised = Message::text("promised");
    session.send_reserved(promised.clone(), Compression::Auto).unwrap();
    assert_eq!(session.buffered(), 4 + 200 + 2 + promised.len());
    // It is refused for other reasons than want of room.
    let mut out = session.outgoing();
    out.advance(out.remaining());
    session.send_fragment(MessageKind::Text, &[b'x'; 200], false, Compression::Auto).unwrap();
    let refused = session.send_reserved(promised.clone(), Compression::Auto);
    assert_eq!(refused, Err((SendError::MessageUnderWay, promised.clone())));
    session.close(None, NOW);
    let refused = session.send_reserved(promised.clone(), Compression::Auto);
    assert_eq!(refused, Err((SendError::Closing, promised)));
}

#[test]
fn backpressure_returns_the_message() {
    let mut server = End::new(Role::Server, Config::default());
    let message = Bytes::from(vec![0; 40_000]);
    server.session().send(MessageKind::Binary, message.clone()).unwrap();
    server.session().send(MessageKind::Binary, message.clone()).unwrap();
    let (error, back) = server.session().send(MessageKind::Binary, message.clone()).unwrap_err();
    assert_eq!((error, back), (SendError::Full, message.clone()));
    server.transmit(20_000);
    server.session().send(MessageKind::Binary, message).unwrap();
}

#[test]
fn pong_cuts_in_between_the_frames_of_a_long_message() {
    // §5.4, §5.5: control frames may stand between fragments.
    let send = SendConfig::default().fragment_size(1000);
    let mut server = End::new(Role::Server, Config::default().send(send));
    server.session().send(MessageKind::Binary, Bytes::from(vec![1; 9_000])).unwrap();
    let mut wire = server.transmit(1500);
    server.receive(b"\x89\x82\0\0\0\0hi", NOW);
    wire.extend(server.transmit(usize::MAX));
    // Inside the second fragment when the Ping came: the Pong is behind it.
    assert_eq!(&wire[2 * 1004..2 * 1004 + 4], b"\x8A\x02hi");
    let mut client = End::new(Role::Client, Config::default());
    client.receive(&wire, NOW);
    let whole = EndEvent::Message(MessageKind::Binary, Bytes::from(vec![1; 9_000]));
    assert_eq!(client.take_events(), [EndEvent::Pong("hi".into()), whole]);
}

#[test]
fn pong_of_a_ping_flood_is_held_once() {
    // §5.5.3: only the latest Ping need be answered.
    let limits = Limits::default().max_control_rate(u32::MAX);
    let mut server = End::new(Role::Server, Config::default().limits(limits));
    server.session().send(MessageKind::Binary, Bytes::from(vec![0; 5_000])).unwrap();
    server.transmit(10);
    for i in 0..100_000_u32 {
        let mut ping = Vec::from(*b"\x89\x84\0\0\0\0");
        ping.extend(i.to_be_bytes());
        server.receive(&ping, NOW);
        server.events.clear();
    }
    assert!(server.session().buffered() < 5_010);
    let rest = server.transmit(usize::MAX);
    let last_pong = [&b"\x8A\x04"[..], &99_999_u32.to_be_bytes()].concat();
    assert_eq!(rest[rest.len() - 6..], last_pong);
    assert_eq!(server.session().buffered(), 0);
}

#[test]
fn limits_on_control_frames_fail_a_flood_of_pings() {
    let mut server = End::new(Role::Server, Config::default());
    for _ in 0..=5_000 {
        server.receive(b"\x89\x80\0\0\0\0", NOW);
        server.transmit(usize::MAX);
    }
    let limit = ProtocolError::TooManyControlFrames { limit: 500 };
    assert_eq!(server.take_events().last(), Some(&EndEvent::Error(limit)));
    assert!(limit.to_string().contains("max_control_rate"));
}

#[test]
fn ping_of_the_application_has_its_own_slot() {
    let mut server = server(SendConfig::default());
    let session = server.session();
    session.handle_event(&Event::Ping(b"a"), NOW).unwrap();
    session.pong(b"b").unwrap();
    session.ping(b"c").unwrap();
    assert_eq!(session.ping(b"d"), Err(SendError::Full));
    assert_eq!(session.pong(b"d"), Err(SendError::Full));
    assert_eq!(session.ping(&[0; 126]), Err(SendError::ControlTooLong));
    assert_eq!(session.pong(&[0; 126]), Err(SendError::ControlTooLong));
    let mut out = session.outgoing();
    let bytes = out.copy_to_bytes(out.remaining());
    assert_eq!(bytes, &b"\x8A\x01a\x89\x01c\x8A\x01b"[..]);
}

#[test]
fn fragments_of_a_message_admit_no_other() {
    // §5.4: fragments of two messages are not interleaved.
    let mut p = Pair::new(Config::default());
    p.client.session().send_fragment(MessageKind::Text, b"a", false, Compression::Auto).unwrap();
    assert_eq!(
        p.client.session().send(MessageKind::Text, Bytes::new()).unwrap_err().0,
        SendError::MessageUnderWay
    );
    p.client.session().ping(b"between").unwrap();
    p.client
        .session()
        .send_fragment(MessageKind::Text, &[b'b'; 5000], false, Compression::Auto)
        .unwrap();
    p.client.session().send_fragment(MessageKind::Text, b"", true, Compression::Auto).unwrap();
    p.client.session().send(MessageKind::Binary, Bytes::from("next")).unwrap();
    p.settle();
    let text = format!("a{}", "b".repeat(5000));
    assert_eq!(
        p.server.take_events(),
        [
            EndEvent::Ping("between".into()),
            EndEvent::Message(MessageKind::Text, text.into()),
            EndEvent::Message(MessageKind::Binary, "next".into()),
        ]
    );
    assert_eq!(p.client.take_events(), [EndEvent::Pong("between".into())]);
}

/// Sends at random, with writes cut at random; gives what was sent and what arrived.
fn random_session(seed: u64) -> (Vec<Bytes>, Vec<Bytes>) {
    let mut rng = Rng::new(seed);
    let (role, other) = match seed % 2 {
        0 => (Role::Client, Role::Server),
        _ => (Role::Server, Role::Client),
    };
    let cut = SendConfig::default().fragment_size(1 + rng.below(6_000));
    let limits = Limits::default().max_fragments(100_000);
    let mut sender = End::new(role, Config::default().send(cut));
    let mut receiver = End::new(other, Config::default().limits(limits));
    let mut sent = Vec::new();
    for _ in 0..60 {
        match rng.below(4) {
            0 => {
                let payload = Bytes::from(vec![rng.below(256) as u8; rng.below(12_000)]);
                if sender.session().send(MessageKind::Binary, payload.clone()).is_ok() {
                    sent.push(payload);
                }
            }
            // Refused while the last one waits.
            1 => drop(sender.session().ping(&[1; 125][..rng.below(126)])),
            _ => {
                let bytes = sender.transmit(1 + rng.below(9_000));
                receiver.receive(&bytes, NOW);
            }
        }
    }
    let rest = sender.transmit(usize::MAX);
    receiver.receive(&rest, NOW);
    assert_eq!(sender.session().buffered(), 0);
    let arrived = receiver.take_events().into_iter().filter_map(|event| match event {
        EndEvent::Message(_, bytes) => Some(bytes),
        EndEvent::Ping(_) => None,
        other => panic!("seed {seed}: {other:?}"),
    });
    (sent, arrived.collect())
}

#[test]
fn frames_are_never_mixed_by_partial_writes() {
    for seed in 0..300 {
        let (sent, arrived) = random_session(seed);
        assert!(arrived == sent, "seed {seed}: other messages arrived");
    }
}

#[test]
fn keepalive_pings_and_gives_up_a_silent_peer() {
    let mut p = Pair::new(Config::default());
    p.advance(20 * S);
    assert!(p.client.session().wants_write());
    p.settle();
    assert_eq!(p.client.session().round_trip(), Some(Duration::ZERO));
    // Pinged and answered, for ever.
    for _ in 0..10 {
        p.advance(20 * S);
        p.settle();
        assert_eq!(p.client.session().state(), ReadyState::Open);
    }
    // Now nothing arrives any more.
    p.advance(60 * S);
    for end in [&mut p.client, &mut p.server] {
        assert_eq!(end.session().state(), ReadyState::Closed);
        assert_eq!(end.session().close_info().unwrap().cause, CloseCause::KeepaliveTimeout);
    }
}

#[test]
fn send_buffers_are_lent_and_returned() {
    let mut server = End::new(Role::Server, Config::default());
    assert!(server.session().wants_buffer());
    server.session().lend_buffer(Box::new(SendBuffer::with_capacity(100)));
    server.session().send(MessageKind::Text, Bytes::from("x")).unwrap();
    assert!(server.session().take_buffer().is_none(), "bytes wait in it");
    server.transmit(usize::MAX);
    assert_eq!(server.session().take_buffer().map(|b| b.capacity()), Some(100));
    assert!(server.session().take_buffer().is_none());
}

#[test]
fn batch_frames_equal_those_of_each_connection() {
    let messages = [Message::text(""), Message::text("é"), Message::from(vec![7; 4096])];
    let mut batch = FrameBatch::default();
    let ranges: Vec<_> = messages.iter().map(|message| batch.push(message).unwrap()).collect();
    assert_eq!(batch.push(&Message::from(vec![7; 4097])), None, "longer ones are not copied");
    let mut one_by_one = End::new(Role::Server, Config::default());
    let mut at_once = End::new(Role::Server, Config::default());
    let mut alone = End::new(Role::Server, Config::default());
    for (message, range) in messages.into_iter().zip(&ranges) {
        one_by_one.session().send_batch(&batch, range.clone()).unwrap();
        alone.session().send_message(message, Compression::Auto).unwrap();
    }
    at_once.session().send_batch(&batch, ranges[0].start..ranges[2].end).unwrap();
    let expected = alone.session().outgoing().chunk().to_vec();
    assert_eq!(expected.len(), batch.len());
    for end in [&mut one_by_one, &mut at_once] {
        assert_eq!(end.session().buffered(), expected.len());
        assert_eq!(end.session().outgoing().chunk(), expected);
    }
}

#[test]
fn batch_frames_obey_the_rules_of_sending() {
    let mut batch = FrameBatch::default();
    let range = batch.push(&Message::from(vec![7; 60])).unwrap();
    let mut server = server(SendConfig::default().high_water(100).low_water(0));
    let session = server.session();
    assert_eq!(session.remaining_capacity(), 100);
    session.send_fragment(MessageKind::Text, b"a", false, Compression::Off).unwrap();
    assert_eq!(session.send_batch(&batch, range.clone()), Err(SendError::MessageUnderWay));
    assert_eq!(session.remaining_capacity(), 0);
    session.send_fragment(MessageKind::Text, b"b", true, Compression::Off).unwrap();
    session.send_batch(&batch, range.clone()).unwrap();
    assert_eq!(session.remaining_capacity(), 100 - 3 - 3 - 62);
    session.send_batch(&batch, range.clone()).unwrap();
    assert_eq!(session.send_batch(&batch, range.clone()), Err(SendError::Full));
    assert_eq!(session.remaining_capacity(), 0);
    session.close(None, NOW);
    assert_eq!(session.send_batch(&batch, range), Err(SendError::Closing));
}

#[test]
fn batch_frames_are_not_shared_by_masking_cutting_or_compressing_ends() {
    let mut client = End::new(Role::Client, Config::default());
    assert!(!client.session().can_share_frames(), "each of its frames is masked");
    let short = SendConfig::default().fragment_size(4095);
    assert!(!server(short).session().can_share_frames(), "it has to cut some");
    let config = DeflateConfig::balanced();
    let (_, deflate) = config.accept(&config.offers()).unwrap();
    let mut compressing = server(SendConfig::default()).with_deflate(&deflate);
    assert!(!compressing.session().can_share_frames(), "it compresses");
    assert!(server(SendConfig::default()).session().can_share_frames());
}

#[test]
fn send_by_copy_is_for_short_or_compressed_messages() {
    let mut end = End::new(Role::Server, Config::default());
    let session = end.session();
    assert_eq!(session.send_copy(MessageKind::Text, b"hello", Compression::Auto), Ok(true));
    assert_eq!(session.outgoing().chunk(), b"\x81\x05hello");
    assert_eq!(session.send_copy(MessageKind::Binary, &[7; 4097], Compression::Auto), Ok(false));
    assert_eq!(session.buffered(), 7, "what is not copied is not queued");
    session.send_fragment(MessageKind::Text, b"a", false, Compression::Off).unwrap();
    assert_eq!(
        session.send_copy(MessageKind::Text, b"b", Compression::Auto),
        Err(SendError::MessageUnderWay)
    );
    session.close(None, NOW);
    assert_eq!(
        session.send_copy(MessageKind::Text, b"b", Compression::Auto),
        Err(SendError::Closing)
    );

    let config = DeflateConfig::balanced();
    let (_, deflate) = config.accept(&config.offers()).unwrap();
    let mut end = End::new(Role::Server, Config::default()).with_deflate(&deflate);
    let session = end.session();
    let zeros = vec![0; 100_000];
    assert_eq!(session.send_copy(MessageKind::Binary, &zeros, Compression::Off), Ok(false));
    assert_eq!(session.buffered(), 0);
    // It is compressed from where it lies.
    assert!(session.would_compress(100_000, Compression::Auto));
    assert_eq!(session.send_copy(MessageKind::Binary, &zeros, Compression::Auto), Ok(true));
    assert!((1..1000).contains(&session.buffered()), "{}", session.buffered());
    // Too short to be compressed.
    assert!(!session.would_compress(5, Compression::Auto));
    let before = session.buffered();
    assert_eq!(session.send_copy(MessageKind::Text, b"hello", Compression::Auto), Ok(true));
    assert_eq!(session.buffered(), before + 7);
}
