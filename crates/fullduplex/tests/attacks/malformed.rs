//! Storms of connections that mean nothing.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use fullduplex::server::stats::HandshakeOutcome;
use fullduplex_testkit::Rng;

use crate::attacked_server::{AttackedServer, short_deadlines};
use crate::sockets::{connect_from, connect_many, count_gone, frame, upgrade};

fn noise(rng: &mut Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| u8::try_from(rng.below(256)).unwrap()).collect()
}

/// Something that begins well, perhaps.
fn malformed(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = match rng.below(5) {
        0 => Vec::new(),
        1 => upgrade("/", "").into_bytes(),
        2 => [upgrade("/", "").into_bytes(), frame(0x82, b"hello")].concat(),
        3 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        _ => b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
    };
    if rng.below(2) == 0 && !bytes.is_empty() {
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len());
            bytes[at] = u8::try_from(rng.below(256)).unwrap();
        }
    }
    let more = rng.below(200);
    bytes.extend(noise(rng, more));
    bytes
}

fn end(socket: TcpStream, rng: &mut Rng) {
    if rng.below(2) == 0 {
        // With a reset, whatever is under way.
        let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    }
    drop(socket);
}

#[test]
fn attack_by_malformed_and_reset_connections() {
    let figures = AttackedServer::new(short_deadlines()).under_attack(
        "4,000 malformed and reset",
        |server| {
            thread::scope(|scope| {
                for seed in 0..4 {
                    scope.spawn(move || {
                        let mut rng = Rng::new(seed);
                        for i in 0..1000 {
                            let mut socket = connect_from(i, server.address);
                            let _ = socket.write_all(&malformed(&mut rng));
                            if rng.below(4) == 0 {
                                thread::sleep(Duration::from_millis(1));
                            }
                            end(socket, &mut rng);
                        }
                    });
                }
            });
            (4000, 4000)
        },
    );
    assert_eq!(figures.stats.panics, 0);
    assert!(figures.grown < 50, "{figures:?}");
}

#[test]
fn attack_by_garbage_in_place_of_tls() {
    let figures = AttackedServer::with_tls(short_deadlines()).under_attack(
        "garbage and half-open TLS",
        |server| {
            let mut rng = Rng::new(7);
            let mut all = connect_many(server.address, 600);
            for (i, socket) in all.iter_mut().enumerate() {
                let bytes = match i % 4 {
                    0 => noise(&mut rng, 500),
                    1 => upgrade("/", "").into_bytes(),
                    // A record that is announced and does not come, and none at all.
                    2 => [&[0x16, 3, 1, 0x3F, 0xFF, 1, 0, 0x3F, 0xFB][..], &noise(&mut rng, 100)]
                        .concat(),
                    _ => Vec::new(),
                };
                let _ = socket.write_all(&bytes);
            }
            server.wait_for_the_end_of(600);
            (600, count_gone(&mut all))
        },
    );
    let count = |outcome| figures.stats.handshakes.get(&outcome).copied().unwrap_or(0);
    assert!(
        count(HandshakeOutcome::TlsFailed) >= 300 && count(HandshakeOutcome::TimedOut) >= 150,
        "{figures:?}"
    );
    assert!(figures.grown < 50, "{figures:?}");
}
