//! `fdx serve` in the background, and plain requests to it.

#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

pub const FDX: &str = env!("CARGO_BIN_EXE_fdx");

/// A server, which is killed when this is dropped.
pub struct Served {
    child: Child,
    out: BufReader<ChildStdout>,
    /// `host:port` of the first address.
    pub address: String,
}

/// Starts `fdx serve` on a free port.
pub fn serve(options: &[&str]) -> Served {
    serve_with(options, Stdio::piped())
}

/// The same with this as its standard error.
pub fn serve_with(options: &[&str], stderr: impl Into<Stdio>) -> Served {
    start(Command::new(FDX), options, stderr.into())
}

/// The same with its standard error piped, after these commands of a shell.
pub fn serve_limited(limits: &str, options: &[&str]) -> Served {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), FDX]);
    start(command, options, Stdio::piped())
}

fn start(mut command: Command, options: &[&str], stderr: Stdio) -> Served {
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(options);
    let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let (mut out, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    out.read_line(&mut line).unwrap();
    let address = line.trim().rsplit_once("//").map(|(_, rest)| rest.trim_end_matches('/'));
    let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
    Served { child, out, address }
}

/// What comes back from there for these bytes, until the server ends the connection.
pub fn ask(address: &str, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

impl Served {
    /// Of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `host:port` of the figures, where they have a port of their own.
    pub fn metrics_address(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        let address =
            line.strip_prefix("metrics at http://").and_then(|rest| rest.split('/').next());
        address.unwrap_or_else(|| panic!("{line:?}")).to_owned()
    }

    /// What comes back for these bytes, until the server ends the connection.
    pub fn ask(&self, request: &[u8]) -> String {
        ask(&self.address, request)
    }

    /// The answer to an ordinary request.
    pub fn request(&self, method: &str, path: &str, more: &str) -> String {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        self.ask(format!("{head}Connection: close\r\n{more}\r\n").as_bytes())
    }

    pub fn get(&self, path: &str) -> String {
        self.request("GET", path, "")
    }

    /// The head of the answer to a request for a WebSocket, and what it came on.
    pub fn upgrade(&self, path: &str, host: &str, more: &str) -> (String, TcpStream) {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        (String::from_utf8_lossy(&head).into_owned(), socket)
    }

    /// What a WebSocket was opened on.
    #[track_caller]
    pub fn open(&self, path: &str) -> TcpStream {
        let (head, socket) = self.upgrade(path, "localhost", "");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        socket
    }

    /// The status of the answer to a request for a WebSocket.
    pub fn status(&self, path: &str, host: &str, more: &str) -> String {
        let (head, _) = self.upgrade(path, host, more);
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Asks the server to end, and waits until it has: its exit code, and what it has written
    /// to standard error, if that is piped.
    pub fn end(mut self) -> (Option<i32>, String) {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors).unwrap();
        }
        (self.child.wait().unwrap().code(), errors)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `fdx` to its end, which is to come by itself: its exit code, and what it has written to
/// standard error.
pub fn run(args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(FDX);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    for _ in 0..600 {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    // What serves after half a minute does not end by itself.
    let _ = child.kill();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}
