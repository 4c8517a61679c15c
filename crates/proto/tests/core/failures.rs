//! Failing the connection (RFC 6455 §7.1.7): for each rule, on both sides, and with
//! something still waiting to be sent.

use std::time::Duration;

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{
    CloseCause, CloseCode, Config, Initiator, MessageKind, ProtocolError as E, ReadyState, Role,
    TransportAction,
};
use fullduplex_testkit::pair::{End, EndEvent};

use crate::oracle::{close_payload, frames, masked, plain};

const NOW: Duration = Duration::ZERO;

/// Bytes for an end of this role that break each rule, and what is found.
fn broken(role: Role) -> Vec<(E, Vec<u8>)> {
    let frame = |first: u8, payload: &[u8]| match role {
        Role::Client => plain(first, payload),
        Role::Server => masked(first, payload),
    };
    // With this bit in the second byte, the frame is masked as it must be.
    let m = if role == Role::Server { 0x80 } else { 0 };
    let key: &[u8] = if role == Role::Server { &[0; 4] } else { &[] };
    let mut cases = vec![
        // §5.4
        (E::UnexpectedContinuation, frame(0x80, b"a")),
        (E::ExpectedContinuation, [frame(0x01, b"a"), frame(0x81, b"b")].concat()),
        (E::ExpectedContinuation, [frame(0x02, b"a"), frame(0x02, b"b")].concat()),
        // After a message that ended.
        (E::UnexpectedContinuation, [frame(0x01, b""), frame(0x80, b""), frame(0, b"")].concat()),
        // §5.2: the shortest form of a length, and 63 bits.
        (E::LengthNotMinimal, [&[0x82, m | 0x7E, 0, 125], key].concat()),
        (E::LengthNotMinimal, [&[0x82, m | 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], key].concat()),
        (E::LengthTopBit, [&[0x82, m | 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0], key].concat()),
        // §5.5
        (E::ControlTooLong, vec![0x89, m | 0x7E]),
        (E::ControlTooLong, vec![0x88, m | 0x7F]),
        // §8.1, §5.6
        (E::InvalidUtf8, frame(0x81, b"\xC0\x80")),
        (E::InvalidUtf8, [frame(0x01, b"\xE2\x82"), frame(0x80, b"")].concat()),
        (E::InvalidUtf8, [frame(0x01, b"\xE2\x82"), frame(0x80, b"a")].concat()),
        // §5.5.1
        (E::ClosePayloadTooShort, frame(0x88, b"\x03")),
        (E::CloseReason, frame(0x88, b"\x03\xE8\xE2\x82")),
        (E::CloseCode(CloseCode::ABNORMAL), frame(0x88, b"\x03\xEE")),
        // Limits.
        (
            E::MessageTooBig { limit: 1 << 20 },
            [&[0x82, m | 0x7F, 0x3F, 0, 0, 0, 0, 0, 0, 0][..], key].concat(),
        ),
        (E::TooManyFragments { limit: 4096 }, {
            [frame(0x01, b""), frame(0x00, b"").repeat(4096)].concat()
        }),
        (E::TooManyControlFrames { limit: 500 }, frame(0x89, b"").repeat(5001)),
        (E::TooManyControlFrames { limit: 500 }, frame(0x8A, b"").repeat(5001)),
    ];
    // §5.2
    for rsv in 1..8 {
        cases.push((E::ReservedBits(rsv), vec![0x81 | rsv << 4, m]));
    }
    for opcode in (3..8).chain(11..16) {
        cases.push((E::ReservedOpcode(opcode), vec![0x80 | opcode, m]));
    }
    for opcode in 8..11 {
        cases.push((E::FragmentedControl, vec![opcode, m]));
    }
    // §5.1: two bytes are enough to see it.
    cases.push(match role {
        Role::Client => (E::Masked, vec![0x81, 0x80]),
        Role::Server => (E::Unmasked, vec![0x81, 0x00]),
    });
    cases
}

/// The code that §7.4.1 gives to it.
fn code(error: E) -> u16 {
    match error {
        E::InvalidUtf8 | E::CloseReason => 1007,
        E::MessageTooBig { .. } => 1009,
        E::TooManyFragments { .. } | E::TooManyControlFrames { .. } => 1008,
        _ => 1002,
    }
}

fn each_case(mut check: impl FnMut(Role, E, &[u8])) {
    for role in [Role::Client, Role::Server] {
        for (error, bytes) in broken(role) {
            check(role, error, &bytes);
        }
    }
}

#[test]
fn error_is_reported_once_and_the_rest_is_drained() {
    each_case(|role, error, bytes| {
        for size in [usize::MAX, 1, 3] {
            let mut end = End::new(role, Config::default());
            bytes.chunks(size).for_each(|piece| end.receive(piece, NOW));
            // §7.1.7: what follows is not looked at, not even a Close.
            end.receive(&plain(0x88, b"\x03\xE8"), NOW);
            end.receive(&masked(0x88, b"\x03\xE8"), NOW);
            end.receive(&[0xFF; 300], NOW);
            let events = end.take_events();
            assert_eq!(events.last(), Some(&EndEvent::Error(error)), "{role:?}, by {size}");
            assert!(!events.iter().any(|t| matches!(t, EndEvent::Close(_))));
            assert_eq!(end.session().state(), ReadyState::Closing);
            assert_eq!(end.session().transport(), TransportAction::Drain);
        }
    });
}

#[test]
fn close_after_an_error_follows_all_queued_frames() {
    each_case(|role, error, bytes| {
        let mut end = End::new(role, Config::default());
        end.session().send(MessageKind::Text, "one".into()).unwrap();
        end.session().send(MessageKind::Binary, Bytes::from(vec![2; 9_000])).unwrap();
        let mut wire = end.transmit(100);
        end.session().ping(b"three").unwrap();
        end.receive(bytes, NOW);
        end.receive(&plain(0x89, b"late"), NOW);
        wire.extend(end.transmit(usize::MAX));
        assert!(!end.session().wants_write(), "{error}");
        let mut frames = frames(&wire);
        frames.retain(|f| f.opcode() != 10); // answers to what came before the error
        let opcodes: Vec<u8> = frames.iter().map(|f| f.first & 0x8f).collect();
        assert_eq!(opcodes, [0x81, 0x82, 0x89, 0x88], "{role:?}: {error}");
        assert_eq!(frames[3].payload, close_payload(code(error), &error.to_string()));
    });
}

#[test]
fn close_info_names_what_was_sent_and_why() {
    each_case(|role, error, bytes| {
        let mut end = End::new(role, Config::default());
        end.receive(bytes, NOW);
        end.session().handle_end(CloseCause::TransportEnd, NOW);
        let info = end.session().close_info().unwrap().clone();
        assert_eq!((info.initiator, info.cause), (Initiator::Library, CloseCause::Protocol(error)));
        assert_eq!(info.sent.as_ref().map(|f| f.code.get()), Some(code(error)));
        // §7.1.5: no Close of the peer arrived.
        assert_eq!((info.code(), info.is_clean()), (CloseCode::ABNORMAL, false));
        assert_eq!(end.session().state(), ReadyState::Closed);
        assert_eq!(end.session().poll_timeout(), None);
    });
}

#[test]
fn close_after_an_error_ends_at_the_deadline() {
    each_case(|role, error, bytes| {
        let mut end = End::new(role, Config::default());
        end.receive(bytes, NOW);
        let deadline = end.session().poll_timeout().unwrap();
        assert_eq!(deadline, Duration::from_secs(10));
        assert!(end.session().handle_timeout(deadline));
        assert_eq!(end.session().transport(), TransportAction::Drop);
        assert_eq!(end.session().close_info().unwrap().cause, CloseCause::Protocol(error));
    });
}

#[test]
fn close_codes_are_checked_by_section_7_4() {
    let client = |code: u16| {
        let mut client = End::new(Role::Client, Config::default());
        client.receive(&plain(0x88, close_payload(code, "x")), NOW);
        (client.take_events(), frames(&client.transmit(usize::MAX)))
    };
    for code in 0..=u16::MAX {
        let (events, sent) = client(code);
        let reply = u16::from_be_bytes([sent[0].payload[0], sent[0].payload[1]]);
        let defined = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014];
        if defined.contains(&code) || (3000..5000).contains(&code) {
            assert!(matches!(&events[..], [EndEvent::Close(Some(f))] if f.code.get() == code));
            assert_eq!(reply, code);
        } else {
            assert_eq!(events, [EndEvent::Error(E::CloseCode(CloseCode::new(code)))]);
            assert_eq!(reply, 1002);
        }
        assert_eq!(sent.len(), 1);
    }
}
