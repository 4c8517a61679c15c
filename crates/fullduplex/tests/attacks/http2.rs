//! Attacks on HTTP/2.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::attacked_server::{AttackedServer, short_deadlines};
use crate::http2_frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW, PING, RST_STREAM,
    SETTINGS, block, connect, field_of, frame, frames, get, websocket,
};
use crate::sockets::{count_gone, flood_many, frame as ws_frame};

const LONG: Duration = Duration::from_secs(20);
/// `REFUSED_STREAM`.
const REFUSED: [u8; 4] = [0, 0, 0, 7];

#[test]
fn attack_by_http2_rapid_reset() {
    // CVE-2023-44487.
    for (name, path) in [("rapid reset of pages", "/page"), ("rapid reset of WebSockets", "/")] {
        let figures = AttackedServer::new(short_deadlines()).under_attack(name, |server| {
            let block = if path == "/" { websocket(path) } else { get(path) };
            let mut all = Vec::new();
            for stream in (1..200_000).step_by(2) {
                all.extend(frame(HEADERS, END_HEADERS, stream, &block));
                all.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
            }
            let sockets = (0..8).map(|i| connect(i, server, &[])).collect();
            (8, flood_many(sockets, &all, LONG))
        });
        assert!(figures.grown < 100, "{figures:?}");
    }
}

#[test]
fn attack_by_http2_resets_during_responses() {
    let figures = AttackedServer::new(short_deadlines()).under_attack(
        "slow reset of unanswered WebSockets",
        |server| {
            let mut socket = connect(0, server, &[]);
            // Once it is served, each stream comes to a handler.
            assert!(!frames(&mut socket).is_empty());
            let mut most = 0;
            for stream in (1..2000).step_by(2) {
                let asks = frame(HEADERS, END_HEADERS, stream, &websocket("/never"));
                let reset = frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
                let asked = socket.write_all(&asks).map(|()| {
                    // So that it has come to the handler, where there is room for it.
                    let until = Instant::now() + Duration::from_secs(10);
                    thread::sleep(Duration::from_millis(1));
                    while most < 200 && server.handlers.load(Ordering::SeqCst) <= most {
                        assert!(Instant::now() < until, "{most} handlers, and no more");
                        thread::sleep(Duration::from_millis(1));
                    }
                });
                if asked.and_then(|()| socket.write_all(&reset)).is_err() {
                    // Some were reset before they were looked at, and that too often.
                    break;
                }
                most = most.max(server.handlers.load(Ordering::SeqCst));
            }
            let refused = frames(&mut socket);
            let refused = refused.iter().filter(|f| f.kind == RST_STREAM && f.payload == REFUSED);
            println!("    {most} handlers at most, {} refused", refused.count());
            // Twice `max_streams`, and the siblings.
            assert!((200..=210).contains(&most), "{most}");
            server.release.notify_waiters();
            (1, 0)
        },
    );
    assert!(figures.grown < 20, "{figures:?}");
}

#[test]
fn attack_by_http2_continuation_floods() {
    for (name, piece) in [("CONTINUATION, full", &[b'x'; 16_000][..]), ("CONTINUATION, empty", &[])]
    {
        let figures = AttackedServer::new(short_deadlines()).under_attack(name, |server| {
            let sockets: Vec<_> = (0..8).map(|i| connect(i, server, &[])).collect();
            // A field that has begun and does not end.
            let begun = [&get("/page")[..], &[0, 1, b'x', 127, 0x80]].concat();
            for mut socket in &sockets {
                socket.write_all(&frame(HEADERS, END_STREAM, 1, &begun)).unwrap();
            }
            (8, flood_many(sockets, &frame(CONTINUATION, 0, 1, piece).repeat(50), LONG))
        });
        assert!(figures.grown < 50, "{figures:?}");
    }
}

#[test]
fn attack_by_http2_data_floods() {
    // On WebSockets that nobody reads: a flood of nothing, and one of single bytes.
    for (name, piece) in [("DATA, empty", &[][..]), ("DATA, single bytes", &[0x82])] {
        let figures = AttackedServer::new(short_deadlines()).under_attack(name, |server| {
            let sockets: Vec<_> = (0..8).map(|i| connect(i, server, &[])).collect();
            for mut socket in &sockets {
                socket.write_all(&frame(HEADERS, END_HEADERS, 1, &websocket("/deaf"))).unwrap();
            }
            let flood = frame(DATA, 0, 1, piece).repeat(1000);
            let cut = flood_many(sockets, &flood, Duration::from_secs(5));
            server.release.notify_waiters();
            (8, cut)
        });
        assert!(figures.grown < 100, "{figures:?}");
    }
}

#[test]
fn attack_by_http2_ping_and_settings_floods() {
    for (name, kind, payload) in
        [("SETTINGS flood", SETTINGS, &[][..]), ("PING flood", PING, &[0; 8])]
    {
        let figures = AttackedServer::new(short_deadlines()).under_attack(name, |server| {
            let sockets = (0..8).map(|i| connect(i, server, &[])).collect();
            (8, flood_many(sockets, &frame(kind, 0, 0, payload).repeat(1000), LONG))
        });
        // Between two looks for what has come, tokio runs 61 turns, each of some 10 KiB of such
        // frames: 0.4 MiB, where it is 2 MiB and more if they are not charged to the turn.
        assert!(figures.flooded < 1 << 20, "{figures:?}");
        assert!(figures.grown < 50, "{figures:?}");
    }
}

#[test]
fn attack_by_http2_windows_that_stay_shut() {
    let figures = AttackedServer::new(short_deadlines()).under_attack(
        "windows of 0: pages, WebSockets, all unread",
        |server| {
            let mut all: Vec<_> =
                (0..40).map(|i| connect(i, server, &[(INITIAL_WINDOW, 0)])).collect();
            for (i, socket) in all.iter_mut().enumerate() {
                for stream in (1..100).step_by(2) {
                    let mut bytes;
                    if i % 2 == 0 {
                        bytes = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/endless"));
                    } else {
                        bytes = frame(HEADERS, END_HEADERS, stream, &websocket("/"));
                        // An echo that does not go out.
                        bytes.extend(frame(DATA, 0, stream, &ws_frame(0x82, &[7; 1000])));
                    }
                    socket.write_all(&bytes).unwrap();
                }
            }
            server
                .wait_until("all of them stand still", || server.handle.websocket_count() >= 1000);
            server.wait_for_the_end_of(40);
            (40, count_gone(&mut all))
        },
    );
    assert!(figures.grown < 100, "{figures:?}");
}

#[test]
fn attack_by_http2_sockets_that_are_never_read() {
    let figures = AttackedServer::new(short_deadlines()).under_attack(
        "HTTP/2 windows open, socket unread",
        |server| {
            let wide = [(INITIAL_WINDOW, i32::MAX.cast_unsigned())];
            let mut all: Vec<_> = (0..40).map(|i| connect(i, server, &wide)).collect();
            for (i, socket) in all.iter_mut().enumerate() {
                // The connection's window, too.
                socket.write_all(&frame(8, 0, 0, &0x7000_0000_u32.to_be_bytes())).unwrap();
                for stream in (1..100).step_by(2) {
                    let bytes = if i % 2 == 0 {
                        frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/endless"))
                    } else {
                        frame(HEADERS, END_HEADERS, stream, &websocket("/room"))
                    };
                    socket.write_all(&bytes).unwrap();
                }
            }
            server.wait_until("all of them have joined", || server.room.len() >= 1000);
            let message = fullduplex::PreparedMessage::new(vec![7; 60_000]);
            for _ in 0..100 {
                server.room.publish(&message);
                thread::sleep(Duration::from_millis(5));
            }
            server.wait_for_the_end_of(40);
            (40, count_gone(&mut all))
        },
    );
    // 64 KiB for each of 2,000 streams, and as much in each WebSocket.
    assert!(figures.grown < 400, "{figures:?}");
}

#[test]
fn attack_by_http2_streams_beyond_the_limit() {
    AttackedServer::new(short_deadlines()).under_attack("1,000 streams at once", |server| {
        let mut socket = connect(0, server, &[]);
        for stream in (1..2000).step_by(2) {
            socket.write_all(&frame(HEADERS, END_HEADERS, stream, &websocket("/"))).unwrap();
        }
        let refused = frames(&mut socket);
        let refused = refused.iter().filter(|f| f.kind == RST_STREAM && f.payload == REFUSED);
        assert_eq!(refused.count(), 900);
        (1, 0)
    });
}

#[test]
fn http2_connection_without_streams_is_ended() {
    AttackedServer::new(short_deadlines()).under_attack(
        "HTTP/2 idle after a page, no answer to PING",
        |server| {
            let mut all: Vec<_> = (0..50).map(|i| connect(i, server, &[])).collect();
            for (i, socket) in all.iter_mut().enumerate() {
                // Some have not even had a request, or only half of one.
                let flags = [END_HEADERS | END_STREAM, END_STREAM][i % 2];
                if i % 3 != 0 {
                    socket.write_all(&frame(HEADERS, flags, 1, &get("/page"))).unwrap();
                }
            }
            server.wait_for_the_end_of(50);
            (50, count_gone(&mut all))
        },
    );
}

#[test]
fn attack_by_http2_content_that_stalls() {
    AttackedServer::new(short_deadlines()).under_attack("HTTP/2 content that stalls", |server| {
        let mut all: Vec<_> = (0..50).map(|i| connect(i, server, &[])).collect();
        let post = block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/upload"),
            (":authority", "localhost"),
        ]);
        for socket in &mut all {
            socket.write_all(&frame(HEADERS, END_HEADERS, 1, &post)).unwrap();
            socket.write_all(&frame(DATA, 0, 1, b"begun")).unwrap();
        }
        server.wait_for_the_end_of(50);
        (50, count_gone(&mut all))
    });
}

#[test]
fn attack_by_http2_header_lists_without_limit() {
    let figures = AttackedServer::new(short_deadlines()).under_attack(
        "huge header lists and HPACK bombs",
        |server| {
            let mut answered = 0;
            for i in 0..40 {
                let mut socket = connect(i, server, &[]);
                let mut fields = get("/page");
                if i % 2 == 0 {
                    fields.extend(field_of(0, "x", &"y".repeat(100_000)));
                } else {
                    // 4,000 bytes are remembered, and then named by one byte each.
                    fields.extend(field_of(0x40, "x", &"y".repeat(4000)));
                    fields.extend(vec![0xBE; 100_000]);
                }
                let mut pieces = fields.chunks(16_000).peekable();
                let first = pieces.next().unwrap();
                let _ = socket.write_all(&frame(HEADERS, END_STREAM, 1, first));
                while let Some(piece) = pieces.next() {
                    let flags = if pieces.peek().is_none() { END_HEADERS } else { 0 };
                    let _ = socket.write_all(&frame(CONTINUATION, flags, 1, piece));
                }
                // Refused with 431, or ended; `0x88` would be a status of 200.
                let said = frames(&mut socket);
                assert!(
                    !said.iter().any(|f| f.kind == HEADERS && f.payload[0] == 0x88),
                    "{said:?}"
                );
                answered += usize::from(said.iter().any(|f| f.kind == HEADERS || f.kind == GOAWAY));
            }
            println!("    {answered} of 40 were answered");
            (0, 0)
        },
    );
    assert!(figures.grown < 30, "{figures:?}");
}

#[test]
fn attack_by_http2_malformed_pseudo_headers() {
    AttackedServer::new(short_deadlines()).under_attack("malformed pseudo-headers", |server| {
        let ask = |i, fields: &[(&str, &str)]| {
            let mut socket = connect(i, server, &[]);
            socket.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields))).unwrap();
            let said = frames(&mut socket);
            said.iter().any(|f| f.stream == 1 && f.kind == HEADERS && f.payload[0] == 0x88)
        };
        let (m, s, p, a) =
            ((":method", "GET"), (":scheme", "http"), (":path", "/page"), (":authority", "a"));
        assert!(ask(0, &[m, s, p, a]), "a request in order is answered");
        for (i, fields) in [
            &[][..],
            &[s, p, a],
            &[m, p, a],
            &[m, s, a],
            &[m, m, s, p, a],
            &[m, s, p, p, a],
            &[m, s, p, a, a],
            &[m, s, p, a, (":status", "200")],
            &[m, s, p, a, (":what", "x")],
            &[m, s, ("x", "y"), p, a],
            &[m, s, p, a, ("Upper", "y")],
            &[m, s, p, a, ("x y", "z")],
            &[m, s, p, a, ("x", "a\nb")],
            &[m, s, p, a, ("connection", "upgrade")],
            &[m, s, p, a, ("transfer-encoding", "chunked")],
            &[m, s, p, a, ("te", "gzip")],
            &[m, s, p, a, ("content-length", "x")],
            &[m, s, p, a, ("content-length", "5")],
            &[m, s, (":path", ""), a],
            &[m, s, p, a, (":protocol", "websocket")],
            &[(":method", "CONNECT"), s, p, a],
            &[(":method", "CONNECT"), a],
            &[(":method", "CONNECT"), s, p, a, (":protocol", "other")],
            &[(":method", "G T"), s, p, a],
            &[m, s, p, (":authority", "a b")],
            &[m, s, p, ("host", "b"), a],
            &[m, s, p, a, ("host", "b")],
        ]
        .iter()
        .enumerate()
        {
            let taken = ask(i, fields);
            // RFC 9113 §8.3.1: different hosts are for whoever minds; a page does not.
            let minds = fields.last() != Some(&("host", "b"));
            assert!(!taken || !minds, "{fields:?}");
        }
        (0, 0)
    });
}
