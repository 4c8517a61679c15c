//! What is made of received bytes: however they are cut, beside a simple oracle, and within
//! the limits (RFC 6455 §5, §8.1).

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
// Test data is cut to size on purpose.
#![allow(clippy::cast_possible_truncation)]

use std::time::Duration;

use fullduplex_proto::bytes::{Bytes, BytesMut};
use fullduplex_proto::frame::EncodedFrameHeader;
use fullduplex_proto::{
    Assembler, CloseFrame, Config, DataChunk, Limits, MessageEvent, MessageKind, OpCode,
    PayloadAllocator, ProtocolError, ReceiveBuffer, Receiver, Role, mask,
};
use fullduplex_testkit::chop;
use fullduplex_testkit::pair::{End, EndEvent};
use fullduplex_testkit::receive::by_buffer;
use proptest::prelude::*;

const NOW: Duration = Duration::ZERO;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame.
fn frame(opcode: OpCode, fin: bool, payload: &[u8]) -> Vec<u8> {
    let header = EncodedFrameHeader::new(opcode, fin, Some(KEY), payload.len() as u64);
    let mut bytes = header.as_bytes().to_vec();
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    mask::apply(&mut bytes[start..], KEY);
    bytes
}

fn server(limits: Limits) -> End {
    End::new(Role::Server, Config::default().limits(limits))
}

/// Some of everything that is legal.
fn valid_stream() -> Vec<u8> {
    use OpCode as O;
    [
        frame(O::Text, true, "Hello, 世界".as_bytes()),
        frame(O::Text, false, &"🌍".as_bytes()[..2]),
        frame(O::Ping, true, b"ping"),
        frame(O::Continuation, false, b""),
        frame(O::Pong, true, b""),
        frame(O::Continuation, true, &"🌍".as_bytes()[2..]),
        frame(O::Binary, true, &[0xAB; 300]),
        frame(O::Binary, true, b""),
        frame(O::Close, true, b"\x03\xe8bye"),
        b"not looked at".to_vec(),
    ]
    .concat()
}

#[test]
fn events_do_not_depend_on_the_cuts() {
    for tail in [&b""[..], b"\x81\x81aaaa\xFF", b"\x83\x80aaaa", b"\x81\x00"] {
        let valid = valid_stream();
        let stream = [&valid[..if tail.is_empty() { valid.len() } else { 60 }], tail].concat();
        chop::check(&stream, |pieces| {
            let mut end = server(Limits::default());
            for piece in pieces {
                end.receive(piece, NOW);
            }
            end.take_events()
        });
    }
}

/// The same, through the adapter that makes messages.
fn through_input(pieces: &[&[u8]]) -> Vec<EndEvent> {
    by_buffer(Role::Server, Limits::default(), pieces, ReceiveBuffer::from)
}

#[test]
fn messages_do_not_depend_on_the_cuts() {
    let stream = [frame(OpCode::Binary, true, &[5; 9000]), valid_stream()].concat();
    let whole = through_input(&[&stream]);
    assert_eq!(whole.len(), 8);
    for at in (0..stream.len()).step_by(7).chain(0..40) {
        let (a, b) = stream.split_at(at);
        assert!(through_input(&[a, b]) == whole, "cut at {at}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert!(through_input(&bytes) == whole);
    chop::check(&valid_stream(), through_input);
}

#[test]
fn messages_are_split_off_if_long_and_copied_if_short() {
    let stream =
        [frame(OpCode::Binary, true, &[1; 9000]), frame(OpCode::Binary, true, &[2; 100])].concat();
    let mut input = ReceiveBuffer::from(BytesMut::from(&stream[..]));
    let range = input.bytes_mut().as_ptr_range();
    let mut receiver = Receiver::new(Role::Server, Limits::default());
    let mut next = || input.next(&mut receiver, &mut Assembler::default()).unwrap().unwrap();
    let (MessageEvent::Message(long), MessageEvent::Message(short)) = (next(), next()) else {
        panic!()
    };
    assert!(range.contains(&long.as_bytes().as_ptr()), "not copied");
    assert!(!range.contains(&short.as_bytes().as_ptr()), "does not keep the buffer");
}

#[test]
fn messages_under_way_are_taken_from_the_input_up_to_a_bound() {
    let payload = vec![7; 1000];
    let mut stream = frame(OpCode::Binary, false, &payload);
    stream.extend(frame(OpCode::Continuation, false, &payload).repeat(8));
    stream.extend(frame(OpCode::Continuation, true, &payload));
    let mut input = ReceiveBuffer::from(BytesMut::from(&stream[..]));
    let mut receiver = Receiver::new(Role::Server, Limits::default());
    let mut assembler = Assembler::default();
    for (most, held) in [(3_000, 3_000), (3_500, 4_000), (3_500, 4_000), (4_000, 4_000)] {
        assert_eq!(input.next_within(&mut receiver, &mut assembler, most).unwrap(), None);
        assert_eq!((assembler.len(), input.len() > 10_000 - held), (held, true));
    }
    let whole = input.next(&mut receiver, &mut assembler).unwrap();
    assert_eq!(whole, Some(MessageEvent::Message(vec![7; 10_000].into())));
}

#[test]
fn messages_read_directly_are_equal_and_grow_with_what_came() {
    let payload: Vec<u8> = (0..300_000_u32).map(|i| i as u8).collect();
    let bytes = frame(OpCode::Binary, true, &payload);
    let mut receiver = Receiver::new(Role::Server, Limits::default());
    let mut assembler = Assembler::default();
    let mut head = bytes[..14].to_vec();
    assert_eq!(receiver.receive(&mut head).unwrap().consumed, 14);
    let mut rest = &bytes[14..];
    loop {
        let (buffer, room) = assembler.reserve(receiver.payload_remaining());
        let (start, take) = (buffer.len(), room.min(rest.len()).min(7_001));
        buffer.extend_from_slice(&rest[..take]);
        assert!(buffer.capacity() <= 2 * (start + take) + 16 * 1024, "by what came, not announced");
        rest = &rest[take..];
        if let Some(message) = assembler.commit(&mut receiver, start).unwrap() {
            assert!(message.as_bytes() == payload);
            assert!(rest.is_empty());
            return;
        }
    }
}

#[test]
fn limits_on_message_size_hold_at_the_header_and_over_fragments() {
    let limits = Limits::default().max_message_size(1000);
    let too_big = EndEvent::Error(ProtocolError::MessageTooBig { limit: 1000 });
    let run = |bytes: &[u8]| {
        let mut end = server(limits);
        end.receive(bytes, NOW);
        end.take_events()
    };
    assert_eq!(run(&frame(OpCode::Binary, true, &[0; 1000])).len(), 1);
    assert!(matches!(run(&frame(OpCode::Binary, true, &[0; 1000]))[0], EndEvent::Message(..)));
    // The header alone.
    assert_eq!(run(&frame(OpCode::Binary, true, &[0; 1001])[..8])[0], too_big);
    let first = frame(OpCode::Binary, false, &[0; 600]);
    let second = frame(OpCode::Continuation, true, &[0; 401]);
    assert_eq!(run(&[&first[..], &second[..8]].concat()), [too_big]);
    assert!(ProtocolError::MessageTooBig { limit: 1 }.to_string().contains("max_message_size"));
}

#[test]
fn limits_on_lengths_allocate_nothing_and_can_not_wrap() {
    let limits = Limits::default().max_message_size(None);
    let mut receiver = Receiver::new(Role::Client, limits);
    let mut assembler = Assembler::default();
    let mut header = *b"\x02\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
    assert_eq!(receiver.receive(&mut header).unwrap().consumed, 10);
    assert_eq!(receiver.payload_remaining(), u64::MAX >> 1);
    assert!(assembler.reserve(receiver.payload_remaining()).0.capacity() <= 16 * 1024);
}

#[test]
fn frames_with_faults_are_refused_before_their_length() {
    let mut end = End::new(Role::Client, Config::default());
    end.receive(b"\x83\x7F", NOW);
    assert_eq!(end.take_events(), [EndEvent::Error(ProtocolError::ReservedOpcode(3))]);
}

#[test]
fn fragments_are_budgeted_by_what_they_carry() {
    let fragments = |count: usize, payload: &[u8]| {
        let mut end = server(Limits::default().max_message_size(None));
        end.receive(&frame(OpCode::Binary, false, payload), NOW);
        let more = frame(OpCode::Continuation, false, payload).repeat(count - 2);
        more.chunks(64 << 10).for_each(|piece| end.receive(piece, NOW));
        end.receive(&frame(OpCode::Continuation, true, payload), NOW);
        end.take_events().remove(0)
    };
    let too_many = EndEvent::Error(ProtocolError::TooManyFragments { limit: 4096 });
    assert!(matches!(fragments(4096, b""), EndEvent::Message(..)));
    assert_eq!(fragments(4097, b""), too_many);
    assert_eq!(fragments(131_072, b"x"), too_many);
    // Autobahn 9.4: 4 MiB in fragments of 64 bytes.
    assert!(matches!(fragments(65_536, &[0; 64]), EndEvent::Message(..)));
}

#[test]
fn utf8_fails_at_its_first_bad_byte() {
    // §8.1. The frame goes on, the failure does not wait for it.
    let mut end = server(Limits::default());
    let bytes = frame(OpCode::Text, false, b"\xF4\x8F\xBF\xBF\xED\xA0 and more");
    end.receive(&bytes[..6 + 5], NOW);
    assert_eq!(end.take_events(), []);
    end.receive(&bytes[6 + 5..6 + 6], NOW);
    assert_eq!(end.take_events(), [EndEvent::Error(ProtocolError::InvalidUtf8)]);
    // A character may not be cut by the end of the message.
    let mut end = server(Limits::default());
    end.receive(&frame(OpCode::Text, true, b"\xC3"), NOW);
    assert_eq!(end.take_events(), [EndEvent::Error(ProtocolError::InvalidUtf8)]);
}

#[test]
fn memory_is_not_reserved_after_a_failure() {
    // §7.1.7: what follows is not looked at, the rest of the frame included.
    let mut receiver = Receiver::new(Role::Server, Limits::default());
    let mut bytes = frame(OpCode::Text, true, &[0xFF; 10_000]);
    receiver.receive(&mut bytes[..20]).unwrap_err();
    assert_eq!(receiver.payload_remaining(), 0);
    assert_eq!(Assembler::default().reserve(receiver.payload_remaining()).1, 0);
}

/// The receiver written down as the RFC reads, over bytes that are all there.
fn oracle(mut bytes: &[u8]) -> Vec<EndEvent> {
    use ProtocolError as E;
    let mut events = Vec::new();
    let mut message: Option<(MessageKind, Vec<u8>)> = None;
    let fail = |mut events: Vec<EndEvent>, error| {
        events.push(EndEvent::Error(error));
        events
    };
    loop {
        let [first, second, ..] = *bytes else { return events };
        let (fin, rsv, opcode, masked) = (first >> 7, first >> 4 & 7, first & 15, second >> 7);
        let error = match () {
            () if rsv != 0 => Some(E::ReservedBits(rsv)),
            () if matches!(opcode, 3..=7 | 11..) => Some(E::ReservedOpcode(opcode)),
            () if opcode >= 8 && fin == 0 => Some(E::FragmentedControl),
            () if opcode >= 8 && second & 127 > 125 => Some(E::ControlTooLong),
            () if masked == 0 => Some(E::Unmasked),
            () => None,
        };
        if let Some(error) = error {
            return fail(events, error);
        }
        let wide = match second & 127 {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if bytes.len() < 2 + wide + 4 {
            return events;
        }
        let len = match wide {
            0 => u64::from(second & 127),
            _ => bytes[2..2 + wide].iter().fold(0, |n, b| n << 8 | u64::from(*b)),
        };
        if (wide == 2 && len < 126) || (wide == 8 && len < 65536) {
            return fail(events, E::LengthNotMinimal);
        }
        if len >> 63 == 1 {
            return fail(events, E::LengthTopBit);
        }
        match (opcode, &message) {
            (1 | 2, Some(_)) => return fail(events, E::ExpectedContinuation),
            (0, None) => return fail(events, E::UnexpectedContinuation),
            _ => {}
        }
        let so_far = message.as_ref().map_or(0, |(_, m)| m.len() as u64);
        if opcode < 8 && so_far + len > 1 << 20 {
            return fail(events, E::MessageTooBig { limit: 1 << 20 });
        }
        let key = &bytes[2 + wide..][..4];
        let all = &bytes[2 + wide + 4..];
        let there = all.len().min(len as usize);
        let payload: Vec<u8> =
            all[..there].iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
        let is_whole = there as u64 == len;
        if opcode >= 8 {
            if !is_whole {
                return events;
            }
            match opcode {
                9 => events.push(EndEvent::Ping(payload.into())),
                10 => events.push(EndEvent::Pong(payload.into())),
                _ => {
                    match CloseFrame::parse(&payload) {
                        Ok(close) => events.push(EndEvent::Close(close)),
                        Err(error) => return fail(events, error),
                    }
                    return events;
                }
            }
        } else {
            let kind = if opcode == 1 { MessageKind::Text } else { MessageKind::Binary };
            let (kind, text) = message.get_or_insert((kind, Vec::new()));
            text.extend(payload);
            let ends = is_whole && fin == 1;
            let bad = match std::str::from_utf8(text) {
                Ok(_) => false,
                Err(error) => error.error_len().is_some() || ends,
            };
            if *kind == MessageKind::Text && bad {
                return fail(events, E::InvalidUtf8);
            }
            if ends {
                let (kind, text) = message.take().expect("just put there");
                events.push(EndEvent::Message(kind, text.into()));
            }
            if !is_whole {
                return events;
            }
        }
        bytes = &all[there..];
    }
}

/// Frames that are mostly legal, and then damaged a little.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        "\\PC{0,20}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..140),
    ];
    let opcode = prop_oneof![
        3 => Just(OpCode::Text), 3 => Just(OpCode::Binary), 4 => Just(OpCode::Continuation),
        1 => Just(OpCode::Ping), 1 => Just(OpCode::Pong), 1 => Just(OpCode::Close),
    ];
    let one = (opcode, any::<bool>(), payload).prop_map(|(opcode, fin, mut payload)| {
        if opcode.is_control() {
            payload.truncate(125);
        }
        frame(opcode, fin || opcode.is_control(), &payload)
    });
    let frames = proptest::collection::vec(one, 0..8).prop_map(|f| f.concat());
    let damage = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (frames, damage).prop_map(|(mut bytes, damage)| {
        for (at, value) in damage {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn messages_are_read_as_by_the_oracle(bytes in streams(), cut in any::<prop::sample::Index>()) {
        let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
        let mut end = server(Limits::default());
        end.receive(a, NOW);
        end.receive(b, NOW);
        prop_assert_eq!(end.take_events(), oracle(&bytes));
    }
}

#[test]
fn messages_of_text_may_be_empty() {
    let mut end = server(Limits::default());
    end.receive(&frame(OpCode::Text, true, b""), NOW);
    assert_eq!(end.take_events(), [EndEvent::Message(MessageKind::Text, Bytes::new())]);
}

#[test]
fn messages_keep_no_memory_of_longer_ones() {
    static ROOMY: PayloadAllocator =
        PayloadAllocator::new(Bytes::copy_from_slice, |_| Vec::with_capacity(1 << 20));
    let mut assembler = Assembler::with_allocator(&ROOMY);
    let piece = |payload, first, last| DataChunk::new(MessageKind::Binary, payload, first, last);
    let ones = vec![1; 20_000];
    assert!(assembler.push(&piece(&ones, true, false)).is_none());
    let (buffer, room) = assembler.reserve(10_000);
    assert_eq!((buffer.capacity(), room), (1 << 20, 10_000), "the given one is used");
    let message = assembler.push(&piece(&[2; 10_000], false, true)).unwrap();
    assert_eq!(message.len(), 30_000);
    let bytes = message.into_bytes().try_into_mut().unwrap();
    assert!(bytes.capacity() < 60_000, "{}", bytes.capacity());
}
