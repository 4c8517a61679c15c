//! What enters the relay on one side leaves it on the other, when and as it came.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{FDX, serve};
use crate::relay::{accept, expect, head, open, relay, relay_to, upgrade};

/// Ends a socket with a reset.
fn reset(socket: TcpStream) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    socket.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(socket).unwrap().set_zero_linger().unwrap();
}

#[test]
fn relay_passes_heads_as_they_came_but_host() {
    let (listener, relay) = relay(&["--json"]);
    let target = listener.local_addr().unwrap().to_string();
    let mut client = relay.connect();
    let request = upgrade(&relay.address, "Origin: http://localhost:1\r\n");
    // In two pieces: the head is complete with the second.
    let (one, two) = request.split_at(40);
    client.write_all(one.as_bytes()).unwrap();
    let mut server = accept(&listener);
    client.write_all(two.as_bytes()).unwrap();
    assert_eq!(head(&mut server), request.replace(&relay.address, &target));
    // The answer is the server's, with its body, and not earlier.
    thread::sleep(Duration::from_millis(400));
    client.set_nonblocking(true).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    client.set_nonblocking(false).unwrap();
    let refusal = b"HTTP/1.1 403  Not You\r\ncontent-LENGTH: 5\r\nX:\ty\r\n\r\nno go";
    server.write_all(refusal).unwrap();
    expect(&mut client, refusal);
    // The connection is there for another request.
    let foreign = upgrade("rebound.example:9100", "");
    client.write_all(foreign.as_bytes()).unwrap();
    assert_eq!(head(&mut server), foreign);
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    let requests = relay.events("request");
    assert_eq!(requests[0]["changed_from"][0][1], relay.address, "{requests:?}");
    assert_eq!(requests[1]["changed_from"].as_array().unwrap().len(), 0);
    let responses = relay.events("response");
    assert_eq!(responses[0]["start_line"], "HTTP/1.1 403  Not You");
    assert_eq!(relay.events("body")[0]["length"], 5);
}

#[test]
fn relay_passes_fragments_pings_and_illegal_frames_at_once() {
    let (listener, relay) = relay(&["--json"]);
    let (mut client, mut server) = open(&listener, &relay, "");
    let begun = Instant::now();
    for frame in [
        &b"\x01\x84\0\0\0\0frag"[..],
        b"\x89\x82\0\0\0\0hi",
        b"\x00\x84\0\0\0\0ment",
        b"\x80\x80\0\0\0\0",
    ] {
        client.write_all(frame).unwrap();
        expect(&mut server, frame);
    }
    for frame in [&b"\x8a\x02hi"[..], b"\xc1\x01x", b"\x81\x01y"] {
        server.write_all(frame).unwrap();
        expect(&mut client, frame);
    }
    // Each has passed before the next was sent.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    client.write_all(b"\x88\x85\0\0\0\0\x10\xe1why").unwrap();
    expect(&mut server, b"\x88\x85\0\0\0\0\x10\xe1why");
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    let frames = relay.events("frame");
    let shown: Vec<_> = frames.iter().map(|frame| frame["opcode"].as_str().unwrap()).collect();
    let expected =
        ["text", "ping", "continuation", "continuation", "pong", "text", "text", "close"];
    assert_eq!(shown, expected);
    assert_eq!(frames[3]["message"]["text"], "fragment");
    assert_eq!(frames[3]["message"]["fragments"], 3);
    assert!(frames[4]["round_trip"].as_u64().unwrap() < 5_000_000);
    assert!(frames[5]["violation"].as_str().unwrap().contains("RFC 6455"), "{}", frames[5]);
    assert_eq!(frames[6]["ignored"], true);
    let closed = &relay.events("closed")[0];
    assert_eq!((&closed["closed_first"], &closed["code"]), (&"client".into(), &4321.into()));
    assert_eq!((&closed["ended_first"], &closed["end"]), (&"server".into(), &"FIN".into()));
}

#[test]
fn relay_ends_each_direction_as_its_side_does() {
    for is_client in [true, false] {
        let (listener, relay) = relay(&[]);
        let (client, server) = open(&listener, &relay, "");
        let (mut one, mut other) = if is_client { (client, server) } else { (server, client) };
        one.write_all(b"last").unwrap();
        one.shutdown(Shutdown::Write).unwrap();
        let mut seen = Vec::new();
        other.read_to_end(&mut seen).unwrap();
        assert_eq!(seen, b"last");
        // The other direction goes on.
        other.write_all(b"answer").unwrap();
        expect(&mut one, b"answer");
        reset(other);
        let error = one.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        relay.line("end: RST");
    }
}

#[test]
fn relay_reads_nothing_that_the_other_end_does_not_take() {
    let (listener, relay) = relay(&[]);
    let (mut client, mut server) = open(&listener, &relay, "");
    client.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    // A frame without an end.
    client.write_all(b"\x82\xff\0\0\0\x10\0\0\0\0\0\0\0\0").unwrap();
    let piece = vec![0; 64 << 10];
    let mut sent = 0;
    // It takes what fits into the buffers of the system.
    while let Ok(len) = client.write(&piece) {
        sent += len;
        assert!(sent < 256 << 20, "it takes all");
    }
    let memory = std::fs::read_to_string(format!("/proc/{}/status", relay.id())).unwrap();
    let memory = memory.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = memory.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 64 << 10, "{kib} KiB");
    let mut seen = vec![0; sent + 14];
    server.read_exact(&mut seen).unwrap();
}

#[test]
fn relay_passes_tls_and_what_is_not_http() {
    let server = serve(&["--tls-self-signed", "--h2"]);
    let url = format!("wss://{}/", server.address);
    let relay = relay_to(&url, &["-k", "--tls-self-signed"]);
    let ca = relay.certificate.clone().unwrap();
    let port = relay.address.split_once(':').unwrap().1;
    let url = format!("wss://localhost:{port}/echo");
    let talk = |url: &str, http: &str| {
        let echo = Command::new(FDX)
            .args(["connect", "--ca", &ca, "--proxy", "none", "--messages", "1", "--http", http])
            .arg(url)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        echo.stdin.as_ref().unwrap().write_all(b"by TLS\n").unwrap();
        let output = echo.wait_with_output().unwrap();
        assert_eq!(output.stdout, b"by TLS\n");
    };
    talk(&url, "1.1");
    relay.line("ended: the client closed first with 1000");
    relay.line("GET /echo HTTP/1.1");
    // By ALPN, which the target chose.
    talk(&url, "2");
    relay.line("CONNECT /echo HTTP/2.0");
    relay.line("  :protocol: websocket");
    // A client without TLS says by its first bytes what it speaks.
    let plain = relay_to(&format!("wss://{}/", server.address), &["-k"]);
    talk(&format!("ws://{}/echo", plain.address), "2");
    plain.line("  :scheme: https (was http)");
    talk(&format!("ws://{}/echo", plain.address), "1.1");
    plain.line("GET /echo HTTP/1.1");

    let (listener, relay) = crate::relay::relay(&[]);
    let mut client = relay.connect();
    client.write_all(b"\x16\x03\x01not http").unwrap();
    let mut server = accept(&listener);
    expect(&mut server, b"\x16\x03\x01not http");
    server.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

#[test]
fn relay_resets_clients_when_the_target_cannot_be_reached() {
    let (listener, relay) = relay(&[]);
    drop(listener);
    let mut client = relay.connect();
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    relay.line("the target: connecting to 127.0.0.1:");
    assert_eq!(relay.end(), Some(143));
}

#[test]
fn relay_passes_an_endless_head_within_bounds() {
    let (listener, relay) = relay(&[]);
    let mut client = relay.connect();
    let writing = thread::spawn(move || {
        client.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        for _ in 0..4000 {
            client.write_all(&[b'x'; 1024]).unwrap();
        }
    });
    let mut server = accept(&listener);
    let mut seen = Vec::new();
    server.read_to_end(&mut seen).unwrap();
    writing.join().unwrap();
    assert_eq!(seen.len(), 16 + 4000 * 1024);
    relay.line("the head of the request is too long");
}
