//! Long payloads: where they lie, who masks them, and how they are cut (RFC 6455 §5.3, §5.4).

use fullduplex_proto::bytes::{Buf, Bytes};
use fullduplex_proto::{Compression, Config, MessageKind, Role, SendConfig, Session};
use fullduplex_testkit::pair::End;

use crate::oracle::{Frame, frames};

/// An open end that cuts messages into frames of this size.
fn end(role: Role, fragment_size: usize) -> End {
    let send = SendConfig::default().fragment_size(fragment_size);
    End::new(role, Config::default().send(send))
}

fn wire(session: &mut Session) -> Vec<Frame> {
    let mut out = session.outgoing();
    frames(&out.copy_to_bytes(out.remaining()))
}

/// Where the payloads of the frames lie: every other slice, after the header.
fn pointers(session: &mut Session) -> Vec<*const u8> {
    session.outgoing().slices().skip(1).step_by(2).map(<[u8]>::as_ptr).collect()
}

#[test]
fn mask_is_applied_in_place_to_all_fragments() {
    let mut client = end(Role::Client, 5_000);
    let session = client.session();
    let payload = Bytes::from(vec![7; 12_000]);
    let start = payload.as_ptr();
    session.send(MessageKind::Binary, payload).unwrap();
    let expected = [start, start.wrapping_add(5_000), start.wrapping_add(10_000)];
    assert_eq!(pointers(session), expected);
    let payload: Vec<u8> = wire(session).into_iter().flat_map(|f| f.payload).collect();
    assert!(payload == [7; 12_000]);
}

#[test]
fn mask_is_applied_to_a_copy_of_shared_payloads() {
    let mut client = end(Role::Client, 5_000);
    let session = client.session();
    let payload = Bytes::from(vec![7; 12_000]);
    let shared = payload.clone();
    session.send(MessageKind::Binary, payload).unwrap();
    assert!(pointers(session).iter().all(|p| !shared.as_ptr_range().contains(p)));
    assert!(shared.iter().all(|b| *b == 7), "what others hold is not touched");
    let sent: Vec<u8> = wire(session).into_iter().flat_map(|f| f.payload).collect();
    assert!(sent == shared);
}

#[test]
fn fragments_of_a_server_are_referenced() {
    let mut server = end(Role::Server, 5_000);
    let session = server.session();
    let payload = Bytes::from(vec![7; 12_000]);
    let start = payload.as_ptr();
    session.send(MessageKind::Binary, payload.clone()).unwrap();
    let expected = [start, start.wrapping_add(5_000), start.wrapping_add(10_000)];
    assert_eq!(pointers(session), expected);
}

#[test]
fn fragments_are_marked_and_have_their_own_keys() {
    // §5.4: the first has the opcode, the last has FIN. §5.3: a fresh key for every frame.
    let mut client = end(Role::Client, 5_000);
    let session = client.session();
    session.send(MessageKind::Text, Bytes::from(vec![b'a'; 12_000])).unwrap();
    session.send_fragment(MessageKind::Text, &[b'b'; 6_000], false, Compression::Off).unwrap();
    session.send_fragment(MessageKind::Text, b"b", true, Compression::Off).unwrap();
    let frames = wire(session);
    let firsts: Vec<u8> = frames.iter().map(|f| f.first).collect();
    assert_eq!(firsts, [0x01, 0x00, 0x80, 0x01, 0x80]);
    let keys: std::collections::HashSet<_> = frames.iter().map(|f| f.key.unwrap()).collect();
    assert_eq!(keys.len(), frames.len());
}

#[test]
fn fragments_are_cut_of_short_messages_too() {
    for (fragment_size, count) in [(1, 3_000), (1_000, 3), (2_999, 2), (3_000, 1)] {
        let mut client = end(Role::Client, fragment_size);
        let session = client.session();
        session.send(MessageKind::Text, Bytes::from(vec![b'a'; 3_000])).unwrap();
        let frames = wire(session);
        assert_eq!(frames.len(), count, "fragments of {fragment_size} bytes");
        assert!(frames.into_iter().flat_map(|f| f.payload).eq([b'a'; 3_000]));
    }
}
