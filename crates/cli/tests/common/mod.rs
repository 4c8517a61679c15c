//! `fdx serve` in the background, and plain requests to it.

#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

pub const FDX: &str = env!("CARGO_BIN_EXE_fdx");

/// A server process, killed when dropped.
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

/// Starts `fdx serve` with this as its standard error.
pub fn serve_with(options: &[&str], stderr: impl Into<Stdio>) -> Served {
    start(Command::new(FDX), options, stderr.into())
}

/// Runs these shell commands, such as `ulimit`, then `fdx serve` with standard error piped.
pub fn serve_limited(limits: &str, options: &[&str]) -> Served {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits}; exec \"$0\" \"$@\""), FDX]);
    start(command, options, Stdio::piped())
}

fn start(mut command: Command, options: &[&str], stderr: Stdio) -> Served {
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(options);
    // What a server that is killed leaves behind stays in the target folder.
    command.env("TMPDIR", env!("CARGO_TARGET_TMPDIR"));
    let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let (mut out, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    out.read_line(&mut line).unwrap();
    let address = line.trim().rsplit_once("//").map(|(_, rest)| rest.trim_end_matches('/'));
    let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
    Served { child, out, address }
}

/// Sends bytes to an address, and returns what is received until the server ends the connection.
pub fn ask(address: &str, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

impl Served {
    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `host:port` of the metrics, if they have a separate port.
    pub fn metrics_address(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        let address =
            line.strip_prefix("metrics at http://").and_then(|rest| rest.split('/').next());
        address.unwrap_or_else(|| panic!("{line:?}")).to_owned()
    }

    /// Sends bytes, and returns what is received until the server ends the connection.
    pub fn ask(&self, request: &[u8]) -> String {
        ask(&self.address, request)
    }

    /// Returns the response to a plain request.
    pub fn request(&self, method: &str, path: &str, more: &str) -> String {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        self.ask(format!("{head}Connection: close\r\n{more}\r\n").as_bytes())
    }

    pub fn get(&self, path: &str) -> String {
        self.request("GET", path, "")
    }

    /// Sends a WebSocket handshake, and returns the response's head and the connection.
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

    /// Opens a WebSocket, and returns its connection.
    #[track_caller]
    pub fn open(&self, path: &str) -> TcpStream {
        let (head, socket) = self.upgrade(path, "localhost", "");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        socket
    }

    /// Returns the status of the response to a WebSocket handshake.
    pub fn status(&self, path: &str, host: &str, more: &str) -> String {
        let (head, _) = self.upgrade(path, host, more);
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Ends the server by a signal, and returns its exit code and, if piped, its standard error.
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

/// Runs an `fdx` that ends without a signal, and returns its exit code and standard error.
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
    // What serves after half a minute does not end without a signal.
    let _ = child.kill();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

/// Returns the head of a 101 for a request, if it has a key (RFC 6455 §4.2.2).
pub fn accepting(head: &str) -> Option<String> {
    use base64::Engine as _;
    use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))?;
    let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes());
    let accept = base64::engine::general_purpose::STANDARD.encode(sha1);
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}
