//! `fdx replay`: recorded WebSockets again, as their client and as their server.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fullduplex_inspect::har::{HarMessage, HarSocket};
use fullduplex_inspect::proto::frame::OpCode;
use fullduplex_inspect::proto::{MessageKind, Role};
use fullduplex_inspect::recording::{HEADER, Record, RecordKind, RecordedOpening, frame_bytes};
use serde_json::Value;

use self::common::{FDX, run, serve};

const CLIENT: Role = Role::Client;
const SERVER: Role = Role::Server;

/// A file, which is removed when dropped.
struct Recorded(PathBuf);

impl Recorded {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fdx-replay-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        // It may be gone.
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns the lines of a WebSocket, which says these texts; an empty one is a Close.
fn talk(number: u64, url: &str, said: &[(Role, &str)]) -> String {
    let opening = RecordedOpening {
        url: url.into(),
        version: "HTTP/1.1".into(),
        method: "GET".into(),
        status: 101,
        ..RecordedOpening::default()
    };
    let record = |at, kind| Record { connection: number, at, kind }.to_line() + "\n";
    let mut lines = record(Duration::ZERO, RecordKind::Open(Box::new(opening)));
    for (index, (sender, text)) in (1..).zip(said) {
        let bytes = match *text {
            "" => frame_bytes(*sender, OpCode::Close, b"\x03\xe8"),
            text => frame_bytes(*sender, OpCode::Text, text.as_bytes()),
        };
        let kind = RecordKind::Bytes { sender: *sender, bytes };
        lines.push_str(&record(Duration::from_millis(50 * index), kind));
    }
    lines
}

fn recording(name: &str, talks: &[String]) -> Recorded {
    Recorded::new(name, &format!("{HEADER}\n{}", talks.concat()))
}

/// Runs `fdx replay` to its end. Returns its exit code and what it prints.
fn replay(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(FDX).arg("replay").args(args).output().unwrap();
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// A process of `fdx replay --as server`, killed when dropped.
struct Mock {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

fn mock(file: &Recorded, options: &[&str]) -> Mock {
    let mut command = Command::new(FDX);
    command.args(["replay", file.path(), "--as", "server", "--listen", "127.0.0.1:0"]);
    let mut child = command.args(options).stdout(Stdio::piped()).spawn().unwrap();
    let (mut out, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    out.read_line(&mut line).unwrap();
    let address = line.split_once("ws://").unwrap().1.trim_end_matches("/\n").to_owned();
    Mock { child, out, address }
}

impl Mock {
    /// Returns what a client prints that sends these texts and closes.
    fn talk(&self, path: &str, options: &[&str], sent: &[&str], messages: &str) -> (i32, String) {
        let url = format!("ws://{}{path}", self.address);
        let mut command = Command::new(FDX);
        command.args(["connect", "--proxy", "none", "--messages", messages, "--timeout", "30"]);
        for text in sent {
            command.args(["--send", text]);
        }
        let output = command.args(options).arg(url).stdin(Stdio::null()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// Waits for its end. Returns the exit code and what it printed.
    fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.out.read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text)
    }

    fn terminate(self) -> (Option<i32>, String) {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        self.end()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn client_is_replayed_and_compared_in_each_timing() {
    let server = serve(&[]);
    let url = format!("ws://{}", server.address);
    let same = [(CLIENT, "a"), (SERVER, "a"), (CLIENT, "b"), (SERVER, "b"), (CLIENT, "")];
    let file = recording("same", &[talk(1, "wss://old.example/echo?x=1", &same)]);
    for timing in ["lockstep", "fast", "original"] {
        let (code, text) =
            replay(&[file.path(), "--as", "client", &url, "--diff", "--timing", timing]);
        assert_eq!(code, Some(0), "{timing}: {text}");
        assert!(text.contains("/echo?x=1\n"), "{timing}: {text}");
        assert!(text.contains("sent 3; received 2 of 2; nothing differs"), "{timing}: {text}");
    }
}

#[test]
fn client_is_told_what_differs() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    let said = [
        (CLIENT, r#"{"price":1,"time":7}"#),
        (SERVER, r#"{"price":2,"time":6}"#),
        (CLIENT, "x"),
        (SERVER, "x"),
        (SERVER, "y"),
    ];
    let other = talk(2, "ws://old/echo", &[(CLIENT, "a"), (SERVER, "a")]);
    let file = recording("differs", &[talk(1, "ws://old/echo", &said), other]);
    let args = [file.path(), "--as", "client", &*url, "--wait", "0.3"];
    let (code, text) = replay(&args);
    assert_eq!(code, Some(8), "{text}");
    assert!(text.contains("#1 - sent 2; received 2 of 3; 2 differences, see --diff"), "{text}");
    assert!(text.contains("#2 - sent 1; received 1 of 1; nothing differs"), "{text}");
    let diff = ["--diff", "--socket", "1"];
    let (code, text) = replay(&[&args[..], &diff].concat());
    assert_eq!(code, Some(9), "{text}");
    assert!(text.contains("#1 < 0: .price: 2, now 1; .time: 6, now 7"), "{text}");
    assert!(text.contains("#1 < 2: missing: text of 1 B \"y\""), "{text}");
    let ignored = ["--ignore", "time", "--ignore", "price", "--json"];
    let (code, text) = replay(&[&args[..], &diff, &ignored].concat());
    assert_eq!(code, Some(9), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<_> = lines.iter().filter(|line| line["event"] == "difference").collect();
    assert_eq!(found.len(), 1, "{text}");
    assert_eq!(
        (&found[0]["kind"], &found[0]["index"], &found[0]["recorded"]["text"]),
        (&"missing".into(), &2.into(), &"y".into())
    );
    assert_eq!(lines.last().unwrap()["differences"], 1, "{text}");
}

#[test]
fn server_answers_as_recorded_in_lockstep() {
    let said = [
        (SERVER, "hello"),
        (CLIENT, "a"),
        (SERVER, "1"),
        (CLIENT, "b"),
        (SERVER, "2"),
        (CLIENT, ""),
    ];
    let file = recording("mock", &[talk(1, "wss://old/chat?token=x", &said)]);
    let same = mock(&file, &["--once", "--diff"]);
    assert_eq!(same.talk("/chat", &[], &["a", "b"], "3"), (0, "hello\n1\n2\n".into()));
    let (code, text) = same.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("#1 - a client opened /chat\n"), "{text}");
    assert!(text.contains("#1 - sent 3; received 3 of 3; nothing differs\n"), "{text}");
    let other = mock(&file, &["--once", "--diff"]);
    assert_eq!(other.talk("/chat", &[], &["a", "c"], "3"), (0, "hello\n1\n2\n".into()));
    let (code, text) = other.end();
    assert_eq!(code, Some(9), "{text}");
    assert!(text.contains("#1 > 1: byte 0: \"b\", now \"c\"\n"), "{text}");
}

#[test]
fn server_of_a_har_file_chooses_by_path_and_use() {
    let socket = |url: &str, text: &str| HarSocket {
        opening: RecordedOpening { url: url.into(), status: 101, ..RecordedOpening::default() },
        messages: vec![HarMessage {
            sender: SERVER,
            time: Duration::ZERO,
            kind: MessageKind::Text,
            data: text.into(),
        }],
    };
    let sockets = [
        socket("wss://a/x?n=1", "first"),
        socket("wss://a/x?n=2", "second"),
        socket("wss://a/x?n=2", "third"),
    ];
    let file = Recorded::new("a.har", &fullduplex_inspect::har::write(&sockets));
    let mock = mock(&file, &[]);
    for (path, expected) in [
        ("/x?n=2", "second\n"),
        ("/x?n=2", "third\n"),
        ("/x?n=2", "second\n"),
        ("/x?n=1", "first\n"),
        ("/x", "first\n"),
    ] {
        assert_eq!(mock.talk(path, &[], &[], "1"), (0, expected.into()), "{path}");
    }
    let (code, text) = mock.talk("/y", &[], &[], "1");
    assert!(code == 4 && text.contains("404"), "{code} {text}");
    let (code, text) = mock.talk("/x", &["--origin", "https://evil.example"], &[], "1");
    assert!(code == 4 && text.contains("403"), "{code} {text}");
    assert_eq!(mock.talk("/x", &["--origin", "http://localhost:5173"], &[], "1").0, 0);
    let mut socket = TcpStream::connect(&mock.address).unwrap();
    let head = format!("GET /x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", mock.address);
    socket.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let (code, text) = mock.terminate();
    assert_eq!(code, Some(143), "{text}");
    assert!(text.contains("asked for /y: no WebSocket of this path was recorded"), "{text}");
}

#[test]
fn server_warns_of_an_address_that_others_reach() {
    let file = recording("open", &[talk(1, "ws://old/", &[(SERVER, "1")])]);
    let mut command = Command::new(FDX);
    command.args(["replay", file.path(), "--as", "server", "--listen", "0.0.0.0:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut warning = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut warning).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(warning.contains("warning: every client that reaches 0.0.0.0:"), "{warning}");
}

#[test]
fn server_waits_no_longer_than_it_was_told() {
    let said = [(CLIENT, "a"), (SERVER, "1")];
    let file = recording("wait", &[talk(1, "ws://old/", &said)]);
    let mock = mock(&file, &["--once", "--wait", "0.2"]);
    // It sends nothing.
    let (code, text) = mock.talk("/", &[], &[], "1");
    assert_eq!(code, 8, "{text}");
    let (code, text) = mock.end();
    assert_eq!(code, Some(8), "{text}");
    assert!(text.contains("sent 0 of 1; received 0 of 1;"), "{text}");
    assert!(text.contains("ended early: nothing came for 0.2 s"), "{text}");
}

/// Runs `fdx` to its end. Returns its exit code and what it prints.
fn fdx(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(FDX).args(args).stdin(Stdio::null()).output().unwrap();
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn recording_of_a_client_is_shown_and_replayed() {
    let server = serve(&["--deflate"]);
    let url = format!("ws://{}/echo?token=SECRET", server.address);
    let (file, har) = (Recorded::new("own", ""), Recorded::new("own.har", ""));
    let (long, secret) = ("hello ".repeat(100), r#"{"password":"SECRET","b":[1,2]}"#);
    let args = ["--proxy", "none", "--deflate", "--send", &long, "--send", secret, "-n", "2"];
    let (code, text) = fdx(&[&["record", &*url, file.path(), "--frames"], &args[..]].concat());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("> 0.0") && text.contains(" rsv1 "), "{text}");
    let recorded = fs::read_to_string(file.path()).unwrap();
    let records = recorded.lines().filter_map(|line| Record::parse(line).unwrap());
    let ends = records.filter(|record| matches!(record.kind, RecordKind::End { .. }));
    assert_eq!(ends.count(), 2, "{recorded}");
    let (code, shown) = fdx(&["inspect", "--read", file.path(), "--har", har.path()]);
    assert_eq!(code, Some(0), "{shown}");
    for words in [
        "GET /echo?token=SECRET HTTP/1.1\n",
        "#1 < 0.0",
        " compressed, ",
        "\"hello hello ",
        "ended: the client closed first with 1000; ",
    ] {
        assert!(shown.contains(words), "{words:?} in {shown}");
    }
    let (code, shown) = fdx(&["inspect", "--read", har.path(), "--json", "--filter", "kind:text"]);
    assert_eq!(code, Some(0), "{shown}");
    let texts: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<_> = texts.iter().map(|line| &line["message"]["text"]).collect();
    assert_eq!(texts, [&*long, secret, &*long, secret].map(Value::from).each_ref(), "{shown}");
    let args = [file.path(), "--as", "client", &format!("ws://{}", server.address), "--diff"];
    let (code, text) = replay(&args);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn recording_without_secrets_is_shown_and_replayed() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo?token=SECRET", server.address);
    let (file, again) = (Recorded::new("hidden", ""), Recorded::new("again", ""));
    let send = r#"{"password":"SECRET"}"#;
    let options = ["--redact", "--proxy", "none", "--send", send, "-n", "1"];
    let (code, text) = fdx(&[&["record", &*url, file.path()], &options[..]].concat());
    assert_eq!((code, &*text), (Some(0), "{\"password\":\"SECRET\"}\n"));
    let recorded = fs::read_to_string(file.path()).unwrap();
    assert!(recorded.contains("/echo?token=***") && !recorded.contains("SECRET"), "{recorded}");
    let (code, shown) = fdx(&["inspect", "--read", file.path(), "--record", again.path()]);
    assert!(code == Some(0) && shown.contains(r#""{\"password\":\"***\"}""#), "{shown}");
    let mock = mock(&again, &["--once", "--diff"]);
    let reply = "{\"password\":\"***\"}\n".to_owned();
    assert_eq!(mock.talk("/echo", &[], &[r#"{"password":"***"}"#], "1"), (0, reply));
    let (code, text) = mock.end();
    assert_eq!(code, Some(0), "{text}");
    let folder = std::env::temp_dir();
    let (code, why) = fdx(&["record", ":1", folder.to_str().unwrap()]);
    assert!(code == Some(1) && why.contains("fdx record: "), "{why}");
    let (code, why) = fdx(&["inspect", "--read", "/missing"]);
    assert!(code == Some(1) && why.contains("/missing"), "{why}");
}

#[test]
fn replay_says_what_is_wrong_with_its_options_and_file() {
    let empty = recording("empty", &[]);
    let full = recording("full", &[talk(1, "ws://old/", &[(CLIENT, &"a".repeat(3 << 20))])]);
    for (args, expected, words) in [
        (&["/missing", "--as", "client", ":1"][..], 1, "No such file"),
        (&[empty.path(), "--as", "client", ":1"], 1, "there is no WebSocket"),
        (&[empty.path(), "--as", "client"], 2, "--as client needs the URL"),
        (&[empty.path(), "--as", "server", ":1"], 2, "--as server has no URL"),
        (&[full.path(), "--as", "client", ":1", "--socket", "2"], 2, "--socket 2"),
        (&[full.path(), "--as", "client", ":1", "--max-memory", "2"], 1, "--max-memory"),
        (&[full.path(), "--as", "client", "127.0.0.1:1"], 3, "127.0.0.1:1"),
    ] {
        let (code, why) = run(&[&["replay"], args].concat());
        assert!(code == Some(expected) && why.contains(words), "{args:?}: {code:?} {why}");
    }
}
