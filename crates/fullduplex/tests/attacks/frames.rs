//! Attacks on an open WebSocket.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fullduplex::{Message, PreparedMessage};

use crate::attacked_server::{AttackedServer, short_deadlines};
use crate::common::direct;
use crate::siblings::SIBLINGS;
use crate::sockets::{close_code, count_gone, flood_many, frame, open, open_many, write_now};

/// In the place of how much was sent.
const GONE: usize = usize::MAX;
const LONG: Duration = Duration::from_secs(20);

#[test]
fn attack_by_frames_byte_by_byte() {
    let figures =
        AttackedServer::new(short_deadlines()).under_attack("slowloris on frames", |server| {
            let mut all = open_many(server.address, "/", 500);
            let message = frame(0x82, &vec![7; 60_000]);
            let begun = Instant::now();
            for byte in &message {
                for socket in &mut all {
                    write_now(socket, &[*byte]).unwrap();
                }
                if begun.elapsed() > Duration::from_secs(3) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            // They are alive, if slow; each holds what it has sent. They end when they choose to.
            let standing = server.handle.websocket_count();
            assert!(standing >= 500, "{standing}");
            (500, 0)
        });
    assert!(figures.grown < 50, "{figures:?}");
}

#[test]
fn attack_by_floods_of_pings() {
    let figures = AttackedServer::new(short_deadlines()).under_attack("ping flood", |server| {
        let pings = frame(0x89, &[1; 125]).repeat(500);
        (8, flood_many(open_many(server.address, "/", 8), &pings, LONG))
    });
    let for_it = figures.stats.ends.iter().find(|(end, _)| end.cause == "max_control_rate");
    assert!(*for_it.unwrap().1 >= 8 && figures.grown < 50, "{figures:?}");
}

#[test]
fn attack_by_floods_of_fragments() {
    for (name, piece) in [("empty fragments", &[][..]), ("fragments of a byte", &[b'x'][..])] {
        let figures = AttackedServer::new(short_deadlines()).under_attack(name, |server| {
            let sockets = open_many(server.address, "/", 8);
            for mut socket in &sockets {
                socket.write_all(&frame(0x01, b"begun")).unwrap();
            }
            (8, flood_many(sockets, &frame(0x00, piece).repeat(1000), LONG))
        });
        let for_it = figures.stats.ends.iter().find(|(end, _)| end.cause == "max_fragments");
        assert!(*for_it.unwrap().1 >= 8 && figures.grown < 50, "{figures:?}");
    }
}

#[test]
fn attack_by_peers_that_never_read_their_echo() {
    let figures =
        AttackedServer::new(short_deadlines()).under_attack("echo that nobody reads", |server| {
            let message = frame(0x82, &vec![7; 60_000]);
            (50, flood_many(open_many(server.address, "/", 50), &message, LONG))
        });
    // The buffers of the sockets are the system's.
    assert!(figures.grown < 100, "{figures:?}");
}

#[test]
fn attack_by_peers_that_send_and_never_read() {
    // A byte now and then is life, but what is sent to them goes nowhere.
    let figures =
        AttackedServer::new(short_deadlines()).under_attack("never reads, but sends", |server| {
            let mut all = open_many(server.address, "/", 50);
            let message = frame(0x82, &vec![7; 1 << 20]);
            let begun = Instant::now();
            let mut sent = vec![0; all.len()];
            let mut cut = 0;
            while begun.elapsed() < LONG && cut < all.len() {
                for (socket, sent) in
                    all.iter_mut().zip(&mut sent).filter(|(_, sent)| **sent != GONE)
                {
                    let from = *sent % message.len();
                    // Much until nothing more is taken, and then a byte at a time.
                    let to = if *sent < 8 << 20 { message.len() } else { from + 1 };
                    let Some(n) = write_now(socket, &message[from..to]) else {
                        (*sent, cut) = (GONE, cut + 1);
                        continue;
                    };
                    *sent += n;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            (50, cut)
        });
    assert!(figures.grown < 200, "{figures:?}");
}

#[test]
fn attack_by_members_that_never_read_broadcasts() {
    // Some are silent; a ping now and then does not make up for reading nothing.
    for (name, pings) in [("publishing to who never reads", false), ("… and pings", true)] {
        let figures = AttackedServer::new(short_deadlines()).under_attack(name, |server| {
            let mut all = open_many(server.address, "/room", 20);
            let message = PreparedMessage::new(Message::from(vec![7; 60_000]));
            let (begun, mut dropped) = (Instant::now(), 0);
            while !server.room.is_empty() {
                assert!(begun.elapsed() < LONG, "{} are not given up", server.room.len());
                dropped += server.room.publish(&message).dropped;
                for socket in &mut all {
                    if pings {
                        write_now(socket, &frame(0x89, b"hello"));
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            assert!(dropped > 0, "{dropped}");
            (20, count_gone(&mut all))
        });
        assert!(figures.grown < 50, "{figures:?}");
    }
}

#[test]
fn attack_by_announced_lengths() {
    let figures =
        AttackedServer::new(short_deadlines()).under_attack("announced lengths", |server| {
            let mut cut = 0;
            for (i, (length, code)) in [
                (1 << 62, 1009),
                ((1 << 63) - 1, 1009),
                (1 << 63, 1002),
                (u64::MAX, 1002),
                (1 << 32, 1009),
            ]
            .into_iter()
            .cycle()
            .take(100)
            .enumerate()
            {
                let mut socket = open(i, server.address, "/");
                let mut head = vec![0x82, 0xFF];
                head.extend(u64::to_be_bytes(length));
                head.extend([0; 4]);
                socket.write_all(&head).unwrap();
                // Half of a message may follow; it is passed over.
                let _ = socket.write_all(&[7; 10_000]);
                let said = close_code(&mut socket);
                assert_eq!(said, Some(code), "{length}");
                cut += 1;
            }
            // A control frame of such a length, and an opcode that is none.
            for first in [0x89, 0x8B, 0x83] {
                let mut socket = open(0, server.address, "/");
                let mut head = vec![first, 0xFF];
                head.extend(u64::to_be_bytes(1 << 62));
                head.extend([0; 4]);
                socket.write_all(&head).unwrap();
                assert_eq!(close_code(&mut socket), Some(1002));
                cut += 1;
            }
            (103, cut)
        });
    assert!(figures.grown < 20, "{figures:?}");
}

#[test]
fn attack_by_deflate_bombs() {
    let figures = AttackedServer::new(short_deadlines()).under_attack("deflate bombs", |server| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("ws://{}/", server.address);
        let cut = runtime.block_on(async {
            let client = direct().deflate(fullduplex::DeflateConfig::balanced()).build().unwrap();
            let bomb = PreparedMessage::new(Message::from(vec![0; 256 << 20]));
            let mut cut = 0;
            for _ in 0..10 {
                let (mut websocket, _) = client.connect(&url).await.unwrap();
                assert!(websocket.deflate().is_some());
                websocket.send_prepared(&bomb).await.unwrap();
                while let Some(Ok(_)) = websocket.next().await {}
                let code = websocket.close_info().and_then(|info| info.received.clone());
                assert_eq!(code.map(|close| close.code.get()), Some(1009));
                cut += 1;
            }
            cut
        });
        (10, cut)
    });
    // The attacker's own 256 MiB are in it.
    assert!(figures.grown < 256 + 64, "{figures:?}");
}

#[test]
fn attack_on_handlers_that_never_accept_or_panic() {
    let figures = AttackedServer::new(short_deadlines()).under_attack(
        "handlers that never accept, or panic",
        |server| {
            let mut all = crate::sockets::connect_many(server.address, 300);
            for (i, socket) in all.iter_mut().enumerate() {
                let path = if i % 3 == 0 { "/panic" } else { "/never" };
                socket.write_all(crate::sockets::upgrade(path, "").as_bytes()).unwrap();
            }
            server.wait_until("all are asked", || server.handlers.load(Ordering::SeqCst) >= 200);
            server.wait_until("a panic ends its connection", || {
                server.handle.connection_count() <= 200 + SIBLINGS
            });
            let cut = count_gone(&mut all);
            assert_eq!(cut, 100);
            // What a handler keeps is its own affair.
            server.release.notify_waiters();
            (300, cut)
        },
    );
    assert_eq!(figures.stats.panics, 100);
}
