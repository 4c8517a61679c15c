//! Long payloads: where they lie, who masks them, and how they are cut (RFC 6455 §5.3, §5.4).

use fullduplex_proto::bytes::{Buf, Bytes};
use fullduplex_proto::{Compression, Kind, SendConfig, Sender};
use fullduplex_testkit::pair::Counting;

use crate::naive::{Frame, frames};

fn config(fragment_size: usize) -> SendConfig {
    SendConfig { fragment_size, ..SendConfig::default() }
}

fn client(fragment_size: usize) -> Sender {
    Sender::client(Box::new(Counting::default()), config(fragment_size))
}

fn wire(sender: &mut Sender) -> Vec<Frame> {
    let mut out = sender.outgoing();
    frames(&out.copy_to_bytes(out.remaining()))
}

/// Where the payloads of the frames lie: every other slice, after the header.
fn pointers(sender: &mut Sender) -> Vec<*const u8> {
    sender.outgoing().slices().skip(1).step_by(2).map(<[u8]>::as_ptr).collect()
}

#[test]
fn mask_is_applied_in_place_to_all_fragments() {
    let mut sender = client(5_000);
    let payload = Bytes::from(vec![7; 12_000]);
    let start = payload.as_ptr();
    sender.send(Kind::Binary, payload).unwrap();
    let expected = [start, start.wrapping_add(5_000), start.wrapping_add(10_000)];
    assert_eq!(pointers(&mut sender), expected);
    let payload: Vec<u8> = wire(&mut sender).into_iter().flat_map(|f| f.payload).collect();
    assert!(payload == [7; 12_000]);
}

#[test]
fn mask_is_applied_to_a_copy_of_shared_payloads() {
    let mut sender = client(5_000);
    let payload = Bytes::from(vec![7; 12_000]);
    let shared = payload.clone();
    sender.send(Kind::Binary, payload).unwrap();
    assert!(pointers(&mut sender).iter().all(|p| !shared.as_ptr_range().contains(p)));
    assert!(shared.iter().all(|b| *b == 7), "what others hold is not touched");
    let sent: Vec<u8> = wire(&mut sender).into_iter().flat_map(|f| f.payload).collect();
    assert!(sent == shared);
}

#[test]
fn fragments_of_a_server_are_referenced() {
    let mut sender = Sender::server(config(5_000));
    let payload = Bytes::from(vec![7; 12_000]);
    let start = payload.as_ptr();
    sender.send(Kind::Binary, payload.clone()).unwrap();
    let expected = [start, start.wrapping_add(5_000), start.wrapping_add(10_000)];
    assert_eq!(pointers(&mut sender), expected);
}

#[test]
fn fragments_are_marked_and_have_their_own_keys() {
    // §5.4: the first has the opcode, the last has FIN. §5.3: a fresh key for every frame.
    let mut sender = client(5_000);
    sender.send(Kind::Text, Bytes::from(vec![b'a'; 12_000])).unwrap();
    sender.send_fragment(Kind::Text, &[b'b'; 6_000], false, Compression::Off).unwrap();
    sender.send_fragment(Kind::Text, b"b", true, Compression::Off).unwrap();
    let frames = wire(&mut sender);
    let firsts: Vec<u8> = frames.iter().map(|f| f.first).collect();
    assert_eq!(firsts, [0x01, 0x00, 0x80, 0x01, 0x80]);
    let keys: std::collections::HashSet<_> = frames.iter().map(|f| f.key.unwrap()).collect();
    assert_eq!(keys.len(), frames.len());
}

#[test]
fn fragments_are_cut_of_short_messages_too() {
    for (fragment_size, count) in [(0, 3_000), (1, 3_000), (1_000, 3), (2_999, 2), (3_000, 1)] {
        let mut sender = client(fragment_size);
        sender.send(Kind::Text, Bytes::from(vec![b'a'; 3_000])).unwrap();
        let frames = wire(&mut sender);
        assert_eq!(frames.len(), count, "fragments of {fragment_size} bytes");
        assert!(frames.into_iter().flat_map(|f| f.payload).eq([b'a'; 3_000]));
    }
}
