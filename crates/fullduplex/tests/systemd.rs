//! Sockets passed by systemd's own tool. The test runs itself under `systemd-socket-activate`.
//!
//! `cargo test -p fullduplex --test systemd -- --ignored`, as `cargo xtask test` runs it.

#![cfg(all(feature = "client", feature = "server", target_os = "linux"))]
// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fullduplex::server::listen::{ActivatedSocket, listeners_from_systemd};

/// What the inner run does: greets on each listener with its place and name.
#[test]
#[ignore = "run by the other test, with sockets"]
fn inner_greet() {
    let passed = listeners_from_systemd().unwrap();
    assert!(listeners_from_systemd().unwrap().is_empty(), "they are taken once");
    for (index, listener) in passed.into_iter().enumerate() {
        let greeting = format!("{index} {}", listener.name);
        match listener.socket {
            ActivatedSocket::Tcp(tcp) => {
                tcp.set_nonblocking(false).unwrap();
                tcp.accept().unwrap().0.write_all(greeting.as_bytes()).unwrap();
            }
            ActivatedSocket::Unix(unix) => {
                unix.set_nonblocking(false).unwrap();
                unix.accept().unwrap().0.write_all(greeting.as_bytes()).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Ends with the test, however that ends.
struct Activated(Child);

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries until the listener is there.
fn greeting<S: Read>(connect: impl Fn() -> std::io::Result<S>) -> String {
    let begun = Instant::now();
    let mut stream = loop {
        match connect() {
            Ok(stream) => break stream,
            Err(error) if begun.elapsed() > Duration::from_secs(20) => panic!("{error}"),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
#[ignore = "needs systemd-socket-activate"]
fn systemd_sockets_are_taken_with_their_names() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = std::env::temp_dir().join(format!("fullduplex-systemd-{}", std::process::id()));
    let child = Command::new("systemd-socket-activate")
        .arg(format!("--listen={free}"))
        .arg(format!("--listen={}", path.display()))
        .arg("--fdname=web:local")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "inner_greet", "--ignored"])
        .stdout(Stdio::null())
        .spawn()
        .expect("systemd-socket-activate is installed");
    let activated = Activated(child);
    assert_eq!(greeting(|| TcpStream::connect(free)), "0 web");
    assert_eq!(greeting(|| UnixStream::connect(&path)), "1 local");
    drop(activated);
    let _ = std::fs::remove_file(path);
}
