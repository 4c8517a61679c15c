//! `fdx ping`: its lines, its summary and its exit codes.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;

mod common;

use common::{FDX, serve};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(FDX);
    command.arg("ping").args(args).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ping(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn ping_measures_on_every_version() {
    let server = serve(&["--tls-self-signed", "--h2", "--h3"]);
    let port = server.address.split_once(':').unwrap().1;
    let url = format!("wss://localhost:{port}/echo");
    for (version, name) in [("1", "HTTP/1.1"), ("2", "HTTP/2.0"), ("3", "HTTP/3.0")] {
        let (code, out, said) = ping(&["-k", "--http", version, "-c", "3", "-i", "0.05", &url]);
        assert_eq!(code, Some(0), "{out} {said}");
        let lines: Vec<_> = out.lines().collect();
        assert!(lines[0].starts_with(&format!("PING {url}")), "{out}");
        assert!(lines[0].ends_with(&format!(" by {name}")), "{out}");
        for (i, line) in lines[1..4].iter().enumerate() {
            assert!(line.starts_with(&format!("pong {}: time=", i + 1)), "{out}");
        }
        assert!(lines[5].starts_with("3 pings sent, 3 pongs received, 0% loss, time "), "{out}");
        assert!(lines[6].starts_with("rtt min/avg/max/mdev = "), "{out}");
    }
}

#[test]
fn ping_ends_with_a_summary_at_ctrl_c() {
    let server = serve(&[]);
    // It would end by itself after half a minute.
    let url = format!("ws://{}/echo", server.address);
    let mut child = command(&["-i", "0.05", "-c", "600", &url]);
    let mut child = child.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("pong 2") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0);
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains(" pongs received, 0% loss"), "{rest}");
    assert!(!rest.contains("600 pings sent"), "{rest}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// A server that opens a WebSocket and answers nothing.
fn mute() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let answer = common::accepting(&String::from_utf8(head).unwrap()).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        // Reads until the client gives up.
        while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    });
    format!("ws://{address}/")
}

#[test]
fn ping_without_pongs_warns_and_fails() {
    let (code, out, said) = ping(&["-c", "3", "-i", "0.05", "-W", "0.2", &mute()]);
    assert_eq!(code, Some(1), "{out} {said}");
    assert!(out.contains("no pong 1 in 0.2 s"), "{out}");
    assert!(out.contains("3 pings sent, 0 pongs received, 100% loss"), "{out}");
    assert!(!out.contains("rtt"), "{out}");
    assert_eq!(said.matches("RFC 6455 §5.5.2").count(), 1, "{said}");
}

#[test]
fn ping_without_a_connection_fails_with_2() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, out, said) = ping(&["-c", "1", &format!("ws://{closed}/")]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{said}");
    assert!(said.contains("refused"), "{said}");
    for wrong in [&["-c", "0", "ws://a/"][..], &["-i", "0", "ws://a/"]] {
        assert_eq!(ping(wrong).0, Some(2));
    }
}
