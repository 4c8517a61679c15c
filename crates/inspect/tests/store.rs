//! What a store keeps, and what it drops.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use fullduplex_inspect::proto::Role;
use fullduplex_inspect::recording::{RecordKind, RecordedOpening};
use fullduplex_inspect::redaction::Redaction;
use fullduplex_inspect::store::{Handling, Retention, Row, RowKind, Store, StoreConfig};
use fullduplex_inspect::{Conversation, ConversationFrame};

/// Counts the bytes that are allocated, with what an allocator adds to each.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

fn real(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

// SAFETY: the system's allocator does all, and the layouts are passed on as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(real(layout), Relaxed);
        // SAFETY: as of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(real(layout), Relaxed);
        // SAFETY: as of the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the frames of one message of the server.
fn frames(bytes: &[u8]) -> Vec<ConversationFrame> {
    let mut frames = Vec::new();
    Conversation::new().push(Role::Server, bytes, Duration::ZERO, |frame| frames.push(frame));
    frames
}

fn text(payload: &str) -> Vec<u8> {
    let mut bytes = vec![0x81, 0x7e];
    bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend(payload.as_bytes());
    bytes
}

fn opening(url: &str) -> RecordedOpening {
    let field = ("X-Long".to_owned(), "x".repeat(1_000));
    RecordedOpening { url: url.into(), request: vec![field], ..RecordedOpening::default() }
}

/// Runs first and only in this test, so that no other thread allocates.
#[test]
fn store_stays_within_its_memory() {
    const MAX: usize = 8 << 20;
    let before = ALLOCATED.load(Relaxed);
    let mut store = Store::new(StoreConfig::default().max_memory(MAX));
    let mut most_accounted = 0;
    let mut most_real = 0;
    let mut conversation = Conversation::new();
    let bytes: Vec<Vec<u8>> = (0..8).map(|n| text(&"m".repeat(126 + n * 40))).collect();
    let socket = store.open(opening("wss://h/"));
    for index in 0..1_000_000_u32 {
        let bytes = &bytes[index as usize % bytes.len()];
        conversation.push(Role::Server, bytes, Duration::from_micros(index.into()), |frame| {
            store.push(Row::frame(socket, frame, Handling::Passed));
        });
        if index % 1_000 == 0 {
            most_accounted = most_accounted.max(store.stats().memory);
            most_real = most_real.max(ALLOCATED.load(Relaxed) - before);
        }
    }
    assert!(most_accounted <= MAX, "{most_accounted}");
    // What is accounted is what is allocated, up to a tenth.
    assert!(most_real <= MAX + MAX / 10, "{most_real}");
    let accounted = store.stats().memory;
    let real = ALLOCATED.load(Relaxed) - before;
    assert!(
        real <= accounted + accounted / 10 && accounted <= real + real / 10,
        "{accounted} {real}"
    );
    let stats = store.stats();
    assert_eq!(stats.rows + stats.dropped_rows, 1_000_000);
    assert_eq!(store.socket(socket).unwrap().server.messages, 1_000_000);
    // The newest payloads are there, and the rows go further back than the payloads.
    let newest = store.row(store.next_sequence() - 1).unwrap();
    assert_eq!(newest.payload_len(), newest.payload().len() as u64);
    let with_payload = store.rows(..).filter(|row| !row.payload().is_empty()).count();
    assert!(with_payload > 1_000 && with_payload < usize::try_from(stats.rows).unwrap());
    let oldest = store.row(store.first_sequence()).unwrap();
    assert!(matches!(oldest.kind, RowKind::Frame { retention: Retention::Dropped, .. }));

    // 10,000 WebSockets with long heads, some of them open.
    for index in 0..20_000 {
        let socket = store.open(opening(&format!("wss://h/{index}")));
        if index % 2 == 0 {
            store.push(Row::end(socket, Duration::ZERO, Role::Client, "finished (FIN)"));
            store.push(Row::end(socket, Duration::ZERO, Role::Server, "finished (FIN)"));
        }
    }
    let stats = store.stats();
    assert!(stats.memory <= MAX, "{stats:?}");
    assert!(stats.dropped_sockets > 0 && stats.sockets > 1_000, "{stats:?}");
    let real = ALLOCATED.load(Relaxed) - before;
    assert!(real <= MAX + MAX / 10, "{real}");
    let newest = store.sockets().next_back().unwrap();
    assert_eq!((newest.path(), newest.opening.request.len()), ("/19999", 1));

    store.clear();
    assert_eq!(store.stats().rows, 0);
    let next = store.push(Row::note(socket, Duration::ZERO, "x".repeat(10_000)));
    assert_eq!(store.rows(..).map(|row| row.sequence).collect::<Vec<_>>(), [next]);
    drop(store);

    store_is_followed_by_numbers();
    store_keeps_short_control_frames();
    store_hides_secrets_on_the_way_in();
}

fn store_is_followed_by_numbers() {
    let mut store = Store::new(StoreConfig::default().max_memory(1 << 20));
    let socket = store.open(RecordedOpening { status: 0, ..opening("wss://h/a") });
    let other = store.open(opening("wss://h/b"));
    assert_eq!((socket, other), (1, 2));
    let seen = store.revision();
    store.set_opening(socket, RecordedOpening { status: 101, ..opening("wss://h/a") });
    let changed: Vec<u64> =
        store.sockets().filter(|socket| socket.revision > seen).map(|socket| socket.id).collect();
    assert_eq!(changed, [socket]);
    let mut next = 0;
    let mut read = Vec::new();
    for (index, word) in (0..).zip(["a", "b", "c", "d", "e"]) {
        store.push(Row::note(socket, Duration::ZERO, word));
        if index % 2 == 0 {
            for row in store.rows(next..) {
                read.push(row.sequence);
                next = row.sequence + 1;
            }
        }
    }
    assert_eq!(read, [0, 1, 2, 3, 4]);
    assert_eq!(store.rows(1..3).map(|row| row.sequence).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(store.rows(..=1).rev().map(|row| row.sequence).collect::<Vec<_>>(), [1, 0]);
    // One that is slow learns how many it missed, and goes on.
    for _ in 0..100_000 {
        store.push(Row::note(socket, Duration::ZERO, "x"));
    }
    let first = store.rows(next..).next().unwrap().sequence;
    assert_eq!(first, store.first_sequence());
    assert!(first > next && store.row(next).is_none());
    assert_eq!(store.stats().dropped_rows, first);
}

fn store_keeps_short_control_frames() {
    let mut store = Store::new(StoreConfig::default().max_memory(1 << 20));
    let socket = store.open(opening("wss://h/"));
    for frame in frames(b"\x89\x04ping\x88\x05\x0f\xa0bye") {
        store.push(Row::frame(socket, frame, Handling::Passed));
    }
    let injected = frames(b"\x81\x02hi").remove(0);
    store.push(Row::frame(socket, injected, Handling::Injected));
    for _ in 0..100 {
        for frame in frames(&text(&"x".repeat(30_000))) {
            store.push(Row::frame(socket, frame, Handling::Passed));
        }
    }
    let stats = store.stats();
    assert!(stats.dropped_payloads > 50 && stats.dropped_rows == 0, "{stats:?}");
    assert_eq!(store.row(0).unwrap().payload(), b"ping");
    let socket = store.socket(socket).unwrap();
    let (side, code, reason) = socket.close.as_ref().unwrap();
    assert_eq!((*side, code.get(), &**reason), (Role::Server, 4000, "bye"));
    assert_eq!((socket.server.frames, socket.server.messages), (102, 100));
    assert_eq!(store.to_har()[0].messages.len() as u64, 101 - stats.dropped_payloads);
}

fn store_hides_secrets_on_the_way_in() {
    let config = StoreConfig::default().redaction(Redaction::default());
    let mut store = Store::new(config);
    let field = ("Authorization".to_owned(), "Bearer SECRET".to_owned());
    let opening = RecordedOpening {
        url: "wss://h/?token=SECRET".into(),
        request: vec![field],
        ..RecordedOpening::default()
    };
    let socket = store.open(opening.clone());
    store.set_opening(socket, opening);
    for frame in frames(&text(r#"{"password":"SECRET","a":1}"#)) {
        store.push(Row::frame(socket, frame, Handling::Passed));
    }
    assert!(!format!("{store:?}").contains("SECRET"));
    assert_eq!(store.row(0).unwrap().payload(), br#"{"password":"***","a":1}"#);
}

#[test]
fn store_makes_a_recording_of_messages_and_control_frames() {
    let mut store = Store::new(StoreConfig::default());
    let socket = store.open(opening("wss://h/"));
    let bytes = b"\x01\x02He\x89\x01p\x80\x03llo\x82\x01\xff\x81\x02no\x83\x00\x81\x02hi";
    for (at, frame) in frames(bytes).into_iter().enumerate() {
        // What was not passed on was sent all the same, and what was injected was not.
        let handling = match at {
            3 => Handling::Dropped,
            4 => Handling::Injected,
            _ => Handling::Passed,
        };
        store.push(Row::frame(socket, frame, handling));
    }
    store.push(Row::note(socket, Duration::ZERO, "a note"));
    store.push(Row::end(socket, Duration::ZERO, Role::Server, "FIN"));
    let records = store.to_recording();
    assert!(records.iter().all(|record| record.connection == socket));
    let kinds: Vec<_> = records.into_iter().map(|record| record.kind).collect();
    let bytes = |bytes: &[u8]| RecordKind::Bytes { sender: Role::Server, bytes: bytes.to_vec() };
    assert_eq!(kinds[0], RecordKind::Open(Box::new(opening("wss://h/"))));
    let made = [&b"\x89\x01p"[..], b"\x81\x05Hello", b"\x82\x01\xff"].map(bytes);
    assert_eq!(kinds[1..4], made);
    let har = store.to_har().remove(0).messages;
    let messages: Vec<_> = har.iter().map(|message| &message.data[..]).collect();
    assert_eq!(messages, [&b"Hello"[..], b"\xff", b"hi"]);
    assert_eq!(kinds[4..], [RecordKind::End { sender: Role::Server, how: "FIN".into() }]);
}
