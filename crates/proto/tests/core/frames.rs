//! The bytes that leave, whatever is asked for and however little the transport takes at a
//! time: whole frames in order, none inside another (RFC 6455 §5.4, §5.5).

use std::collections::HashSet;
use std::time::Duration;

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{CloseCode, CloseFrame, Compression, Config, MessageKind, Role, SendConfig};
use fullduplex_testkit::pair::End;
use proptest::prelude::*;

use crate::oracle::{Frame, close_payload, frames, masked, plain};

const NOW: Duration = Duration::ZERO;

/// What a test does to an end.
#[derive(Clone, Debug)]
enum Op {
    Send(MessageKind, usize),
    Fragment(usize, bool),
    Ping(u8),
    Pong(u8),
    /// The peer pings.
    Pinged(u8),
    Close,
    /// The transport takes so many bytes.
    Write(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![Just(MessageKind::Text), Just(MessageKind::Binary)];
    let size = prop_oneof![0usize..200, 4_000usize..5_000, 0usize..20_000];
    prop_oneof![
        4 => (kind, size.clone()).prop_map(|(kind, size)| Op::Send(kind, size)),
        2 => (size.clone(), any::<bool>()).prop_map(|(size, last)| Op::Fragment(size, last)),
        1 => (0..=125u8).prop_map(Op::Ping),
        1 => (0..=125u8).prop_map(Op::Pong),
        2 => (0..=125u8).prop_map(Op::Pinged),
        6 => prop_oneof![0usize..20, 0usize..300, size].prop_map(Op::Write),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let body = proptest::collection::vec(op(), 0..60);
    let tail = proptest::collection::vec(op(), 0..10);
    (body, any::<bool>(), tail).prop_map(|(mut ops, closes, tail)| {
        if closes {
            ops.push(Op::Close);
        }
        ops.extend(tail);
        ops
    })
}

/// The opcode and payload of a message.
type Message = (u8, Vec<u8>);

/// What the wire must show.
#[derive(Debug, Default)]
struct Asked {
    messages: Vec<Message>,
    /// The message that is being sent in fragments.
    begun: Option<Message>,
    pings: Vec<Vec<u8>>,
    pongs: Vec<Vec<u8>>,
    /// Payloads of the peer's pings.
    owed: Vec<Vec<u8>>,
    closed: bool,
}

fn perform(end: &mut End, role: Role, ops: &[Op]) -> (Asked, Vec<u8>) {
    let (mut asked, mut wire) = (Asked::default(), Vec::new());
    for (i, op) in ops.iter().enumerate() {
        let fill = (i % 100) as u8 + b' ';
        match *op {
            Op::Send(kind, size) => {
                let payload = vec![fill; size];
                let opcode = if kind == MessageKind::Text { 1 } else { 2 };
                if end.session().send(kind, Bytes::from(payload.clone())).is_ok() {
                    asked.messages.push((opcode, payload));
                }
            }
            Op::Fragment(size, last) => {
                let payload = vec![fill; size];
                if end
                    .session()
                    .send_fragment(MessageKind::Binary, &payload, last, Compression::Auto)
                    .is_ok()
                {
                    let message = asked.begun.get_or_insert((2, Vec::new()));
                    message.1.extend(payload);
                    if last {
                        asked.messages.extend(asked.begun.take());
                    }
                }
            }
            Op::Ping(size) => {
                let payload = vec![fill; size.into()];
                if end.session().ping(&payload).is_ok() {
                    asked.pings.push(payload);
                }
            }
            Op::Pong(size) => {
                let payload = vec![fill; size.into()];
                if end.session().pong(&payload).is_ok() {
                    asked.pongs.push(payload);
                }
            }
            Op::Pinged(size) => {
                let payload = vec![fill ^ 0x80; size.into()];
                let encode = if role == Role::Server { masked } else { plain };
                end.receive(&encode(0x89, payload.clone()), NOW);
                asked.owed.push(payload);
            }
            Op::Close => {
                let frame = CloseFrame::new(CloseCode::GOING_AWAY, "bye").ok();
                asked.closed |= end.session().close(frame, NOW);
            }
            Op::Write(most) => wire.extend(end.transmit(most)),
        }
    }
    while end.session().wants_write() {
        wire.extend(end.transmit(usize::MAX));
    }
    assert_eq!(end.session().buffered(), 0);
    (asked, wire)
}

/// Puts messages together, and checks that fragments follow the rules of §5.4.
fn messages(frames: &[Frame]) -> (Vec<Message>, Option<Message>) {
    let (mut whole, mut begun) = (Vec::new(), None);
    for frame in frames.iter().filter(|f| f.opcode() < 8) {
        match (frame.opcode(), &mut begun) {
            (0, Some((_, payload))) => Vec::extend(payload, &frame.payload),
            (opcode @ (1 | 2), None) => begun = Some((opcode, frame.payload.clone())),
            other => panic!("a frame out of turn: {other:?}"),
        }
        if frame.fin() {
            whole.extend(begun.take());
        }
    }
    (whole, begun)
}

fn check(role: Role, asked: &Asked, wire: &[u8]) {
    let frames = frames(wire);
    assert!(frames.iter().all(|f| f.first & 0x70 == 0), "no reserved bits");
    // §5.1, §5.3: a client masks each frame with a fresh key, a server none.
    let keys: HashSet<_> = frames.iter().filter_map(|f| f.key).collect();
    assert_eq!(keys.len(), if role == Role::Client { frames.len() } else { 0 });
    // §5.5: control frames are whole and short.
    let controls = || frames.iter().filter(|f| f.opcode() >= 8);
    assert!(controls().all(|f| f.fin() && f.payload.len() <= 125));
    // §5.4: data in order, and no more and no less of it.
    let (whole, begun) = messages(&frames);
    assert_eq!(whole, asked.messages);
    assert_eq!(begun, asked.begun);
    let of = |opcode| controls().filter(move |f| f.opcode() == opcode).map(|f| &f.payload);
    assert!(of(9).eq(asked.pings.iter()), "each ping of the application, in order");
    // Pongs are those of the application, all of them, and answers, of which later ones
    // may replace earlier ones (§5.5.3). The two are told apart by their fill.
    let (answers, own): (Vec<_>, Vec<_>) =
        of(10).filter(|p| !p.is_empty()).partition(|p| p[0] & 0x80 != 0);
    assert!(own.into_iter().eq(asked.pongs.iter().filter(|p| !p.is_empty())));
    let mut owed = asked.owed.iter();
    assert!(answers.iter().all(|a| owed.any(|o| o == *a)), "answers, in order, each once");
    if let Some(last) = asked.owed.last() {
        assert!(of(10).any(|p| p == last), "the last ping is always answered");
    }
    // §5.5.1: no data after the Close.
    let close = frames.iter().position(|f| f.opcode() == 8);
    assert_eq!(close.is_some(), asked.closed);
    if let Some(at) = close {
        assert_eq!(frames[at].payload, close_payload(1001, "bye"));
        assert!(frames[at + 1..].iter().all(|f| f.opcode() == 10), "nothing but answers");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn frames_leave_whole_and_in_order(
        ops in ops(),
        server: bool,
        fragment_size in prop_oneof![50usize..200, 4_000usize..9_000, Just(256 << 10)],
    ) {
        let role = if server { Role::Server } else { Role::Client };
        let send = SendConfig::default().fragment_size(fragment_size);
        let mut end = End::new(role, Config::default().send(send));
        let (asked, wire) = perform(&mut end, role, &ops);
        check(role, &asked, &wire);
    }
}

#[test]
fn frames_do_not_depend_on_how_bytes_are_taken() {
    for role in [Role::Client, Role::Server] {
        let taken = |size: usize| {
            let send = SendConfig::default().fragment_size(5_000);
            let mut end = End::new(role, Config::default().send(send));
            for size in [0, 5, 300, 4_097, 12_000, 1, 4_096] {
                end.session().send(MessageKind::Binary, Bytes::from(vec![9; size])).unwrap();
            }
            end.session().close(None, NOW);
            let mut bytes = Vec::new();
            while end.session().wants_write() {
                bytes.extend(end.transmit(size));
            }
            bytes
        };
        let whole = taken(usize::MAX);
        for size in (1..40).chain([100, 1_000, 4_096, 4_100, 5_004, 20_000]) {
            assert!(taken(size) == whole, "{role:?}, {size} bytes at a time");
        }
    }
}

#[test]
fn close_leaves_after_what_was_queued_before_it() {
    // §5.5.1. The first Ping is half written, so that the second one has to wait.
    let mut end = End::new(Role::Server, Config::default());
    end.session().ping(b"one").unwrap();
    let mut wire = end.transmit(1);
    end.session().ping(b"two").unwrap();
    end.session().close(None, NOW);
    while end.session().wants_write() {
        wire.extend(end.transmit(usize::MAX));
    }
    assert_eq!(wire, [plain(0x89, "one"), plain(0x89, "two"), plain(0x88, "")].concat());
}
