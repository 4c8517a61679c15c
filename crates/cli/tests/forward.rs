//! `fdx forward` and `fdx serve --forward`: sockets through WebSockets, to their ends.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")] // /proc tells the memory of a process

use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

mod common;

use common::{FDX, Served, accepting, run, serve};

/// The longest time that a test waits for something.
const DEADLINE: Duration = Duration::from_secs(30);

/// A process of `fdx forward`, killed when dropped.
struct Forwarding {
    child: Child,
    /// `host:port`, or the path of a Unix socket.
    address: String,
}

/// Starts `fdx forward`, and waits until it listens.
fn forward(args: &[&str]) -> Forwarding {
    let mut command = Command::new(FDX);
    command.arg("forward").args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}"));
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let address = address.trim_start_matches("tcp:").trim_start_matches("unix:").to_owned();
    Forwarding { child, address }
}

impl Forwarding {
    fn connect(&self) -> TcpStream {
        with_deadline(TcpStream::connect(&self.address).unwrap())
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        assert!(kill.args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for the end, and returns the exit code and standard error.
    #[track_caller]
    fn wait(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < DEADLINE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code(), errors)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_deadline(socket: TcpStream) -> TcpStream {
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// Listens as a target, and returns its word for the command line.
fn target() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let word = format!("tcp:{}", listener.local_addr().unwrap());
    (listener, word)
}

/// Accepts a connection within the deadline.
#[track_caller]
fn accept(listener: &TcpListener) -> TcpStream {
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

/// A tunnel: a socket at one end, a socket at the other.
struct Tunnel {
    client: Forwarding,
    server: Served,
    listener: TcpListener,
}

fn tunnel() -> Tunnel {
    tunnel_with(&[], &[])
}

/// Starts both ends with these options.
fn tunnel_with(of_client: &[&str], of_server: &[&str]) -> Tunnel {
    let (listener, word) = target();
    let server = serve(&[&["--forward", &format!("/db={word}"), "--log"], of_server].concat());
    let url = format!("ws://{}/db", server.address);
    let client = forward(&[&["127.0.0.1:0", &*url], of_client].concat());
    Tunnel { client, server, listener }
}

impl Tunnel {
    /// Opens a connection, and returns both of its ends after a byte in each direction.
    #[track_caller]
    fn open(&self) -> (TcpStream, TcpStream) {
        let mut near = self.client.connect();
        near.write_all(b"a").unwrap();
        let mut far = accept(&self.listener);
        far.read_exact(&mut [0]).unwrap();
        far.write_all(b"b").unwrap();
        near.read_exact(&mut [0]).unwrap();
        (near, far)
    }
}

/// Ends a connection with a reset.
fn reset(socket: TcpStream) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        socket.set_nonblocking(true).unwrap();
        // The standard library has no stable way to set this.
        tokio::net::TcpStream::from_std(socket).unwrap().set_zero_linger().unwrap();
    });
}

/// Checks that a connection ends with a reset, and not as a complete one.
#[track_caller]
fn assert_reset(socket: &mut TcpStream, what: &str) {
    match socket.read(&mut [0; 64]) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{what}"),
        Ok(len) => panic!("{what}: it ended as a complete one, with {len} bytes"),
    }
}

/// Checks that the other end has reset a connection after its FIN, which only writing notices.
#[track_caller]
fn assert_reset_after_fin(mut socket: TcpStream, what: &str) {
    let begun = Instant::now();
    while socket.write_all(b"x").is_ok() {
        assert!(begun.elapsed() < DEADLINE, "{what}: it is not reset");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Accepts a WebSocket within the deadline.
#[track_caller]
fn accept_websocket(listener: &TcpListener) -> TcpStream {
    let mut peer = accept(listener);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let response = accepting(&String::from_utf8(head).unwrap()).unwrap();
    peer.write_all(response.as_bytes()).unwrap();
    peer
}

/// Returns bytes that differ at each place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

/// Sends bytes and FIN, and returns all that comes back.
fn exchange<S: Read + Write + Send + 'static>(
    socket: S,
    mut writer: S,
    finish: impl FnOnce(&S) -> io::Result<()> + Send + 'static,
    bytes: Vec<u8>,
) -> Vec<u8> {
    let writing = thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        finish(&writer).unwrap();
    });
    let (mut socket, mut all) = (socket, Vec::new());
    socket.read_to_end(&mut all).unwrap();
    writing.join().unwrap();
    all
}

/// Answers a connection with its own bytes, until and with its end.
fn echo(listener: TcpListener) -> JoinHandle<()> {
    thread::spawn(move || {
        let (mut reader, mut writer) = {
            let socket = accept(&listener);
            (socket.try_clone().unwrap(), socket)
        };
        io::copy(&mut reader, &mut writer).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    })
}

#[test]
fn forward_carries_both_directions_to_their_ends() {
    let Tunnel { client, server, listener } = tunnel();
    let echoing = echo(listener);
    let (socket, bytes) = (client.connect(), pattern(4 << 20));
    let writer = socket.try_clone().unwrap();
    let all = exchange(socket, writer, |socket| socket.shutdown(Shutdown::Write), bytes.clone());
    assert!(all == bytes, "{} bytes", all.len());
    echoing.join().unwrap();
    let (_, log) = server.end();
    assert_eq!(log.matches("(4194304 bytes)").count(), 2, "{log}");
    assert!(log.contains("with 1000"), "{log}");
}

#[test]
fn forward_carries_unix_sockets_and_a_subprotocol() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (near, far) = (folder.join("forward-near"), folder.join("forward-far"));
    let _ = fs::remove_file(&far);
    let listener = UnixListener::bind(&far).unwrap();
    let url = "ws://127.0.0.1:0/x";
    let server =
        forward(&[url, &format!("unix:{}", far.display()), "--subprotocol", "binary", "--log"]);
    let client = forward(&[
        &format!("unix:{}", near.display()),
        &format!("ws://{}/x", server.address),
        "--subprotocol=binary",
        "--unix-mode=600",
        "--log=json",
    ]);
    let echoing = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let (mut reader, mut writer) = (socket.try_clone().unwrap(), socket);
        io::copy(&mut reader, &mut writer).unwrap();
    });
    let (socket, bytes) = (UnixStream::connect(&near).unwrap(), pattern(100_000));
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let writer = socket.try_clone().unwrap();
    let all = exchange(socket, writer, |socket| socket.shutdown(Shutdown::Write), bytes.clone());
    assert!(all == bytes, "{} bytes", all.len());
    echoing.join().unwrap();
    client.signal("-TERM");
    let (code, log) = client.wait();
    assert_eq!(code, Some(143), "{log}");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["subprotocol"], "binary", "{log}");
    // As those of `fdx serve`: a Unix socket has no address.
    let fields = lines[0].as_object().unwrap();
    assert!(!fields.contains_key("address") && !fields.contains_key("port"), "{log}");
    assert_eq!((&lines[1]["clean"], &lines[1]["sent"]["bytes"]), (&true.into(), &100_000.into()));
    assert!(!Path::new(&near).exists());
    server.signal("-TERM");
    let (code, log) = server.wait();
    assert!(code == Some(0) && log.contains("subprotocol binary"), "{code:?}: {log}");
}

#[test]
fn forward_resets_what_was_cut() {
    let mut tunnel = tunnel();
    let (mut near, far) = tunnel.open();
    reset(far);
    assert_reset(&mut near, "the target is reset");
    let (near, mut far) = tunnel.open();
    reset(near);
    assert_reset(&mut far, "the client is reset");
    // An end of the tunnel is killed.
    let (mut near, _far) = tunnel.open();
    tunnel.server = serve(&["--forward", &tunnel.listener.local_addr().unwrap().to_string()]);
    assert_reset(&mut near, "the server is killed");
    tunnel.client = forward(&["0", &format!("ws://{}/", tunnel.server.address)]);
    let (_near, mut far) = tunnel.open();
    drop(tunnel.client);
    assert_reset(&mut far, "fdx forward is killed");
}

#[test]
fn forward_ends_a_half_closed_connection_that_is_silent() {
    let option = ["--half-close-timeout", "1"];
    for (of_client, of_server) in [(&option[..], &[][..]), (&[], &option)] {
        let tunnel = tunnel_with(&[of_client, &["--log=json"]].concat(), of_server);
        let (mut near, mut far) = tunnel.open();
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(far.read(&mut [0]).unwrap(), 0);
        // What is silent for less goes on.
        thread::sleep(Duration::from_millis(50));
        far.write_all(b"c").unwrap();
        near.read_exact(&mut [0]).unwrap();
        let begun = Instant::now();
        assert_reset(&mut near, "the half-closed connection is silent");
        let took = begun.elapsed();
        assert!(
            (Duration::from_millis(900)..Duration::from_millis(1900)).contains(&took),
            "{took:?}"
        );
        assert_reset_after_fin(far, "the half-closed connection is silent");
        tunnel.client.signal("-TERM");
        for (_, log) in [tunnel.client.wait(), tunnel.server.end()] {
            assert!(log.contains("cut: "), "{log}");
            assert!(!log.contains("\"clean\":true") && !log.contains("close_timeout"), "{log}");
        }
    }
}

#[test]
fn forward_holds_a_connection_until_its_silent_target_is_reset() {
    let (listener, word) = target();
    for http in ["1", "2"] {
        let options = ["--half-close-timeout=1", "--max-connections=1", "--log=json", "--h2"];
        let server = serve(&[&["--forward", &word][..], &options].concat());
        let url = format!("ws://{}/", server.address);
        let client =
            thread::spawn(move || run(&["connect", "--eof", "close", "--http", http, &url]));
        let mut far = accept(&listener);
        assert_eq!(far.read(&mut [0]).unwrap(), 0);
        assert_eq!(server.status("/", "localhost", ""), "503");
        let (code, said) = client.join().unwrap();
        let words = "closed by this end with 1000 (normal closure), answered with 1001";
        let is_told = said.contains(words) && said.contains("--half-close-timeout");
        assert!(code == Some(6) && is_told, "{code:?}: {said}");
        assert_reset_after_fin(far, "the target is silent");
        let (_, log) = server.end();
        assert!(log.contains("\"clean\":false") && log.contains("\"cut: "), "{log}");
    }
}

#[test]
fn forward_resets_a_client_that_is_silent_after_the_close() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let client =
        forward(&["0", &url, "--half-close-timeout=300ms", "--max-connections=1", "--log"]);
    let mut near = client.connect();
    let _next = client.connect();
    let mut peer = accept_websocket(&listener);
    peer.write_all(&[0x88, 2, 0x03, 0xe8]).unwrap();
    assert_eq!(near.read(&mut [0]).unwrap(), 0);
    // Its answer is 1001, masked.
    let mut close = [0; 8];
    peer.read_exact(&mut close).unwrap();
    assert_eq!([close[6] ^ close[2], close[7] ^ close[3]], 1001_u16.to_be_bytes());
    drop(peer);
    assert_reset_after_fin(near, "the client is silent");
    // The next has its place.
    let _peer = accept_websocket(&listener);
    client.signal("-TERM");
    let (_, log) = client.wait();
    assert!(log.contains("sent 0 (0 bytes): cut: "), "{log}");
}

#[test]
fn forward_ends_by_signals_with_1001_and_resets() {
    for (name, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let tunnel = tunnel();
        let (mut near, mut far) = tunnel.open();
        tunnel.client.signal(name);
        assert_reset(&mut near, name);
        assert_reset(&mut far, name);
        assert_eq!(tunnel.client.wait().0, Some(code));
        let (_, log) = tunnel.server.end();
        assert!(log.contains("1001"), "{log}");
    }
    // The drain of the server does the same.
    let tunnel = tunnel();
    let (mut near, mut far) = tunnel.open();
    assert_eq!(tunnel.server.end().0, Some(0));
    assert_reset(&mut near, "the server drains");
    assert_reset(&mut far, "the server drains");
}

#[test]
fn forward_ends_at_once_though_the_server_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let client = forward(&["0", &url]);
    let mut near = client.connect();
    let mut peer = accept_websocket(&listener);
    peer.write_all(b"\x82\x01x").unwrap();
    near.read_exact(&mut [0]).unwrap();
    let begun = Instant::now();
    client.signal("-INT");
    client.signal("-INT");
    assert_eq!(client.wait().0, Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_reset(&mut near, "the program has ended");
}

#[test]
fn forward_ends_while_its_target_does_not_answer() {
    let (listener, word) = target();
    let address = listener.local_addr().unwrap();
    // The queue of a listener that accepts none is full: connecting goes on for minutes.
    let short = Duration::from_millis(200);
    let waiting: Vec<_> =
        std::iter::from_fn(|| TcpStream::connect_timeout(&address, short).ok()).collect();
    let server = serve(&["--forward", &word, "--log"]);
    let near = server.address.clone();
    let client = thread::spawn(move || run(&["connect", &format!("ws://{near}/")]));
    thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    let (code, log) = server.end();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}: {log}", begun.elapsed());
    assert!(code == Some(0) && log.contains("rejected: 503: the server ends"), "{code:?}: {log}");
    let (_, said) = client.join().unwrap();
    assert!(said.contains("503"), "{said}");
    drop(waiting);
}

#[test]
fn forward_waits_for_no_reader_of_its_log() {
    let server = serve(&[]);
    let client = forward(&["0", &format!("ws://{}/echo", server.address), "-v", "--log"]);
    // A pipe takes the lines of some 90 connections.
    for _ in 0..150 {
        let mut near = client.connect();
        near.write_all(b"a").unwrap();
        near.read_exact(&mut [0]).unwrap();
    }
    client.signal("-TERM");
    let (_, log) = client.wait();
    let line = log.lines().find(|line| line.contains("* connected to")).unwrap();
    assert!(line.contains("Z 127.0.0.1:"), "{line}");
}

#[test]
fn forward_waits_for_an_end_that_does_not_read() {
    let tunnel = tunnel();
    let memory = |id: u32| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
    };
    let (near, far) = tunnel.open();
    for mut writer in [&near, &far] {
        writer.set_write_timeout(Some(Duration::from_millis(700))).unwrap();
        let block = vec![0; 1 << 20];
        let written = (0..200).take_while(|_| writer.write_all(&block).is_ok()).count();
        assert!(written < 100, "{written} MiB are on their way");
    }
    for id in [tunnel.client.child.id(), tunnel.server.id()] {
        let memory = memory(id);
        assert!(memory < 100 << 20, "{memory} bytes");
    }
}

#[test]
fn forward_is_bounded_by_max_connections() {
    let (listener, word) = target();
    let server = serve(&["--forward", &word]);
    let client = forward(&["0", &format!("ws://{}/", server.address), "--max-connections", "1"]);
    let mut first = client.connect();
    let mut second = client.connect();
    second.write_all(b"second").unwrap();
    first.write_all(b"first").unwrap();
    let mut far = accept(&listener);
    let mut word = [0; 5];
    far.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"first");
    thread::sleep(Duration::from_millis(200));
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    drop((first, far));
    let mut far = accept(&listener);
    let mut word = [0; 6];
    far.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"second");
}

#[test]
fn forward_connects_nothing_for_foreign_pages() {
    let (listener, word) = target();
    listener.set_nonblocking(true).unwrap();
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let server = serve(&["--listen", listen, "--forward", &format!("/db={word}")]);
        for (path, host, origin, status) in [
            ("/db", "localhost", "Origin: http://evil.example\r\n", "403"),
            ("/db", "evil.example", "Origin: http://evil.example\r\n", "421"),
            ("/other", "localhost", "", "404"),
            ("/echo", "localhost", "", "101"),
        ] {
            assert_eq!(server.status(path, host, origin), status, "{listen} {path} {host}");
        }
        assert!(server.get("/").contains("<html"));
        let (_, log) = server.end();
        let is_warned = log.contains("can connect to the target of --forward");
        assert_eq!(is_warned, listen.starts_with("0.0.0.0"), "{log}");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn forward_says_why_the_target_or_the_server_is_not_reached() {
    // Nothing listens on the port of a listener that is gone.
    let (_, word) = target();
    let server = serve(&["--forward", &word, "--log"]);
    let client = forward(&["0", &format!("ws://{}/?token=secret", server.address)]);
    for _ in 0..2 {
        assert_reset(&mut client.connect(), "the target is not reached");
    }
    client.signal("-TERM");
    let (_, errors) = client.wait();
    assert_eq!(
        errors.matches(": the server responded with 502 Bad Gateway").count(),
        2,
        "{errors}"
    );
    assert_eq!(errors.matches("likely cause").count(), 1, "{errors}");
    assert!(!errors.contains("secret"), "{errors}");
    let (_, log) = server.end();
    assert!(log.contains(&format!(": rejected: 502: connecting to {word}: ")), "{log}");
    // Without a log, too.
    let server = serve(&["--forward", &word]);
    assert_eq!(server.status("/", "localhost", ""), "502");
    let (_, errors) = server.end();
    assert!(errors.contains(&format!(": connecting to {word}: ")), "{errors}");
}

#[test]
fn forward_names_what_is_wrong_on_its_command_line() {
    for (args, words) in [
        (&["forward", "9001"][..], "<URL>"),
        (&["forward", "example.com:80", "ws://a/"], "an address and a port"),
        (&["forward", "--log", "ws://127.0.0.1:1/", "a:1"], "directly after fdx forward"),
        (&["forward", "ws://127.0.0.1:1/"], "the target"),
        (&["forward", "ws://127.0.0.1:1/", "a"], "a TCP port or a Unix socket"),
        (&["forward", "wss://127.0.0.1:1/", "a:1"], "--tls-self-signed"),
        (&["forward", "0", "ws://a/", "--log=messages"], "text or json"),
        (&["forward", "0", "ws://127.0.0.1:99999/"], "invalid port"),
        (&["serve", "--forward", "a:1", "--exec", "cat"], "cannot be used with"),
        (&["serve", "--half-close-timeout", "1"], "--forward"),
    ] {
        let (code, said) = run(args);
        assert!(code == Some(2) && said.contains(words), "{args:?}: {code:?}: {said}");
    }
    let (listener, _) = target();
    let address = listener.local_addr().unwrap().to_string();
    let (code, said) = run(&["forward", &address, "ws://a/"]);
    assert!(code == Some(1) && said.contains("another program listens"), "{code:?}: {said}");
}
