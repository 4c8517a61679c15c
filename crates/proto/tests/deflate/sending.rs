//! What is compressed and what is not, what it refers to, and what it keeps.

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{
    Compression, Config, DeflateConfig, Kind, PreparedMessage, Role, SendConfig, SendError,
};
use fullduplex_testkit::pair::{End, Pair, Told};

fn pair(config: DeflateConfig) -> Pair {
    Pair::deflated(Config::default(), config, config)
}

/// Sends from the server and gives the bytes on the wire.
fn wire(pair: &mut Pair, text: &str, compression: Compression) -> Vec<u8> {
    let session = pair.server.session();
    session.send_with(Kind::Text, Bytes::copy_from_slice(text.as_bytes()), compression).unwrap();
    deliver(pair, &[text])
}

/// Carries what waits from the server, where the client is to see these texts in it.
fn deliver(pair: &mut Pair, texts: &[&str]) -> Vec<u8> {
    let wire = pair.server.transmit(usize::MAX);
    pair.client.receive(&wire, pair.now);
    let expected: Vec<_> = texts
        .iter()
        .map(|text| Told::Message(Kind::Text, Bytes::copy_from_slice(text.as_bytes())))
        .collect();
    assert_eq!(pair.client.take_told(), expected);
    wire
}

fn is_compressed(wire: &[u8]) -> bool {
    wire[0] & 0x40 != 0
}

const TEXT: &str = "a text long enough to be worth it, worth it, worth it, and then worth it again";

#[test]
fn short_messages_go_as_they_are_unless_asked() {
    let mut pair = pair(DeflateConfig { min_size: 50, ..DeflateConfig::balanced() });
    let short = &TEXT[..49];
    assert!(!is_compressed(&wire(&mut pair, short, Compression::Auto)));
    assert!(is_compressed(&wire(&mut pair, &"x".repeat(49), Compression::On)));
    assert!(is_compressed(&wire(&mut pair, TEXT, Compression::Auto)));
    assert!(!is_compressed(&wire(&mut pair, TEXT, Compression::Off)));
    assert!(!is_compressed(&wire(&mut pair, "", Compression::On)));
}

#[test]
fn with_takeover_the_second_time_is_shorter() {
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
fn what_does_not_become_shorter_is_sent_as_it_is() {
    let mut rng = fullduplex_testkit::Rng::new(3);
    let noise: Vec<u8> = (0..40_000).map(|_| rng.below(256) as u8).collect();
    for config in [DeflateConfig::balanced(), DeflateConfig::smallest_bytes()] {
        let mut pair = pair(config);
        let before = wire(&mut pair, TEXT, Compression::On);
        for len in [100, 5000, 40_000] {
            let noise = Bytes::copy_from_slice(&noise[..len]);
            pair.server.session().send_with(Kind::Binary, noise.clone(), Compression::On).unwrap();
            let wire = pair.server.transmit(usize::MAX);
            assert!(!is_compressed(&wire));
            assert!(wire.len() <= len + 10);
            pair.client.receive(&wire, pair.now);
            assert_eq!(pair.client.take_told(), [Told::Message(Kind::Binary, noise)]);
        }
        // The window is as it was.
        assert!(wire(&mut pair, TEXT, Compression::On).len() < before.len() / 2);
    }
}

#[test]
fn a_refused_message_leaves_no_trace() {
    let send = SendConfig { high_water: 10, ..SendConfig::default() };
    let config = DeflateConfig::smallest_bytes();
    let mut pair = Pair::deflated(Config { send, ..Config::default() }, config, config);
    let session = pair.server.session();
    session.send(Kind::Text, TEXT.into()).unwrap();
    let other = Bytes::from_static(b"this one was not taken, so nothing may refer to it, ever");
    for _ in 0..3 {
        let refused = session.send(Kind::Text, other.clone());
        assert_eq!(refused, Err((SendError::Full, other.clone())));
    }
    deliver(&mut pair, &[TEXT]);
    wire(&mut pair, str::from_utf8(&other).unwrap(), Compression::On);
}

#[test]
fn memory_can_be_given_up_at_any_time() {
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
fn pieces_leave_when_they_are_flushed() {
    let mut pair = pair(DeflateConfig::smallest_bytes());
    let session = pair.server.session();
    session.send_fragment(Kind::Text, b"one ", false, Compression::Auto).unwrap();
    assert!(!session.wants_write(), "gathered");
    assert!(session.is_fragmenting());
    session.flush_fragment().unwrap();
    let first = pair.server.transmit(usize::MAX);
    assert_eq!(first[0], 0x41);
    pair.client.receive(&first, pair.now);
    let session = pair.server.session();
    session.flush_fragment().unwrap();
    assert!(!session.wants_write(), "nothing is left to flush");
    session.send_fragment(Kind::Text, b"two", false, Compression::Off).unwrap();
    session.flush_fragment().unwrap();
    // The message was begun compressed, so it ends so.
    session.send_fragment(Kind::Text, b"", true, Compression::Off).unwrap();
    deliver(&mut pair, &["one two"]);
}

#[test]
fn a_prepared_message_is_compressed_once_for_all() {
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
fn long_messages_are_cut_after_they_are_compressed() {
    let send = SendConfig { fragment_size: 100, ..SendConfig::default() };
    let config = DeflateConfig::balanced();
    let mut pair = Pair::deflated(Config { send, ..Config::default() }, config, config);
    let long = (0..20_000).map(|n| (n * n).to_string()).collect::<Vec<_>>().concat();
    let wire = wire(&mut pair, &long, Compression::Auto);
    assert_eq!(wire[0], 0x41);
    assert!(wire.len() < long.len());
}
