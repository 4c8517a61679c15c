//! A process of `fdx inspect`, and a target and a client without any library.

#![allow(unreachable_pub)] // as in the module of all tests

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{FDX, accepting};

/// The longest time that a test waits for something.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A process of `fdx inspect`, killed when dropped.
pub struct Relay {
    child: Child,
    /// `host:port`.
    pub address: String,
    /// The file of a self-signed certificate.
    pub certificate: Option<String>,
    /// The URL of the page.
    pub page: Option<String>,
    lines: Arc<Mutex<Vec<String>>>,
}

/// A target, and a relay to it.
pub fn relay(options: &[&str]) -> (TcpListener, Relay) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    (listener, relay_to(&url, options))
}

/// Starts a relay, and waits until it listens.
pub fn relay_to(url: &str, options: &[&str]) -> Relay {
    inspect(&[&["--listen", "127.0.0.1:0", "--to", url], options].concat())
}

/// Starts `fdx inspect`, and waits until it listens.
pub fn inspect(options: &[&str]) -> Relay {
    let mut command = Command::new(FDX);
    command.arg("inspect").args(options);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let kept = lines.clone();
    thread::spawn(move || {
        for line in out.split(b'\n').map_while(Result::ok) {
            kept.lock().unwrap().push(String::from_utf8(line).unwrap());
        }
    });
    let mut relay = Relay { child, address: String::new(), certificate: None, page: None, lines };
    relay.line("relaying to ");
    let after = |lines: &[String], words: &str| {
        let line = lines.iter().find_map(|line| line.split_once(words))?;
        Some(line.1.trim_end_matches("\"}").to_owned())
    };
    let lines = relay.lines();
    let address = after(&lines, "listening on ").unwrap();
    let address = address.split_once("://").unwrap().1;
    relay.address = address.trim_end_matches('/').into();
    relay.page = after(&lines, "page at ");
    relay.certificate = after(&lines, "certificate for --ca: ");
    relay
}

impl Relay {
    pub fn connect(&self) -> TcpStream {
        with_deadline(TcpStream::connect(&self.address).unwrap())
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line with these words.
    #[track_caller]
    pub fn line(&self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(line) = self.lines().into_iter().find(|line| line.contains(words)) {
                return line;
            }
            assert!(begun.elapsed() < DEADLINE, "no {words:?} in {:#?}", self.lines());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of a connection, and returns the objects of `--json` of this event.
    #[track_caller]
    pub fn events(&self, event: &str) -> Vec<Value> {
        self.line(r#""event":"closed""#);
        let objects = self.lines().into_iter().map(|line| serde_json::from_str(&line).unwrap());
        objects.filter(|object: &Value| object["event"] == event).collect()
    }

    /// Ends it by SIGTERM, and returns its exit code.
    #[track_caller]
    pub fn end(mut self) -> Option<i32> {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < DEADLINE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn with_deadline(socket: TcpStream) -> TcpStream {
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Accepts a connection within the deadline.
#[track_caller]
pub fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let begun = Instant::now();
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(false).unwrap();
                return with_deadline(socket);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(begun.elapsed() < DEADLINE, "nothing connects");
                thread::sleep(Duration::from_millis(2));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads a head, to its empty line.
#[track_caller]
pub fn head(socket: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Reads as many bytes as these are, and compares them.
#[track_caller]
pub fn expect(socket: &mut TcpStream, bytes: &[u8]) {
    let mut seen = vec![0; bytes.len()];
    socket.read_exact(&mut seen).unwrap();
    assert_eq!(seen, bytes);
}

/// A request with odd case and spaces.
pub fn upgrade(host: &str, more: &str) -> String {
    format!(
        "GET /x?token=secret HTTP/1.1\r\nHost: {host}\r\nUPGRADE: WebSocket\r\n\
         Connection: keep-alive, Upgrade\r\nX-Odd:  two  spaces \r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Opens a WebSocket by the relay, and returns both ends.
#[track_caller]
pub fn open(listener: &TcpListener, relay: &Relay, of_response: &str) -> (TcpStream, TcpStream) {
    let mut client = relay.connect();
    client.write_all(upgrade(&relay.address, "").as_bytes()).unwrap();
    let mut server = accept(listener);
    let request = head(&mut server);
    let response = accepting(&request).unwrap();
    let response = response.replace("\r\n\r\n", &format!("\r\n{of_response}\r\n"));
    server.write_all(response.as_bytes()).unwrap();
    assert_eq!(head(&mut client), response);
    (client, server)
}
