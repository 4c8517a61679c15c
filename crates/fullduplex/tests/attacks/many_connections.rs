//! Many at once: what they hold, a message to all of them, and their end.
//! `cargo xtask scale` does it with more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use fullduplex::PreparedMessage;
use fullduplex::server::DrainOptions;

use crate::attacked_server::{AttackedServer, short_deadlines};
use crate::open_files::descriptors;
use crate::sockets::{frame, open_many};

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Reads a frame of fewer than 64 KiB from the server, its first byte first.
fn read_frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    socket.read_exact(&mut head).unwrap();
    let mut length = usize::from(head[1]);
    if length == 126 {
        let mut long = [0; 2];
        socket.read_exact(&mut long).unwrap();
        length = usize::from(u16::from_be_bytes(long));
    }
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).unwrap();
    (head[0], payload)
}

/// In a process of its own, as memory is counted by process.
#[test]
fn attack_by_five_thousand_connections() {
    let itself = std::env::current_exe().unwrap();
    let alone = [
        "--exact",
        "many_connections::attack_by_five_thousand_connections_in_a_process_of_its_own",
        "--ignored",
        "--nocapture",
    ];
    let status = Command::new(itself).args(alone).status().unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "run by attack_by_five_thousand_connections"]
fn attack_by_five_thousand_connections_in_a_process_of_its_own() {
    // Both ends are in this process.
    let count = 5000.min(descriptors().saturating_sub(200) / 2);
    let mut config = short_deadlines();
    config.websocket.keepalive.interval = None;
    let server = AttackedServer::new(config);
    let before = resident();
    let mut all = open_many(server.address, "/room", count);
    server.wait_until("all are open", || server.handle.websocket_count() == count);
    let each = |now: u64| now.saturating_sub(before) / count as u64;
    let idle = each(resident());
    for socket in &mut all {
        socket.write_all(&frame(0x82, &[7; 1024])).unwrap();
        assert_eq!(read_frame(socket).1.len(), 1024);
    }
    let echoed = each(resident());
    println!("{count} connections, both ends: {idle} B each, after 1 KiB each way {echoed} B");
    assert!(echoed < 8000, "{echoed}");

    server.wait_until("all have joined", || server.room.len() == count);
    let begun = Instant::now();
    let published = server.room.publish(&PreparedMessage::new(vec![9; 64]));
    assert_eq!((published.delivered, published.dropped), (count, 0));
    for socket in &mut all {
        assert_eq!(read_frame(socket), (0x82, vec![9; 64]));
    }
    println!("    64 B to all of them in {:.0?}", begun.elapsed());
    drop(all);
    server.wait_until("no connection is left", || server.handle.connection_count() == 0);
    server.end();
}

#[test]
fn drain_of_two_thousand_connections() {
    let count = 2000.min(descriptors().saturating_sub(200) / 2);
    let mut config = short_deadlines();
    config.websocket.keepalive.interval = None;
    config.websocket.close_timeout = Duration::from_secs(20);
    let server = AttackedServer::new(config);
    let mut all = open_many(server.address, "/", count);
    let handle = server.handle.clone();
    let draining = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let drain = DrainOptions::default()
            .deadline(Duration::from_secs(20))
            .spread(Duration::from_millis(300));
        runtime.block_on(handle.drain(drain))
    });
    let mut told = 0;
    let begun = Instant::now();
    for socket in &mut all {
        let (first, payload) = read_frame(socket);
        assert_eq!((first, &payload[..2]), (0x88, &[0x03, 0xE9][..]));
        socket.write_all(&frame(0x88, &payload)).unwrap();
        told += 1;
    }
    for socket in &mut all {
        let mut rest = Vec::new();
        assert_eq!(socket.read_to_end(&mut rest).unwrap(), 0, "the server closes first");
    }
    let report = draining.join().unwrap();
    println!("a drain of {count}: {report}, {told} by their own count, in {:.1?}", begun.elapsed());
    assert_eq!((report.notified, report.cut, report.cut_http, told), (count, 0, 0, count));
    server.end();
}

#[test]
fn broadcast_to_many_leaves_others_their_turn() {
    let count = 3000.min(descriptors().saturating_sub(200) / 2);
    let mut config = short_deadlines();
    config.websocket.keepalive.interval = None;
    AttackedServer::new(config).under_attack("messages to 3,000, again and again", |server| {
        let mut all = open_many(server.address, "/room", count);
        server.wait_until("all have joined", || server.room.len() == count);
        let message = PreparedMessage::new(vec![9; 64]);
        for _ in 0..10 {
            assert_eq!(server.room.publish(&message).delivered, count);
            for socket in &mut all {
                assert_eq!(read_frame(socket), (0x82, vec![9; 64]));
            }
        }
        (0, 0)
    });
}
