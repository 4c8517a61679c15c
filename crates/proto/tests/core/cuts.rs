//! All ways to receive, over input cut in all ways: each tells the same (RFC 6455 §5.4:
//! nothing may depend on where frames, let alone reads, begin and end).

use std::time::Duration;

use fullduplex_proto::bytes::{Bytes, BytesMut};
use fullduplex_proto::{
    Assembler, CloseFrame, Config, Event, Limits, Message, MessageEvent, MessageKind, OwnedEvent,
    ProtocolError as E, ReceiveBuffer, Receiver, Role,
};
use fullduplex_testkit::pair::{End, EndEvent};
use fullduplex_testkit::{Rng, chop, receive};

use crate::oracle::{close_payload, masked, plain};

/// Cuts bytes at random, in pieces that are sometimes long and sometimes short.
pub(crate) fn random_pieces<'a>(mut rest: &'a [u8], rng: &mut Rng) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let longest = [3, 20, 400][rng.below(3)];
        let (piece, tail) = rest.split_at((1 + rng.below(longest)).min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// With [`fullduplex_proto::Connection::receive`], pieces merged.
pub(crate) fn by_connection(role: Role, limits: Limits, pieces: &[&[u8]]) -> Vec<EndEvent> {
    let mut end = End::new(role, Config::default().limits(limits));
    for piece in pieces {
        end.receive(piece, Duration::ZERO);
    }
    end.take_events()
}

/// With [`ReceiveBuffer::next`].
pub(crate) fn by_buffer(role: Role, limits: Limits, pieces: &[&[u8]]) -> Vec<EndEvent> {
    receive::by_buffer(role, limits, pieces, ReceiveBuffer::from)
}

/// With [`ReceiveBuffer::next`] from memory that messages share.
pub(crate) fn by_shared_input(role: Role, limits: Limits, pieces: &[&[u8]]) -> Vec<EndEvent> {
    receive::by_buffer(role, limits, pieces, ReceiveBuffer::shared)
}

/// With [`ReceiveBuffer::next_chunk`], pieces merged.
pub(crate) fn by_pieces(role: Role, limits: Limits, pieces: &[&[u8]]) -> Vec<EndEvent> {
    let mut input = ReceiveBuffer::default();
    let mut receiver = Receiver::new(role, limits);
    let (mut all, mut message) = (Vec::new(), None);
    for piece in pieces {
        input.bytes_mut().extend_from_slice(piece);
        loop {
            match input.next_chunk(&mut receiver) {
                Ok(None) => break,
                Ok(Some(OwnedEvent::Control(incoming))) => all.push(incoming.into()),
                Ok(Some(OwnedEvent::Data { kind, payload, first, last })) => {
                    assert_eq!(first, message.is_none());
                    message.get_or_insert_with(Vec::new).extend(payload);
                    if last {
                        all.push(EndEvent::Message(kind, message.take().unwrap().into()));
                    }
                }
                Err(error) => all.push(EndEvent::Error(error)),
            }
        }
    }
    all
}

/// With [`Assembler::room`] wherever payload is expected, as one would read a transport.
pub(crate) fn by_direct_reads(role: Role, limits: Limits, pieces: &[&[u8]]) -> Vec<EndEvent> {
    let (mut input, mut assembler) = (ReceiveBuffer::default(), Assembler::default());
    let mut receiver = Receiver::new(role, limits);
    let mut all = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let remaining = receiver.payload_remaining();
            if remaining > 0 && input.is_empty() {
                let (buffer, room) = assembler.reserve(remaining);
                assert!(room > 0 && room as u64 <= remaining);
                let (now, later) = rest.split_at(room.min(rest.len()));
                let start = buffer.len();
                buffer.extend_from_slice(now);
                assert!(buffer.capacity() <= 2 * buffer.len() + (16 << 10));
                rest = later;
                match assembler.commit(&mut receiver, start) {
                    Ok(Some(message)) => all.push(MessageEvent::Message(message).into()),
                    Ok(None) => {}
                    Err(error) => all.push(EndEvent::Error(error)),
                }
                continue;
            }
            // A little at a time, so that payload is not always in the input already.
            let (now, later) = rest.split_at(rest.len().min(15));
            input.bytes_mut().extend_from_slice(now);
            rest = later;
            loop {
                match input.next(&mut receiver, &mut assembler) {
                    Ok(None) => break,
                    Ok(Some(incoming)) => all.push(incoming.into()),
                    Err(error) => all.push(EndEvent::Error(error)),
                }
            }
        }
    }
    all
}

/// Some of everything that is legal, as frames without their masks.
fn legal() -> Vec<(u8, Vec<u8>)> {
    let text = "Hello, 世界 🌍";
    vec![
        (0x81, text.into()),
        (0x01, text.as_bytes()[..9].into()),
        (0x89, b"ping".to_vec()),
        (0x00, vec![]),
        (0x8A, vec![0; 125]),
        (0x80, text.as_bytes()[9..].into()),
        (0x82, vec![0xAB; 130]),
        (0x82, vec![]),
        (0x88, close_payload(4999, "bye 🌍")),
        (0x81, b"not looked at".to_vec()),
    ]
}

fn check_all(role: Role, frames: &[(u8, Vec<u8>)], expected: &[EndEvent]) {
    let encode = if role == Role::Server { masked } else { plain };
    let bytes: Vec<u8> = frames.iter().flat_map(|(first, p)| encode(*first, p.clone())).collect();
    for run in [by_connection, by_buffer, by_shared_input, by_pieces, by_direct_reads] {
        let run = |pieces: &[&[u8]]| run(role, Limits::default(), pieces);
        assert_eq!(run(&[&bytes]), expected);
        chop::check(&bytes, run);
    }
}

fn legal_events() -> Vec<EndEvent> {
    let text: Bytes = "Hello, 世界 🌍".into();
    vec![
        EndEvent::Message(MessageKind::Text, text.clone()),
        EndEvent::Ping("ping".into()),
        EndEvent::Pong(vec![0; 125].into()),
        EndEvent::Message(MessageKind::Text, text),
        EndEvent::Message(MessageKind::Binary, vec![0xAB; 130].into()),
        EndEvent::Message(MessageKind::Binary, Bytes::new()),
        EndEvent::Close(CloseFrame::new(fullduplex_proto::CloseCode::new(4999), "bye 🌍").ok()),
    ]
}

#[test]
fn events_of_a_legal_stream_do_not_depend_on_the_pieces() {
    for role in [Role::Client, Role::Server] {
        check_all(role, &legal(), &legal_events());
    }
}

#[test]
fn events_of_a_failing_stream_do_not_depend_on_the_pieces() {
    // After how many frames and how many events comes which frame, and what breaks it.
    let failing = [
        (1, 1, 0x80, &b"x"[..], E::UnexpectedContinuation),
        (2, 1, 0x82, &b"x"[..], E::ExpectedContinuation),
        (2, 1, 0x80, &b"\xB8\xFFx"[..], E::InvalidUtf8),
        (5, 3, 0x80, &b"\xE4\xB8"[..], E::InvalidUtf8),
        (7, 5, 0xC2, &b"x"[..], E::ReservedBits(4)),
        (8, 6, 0x8B, &b"x"[..], E::ReservedOpcode(11)),
        (8, 6, 0x88, &b"\x03"[..], E::ClosePayloadTooShort),
    ];
    for role in [Role::Client, Role::Server] {
        for (frames, events, first, payload, error) in failing {
            let mut stream = legal();
            stream.insert(frames, (first, payload.to_vec()));
            let mut expected = legal_events();
            expected.truncate(events);
            expected.push(EndEvent::Error(error));
            check_all(role, &stream, &expected);
        }
    }
}

#[test]
fn memory_of_long_messages_is_split_off_unshared_buffers() {
    for (len, is_split) in
        [(1, false), (8 * 1024 - 1, false), (8 * 1024, true), (40_000, true), (100_000, true)]
    {
        let bytes = [masked(0x82, vec![1; len]), masked(0x81, "next")].concat();
        for (make, is_split) in [
            (ReceiveBuffer::from as fn(_) -> _, is_split),
            (ReceiveBuffer::shared as fn(_) -> _, true),
        ] {
            let mut input: ReceiveBuffer = make(BytesMut::from(&bytes[..]));
            let range = input.bytes_mut().as_ptr_range();
            let mut receiver = Receiver::new(Role::Server, Limits::default());
            let next = input.next(&mut receiver, &mut Assembler::default()).unwrap();
            let Some(MessageEvent::Message(message)) = next else { panic!("no message") };
            assert_eq!(range.contains(&message.as_bytes().as_ptr()), is_split, "{len} bytes");
            assert!(message.as_bytes().iter().all(|b| *b == 1));
            assert_eq!(input.len(), 10, "what follows is still there");
        }
    }
}

#[test]
fn memory_of_the_buffer_goes_with_the_last_message() {
    let bytes = [masked(0x82, vec![1; 20]), masked(0x82, vec![2; 20])].concat();
    let mut input = ReceiveBuffer::shared(BytesMut::from(&bytes[..]));
    let mut receiver = Receiver::new(Role::Server, Limits::default());
    let mut next = || {
        let message = input.next_single_frame(&mut receiver, &Assembler::default());
        message.map(Message::into_bytes)
    };
    let (first, last) = (next().unwrap(), next().unwrap());
    assert!(!first.is_unique(), "both are of one buffer");
    drop(first);
    // Else a connection that waits for nobody would keep the buffer of all.
    assert!(last.is_unique());
    assert_eq!(next(), None);
}

#[test]
fn memory_to_read_into_remains() {
    let bytes = masked(0x82, vec![1; 10_000]);
    let mut block = BytesMut::with_capacity(64 << 10);
    block.extend_from_slice(&bytes);
    let block_at = block.as_ptr();
    let mut input = ReceiveBuffer::from(block);
    let mut receiver = Receiver::new(Role::Server, Limits::default());
    assert!(input.next_single_frame(&mut receiver, &Assembler::default()).is_some());
    assert!(input.is_empty());
    input.bytes_mut().reserve(50_000);
    assert_eq!(input.bytes_mut().as_ptr(), block_at.wrapping_add(bytes.len()), "it is the same");
}

#[test]
fn memory_of_the_buffer_is_not_kept_by_an_empty_message() {
    let bytes = [masked(0x82, vec![]), masked(0x82, vec![2; 20])].concat();
    let mut input = ReceiveBuffer::shared(BytesMut::from(&bytes[..]));
    let mut receiver = Receiver::new(Role::Server, Limits::default());
    let mut next = || input.next_single_frame(&mut receiver, &Assembler::default()).unwrap();
    let (empty, last) = (next(), next());
    assert!(empty.is_empty());
    assert!(last.is_unique(), "the empty one is still there, and holds nothing");
}

#[test]
fn memory_to_read_into_is_for_what_remains_or_for_a_first_part() {
    const KIB: u64 = 1 << 10;
    // A little more than the first part comes in one go; of much more, the first part.
    for (remaining, room) in [(0, 0), (1, 1), (16, 16), (20, 20), (31, 31), (32, 16), (1_000, 16)] {
        let mut assembler = Assembler::default();
        let (buffer, most) = assembler.reserve(remaining * KIB);
        assert_eq!((buffer.len(), most as u64), (0, room * KIB), "{remaining} KiB");
        assert_eq!(buffer.capacity() as u64, room * KIB);
        // It is there until it is used.
        assert_eq!(assembler.reserve(remaining * KIB).0.capacity() as u64, room * KIB);
        assert!(assembler.is_empty());
    }
    // A message grows when less than a first part is free, and not before.
    let mut assembler = Assembler::default();
    for (len, capacity) in [(0, 16), (16, 32), (32, 64), (48, 64), (64, 128)] {
        let (buffer, room) = assembler.reserve(1_000 * KIB);
        assert_eq!((buffer.len() as u64, buffer.capacity() as u64), (len * KIB, capacity * KIB));
        assert_eq!(room, buffer.capacity() - buffer.len(), "no more than is free");
        buffer.resize(buffer.len() + 16 * 1024, 7);
    }
}

#[test]
fn messages_under_way_have_their_kind() {
    let mut receiver = Receiver::new(Role::Client, Limits::default());
    assert_eq!(receiver.message_kind(), None);
    for (first, kind) in [(0x01, MessageKind::Text), (0x02, MessageKind::Binary)] {
        receiver.receive(&mut plain(first, "a")).unwrap();
        assert_eq!(receiver.message_kind(), Some(kind));
        receiver.receive(&mut plain(0x89, "")).unwrap();
        assert_eq!(receiver.message_kind(), Some(kind), "a Ping does not belong to it (§5.4)");
        receiver.receive(&mut plain(0x80, "b")).unwrap();
        assert_eq!(receiver.message_kind(), None);
    }
}

/// What an [`ReceiveBuffer`] found can be passed to a session on another task.
#[test]
fn events_of_control_frames_are_passed_on_as_they_came() {
    let bytes = [plain(0x89, "1"), plain(0x8A, "2"), plain(0x81, "3"), plain(0x88, b"\x03\xE8bye")]
        .concat();
    let mut input = ReceiveBuffer::from(BytesMut::from(&bytes[..]));
    let mut receiver = Receiver::new(Role::Client, Limits::default());
    let mut next = || input.next(&mut receiver, &mut Assembler::default()).unwrap().unwrap();
    assert_eq!(next().control(), Some(Event::Ping(b"1")));
    assert_eq!(next().control(), Some(Event::Pong(b"2")));
    assert_eq!(next().control(), None, "a message is not a control frame");
    let close = CloseFrame::new(fullduplex_proto::CloseCode::NORMAL, "bye").ok();
    assert_eq!(next().control(), Some(Event::Close(close)));
}
