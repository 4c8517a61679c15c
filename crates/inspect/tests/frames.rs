//! Frames and messages, legal and not, as a decoder shows them.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fullduplex_inspect::proto::frame::{EncodedFrameHeader, OpCode};
use fullduplex_inspect::proto::{
    CloseCode, Compression, Config, DeflateConfig, DeflateParams, Message, MessageKind,
    PerMessageDeflate, ProtocolError, Role, Session, mask,
};
use fullduplex_inspect::{
    Conversation, Decoder, DecoderLimits, Frame, InflationStop, LengthForm, Violation,
};
use proptest::prelude::*;

fn decode(mut decoder: Decoder, bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    decoder.push(bytes, Duration::ZERO, |frame| frames.push(frame));
    frames.extend(decoder.finish());
    frames
}

fn of_server(bytes: &[u8]) -> Vec<Frame> {
    decode(Decoder::new(Role::Server), bytes)
}

#[test]
fn frame_header_is_shown_bit_by_bit() {
    let frames = of_server(b"\x81\x02hi\x02\x7e\x00\x7eab");
    let [text, cut] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((text.opcode_name(), &*text.payload, text.wire_len()), ("text", &b"hi"[..], 4));
    assert_eq!((text.length_form(), text.is_length_minimal()), (LengthForm::Bits7, true));
    assert_eq!((text.missing(), text.fragment), (0, Some(1)));
    assert_eq!((cut.length_form().bits(), cut.is_length_minimal()), (16, true));
    assert_eq!((cut.missing(), cut.payload_seen, cut.header.fin()), (124, 2, false));
    let frames = decode(Decoder::new(Role::Client), b"\x89\x84\x01\x02\x03\x04AAAA");
    assert_eq!((frames[0].header.key(), &*frames[0].payload), (Some([1, 2, 3, 4]), &b"@CBE"[..]));
    assert!(frames[0].is_control() && frames[0].fragment.is_none());
}

#[test]
fn frames_of_a_message_make_one() {
    let frames = of_server(b"\x01\x02He\x89\x00\x00\x00\x80\x03llo");
    let fragments: Vec<_> = frames.iter().map(|frame| frame.fragment).collect();
    assert_eq!(fragments, [Some(1), None, Some(2), Some(3)]);
    let message = frames[3].message.as_ref().unwrap();
    assert_eq!((message.kind, &*message.payload), (MessageKind::Text, &b"Hello"[..]));
    assert_eq!((message.fragments, message.wire_len, message.len), (3, 5, 5));
    assert!(frames.iter().all(|frame| frame.violation.is_none() && !frame.is_ignored));
}

#[test]
fn frame_that_breaks_a_rule_is_shown_with_it() {
    use ProtocolError as E;
    let rule = |bytes: &[u8]| of_server(bytes).last().unwrap().violation;
    for (bytes, broken) in [
        (&b"\x83\x00"[..], E::ReservedOpcode(3)),
        (b"\xf1\x00", E::ReservedBits(7)),
        (b"\x09\x00", E::FragmentedControl),
        (b"\x80\x00", E::UnexpectedContinuation),
        (b"\x01\x00\x81\x00", E::ExpectedContinuation),
        (b"\x81\x02\xff\xfe", E::InvalidUtf8),
        (b"\x01\x01\xc3\x80\x00", E::InvalidUtf8),
        (b"\x88\x01\x03", E::ClosePayloadTooShort),
        (b"\x88\x02\x03\xed", E::CloseCode(CloseCode::new(1005))),
        (b"\x88\x03\x03\xe8\xff", E::CloseReason),
        (b"\x81\x80\0\0\0\0", E::Masked),
        (b"\x81\x7e\x00\x01a", E::LengthNotMinimal),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x01a", E::LengthNotMinimal),
        (b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x01a", E::LengthTopBit),
        (b"\x89\x7e\x00\x7e", E::ControlTooLong),
    ] {
        assert_eq!(rule(bytes), Some(Violation::Rule(broken)), "{bytes:x?}");
        assert!(Violation::Rule(broken).to_string().contains("(RFC 6455 §"), "{broken}");
    }
    assert_eq!(
        decode(Decoder::new(Role::Client), b"\x81\x00")[0].violation,
        Some(Violation::Rule(E::Unmasked))
    );
    // It goes on behind it: what a receiver ignores is shown all the same.
    let frames = of_server(b"\x83\x01x\x81\x02hi\x88\x02\x03\xe8\x81\x00");
    let ignored: Vec<_> = frames.iter().map(|frame| frame.is_ignored).collect();
    assert_eq!(ignored, [false, true, true, true]);
    assert_eq!(frames[1].message.as_ref().unwrap().payload[..], *b"hi");
    assert_eq!(frames[2].close(), Some((CloseCode::NORMAL, String::new())));
    assert_eq!(frames[3].violation, Some(Violation::AfterClose));
}

#[test]
fn frame_of_any_length_takes_bounded_memory() {
    let limits = DecoderLimits::default().max_payload(10);
    let mut bytes =
        EncodedFrameHeader::new(OpCode::Binary, true, None, 1 << 20).as_bytes().to_vec();
    bytes.resize(bytes.len() + (1 << 20), 7);
    let frames = decode(Decoder::new(Role::Server).with_limits(limits), &bytes);
    assert_eq!((&*frames[0].payload, frames[0].payload_seen), (&[7; 10][..], 1 << 20));
    let message = frames[0].message.as_ref().unwrap();
    assert_eq!((&*message.payload, message.len), (&[7; 10][..], 1 << 20));
    // One that announces more than there will ever be.
    let frames = of_server(b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffabc");
    assert_eq!((frames[0].payload_seen, frames[0].missing()), (3, (u64::MAX >> 1) - 3));
}

/// Returns what an end sends, and the parameters that were negotiated.
fn compressed(config: DeflateConfig, role: Role, messages: &[Message]) -> (Vec<u8>, DeflateParams) {
    let (answer, at_server) = config.accept(&config.offers()).unwrap();
    let at_client = config.check(&[answer]).unwrap().unwrap();
    let params = at_server.params();
    (send(role, at_server, at_client, messages), params)
}

fn send(
    role: Role,
    at_server: PerMessageDeflate,
    at_client: PerMessageDeflate,
    messages: &[Message],
) -> Vec<u8> {
    #[derive(Debug)]
    struct Key;
    impl mask::MaskSource for Key {
        fn next_key(&mut self) -> [u8; 4] {
            [9, 8, 7, 6]
        }
    }
    let config = Config::default();
    let mut session = match role {
        Role::Client => Session::client(Box::new(Key), &config).with_deflate(&at_client),
        Role::Server => Session::server(&config).with_deflate(&at_server),
    };
    session.open(Duration::ZERO);
    let mut bytes = Vec::new();
    for message in messages {
        session.send_message(message.clone(), Compression::On).unwrap();
        let before = bytes.len();
        session.outgoing().slices().for_each(|slice| bytes.extend_from_slice(slice));
        session.outgoing().advance_with(bytes.len() - before, drop);
    }
    bytes
}

fn quotes(count: usize) -> Vec<Message> {
    let one =
        |i| format!("{{\"type\":\"price\",\"symbol\":\"ABC\",\"bid\":{i},\"ask\":{}}}", i + 1);
    (0..count).map(|i| Message::from(one(i).repeat(4))).collect()
}

#[test]
fn compressed_messages_are_inflated_with_and_without_context_takeover() {
    for config in [
        DeflateConfig::balanced(),
        DeflateConfig::small_memory(),
        DeflateConfig::smallest_bytes(),
        DeflateConfig::balanced().send_window_bits(9).receive_window_bits(9),
    ] {
        for role in [Role::Client, Role::Server] {
            let messages = quotes(200);
            let (bytes, params) = compressed(config, role, &messages);
            let frames = decode(Decoder::new(role).with_deflate(params), &bytes);
            assert_eq!(frames.len(), messages.len());
            let (mut wire, mut plain) = (0, 0);
            for (frame, sent) in frames.iter().zip(&messages) {
                let message = frame.message.as_ref().unwrap();
                assert_eq!(message.payload, sent.as_text().unwrap().as_bytes());
                assert_eq!((frame.violation, message.inflation_stop), (None, None));
                assert_eq!(frame.header.rsv() == 4, message.is_compressed);
                (wire, plain) = (wire + message.wire_len, plain + message.len);
            }
            assert!(wire < plain, "{wire} of {plain}");
        }
    }
}

#[test]
fn compressed_message_that_can_not_be_inflated_says_why() {
    let (_, params) = compressed(DeflateConfig::balanced(), Role::Server, &[]);
    let frames = decode(
        Decoder::new(Role::Server).with_deflate(params),
        b"\xc1\x02\xff\xff\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x81\x02ok",
    );
    let stops: Vec<_> =
        frames.iter().map(|frame| frame.message.as_ref().unwrap().inflation_stop).collect();
    assert_eq!(stops, [Some(InflationStop::Invalid), Some(InflationStop::HistoryLost), None]);
    assert_eq!(frames[0].violation, Some(Violation::Rule(ProtocolError::InvalidDeflate)));
    assert_eq!(frames[1].violation, None);
    // Without takeover, the next message does not depend on it.
    let (_, params) = compressed(DeflateConfig::small_memory(), Role::Server, &[]);
    let frames = decode(
        Decoder::new(Role::Server).with_deflate(params),
        b"\xc1\x02\xff\xff\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
    );
    assert_eq!(frames[1].message.as_ref().unwrap().payload[..], *b"Hello");
    // Nothing was negotiated: the bit is a violation, and nothing is inflated.
    let frames = of_server(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00");
    assert_eq!(frames[0].violation, Some(Violation::Rule(ProtocolError::ReservedBits(4))));
}

#[test]
fn compressed_bomb_stops_at_the_limit() {
    let zeros = Message::Binary(vec![0; 4 << 20].into());
    let messages = [zeros, Message::from("hello ".repeat(20))];
    let (bytes, params) = compressed(DeflateConfig::small_memory(), Role::Server, &messages);
    let limits = DecoderLimits::default().max_payload(100).max_inflated(1000);
    let decoder = Decoder::new(Role::Server).with_deflate(params).with_limits(limits);
    let frames = decode(decoder, &bytes);
    let ends = frames.iter().filter_map(|frame| frame.message.as_ref());
    let ends: Vec<_> = ends.map(|message| (message.len, message.inflation_stop)).collect();
    assert_eq!(ends, [(1000, Some(InflationStop::Limit)), (120, None)]);
}

#[test]
fn conversation_pairs_pings_and_knows_who_closed_first() {
    let mut conversation = Conversation::new();
    let at = Duration::from_millis;
    let mut shown = Vec::new();
    for (role, bytes, time) in [
        (Role::Server, &b"\x89\x01a\x89\x01b"[..], at(10)),
        (Role::Client, b"\x89\x81\0\0\0\0b", at(15)),
        // It answers both.
        (Role::Client, b"\x8a\x81\0\0\0\0b", at(30)),
        (Role::Client, b"\x8a\x81\0\0\0\0a", at(31)),
        (Role::Server, b"\x8a\x01b", at(40)),
        (Role::Server, b"\x88\x02\x03\xe8", at(50)),
        (Role::Client, b"\x88\x82\0\0\0\0\x03\xe8", at(60)),
    ] {
        conversation.push(role, bytes, time, |frame| {
            shown.push((frame.frame.opcode_name(), frame.sender, frame.round_trip));
        });
    }
    let trips: Vec<_> = shown.iter().filter(|(name, ..)| *name == "pong").collect();
    assert_eq!(trips[0].2, Some(at(20)));
    assert_eq!(trips[1].2, None, "a Pong that nobody waits for");
    assert_eq!(trips[2].2, Some(at(25)));
    assert_eq!(conversation.first_close(), Some(Role::Server));
    assert_eq!(shown.len(), 8);
}

#[test]
fn conversation_remembers_few_of_many_pings() {
    let mut conversation = Conversation::new();
    for _ in 0..100_000 {
        conversation.push(Role::Server, b"\x89\x01a", Duration::ZERO, |_| {});
    }
    let mut trips = 0;
    for _ in 0..100 {
        conversation.push(Role::Client, b"\x8a\x81\0\0\0\0a", Duration::ZERO, |frame| {
            trips += usize::from(frame.round_trip.is_some());
        });
    }
    // One Pong answers all that wait.
    assert_eq!(trips, 1);
}

/// Bytes that look like frames: headers of all kinds, with payload that is often there.
fn frame_like() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![4 => 0_u8..3, 2 => 8_u8..11, 1 => 0_u8..16];
    let first = (any::<bool>(), prop_oneof![5 => Just(0_u8), 2 => Just(4), 1 => 0_u8..8], opcode)
        .prop_map(|(fin, rsv, opcode)| u8::from(fin) << 7 | rsv << 4 | opcode);
    let payload = proptest::collection::vec(any::<u8>(), 0..40);
    let frame = (first, any::<bool>(), payload, any::<bool>()).prop_map(
        |(first, is_masked, payload, is_long)| {
            let mask = if is_masked { 0x80 } else { 0 };
            let len = u8::try_from(payload.len()).unwrap();
            let mut bytes = vec![first];
            if is_long {
                bytes.extend([mask | 0x7e, 0, len]);
            } else {
                bytes.push(mask | len);
            }
            if is_masked {
                bytes.extend([1, 2, 3, 4]);
            }
            bytes.extend(payload);
            bytes
        },
    );
    let hello = Just(b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00".to_vec());
    let any_bytes = proptest::collection::vec(any::<u8>(), 0..30);
    proptest::collection::vec(prop_oneof![6 => frame, 2 => hello, 1 => any_bytes], 0..12)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn frames_are_the_same_wherever_the_bytes_are_cut(
        bytes in frame_like(),
        cuts in proptest::collection::vec(1_usize..20, 1..8),
        deflates in any::<bool>(),
        sender in prop_oneof![Just(Role::Client), Just(Role::Server)],
    ) {
        let limits = DecoderLimits::default().max_payload(25).max_inflated(60);
        let (_, params) = compressed(DeflateConfig::balanced(), Role::Server, &[]);
        let decoder = || {
            let decoder = Decoder::new(sender).with_limits(limits);
            decoder.with_deflate(deflates.then_some(params))
        };
        let whole = decode(decoder(), &bytes);
        let mut cut = decoder();
        let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
        for len in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*len));
            cut.push(piece, Duration::ZERO, |frame| frames.push(frame));
            rest = after;
        }
        frames.extend(cut.finish());
        prop_assert_eq!(&frames, &whole);
        // Each byte is in one frame, but for those of a header that is not complete.
        let shown: u64 = whole.iter().map(Frame::wire_len).sum();
        let missing = bytes.len() as u64 - shown;
        prop_assert!(missing < 14, "{missing} of {}", bytes.len());
        for frame in &whole {
            prop_assert!(frame.payload.len() <= 25);
            prop_assert!(frame.message.as_ref().is_none_or(|message| message.payload.len() <= 25));
        }
    }
}
