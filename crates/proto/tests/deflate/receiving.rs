//! Compressed messages as the wire may carry them (§6, §7.2.2, §7.2.3).

use std::time::Duration;

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::frame::{EncodedFrameHeader, OpCode};
use fullduplex_proto::{
    Assembler, Config, DeflateConfig, Limits, MessageEvent, MessageKind, PerMessageDeflate,
    ProtocolError, ReceiveBuffer, Receiver, Role,
};
use fullduplex_testkit::chop;
use fullduplex_testkit::pair::{End, EndEvent};

/// A client's side of an agreement without limits.
fn agreed(config: DeflateConfig) -> PerMessageDeflate {
    let (response, _) = config.accept(&config.offers()).unwrap();
    config.check(&[response]).unwrap().unwrap()
}

/// A client that receives.
fn end(limits: Limits) -> End {
    let config = Config::default().limits(limits);
    End::new(Role::Client, config).with_deflate(&agreed(DeflateConfig::smallest_bytes()))
}

/// Returns the events of a client for these bytes, which must not depend on how they are split.
fn events(bytes: &[u8]) -> Vec<EndEvent> {
    events_within(bytes, Limits::default())
}

fn events_within(bytes: &[u8], limits: Limits) -> Vec<EndEvent> {
    let run = |pieces: &[&[u8]]| {
        let mut end = end(limits);
        for piece in pieces {
            end.receive(piece, Duration::ZERO);
        }
        end.take_events()
    };
    chop::check(bytes, run)
}

fn text(text: &str) -> EndEvent {
    EndEvent::Message(MessageKind::Text, Bytes::copy_from_slice(text.as_bytes()))
}

/// "Hello" as in §7.2.3.1, without header.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn deflate_examples_of_the_rfc() {
    // §7.2.3.1: one block.
    let one = [&[0xc1, 0x07][..], &HELLO].concat();
    assert_eq!(events(&one), [text("Hello")]);
    // §7.2.3.1: fragments.
    let two = [&[0x41, 0x03][..], &HELLO[..3], &[0x80, 0x04], &HELLO[3..]].concat();
    assert_eq!(events(&two), [text("Hello")]);
    // §7.2.3.2: the second refers to the first, across an uncompressed one.
    let again = [0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00];
    let plain = b"\x81\x05Hullo";
    let all = [&one[..], plain, &again].concat();
    assert_eq!(events(&all), [text("Hello"), text("Hullo"), text("Hello")]);
    // §7.2.3.3: a block without compression.
    let stored = [0xc1, 0x0b, 0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(events(&stored), [text("Hello")]);
    // §7.2.3.4: BFINAL is set.
    let is_final = [0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(events(&is_final), [text("Hello")]);
    // §7.2.3.5: two blocks.
    let blocks =
        [0xc1, 0x0d, 0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(events(&blocks), [text("Hello")]);
    // §7.2.3.6: nothing.
    assert_eq!(events(&[0xc1, 0x01, 0x00]), [text("")]);
    assert_eq!(events(&[0xc1, 0x02, 0x02, 0x00]), [text("")]);
}

#[test]
fn deflate_allows_control_frames_and_empty_fragments() {
    let bytes = [
        &[0x41, 0x00][..],
        &[0x00, 0x02],
        &HELLO[..2],
        b"\x89\x02hi",
        &[0x00, 0x00],
        &[0x00, 0x05],
        &HELLO[2..],
        b"\x8a\x00",
        &[0x80, 0x00],
    ]
    .concat();
    let expected = [EndEvent::Ping("hi".into()), EndEvent::Pong("".into()), text("Hello")];
    assert_eq!(events(&bytes), expected);
}

#[test]
fn deflate_window_continues_after_final_blocks() {
    let is_final = [0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let again = [0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(events(&[&is_final[..], &again].concat()), [text("Hello"), text("Hello")]);
    // Two final blocks in one message, the second referring to the first; nothing behind it.
    let body = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf3, 0x00, 0x11, 0x00];
    let bytes = [&[0xc1, body.len() as u8][..], &body].concat();
    assert_eq!(events(&bytes), [text("HelloHello")]);
    // The same with its end in an empty fragment.
    let bytes = [&[0x41, body.len() as u8][..], &body, &[0x80, 0x00]].concat();
    assert_eq!(events(&bytes), [text("HelloHello")]);
}

#[test]
fn deflate_message_without_data_is_empty() {
    assert_eq!(events(&[0xc2, 0x00]), [EndEvent::Message(MessageKind::Binary, Bytes::new())]);
    assert_eq!(events(&[0x41, 0x00, 0x80, 0x00]), [text("")]);
}

fn error(error: ProtocolError) -> Vec<EndEvent> {
    vec![EndEvent::Error(error)]
}

#[test]
fn deflate_rsv1_is_refused_where_it_is_misplaced() {
    use ProtocolError as E;
    assert_eq!(events(&[0xc9, 0x00]), error(E::MisplacedRsv1));
    assert_eq!(events(&[0xc8, 0x00]), error(E::MisplacedRsv1));
    assert_eq!(events(&[0x41, 0x00, 0xc0, 0x00]), error(E::MisplacedRsv1));
    assert_eq!(events(&[0x01, 0x00, 0x40, 0x00]), error(E::MisplacedRsv1));
    assert_eq!(events(&[0xe1, 0x00]), error(E::ReservedBits(2)));
    assert_eq!(events(&[0xd1, 0x00]), error(E::ReservedBits(1)));
    let mut plain = End::new(Role::Client, Config::default());
    plain.receive(&[0xc1, 0x07], Duration::ZERO);
    assert_eq!(plain.take_events(), error(E::ReservedBits(4)));
}

#[test]
fn deflate_faults_fail_with_1007() {
    use ProtocolError as E;
    for bad in [
        // A reserved block type.
        &[0xff, 0xff][..],
        // Lengths of a stored block that don't fit.
        &[0x00, 0x05, 0x00, 0xfa, 0x00],
        // Cut inside a stored block. (Four bytes sooner, what §7.2.2 appends would fill it.)
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65],
        // Cut inside a final stored block, by just what would be appended to find that out.
        &[0x01, 0x04, 0x00, 0xfb, 0xff],
        &[0x01, 0x09, 0x00, 0xf6, 0xff],
        &[0x01, 0x0a, 0x00, 0xf5, 0xff, 0x41],
        &[0x00, 0x09, 0x00, 0xf6, 0xff],
        // Cut inside a block with fixed codes.
        &HELLO[..4],
        // Without the end of the last block.
        &HELLO[..6],
        // A reference beyond what there was.
        &[0xf2, 0x00, 0x11, 0x00, 0x00],
        // Bytes behind a final block that are none.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xff],
    ] {
        let bytes = [&[0xc2, bad.len() as u8][..], bad].concat();
        assert_eq!(events(&bytes), error(E::InvalidDeflate), "{bad:02x?}");
    }
    assert_eq!(E::InvalidDeflate.close_code().get(), 1007);
}

#[test]
fn deflate_reads_no_message_after_an_error() {
    let bytes = [&[0xc1, 0x02, 0xff, 0xff][..], &[0xc1, 0x07], &HELLO].concat();
    assert_eq!(events(&bytes), error(ProtocolError::InvalidDeflate));
}

#[test]
fn deflate_text_is_validated_as_it_is_inflated() {
    // "\xff" in a stored block.
    let bytes = [0xc1, 0x07, 0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x00];
    assert_eq!(events(&bytes), error(ProtocolError::InvalidUtf8));
    // A character that is cut at the end.
    let bytes = [0xc1, 0x07, 0x00, 0x01, 0x00, 0xfe, 0xff, 0xc3, 0x00];
    assert_eq!(events(&bytes), error(ProtocolError::InvalidUtf8));
    // One that is cut between blocks.
    let blocks = [0x00, 0x01, 0x00, 0xfe, 0xff, 0xc3, 0x00, 0x01, 0x00, 0xfe, 0xff, 0xa4, 0x00];
    let bytes = [&[0xc1, 0x0d][..], &blocks].concat();
    assert_eq!(events(&bytes), [text("ä")]);
}

#[test]
fn deflate_final_blocks_are_counted_like_fragments() {
    let limits = Limits::default().max_fragments(10);
    // Empty final blocks of two bytes each.
    let many = |n: usize| {
        let body = [3, 0].repeat(n);
        [&[0xc2, body.len() as u8][..], &body].concat()
    };
    assert_eq!(
        events_within(&many(9), limits),
        [EndEvent::Message(MessageKind::Binary, Bytes::new())]
    );
    assert_eq!(
        events_within(&many(30), limits),
        error(ProtocolError::TooManyFragments { limit: 10 })
    );
}

/// A fragment whose output fills what it is put in exactly looks as if there were more.
#[test]
fn deflate_reads_the_next_frame_after_a_full_chunk() {
    for len in [16 << 10, 32 << 10] {
        let mut zlib = flate2::Compress::new(flate2::Compression::new(9), false);
        let mut data = Vec::with_capacity(1000);
        zlib.compress_vec(&vec![0; len], &mut data, flate2::FlushCompress::Sync).unwrap();
        let (one, two) = ([&[0x42, data.len() as u8][..], &data].concat(), [0x80, 0x01, 0x00]);
        let expected = vec![EndEvent::Message(MessageKind::Binary, vec![0; len].into())];
        let mut end = end(Limits::default());
        end.receive(&[&one[..], b"\x89\x00", &two].concat(), Duration::ZERO);
        assert_eq!(end.take_events(), [vec![EndEvent::Ping(Bytes::new())], expected].concat());
    }
}

#[test]
fn deflate_fragments_may_be_empty_after_a_final_block() {
    let is_final = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for empty in 0..4 {
        let between = [0x00, 0x00].repeat(empty);
        let bytes = [&[0x41, 0x07][..], &is_final, &between, &[0x80, 0x00]].concat();
        assert_eq!(events(&bytes), [text("Hello")]);
    }
    for len in [16_383, 16_384, 16_385, 32_768] {
        let mut zlib = flate2::Compress::new(flate2::Compression::new(9), false);
        let mut data = Vec::with_capacity(1000);
        zlib.compress_vec(&vec![b'z'; len], &mut data, flate2::FlushCompress::Finish).unwrap();
        let bytes = [&[0x42, data.len() as u8][..], &data, &[0x80, 0x00]].concat();
        let mut end = end(Limits::default());
        end.receive(&bytes, Duration::ZERO);
        let message = EndEvent::Message(MessageKind::Binary, vec![b'z'; len].into());
        assert_eq!(end.take_events(), [message]);
    }
}

/// What a frame announces earns nothing before it comes.
#[test]
fn deflate_final_blocks_are_budgeted_by_received_bytes() {
    let limits = Limits::default().max_message_size(None);
    let mut end = end(limits);
    let header = [&[0xc2, 127][..], &(1u64 << 40).to_be_bytes()].concat();
    end.receive(&header, Duration::ZERO);
    end.receive(&[3, 0].repeat(100), Duration::ZERO);
    let limit = limits.max_fragments;
    assert_eq!(end.take_events(), error(ProtocolError::TooManyFragments { limit }));
}

#[test]
fn deflate_data_that_inflates_to_nothing_is_bounded() {
    let limits = Limits::default().max_message_size(1000);
    let len = (2000 + (64 << 10) + 1) as u64;
    let header = [&[0xc2, 127][..], &len.to_be_bytes()].concat();
    let limit = 1000;
    assert_eq!(events_within(&header, limits), error(ProtocolError::MessageTooBig { limit }));
}

/// A message in `count` final blocks, each of a header of 5 bytes and `stored` more.
fn final_blocks(count: usize, stored: usize) -> Vec<u8> {
    let len = (stored as u16).to_le_bytes();
    let block = [&[0x01, len[0], len[1], !len[0], !len[1]][..], &vec![b'z'; stored]].concat();
    let body = block.repeat(count);
    let header =
        EncodedFrameHeader::new(OpCode::Binary, true, None, body.len() as u64).compressed();
    [header.as_bytes(), &body].concat()
}

#[test]
fn deflate_final_blocks_are_one_for_each_64_bytes_and_16_more() {
    // RFC 7692 §7.2.3.4 allows them, and each costs as much as thousands of bytes.
    let inflate = |count, stored| {
        let mut end = end(Limits::default());
        end.receive(&final_blocks(count, stored), Duration::ZERO);
        end.take_events()
    };
    let whole = |len| [EndEvent::Message(MessageKind::Binary, vec![b'z'; len].into())];
    // Those of 64 bytes earn themselves.
    assert!(inflate(1_000, 59) == whole(59_000));
    // Of those of 6, ten earn one more, and a little.
    let most = (1..1_000).find(|n| n + 1 > 16 + (n + 1) * 6 / 64).unwrap();
    assert!(inflate(most, 1) == whole(most));
    let limit = Limits::default().max_fragments;
    assert_eq!(inflate(most + 1, 1), error(ProtocolError::TooManyFragments { limit }));
}

/// Through the adapter that makes messages: what is inflated lies elsewhere than what came.
#[test]
fn deflate_messages_come_whole_out_of_the_input() {
    let agreed = agreed(DeflateConfig::smallest_bytes());
    for len in [1, 100, 10_000, 16_384, 100_000] {
        let mut zlib = flate2::Compress::new(flate2::Compression::new(9), false);
        let mut data = Vec::with_capacity(1000);
        zlib.compress_vec(&vec![b'z'; len], &mut data, flate2::FlushCompress::Sync).unwrap();
        data.truncate(data.len() - 4);
        let header =
            EncodedFrameHeader::new(OpCode::Text, true, None, data.len() as u64).compressed();
        let bytes = [header.as_bytes(), &data, b"\x81\x04next"].concat();
        for size in [1, 3, bytes.len()] {
            let mut receiver = Receiver::new(Role::Client, Limits::default()).with_deflate(&agreed);
            let (mut input, mut assembler) = (ReceiveBuffer::default(), Assembler::default());
            let mut messages = Vec::new();
            for piece in bytes.chunks(size) {
                input.bytes_mut().extend_from_slice(piece);
                while let Some(incoming) = input.next(&mut receiver, &mut assembler).unwrap() {
                    let MessageEvent::Message(message) = incoming else { panic!("{incoming:?}") };
                    messages.push(message);
                }
            }
            assert_eq!(messages.len(), 2, "{len} by {size}");
            assert!(messages[0].as_bytes() == vec![b'z'; len]);
            assert_eq!(messages[1].as_text(), Some("next"));
            assert!(input.is_empty() && assembler.is_empty() && !receiver.has_more());
        }
    }
}
