//! Attacks on the opening handshake.

use std::io::Write;
use std::time::{Duration, Instant};

use fullduplex::server::stats::HandshakeOutcome;

use crate::attacked_server::{AttackedServer, short_deadlines};
use crate::open_files::descriptors;
use crate::sockets::{connect_from, connect_many, count_gone, gone, read_some, upgrade, write_now};

/// Writes a byte to each, again and again; how many were cut in that time.
fn drip(mut sockets: Vec<std::net::TcpStream>, bytes: &[u8], until: Duration) -> usize {
    let (begun, count) = (Instant::now(), sockets.len());
    for byte in bytes.iter().cycle() {
        sockets.retain_mut(|socket| write_now(socket, &[*byte]).is_some() && !gone(socket));
        if sockets.is_empty() || begun.elapsed() > until {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    count - sockets.len()
}

#[test]
fn attack_by_slowloris_on_the_head() {
    let figures =
        AttackedServer::new(short_deadlines()).under_attack("slowloris on the head", |server| {
            let sockets = connect_many(server.address, 500);
            let head = upgrade("/", &format!("X: {}\r\n", "x".repeat(8000)));
            (500, drip(sockets, head.as_bytes(), Duration::from_secs(20)))
        });
    assert!(figures.stats.handshakes[&HandshakeOutcome::TimedOut] >= 500, "{figures:?}");
    assert!(figures.grown < 50, "{figures:?}");
}

#[test]
fn attack_by_slowloris_before_the_head() {
    // The start of HTTP/2, and TLS, each of which has no time of its own.
    for tls in [false, true] {
        let server = if tls {
            AttackedServer::with_tls(short_deadlines())
        } else {
            AttackedServer::new(short_deadlines())
        };
        let name = if tls { "slowloris on a ClientHello" } else { "slowloris on the preface" };
        let bytes: &[u8] =
            if tls { &[0x16, 3, 1, 0x20, 0] } else { b"PRI * HTTP/2.0\r\n\r\nSM\r\n" };
        let figures = server.under_attack(name, |server| {
            let sockets = connect_many(server.address, 300);
            let mut bytes = bytes.to_vec();
            bytes.resize(1000, 0);
            let cut = drip(sockets, &bytes, Duration::from_secs(60));
            assert_eq!(cut, 300, "each byte would buy time");
            (300, cut)
        });
        assert!(figures.grown < 50, "{figures:?}");
    }
}

#[test]
fn attack_by_ten_thousand_half_open_handshakes() {
    let mut config = short_deadlines();
    config.handshake_limits.handshake_timeout = Duration::from_secs(5);
    config.limits.max_handshakes = 2000;
    // Both ends are in this process.
    let attackers = 10_000.min(descriptors().saturating_sub(2500));
    let figures = AttackedServer::new(config).under_attack("half-open handshakes", |server| {
        let mut all = Vec::new();
        let mut most = 0;
        for i in 0..attackers {
            let mut socket = connect_from(i, server.address);
            socket.write_all(b"GET / HT").unwrap();
            all.push(socket);
            most = most.max(server.handle.connection_count());
        }
        assert!(most < 2500, "{most} stood");
        server.wait_for_the_end_of(attackers);
        (attackers, count_gone(&mut all))
    });
    let count = |outcome| figures.stats.handshakes.get(&outcome).copied().unwrap_or(0);
    let (evicted, late) = (count(HandshakeOutcome::Evicted), count(HandshakeOutcome::TimedOut));
    println!("    {evicted} gave way, {late} timed out");
    assert!(evicted + late + 1000 >= attackers as u64, "{figures:?}");
    assert!(figures.grown < 100, "{figures:?}");
}

#[test]
fn attack_by_huge_heads() {
    let figures = AttackedServer::new(short_deadlines()).under_attack("huge heads", |server| {
        let long = upgrade("/", &format!("X: {}\r\n", "x".repeat(1 << 20)));
        let many = upgrade("/", &"X: y\r\n".repeat(2000));
        let target = upgrade(&format!("/{}", "x".repeat(1 << 20)), "");
        let (mut all, mut cut) = (connect_many(server.address, 90), 0);
        for (i, socket) in all.iter_mut().enumerate() {
            let head = [&long, &many, &target][i % 3];
            // The answer comes before all is written.
            let _ = socket.write_all(head.as_bytes());
            let said = read_some(socket);
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 431 "), "{said}");
            cut += usize::from(gone(socket));
        }
        (90, cut)
    });
    assert_eq!(
        figures.stats.handshakes
            [&HandshakeOutcome::Rejected(http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)],
        90
    );
    assert!(figures.grown < 50, "{figures:?}");
}

#[test]
fn attack_by_heads_byte_by_byte() {
    // RUSTSEC-2023-0065: a head was parsed anew for each read.
    AttackedServer::new(short_deadlines()).under_attack(
        "heads of 16 KiB, byte by byte",
        |server| {
            let head = upgrade("/", &format!("X: {}\r\n", "x".repeat(15 << 10)));
            let mut all = connect_many(server.address, 20);
            let begun = Instant::now();
            for byte in head.as_bytes() {
                for socket in &mut all {
                    let _ = socket.write(&[*byte]);
                }
                if begun.elapsed() > Duration::from_secs(3) {
                    break;
                }
            }
            server.wait_until("the late are cut", || server.handle.connection_count() <= 30);
            (0, 0)
        },
    );
}
