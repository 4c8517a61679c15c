//! What is compressed and what is not, what it refers to, and what it keeps.

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{
    Compression, Config, DeflateConfig, MessageKind, PreparedMessage, Role, SendConfig, SendError,
};
use fullduplex_testkit::pair::{End, EndEvent, Pair};

fn pair(config: DeflateConfig) -> Pair {
    Pair::deflated(Config::default(), config, config)
}

/// Sends from the server and gives the bytes on the wire.
fn wire(pair: &mut Pair, text: &str, compression: Compression) -> Vec<u8> {
    let session = pair.server.session();
    session
        .send_with(MessageKind::Text, Bytes::copy_from_slice(text.as_bytes()), compression)
        .unwrap();
    deliver(pair, &[text])
}

/// Carries what waits from the server, where the client is to see these texts in it.
fn deliver(pair: &mut Pair, texts: &[&str]) -> Vec<u8> {
    let wire = pair.server.transmit(usize::MAX);
    pair.client.receive(&wire, pair.now);
    let expected: Vec<_> = texts
        .iter()
        .map(|text| EndEvent::Message(MessageKind::Text, Bytes::copy_from_slice(text.as_bytes())))
        .collect();
    assert_eq!(pair.client.take_events(), expected);
    wire
}

fn is_compressed(wire: &[u8]) -> bool {
    wire[0] & 0x40 != 0
}

const TEXT: &str = "a text long enough to be worth it, worth it, worth it, and then worth it again";

#[test]
fn deflate_leaves_short_messages_unless_asked() {
    let mut pair = pair(DeflateConfig::balanced().min_size(50));
    let short = &TEXT[..49];
    assert!(!is_compressed(&wire(&mut pair, short, Compression::Auto)));
    assert!(is_compressed(&wire(&mut pair, &"x".repeat(49), Compression::On)));
    assert!(is_compressed(&wire(&mut pair, TEXT, Compression::Auto)));
    assert!(!is_compressed(&wire(&mut pair, TEXT, Compression::Off)));
    assert!(!is_compressed(&wire(&mut pair, "", Compression::On)));
}

#[test]
fn deflate_takeover_shortens_the_second_message() {
    for (config, takes_over) in [
        (DeflateConfig::balanced(), true),
        (DeflateConfig::smallest_bytes(), true),
        (DeflateConfig::small_memory(), false),
    ] {
        let mut pair = pair(config);
        let first = wire(&mut pair, TEXT, Compression::Auto);
        // What was not compressed is not in the window, and does not disturb it.
        wire(&mut pair, TEXT, Compression::Off);
        let second = wire(&mut pair, TEXT, Compression::Auto);
        assert_eq!(second.len() < first.len() / 2, takes_over);
        assert!(takes_over || first == second);
    }
}

#[test]
fn deflate_sends_uncompressed_what_does_not_shrink() {
    let mut rng = fullduplex_testkit::Rng::new(3);
    let noise: Vec<u8> = (0..40_000).map(|_| rng.below(256) as u8).collect();
    for config in [DeflateConfig::balanced(), DeflateConfig::smallest_bytes()] {
        let mut pair = pair(config);
        let before = wire(&mut pair, TEXT, Compression::On);
        for len in [100, 5000, 40_000] {
            let noise = Bytes::copy_from_slice(&noise[..len]);
            pair.server
                .session()
                .send_with(MessageKind::Binary, noise.clone(), Compression::On)
                .unwrap();
            let wire = pair.server.transmit(usize::MAX);
            assert!(!is_compressed(&wire));
            assert!(wire.len() <= len + 10);
            pair.client.receive(&wire, pair.now);
            assert_eq!(pair.client.take_events(), [EndEvent::Message(MessageKind::Binary, noise)]);
        }
        // The window is as it was.
        assert!(wire(&mut pair, TEXT, Compression::On).len() < before.len() / 2);
    }
}

#[test]
fn deflate_history_has_nothing_of_a_refused_message() {
    let send = SendConfig::default().high_water(10).low_water(0);
    let config = DeflateConfig::smallest_bytes();
    let mut pair = Pair::deflated(Config::default().send(send), config, config);
    let session = pair.server.session();
    session.send(MessageKind::Text, TEXT.into()).unwrap();
    let other = Bytes::from_static(b"this one was not taken, so nothing may refer to it, ever");
    for _ in 0..3 {
        let refused = session.send(MessageKind::Text, other.clone());
        assert_eq!(refused, Err((SendError::Full, other.clone())));
    }
    deliver(&mut pair, &[TEXT]);
    wire(&mut pair, str::from_utf8(&other).unwrap(), Compression::On);
}

#[test]
fn deflate_memory_can_be_released_at_any_time() {
    let mut pair = pair(DeflateConfig::smallest_bytes());
    let long = TEXT.repeat(200);
    let first = wire(&mut pair, &long, Compression::On).len();
    // The workspace: nothing is lost.
    pair.server.session().release_memory(false);
    let second = wire(&mut pair, &long, Compression::On).len();
    assert!(second < first);
    // The history too: the next message is as long as the first.
    pair.server.session().release_memory(true);
    assert_eq!(wire(&mut pair, &long, Compression::On).len(), first);
}

#[test]
fn deflate_pieces_leave_when_flushed() {
    let mut pair = pair(DeflateConfig::smallest_bytes());
    let session = pair.server.session();
    session.send_fragment(MessageKind::Text, b"one ", false, Compression::Auto).unwrap();
    assert!(!session.wants_write(), "gathered");
    assert!(session.is_fragmenting());
    session.flush_fragment().unwrap();
    let first = pair.server.transmit(usize::MAX);
    assert_eq!(first[0], 0x41);
    pair.client.receive(&first, pair.now);
    let session = pair.server.session();
    session.flush_fragment().unwrap();
    assert!(!session.wants_write(), "nothing is left to flush");
    session.send_fragment(MessageKind::Text, b"two", false, Compression::Off).unwrap();
    session.flush_fragment().unwrap();
    // The message was begun compressed, so it ends so.
    session.send_fragment(MessageKind::Text, b"", true, Compression::Off).unwrap();
    deliver(&mut pair, &["one two"]);
}

/// Also from a workspace that has compressed before, the end of a message is a block.
#[test]
fn deflate_empty_message_in_pieces_has_its_block() {
    for before in [0, 300] {
        let mut pair = pair(DeflateConfig::smallest_bytes());
        if before > 0 {
            wire(&mut pair, &TEXT.repeat(before), Compression::On);
        }
        for pieces in 1..3 {
            let session = pair.server.session();
            for piece in 1..=pieces {
                let last = piece == pieces;
                session.send_fragment(MessageKind::Text, b"", last, Compression::On).unwrap();
                session.flush_fragment().unwrap();
            }
            assert_eq!(deliver(&mut pair, &[""]), [0xc1, 0x01, 0x00]);
        }
        wire(&mut pair, TEXT, Compression::On);
    }
}

#[test]
fn deflate_stream_of_short_lines_is_within_the_limits() {
    for config in PRESETS {
        let mut pair = pair(config);
        let line = format!("{:<99}\n", "something happened again, as it did before");
        for _ in 0..10_000 {
            let session = pair.server.session();
            session
                .send_fragment(MessageKind::Text, line.as_bytes(), false, Compression::Auto)
                .unwrap();
            session.flush_fragment().unwrap();
            let wire = pair.server.transmit(usize::MAX);
            pair.client.receive(&wire, pair.now);
        }
        assert_eq!(pair.client.take_events(), []);
    }
}

const PRESETS: [DeflateConfig; 3] =
    [DeflateConfig::small_memory(), DeflateConfig::balanced(), DeflateConfig::smallest_bytes()];

/// Where nothing becomes shorter, less and less is tried; and where it does, all is again.
#[test]
fn deflate_pauses_after_incompressible_messages() {
    let mut pair = pair(DeflateConfig::smallest_bytes());
    let mut rng = fullduplex_testkit::Rng::new(9);
    for _ in 0..40 {
        let noise: Bytes = (0..200).map(|_| rng.below(256) as u8).collect();
        pair.server.session().send(MessageKind::Binary, noise).unwrap();
        assert!(!is_compressed(&pair.server.transmit(usize::MAX)));
    }
    let session = pair.server.session();
    session.send(MessageKind::Text, TEXT.into()).unwrap();
    assert!(!is_compressed(&pair.server.transmit(usize::MAX)), "a pause");
    assert!((0..32).any(|_| {
        pair.server.session().send(MessageKind::Text, TEXT.into()).unwrap();
        is_compressed(&pair.server.transmit(usize::MAX))
    }));
    pair.server.session().send(MessageKind::Text, TEXT.into()).unwrap();
    assert!(is_compressed(&pair.server.transmit(usize::MAX)));
}

#[test]
fn deflate_prepared_message_is_compressed_as_well() {
    let mut rng = fullduplex_testkit::Rng::new(3);
    for half in [255, 300, 511, 1000] {
        let noise: Vec<u8> = (0..half).map(|_| rng.below(256) as u8).collect();
        let message = Bytes::from(noise.repeat(2));
        let len = |prepared: bool| {
            let mut pair = pair(DeflateConfig::smallest_bytes());
            let session = pair.server.session();
            if prepared {
                session.send_prepared(&PreparedMessage::new(message.clone())).unwrap();
            } else {
                session.send(MessageKind::Binary, message.clone()).unwrap();
            }
            pair.server.transmit(usize::MAX).len()
        };
        assert!(len(true) <= len(false) + 10, "{half}: {} and {}", len(true), len(false));
    }
}

/// A server may leave `client_no_context_takeover` unanswered, and then carries its window
/// from message to message: none may end its stream.
#[test]
fn deflate_ends_no_stream_for_a_peer_with_context_takeover() {
    let config = DeflateConfig::small_memory();
    let answer = "permessage-deflate; server_no_context_takeover";
    let answer = fullduplex_proto::handshake::parse_extensions(std::iter::once(answer.as_bytes()));
    let deflate = config.check(&answer.unwrap()).unwrap().unwrap();
    let mut end = End::new(Role::Client, Config::default()).with_deflate(&deflate);
    let mut zlib = flate2::Decompress::new(false);
    for word in ["hello ", "world "] {
        let text = word.repeat(20);
        end.session().send(MessageKind::Text, text.clone().into()).unwrap();
        let mut wire = end.transmit(usize::MAX);
        let header = fullduplex_proto::frame::RawFrameHeader::decode(&wire).unwrap();
        let mut data = wire.split_off(header.header_len());
        fullduplex_proto::mask::apply(&mut data, header.key().unwrap());
        data.extend([0, 0, 0xff, 0xff]);
        let mut out = Vec::with_capacity(1000);
        let status = zlib.decompress_vec(&data, &mut out, flate2::FlushDecompress::Sync);
        assert_eq!((status.unwrap(), &out[..]), (flate2::Status::Ok, text.as_bytes()));
    }
}

#[test]
fn deflate_prepared_message_is_compressed_once_for_all() {
    let prepared = PreparedMessage::new(TEXT);
    let mut wires = Vec::new();
    for config in
        [DeflateConfig::small_memory(), DeflateConfig::balanced(), DeflateConfig::smallest_bytes()]
    {
        let mut pair = pair(config);
        wire(&mut pair, "something else went before, so that there is a window", Compression::On);
        pair.server.session().send_prepared(&prepared).unwrap();
        let once = deliver(&mut pair, &[TEXT]);
        assert!(is_compressed(&once));
        // What follows may refer to it, where there is takeover.
        let after = wire(&mut pair, TEXT, Compression::On);
        assert_eq!(after.len() < once.len() / 2, config.send_context_takeover);
        wires.push(once);
    }
    assert_eq!(wires[0], wires[1]);
    assert_eq!(wires[0], wires[2]);
    // Without an agreement it goes as it is, and from a client masked.
    let mut plain = Pair::new(Config::default());
    plain.server.session().send_prepared(&prepared).unwrap();
    assert!(!is_compressed(&deliver(&mut plain, &[TEXT])));
    let mut client = End::new(Role::Client, Config::default());
    client.session().send_prepared(&prepared).unwrap();
    assert_eq!(client.transmit(usize::MAX)[1] & 0x80, 0x80);
}

#[test]
fn deflate_fragments_are_cut_after_compression() {
    let send = SendConfig::default().fragment_size(100);
    let config = DeflateConfig::balanced();
    let mut pair = Pair::deflated(Config::default().send(send), config, config);
    let long = (0..20_000).map(|n| (n * n).to_string()).collect::<Vec<_>>().concat();
    let wire = wire(&mut pair, &long, Compression::Auto);
    assert_eq!(wire[0], 0x41);
    assert!(wire.len() < long.len());
    // Also one that comes out in a single piece: no frame is longer than was asked for (§5.4).
    let mut rest = &self::wire(&mut pair, &long[..2_000], Compression::On)[..];
    let mut frames = 0;
    while let [_, len @ 0..=100, ..] = *rest {
        rest = &rest[2 + usize::from(len)..];
        frames += 1;
    }
    assert!(rest.is_empty() && frames > 2, "{frames} frames, then {rest:x?}");
}

/// What a page of the documentation says of the presets.
#[test]
fn deflate_presets_are_as_documented() {
    let [small, balanced, smallest] = PRESETS;
    assert_eq!(DeflateConfig::default(), balanced);
    for (config, level, memory_level, min_size, takeover, window) in [
        (small, 5, 6, 64, false, 15),
        (balanced, 5, 6, 64, true, 12),
        (smallest, 8, 8, 16, true, 15),
    ] {
        assert_eq!(
            (config.level, config.memory_level, config.min_size),
            (level, memory_level, min_size)
        );
        assert_eq!((config.send_context_takeover, config.send_window_bits), (takeover, window));
        assert_eq!(
            (config.receive_context_takeover, config.receive_window_bits),
            (takeover, window)
        );
    }
}

/// After a message that did not become shorter, one, two, four and at last 32 are not tried.
#[test]
fn deflate_pause_doubles_up_to_32_messages() {
    let mut pair = pair(DeflateConfig::balanced());
    let mut rng = fullduplex_testkit::Rng::new(9);
    let session = pair.server.session();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        assert!(session.would_compress(200, Compression::Auto));
        let noise: Bytes = (0..200).map(|_| rng.below(256) as u8).collect();
        session.send(MessageKind::Binary, noise).unwrap();
        let mut pause = 0;
        while !session.would_compress(200, Compression::Auto) {
            // What is short, or wanted, or not, is nothing to go by.
            session.send(MessageKind::Text, "short".into()).unwrap();
            session.send_with(MessageKind::Text, TEXT.into(), Compression::Off).unwrap();
            session.send(MessageKind::Text, TEXT.into()).unwrap();
            pause += 1;
        }
        pauses.push(pause);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 32, 32]);
    // One that becomes shorter ends it.
    session.send(MessageKind::Text, TEXT.into()).unwrap();
    assert!(session.would_compress(200, Compression::Auto));
}

#[test]
fn deflate_prepared_message_is_compressed_ahead_once_for_each_window() {
    let long = PreparedMessage::new(TEXT.repeat(1000));
    for window in [9, 12, 15] {
        assert!(!long.is_compressed(window));
        assert!(long.compress(window), "yet to do");
        assert!(long.is_compressed(window));
        assert!(!long.compress(window), "done");
    }
    assert!(!long.is_compressed(11));
    // zlib's smallest window serves the one below, too.
    assert!(long.is_compressed(8));
    // A window over all of the message is as good as a longer one.
    let short = PreparedMessage::new(TEXT);
    assert!(short.compress(15));
    assert!(short.is_compressed(9) && short.is_compressed(12));
    // What does not become shorter is not tried again either.
    let noise: Vec<u8> = (0..=255).collect();
    let noise = PreparedMessage::new(noise);
    assert!(noise.compress(15) && !noise.compress(15));
    // Sending uses what was made ahead, and makes nothing new.
    let mut pair = pair(DeflateConfig::smallest_bytes());
    let (window, _) = pair.server.session().prepared_window().unwrap();
    let ahead = PreparedMessage::with_level(TEXT, 9).unwrap();
    ahead.compress(window);
    pair.server.session().send_prepared(&ahead).unwrap();
    assert!(is_compressed(&deliver(&mut pair, &[TEXT])));
}

#[test]
fn deflate_level_of_a_prepared_message_has_a_range() {
    let long = (0..2_000).map(|n| (n * n).to_string()).collect::<Vec<_>>().concat();
    let len = |level| {
        let mut pair = pair(DeflateConfig::smallest_bytes());
        pair.server
            .session()
            .send_prepared(&PreparedMessage::with_level(long.clone(), level).unwrap())
            .unwrap();
        deliver(&mut pair, &[&long]).len()
    };
    for level in [0, 10] {
        let error = PreparedMessage::with_level(TEXT, level).unwrap_err();
        assert_eq!(error.to_string(), "level must be from 1 to 9");
    }
    assert!(len(9) < len(1));
}

/// What is gathered for one block is bounded by the memory for it, and each block has a cost.
#[test]
fn deflate_output_is_shorter_with_more_memory() {
    let long = (0..5_000).map(|n| (n * n % 7_919).to_string()).collect::<Vec<_>>().concat();
    let len = |memory_level| {
        let config = DeflateConfig::smallest_bytes().memory_level(memory_level);
        wire(&mut pair(config), &long, Compression::On).len()
    };
    assert!(len(9) < len(1), "{} and {} bytes", len(9), len(1));
}

/// Connections of a thread share workspaces, but not their levels.
#[test]
fn deflate_level_is_that_of_the_connection() {
    let text = (0..5_000).map(|n| (n * n % 7_919).to_string()).collect::<Vec<_>>().concat();
    for preset in PRESETS {
        let len = |level| {
            let config = preset.level(level);
            wire(&mut pair(config), &text, Compression::On).len()
        };
        let (fast, slow) = (len(1), len(9));
        assert!(slow < fast, "{slow} and {fast} bytes");
        assert_eq!((len(1), len(9), len(1)), (fast, slow, fast));
    }
}
