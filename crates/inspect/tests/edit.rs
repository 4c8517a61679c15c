//! What a receiver reads after an editor, compared with what was decided.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fullduplex_inspect::edit::{
    Decision, EditHandler, Editor, HistoryError, InjectError, NewFrame, Substitution, Unchanged,
};
use fullduplex_inspect::proto::frame::{EncodedFrameHeader, OpCode, RawFrameHeader};
use fullduplex_inspect::proto::mask::{self, MaskSource};
use fullduplex_inspect::proto::{
    CloseCode, CloseFrame, Compression, Config, DeflateConfig, DeflateParams, Message, Role,
    Session,
};
use fullduplex_inspect::store::Handling;
use fullduplex_inspect::{Conversation, ConversationFrame, Decoder};
use proptest::prelude::*;

const NOW: Duration = Duration::ZERO;

#[derive(Debug)]
struct Keys(u8);

impl MaskSource for Keys {
    fn next_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(1);
        [self.0, 7, 77, 177]
    }
}

/// Decides by what a payload begins with.
#[derive(Default)]
struct ByPayload {
    is_idle: bool,
    shown: Vec<(String, Handling)>,
    unchanged: Vec<Unchanged>,
}

impl EditHandler for ByPayload {
    fn is_watching(&self) -> bool {
        !self.is_idle
    }

    fn decide(&mut self, _: &ConversationFrame, payload: &[u8]) -> Decision {
        match payload.first() {
            Some(b'd') => Decision::Drop,
            Some(b'r') => Decision::Replace(NewFrame::Text(replaced(payload))),
            Some(b'h') => Decision::Hold,
            _ => Decision::Pass,
        }
    }

    fn show(&mut self, shown: ConversationFrame, handling: Handling) {
        let payload = shown.frame.message.as_ref().map_or(&shown.frame.payload, |m| &m.payload);
        let text = String::from_utf8_lossy(payload).into_owned();
        self.shown.push((format!("{} {text}", shown.frame.opcode_name()), handling));
    }

    fn unchanged(&mut self, _: &ConversationFrame, why: Unchanged) {
        self.unchanged.push(why);
    }
}

fn replaced(payload: &[u8]) -> String {
    format!("new {}", String::from_utf8_lossy(payload))
}

/// An editor with its conversation, and what passes.
struct Direction {
    sender: Role,
    params: Option<DeflateParams>,
    conversation: Conversation,
    editor: Editor,
    handler: ByPayload,
    out: Vec<u8>,
}

impl Direction {
    fn new(sender: Role, params: Option<DeflateParams>) -> Self {
        Self {
            sender,
            params,
            conversation: Conversation::new().with_deflate(params),
            editor: Editor::new(sender, params, Box::new(Keys(0))),
            handler: ByPayload::default(),
            out: Vec::new(),
        }
    }

    /// Takes bytes, and releases what is held with this decision.
    fn push(&mut self, mut bytes: &[u8], decision: &Decision) -> Result<(), HistoryError> {
        loop {
            let Self { conversation, editor, handler, out, .. } = self;
            if !editor.is_transparent() || handler.is_watching() {
                editor.push(conversation, &mut bytes, NOW, handler, out)?;
            } else {
                out.extend_from_slice(bytes);
                conversation.push(self.sender, bytes, NOW, |_| {});
                bytes = &[];
            }
            if editor.held().is_none() {
                return Ok(());
            }
            editor.release(decision.clone(), NOW, handler, out)?;
        }
    }

    fn inject(&mut self, new: NewFrame) -> Result<(), InjectError> {
        let Self { conversation, editor, handler, out, .. } = self;
        editor.inject(conversation, new, NOW, handler, out)
    }

    /// Returns the messages and control frames that a receiver reads.
    fn read(&self) -> Vec<String> {
        let mut read = Vec::new();
        let mut decoder = Decoder::new(self.sender).with_deflate(self.params);
        decoder.push(&self.out, NOW, |frame| {
            assert_eq!(frame.violation, None, "{frame:?}");
            let payload = match &frame.message {
                Some(message) => {
                    assert_eq!(message.inflation_stop, None, "{message:?}");
                    &message.payload
                }
                None if frame.is_control() => &frame.payload,
                None => return,
            };
            read.push(String::from_utf8_lossy(payload).into_owned());
        });
        assert_eq!(decoder.finish(), None);
        read
    }
}

fn params(config: DeflateConfig) -> DeflateParams {
    config.accept(&config.offers()).unwrap().1.params()
}

/// Returns what `sender` sends for each message: in fragments of a length, with a Ping between.
fn sent(
    sender: Role,
    config: Option<DeflateConfig>,
    messages: &[(&str, usize, Option<&str>)],
) -> Vec<u8> {
    let mut session = Session::server(&Config::default());
    if let Some(config) = config {
        // A client's settings are the other way round.
        let config = match sender {
            Role::Server => config,
            Role::Client => config
                .send_context_takeover(config.receive_context_takeover)
                .send_window_bits(config.receive_window_bits),
        };
        session = session.with_deflate(&config.accept(&config.offers()).unwrap().1);
    }
    session.open(NOW);
    let (mut bytes, mut keys) = (Vec::new(), Keys(100));
    for (text, len, ping) in messages {
        session.send_message(Message::from(*text), Compression::On).unwrap();
        let mut frame = Vec::new();
        session.outgoing().slices().for_each(|slice| frame.extend_from_slice(slice));
        session.outgoing().advance_with(frame.len(), drop);
        let header = RawFrameHeader::decode(&frame).unwrap();
        let payload = &frame[header.header_len()..];
        let pieces: Vec<&[u8]> =
            if payload.is_empty() { vec![payload] } else { payload.chunks(*len).collect() };
        for (index, piece) in pieces.iter().enumerate() {
            let opcode = if index == 0 { OpCode::Text } else { OpCode::Continuation };
            let is_compressed = header.rsv() != 0 && index == 0;
            let fin = index + 1 == pieces.len();
            push_frame(&mut bytes, sender, &mut keys, (opcode, fin, is_compressed), piece);
            if let Some(ping) = ping.filter(|_| index == 0) {
                let ping = ping.as_bytes();
                push_frame(&mut bytes, sender, &mut keys, (OpCode::Ping, true, false), ping);
            }
        }
    }
    bytes
}

fn push_frame(
    bytes: &mut Vec<u8>,
    sender: Role,
    keys: &mut Keys,
    (opcode, fin, is_compressed): (OpCode, bool, bool),
    payload: &[u8],
) {
    let key = (sender == Role::Client).then(|| keys.next_key());
    let mut header = EncodedFrameHeader::new(opcode, fin, key, payload.len() as u64);
    if is_compressed {
        header = header.compressed();
    }
    bytes.extend_from_slice(header.as_bytes());
    let begin = bytes.len();
    bytes.extend_from_slice(payload);
    if let Some(key) = key {
        mask::apply(&mut bytes[begin..], key);
    }
}

fn settings() -> impl Strategy<Value = Option<DeflateConfig>> {
    prop_oneof![
        Just(None),
        Just(Some(DeflateConfig::balanced())),
        Just(Some(DeflateConfig::small_memory())),
        Just(Some(DeflateConfig::smallest_bytes())),
        Just(Some(DeflateConfig::balanced().send_window_bits(9).receive_window_bits(9))),
    ]
}

/// A message that says what becomes of it, the length of its fragments, and a Ping within.
fn message() -> impl Strategy<Value = (String, usize, Option<String>)> {
    let text = ("[pdrh]", "[a-c]{0,30}", 0_usize..30)
        .prop_map(|(decision, text, times)| format!("{decision}{}", text.repeat(times)));
    let text = prop_oneof![20 => text, 1 => Just(String::new())];
    (text, 1_usize..200, proptest::option::of("[pdrh][a-z]{0,5}"))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn edited_direction_is_read_as_it_was_decided(
        config in settings(),
        sender in prop_oneof![Just(Role::Client), Just(Role::Server)],
        messages in proptest::collection::vec(message(), 1..25),
        cuts in proptest::collection::vec(1_usize..300, 1..10),
        held in prop_oneof![
            Just(Decision::Pass),
            Just(Decision::Drop),
            Just(Decision::Replace(NewFrame::Text("released".into()))),
        ],
        injects in proptest::collection::vec(0_usize..20, 0..10),
        is_watching_from in 0_usize..6,
    ) {
        let borrowed: Vec<(&str, usize, Option<&str>)> = messages
            .iter()
            .map(|(text, len, ping)| (text.as_str(), *len, ping.as_deref()))
            .collect();
        let bytes = sent(sender, config, &borrowed);
        let mut direction = Direction::new(sender, config.map(params));
        direction.handler.is_idle = true;
        let (mut rest, mut step, mut injected) = (&bytes[..], 0, Vec::new());
        for len in cuts.iter().cycle() {
            direction.handler.is_idle = step < is_watching_from;
            for _ in injects.iter().filter(|at| **at == step) {
                let text = format!("injected {}", injected.len());
                direction.inject(NewFrame::Text(text.clone())).unwrap();
                injected.push(text);
            }
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(rest.len().min(*len));
            direction.push(piece, &held).unwrap();
            (rest, step) = (after, step + 1);
        }
        let read = direction.read();
        let (own, others): (Vec<String>, Vec<String>) =
            read.into_iter().partition(|text| !text.starts_with("injected "));
        prop_assert_eq!(others, injected);
        let mut unedited = Direction::new(sender, config.map(params));
        unedited.out.clone_from(&bytes);
        let expected = unedited.read().into_iter().map(|text| {
            let fate = match text.chars().next() {
                Some('d') => None,
                Some('r') => Some(replaced(text.as_bytes())),
                Some('h') => match &held {
                    Decision::Drop => None,
                    Decision::Replace(_) => Some("released".into()),
                    _ => Some(text.clone()),
                },
                _ => Some(text.clone()),
            };
            (text, fate)
        });
        if is_watching_from == 0 {
            prop_assert_eq!(own, expected.filter_map(|(_, fate)| fate).collect::<Vec<_>>());
        } else {
            // What had begun before the editor watched has passed.
            let mut own = own;
            for (text, fate) in expected {
                let read = own.iter().position(|own| *own == text || Some(own) == fate.as_ref());
                if let Some(at) = read {
                    own.remove(at);
                } else {
                    prop_assert_eq!(fate, None);
                }
            }
            prop_assert_eq!(own, Vec::<String>::new());
        }
    }

    #[test]
    fn direction_passes_any_bytes_as_they_came_while_nothing_is_touched(
        bytes in proptest::collection::vec(prop_oneof![
            proptest::sample::select(vec![0x81_u8, 0x01, 0x80, 0xc1, 0x89, 0x88]),
            0_u8..20,
            any::<u8>(),
        ], 0..300),
        cuts in proptest::collection::vec(1_usize..50, 1..6),
        deflates in any::<bool>(),
        max in prop_oneof![Just(10_usize), Just(1 << 20)],
        is_idle in proptest::collection::vec(any::<bool>(), 1..6),
    ) {
        struct Pass(bool);
        impl EditHandler for Pass {
            fn is_watching(&self) -> bool {
                self.0
            }
            fn decide(&mut self, _: &ConversationFrame, _: &[u8]) -> Decision {
                Decision::Pass
            }
            fn show(&mut self, _: ConversationFrame, handling: Handling) {
                assert_eq!(handling, Handling::Passed);
            }
            fn unchanged(&mut self, _: &ConversationFrame, why: Unchanged) {
                panic!("{why}");
            }
        }
        let params = deflates.then(|| params(DeflateConfig::balanced()));
        let mut conversation = Conversation::new().with_deflate(params);
        let editor = Editor::new(Role::Server, params, Box::new(Keys(0)));
        let mut editor = editor.with_max_message(max);
        let (mut rest, mut out) = (&bytes[..], Vec::new());
        for (len, is_idle) in cuts.iter().cycle().zip(is_idle.iter().cycle()) {
            let (mut piece, after) = rest.split_at(rest.len().min(*len));
            let mut handler = Pass(!is_idle);
            editor.push(&mut conversation, &mut piece, NOW, &mut handler, &mut out).unwrap();
            prop_assert!(piece.is_empty());
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        editor.finish(&mut Pass(false), &mut out);
        prop_assert_eq!(out, bytes);
    }
}

#[test]
fn edited_messages_are_in_their_order_and_shown_with_what_became_of_them() {
    let config = DeflateConfig::balanced();
    let long = "p price: 1, price: 2, price: 3, price: 4, price: 5";
    let messages = [
        (long, 10, Some("ping")),
        ("drop me", 100, None),
        ("replace me", 100, None),
        (long, 9, None),
    ];
    let bytes = sent(Role::Server, Some(config), &messages);
    let mut direction = Direction::new(Role::Server, Some(params(config)));
    direction.push(&bytes, &Decision::Pass).unwrap();
    assert_eq!(direction.read(), ["ping", long, "new replace me", long]);
    // The first came before the change, and is as it was, with the Ping in its place.
    let first = sent(Role::Server, Some(config), &messages[..1]);
    assert!(direction.out.starts_with(&first), "{first:x?} {:x?}", direction.out);
    let shown: Vec<_> = direction
        .handler
        .shown
        .iter()
        .filter(|(text, handling)| !text.starts_with("cont") || *handling != Handling::Passed)
        .map(|(text, handling)| (text.split(' ').next().unwrap(), *handling))
        .collect();
    assert_eq!(
        shown,
        [
            ("text", Handling::Passed),
            ("ping", Handling::Passed),
            ("text", Handling::Dropped),
            ("text", Handling::Replaced),
            ("text", Handling::Injected),
            ("text", Handling::Passed),
        ]
    );
}

#[test]
fn held_message_holds_what_follows_it() {
    let bytes = sent(Role::Client, None, &[("hold", 9, None), ("pass", 9, None)]);
    let mut direction = Direction::new(Role::Client, None);
    let Direction { conversation, editor, handler, out, .. } = &mut direction;
    let mut input = &bytes[..];
    editor.push(conversation, &mut input, NOW, handler, out).unwrap();
    assert_eq!(editor.held().unwrap().1, b"hold");
    assert_eq!((out.len(), input.len()), (0, 10));
    // It is between two messages: what is injected passes.
    editor.inject(conversation, NewFrame::Ping("x".into()), NOW, handler, out).unwrap();
    let edited = Decision::Replace(NewFrame::Binary("edited".into()));
    editor.release(edited, NOW, handler, out).unwrap();
    assert_eq!(editor.held().map(drop), None);
    editor.push(conversation, &mut input, NOW, handler, out).unwrap();
    assert_eq!(direction.read(), ["x", "edited", "pass"]);
}

#[test]
fn too_long_message_passes_unchanged_and_is_named() {
    let long = format!("drop {}", "abcdefg ".repeat(2000));
    let bytes = sent(Role::Server, None, &[(&long, 700, Some("ping")), ("drop", 9, None)]);
    let mut direction = Direction::new(Role::Server, None);
    direction.editor = Editor::new(Role::Server, None, Box::new(Keys(0))).with_max_message(1000);
    direction.push(&bytes, &Decision::Pass).unwrap();
    assert_eq!(direction.out, bytes[..bytes.len() - 6]);
    assert_eq!(direction.handler.unchanged, [Unchanged::Passed]);
}

#[test]
fn too_long_compressed_message_passes_in_fragments_after_a_change() {
    let config = DeflateConfig::balanced();
    let numbers: Vec<_> = (0..7_000_u32).map(|i| i.wrapping_mul(777_777).to_string()).collect();
    let kept = numbers.join(" ");
    let kept = kept[..60_000].to_owned();
    let messages =
        [("drop it, drop it, drop it", 99, None), (&*kept, 3000, Some("p")), ("last", 9, None)];
    let bytes = sent(Role::Client, Some(config), &messages);
    let mut direction = Direction::new(Role::Client, Some(params(config)));
    let editor = Editor::new(Role::Client, direction.params, Box::new(Keys(0)));
    direction.editor = editor.with_max_message(1000);
    direction.push(&bytes, &Decision::Pass).unwrap();
    assert_eq!(direction.read(), ["p", &kept, "last"]);
    let mut kinds = Vec::new();
    Decoder::new(Role::Client).push(&direction.out, NOW, |frame| kinds.push(frame.header.rsv()));
    assert!(kinds.len() > 10 && kinds[..kinds.len() - 1].iter().all(|rsv| *rsv == 0), "{kinds:?}");
}

/// Drops all messages.
struct DropAll(Vec<Unchanged>);
impl EditHandler for DropAll {
    fn is_watching(&self) -> bool {
        true
    }
    fn decide(&mut self, _: &ConversationFrame, _: &[u8]) -> Decision {
        Decision::Drop
    }
    fn show(&mut self, _: ConversationFrame, _: Handling) {}
    fn unchanged(&mut self, _: &ConversationFrame, why: Unchanged) {
        self.0.push(why);
    }
}

#[test]
fn message_that_can_not_be_decompressed_is_not_changed_and_not_passed_after_a_change() {
    let config = DeflateConfig::balanced();
    let bad = b"\xc1\x02\xff\xff";
    let mut direction = Direction::new(Role::Server, Some(params(config)));
    let mut handler = DropAll(Vec::new());
    let Direction { conversation, editor, out, .. } = &mut direction;
    editor.push(conversation, &mut &bad[..], NOW, &mut handler, out).unwrap();
    assert_eq!((&out[..], &handler.0[..]), (&bad[..], &[Unchanged::NotDecompressed][..]));
    // After a change, the receiver would read something else.
    let dropped = sent(Role::Server, Some(config), &[("drop it, drop it, drop it", 99, None)]);
    let mut direction = Direction::new(Role::Server, Some(params(config)));
    direction.push(&dropped, &Decision::Pass).unwrap();
    assert_eq!(direction.push(bad, &Decision::Pass), Err(HistoryError));
    assert_eq!(direction.out, b"");
}

#[test]
fn injected_frames_wait_for_their_boundary_and_end_with_a_close() {
    let mut direction = Direction::new(Role::Server, None);
    direction.handler.is_idle = true;
    direction.push(b"\x01\x02a", &Decision::Pass).unwrap();
    for new in [
        NewFrame::Text("one".into()),
        NewFrame::Ping("p".into()),
        NewFrame::Pong("q".into()),
        NewFrame::Close(CloseFrame::new(CloseCode::new(4001), "why").ok()),
    ] {
        direction.inject(new).unwrap();
    }
    assert_eq!(direction.inject(NewFrame::Text(String::new())), Err(InjectError::Closed));
    assert_eq!(direction.out, b"\x01\x02a");
    direction.push(b"b", &Decision::Pass).unwrap();
    assert_eq!(direction.out, b"\x01\x02ab\x89\x01p\x8a\x01q");
    direction.push(b"\x80\x00\x81\x01x\x88\x00", &Decision::Pass).unwrap();
    let end = b"\x80\x00\x81\x03one\x88\x05\x0f\xa1why";
    assert!(direction.out.ends_with(end), "{:x?}", direction.out);
    let handling: Vec<_> = direction.handler.shown.iter().map(|(_, handling)| *handling).collect();
    assert_eq!(handling[handling.len() - 2..], [Handling::Dropped; 2]);
    let long = NewFrame::Ping(vec![0; 126].into());
    let mut direction = Direction::new(Role::Server, None);
    assert_eq!(direction.inject(long), Err(InjectError::ControlTooLong));
    direction.push(b"\x88\x00", &Decision::Pass).unwrap();
    assert_eq!(direction.inject(NewFrame::Pong("".into())), Err(InjectError::Closed));
    let mut direction = Direction::new(Role::Server, None);
    direction.push(b"\x01\x00", &Decision::Pass).unwrap();
    direction.handler.is_idle = true;
    direction.push(b"\x80\x00\x01\x00", &Decision::Pass).unwrap();
    let full = (0..100).find_map(|_| direction.inject(NewFrame::Text(String::new())).err());
    assert_eq!(full, Some(InjectError::Full));
}

#[test]
fn illegal_frames_pass_as_they_are_after_a_change() {
    let config = DeflateConfig::balanced();
    let dropped = sent(Role::Server, Some(config), &[("drop it, drop it, drop it", 99, None)]);
    let mut direction = Direction::new(Role::Server, Some(params(config)));
    direction.push(&dropped, &Decision::Pass).unwrap();
    let illegal =
        b"\x83\x01x\x80\x01y\x01\x01a\x81\x01b\xd1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\x88\x01\x03";
    direction.push(illegal, &Decision::Pass).unwrap();
    assert_eq!(direction.out, illegal);
}

#[test]
fn substitution_is_written_as_in_sed() {
    let apply = |text: &str, payload: &[u8]| {
        let changed = Substitution::parse(text).unwrap().apply(payload);
        changed.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    for (text, payload, expected) in [
        ("s/buy/sell/", "buy buy", Some("sell buy")),
        ("s/BUY/sell/gi", "buy buy", Some("sell sell")),
        ("s|\"id\":(\\d+)|\"id\":1$1|g", "{\"id\":7}", Some("{\"id\":17}")),
        ("s/a\\/b/c\\/d/", "a/b", Some("c/d")),
        ("s/ü/u/g", "füß", Some("fuß")),
        ("s/x/y/", "abc", None),
        ("s/^$/new/", "", Some("new")),
    ] {
        assert_eq!(apply(text, payload.as_bytes()).as_deref(), expected, "{text}");
    }
    assert_eq!(apply("s/(?-u)\\xff/!/", b"\xff"), Some("!".into()));
    for text in ["", "s", "s/a", "s/a/b", "s/(/b/", "s/a/b/x", "y/a/b/", "saaba"] {
        assert!(Substitution::parse(text).is_err(), "{text}");
    }
}
