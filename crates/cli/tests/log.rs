//! The lines of `fdx serve --log`, and that no connection waits for their reader.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::io::{Read, Write};

mod common;

use common::{serve, serve_with};

#[test]
fn log_without_a_reader_blocks_no_connection() {
    let (unread, stderr) = std::io::pipe().unwrap();
    let server = serve_with(&["--log"], stderr);
    // More lines than a pipe holds.
    for _ in 0..500 {
        assert_eq!(server.status(&format!("/{}", "x".repeat(190)), "localhost", ""), "404");
    }
    let mut socket = server.open("/echo");
    // A text of one letter, masked with zeros (RFC 6455 §5.2).
    socket.write_all(&[0x81, 0x81, 0, 0, 0, 0, b'a']).unwrap();
    let mut echo = [0; 3];
    socket.read_exact(&mut echo).unwrap();
    assert_eq!(echo, [0x81, 1, b'a']);
    drop(socket);
    assert_eq!(server.end().0, Some(0));
    drop(unread);
}

#[test]
fn log_has_a_line_for_every_rejection() {
    // Few enough for any limit on open files, so that there is no warning.
    let few = ["--max-connections", "50"];
    let options = ["--log", "--host", "a.example", "--handshake-timeout", "0.3"];
    let server = serve(&[&options[..], &few].concat());
    let plain = "Connection: close\r\n\r\n";
    for (answer, status) in [
        (server.status("/echo?secret", "evil.example", ""), "421"),
        (server.status("/echo?secret", "a.example", "Origin: http://evil.example\r\n"), "403"),
        (server.status("/nothing?secret", "a.example", ""), "404"),
        (server.ask(format!("GET /page HTTP/1.1\r\nHost: b.example\r\n{plain}").as_bytes()), "421"),
        (server.ask(b"nonsense\r\n\r\n"), "400"),
        (server.ask(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000)).as_bytes()), "431"),
        (server.ask(b"GET / HTTP/1.1\r\n"), "408"),
    ] {
        assert!(answer.contains(status), "{status}: {answer}");
    }
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    for line in [
        "/echo HTTP/1.1: rejected: 421: evil.example is not served here",
        "/echo HTTP/1.1: rejected: 403: Origin http://evil.example is not allowed",
        "/nothing HTTP/1.1: rejected: 404: there is no WebSocket at this path",
        "/page HTTP/1.1: rejected: 421: b.example",
        ": rejected: 400: ",
        ": rejected: 431: ",
        ": rejected: 408: timed out: handshake_timeout",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
    assert!(!log.contains("secret"), "{log}");
    assert_eq!(log.lines().count(), 8, "{log}");
}

#[test]
fn log_has_lines_for_a_full_server_and_failed_tls() {
    let server = serve(&["--log", "--max-connections", "1"]);
    let socket = server.open("/echo");
    assert!(server.ask(b"").starts_with("HTTP/1.1 503 "));
    drop(socket);
    let (_, log) = server.end();
    assert!(log.contains(": rejected: 503: too many connections (max_connections = 1)"), "{log}");

    let server = serve(&["--log", "--tls-self-signed"]);
    server.ask(b"GET / HTTP/1.1\r\n\r\n");
    let (_, log) = server.end();
    assert!(log.contains("127.0.0.1:") && log.contains(": rejected: TLS"), "{log}");
}
