//! `fdx inspect --attach`: what it shows of a program, which is this test, on each HTTP version.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use fullduplex::client::{ClientTls, HttpVersion, Proxies, RootCertificates};
use fullduplex::server::tls::{SelfSigned, ServerTls};
use fullduplex::server::{Server, ServerConfig};
use fullduplex::tap::Tap;
use fullduplex::{Client, CloseCode, DeflateConfig, WebSocket};
use fullduplex_inspect::attach::AttachTap;
use fullduplex_inspect::recording::{Record, RecordKind};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::common::{FDX, run, serve};
use crate::relay::DEADLINE;

/// A path for a socket that no other test has.
fn socket(name: &str) -> PathBuf {
    // Paths of sockets are short.
    std::env::temp_dir().join(format!("fdx-attach-{}-{name}", std::process::id()))
}

/// A process of `fdx inspect --attach`, which has attached.
struct Attached {
    child: Child,
    lines: Receiver<String>,
    /// What it says of the program.
    first: String,
}

impl Attached {
    fn new(path: &Path, options: &[&str]) -> Self {
        let socket = format!("unix:{}", path.display());
        let mut command = Command::new(FDX);
        command.args(["inspect", "--attach", &socket]).args(options);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || out.lines().try_for_each(|line| sender.send(line.unwrap())));
        let first = lines.recv_timeout(DEADLINE).unwrap();
        Self { child, lines, first }
    }

    /// Waits for this many lines with these words, and returns all lines before.
    fn until(&self, count: usize, words: &str) -> Vec<String> {
        let (mut lines, mut found) = (Vec::new(), 0);
        while found < count {
            let line = self.lines.recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|_| panic!("{found} times {words}: {lines:#?}"));
            found += usize::from(line.contains(words));
            lines.push(line);
        }
        lines
    }

    /// Waits for its end, and returns what else it prints.
    fn finish(mut self) -> String {
        let mut out = String::new();
        while let Ok(line) = self.lines.recv_timeout(DEADLINE) {
            out.push_str(&line);
            out.push('\n');
        }
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{out}");
        out
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server of an echo with the tap, on HTTP/1.1, 2 and 3 if it is secure. Returns its port, and
/// the TLS of its clients.
async fn echo(tap: &Arc<AttachTap>, is_secure: bool) -> (u16, ClientTls) {
    let config = ServerConfig::default().http2(true).deflate(DeflateConfig::default());
    let config = config.tap(tap.clone() as Arc<dyn Tap>);
    let mut server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let mut trusted = ClientTls::new();
    if is_secure {
        let made = SelfSigned::new(["localhost"]).unwrap();
        trusted = trusted.roots(RootCertificates::None).add_authorities(made.pem());
        let tls = ServerTls::builder().certificate(made.certificate()).build().unwrap();
        server = server.tls(tls).http3();
    }
    let port = server.local_addr().unwrap().port();
    tokio::spawn(server.serve(|mut websocket: WebSocket| async move {
        while let Some(Ok(message)) = websocket.next().await {
            if websocket.send(message).await.is_err() {
                return;
            }
        }
    }));
    (port, trusted)
}

#[test]
fn attach_shows_both_sides_of_a_program_on_each_http_version() {
    let path = socket("versions");
    let record = socket("versions.fdxr");
    let runtime = Runtime::new().unwrap();
    let tap = runtime.block_on(async { Arc::new(AttachTap::bind(&path).unwrap()) });
    let attached = Attached::new(&path, &["--json", "--record", record.to_str().unwrap()]);
    let process = format!("process {}", std::process::id());
    let first = &attached.first;
    assert!(first.contains("attached to inspect-") && first.contains(&process), "{first}");
    let versions = [
        ("ws", HttpVersion::Http1, "GET /room?a=1 HTTP/1.1"),
        ("ws", HttpVersion::Http2, "CONNECT ws://localhost:PORT/room?a=1 HTTP/2.0"),
        ("wss", HttpVersion::Http1, "GET /room?a=1 HTTP/1.1"),
        ("wss", HttpVersion::Http2, "CONNECT wss://localhost:PORT/room?a=1 HTTP/2.0"),
        ("wss", HttpVersion::Http3, "CONNECT wss://localhost:PORT/room?a=1 HTTP/3.0"),
    ];
    let mut expected = Vec::new();
    for (scheme, version, start_line) in versions {
        let port = runtime.block_on(talk(&tap, scheme, version));
        let start_line = start_line.replace("PORT", &port.to_string());
        expected.push((format!("{scheme}://localhost:{port}/room?a=1"), start_line));
    }
    let lines = attached.until(10, r#""event":"closed""#);
    let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    runtime.shutdown_timeout(DEADLINE);
    drop(tap);
    assert!(attached.finish().contains("the program ended"));
    // Each WebSocket is seen by the server and by the client, in any order.
    let texts = |event: &str, member: &str| -> Vec<String> {
        let found = events.iter().filter(|each| each["event"] == event);
        found.map(|each| each[member].as_str().unwrap_or_default().to_owned()).collect()
    };
    let (urls, start_lines) = (texts("open", "url"), texts("request", "start_line"));
    assert_eq!((urls.len(), start_lines.len()), (10, 10), "{events:?}");
    for (at, (url, start_line)) in expected.iter().enumerate() {
        assert_eq!([&urls[2 * at], &urls[2 * at + 1]], [url; 2]);
        assert_eq!([&start_lines[2 * at], &start_lines[2 * at + 1]], [start_line; 2]);
    }
    let long = "long and long and ".repeat(100);
    for connection in 1..=10 {
        let own = |event: &str, from: &str| -> Vec<&Value> {
            let of = |each: &&Value| each["connection"] == connection && each["event"] == event;
            events.iter().filter(of).filter(|each| each["from"] == from).collect()
        };
        for from in ["client", "server"] {
            let frames = own("frame", from);
            let said: Vec<_> = frames.iter().filter_map(|frame| frame.get("message")).collect();
            assert_eq!((said[0]["text"].as_str(), said.len()), (Some("hello"), 2), "{frames:?}");
            assert_eq!(said[1]["text"], *long);
            assert_eq!(said[1]["compressed"], true);
            assert_eq!(frames.last().unwrap()["code"], 1000, "{frames:?}");
            assert_eq!(frames.iter().find(|frame| frame.get("violation").is_some()), None);
            assert_eq!(own("end", from).len(), 1, "{connection} {from}: {events:?}");
        }
    }
    let recording = fs::read_to_string(&record).unwrap();
    fs::remove_file(&record).unwrap();
    let records = recording.lines().filter_map(|line| Record::parse(line).unwrap());
    let ends = records.filter(|record| matches!(record.kind, RecordKind::End { .. })).count();
    assert_eq!(ends, 20);
    assert!(!path.exists());
}

/// Opens a WebSocket with the tap at both ends, and closes it. Returns the server's port.
async fn talk(tap: &Arc<AttachTap>, scheme: &str, version: HttpVersion) -> u16 {
    timeout(DEADLINE, talk_now(tap, scheme, version)).await.unwrap()
}

async fn talk_now(tap: &Arc<AttachTap>, scheme: &str, version: HttpVersion) -> u16 {
    let (port, tls) = echo(tap, scheme == "wss").await;
    let client = Client::builder().tls(tls).proxies(Proxies::none()).tap(tap.clone());
    let client = client.deflate(DeflateConfig::default()).http_version(version).build().unwrap();
    let url = format!("{scheme}://localhost:{port}/room?a=1");
    let (mut websocket, _) = client.connect(url).await.unwrap();
    for text in ["hello", &"long and long and ".repeat(100)] {
        websocket.send(text).await.unwrap();
        let answer = websocket.next().await.unwrap().unwrap();
        assert_eq!(answer.as_text(), Some(text));
    }
    assert!(websocket.close(CloseCode::NORMAL, "bye").await.unwrap().is_clean());
    drop(websocket);
    port
}

#[test]
fn attach_shows_lines_and_says_what_was_before_and_what_is_lost() {
    let path = socket("lines");
    let runtime = Runtime::new().unwrap();
    let (tap, mut before) = runtime.block_on(async {
        let tap = Arc::new(AttachTap::bind(&path).unwrap());
        let (port, _) = echo(&tap, false).await;
        let client = Client::builder().proxies(Proxies::none()).build().unwrap();
        let url = format!("ws://localhost:{port}/before");
        (tap, client.connect(url).await.unwrap().0)
    });
    let attached = Attached::new(&path, &["--filter", "kind:message"]);
    assert!(attached.first.contains("; 1 WebSockets were opened before, and are not shown"));
    runtime.block_on(async {
        before.send("not shown").await.unwrap();
        talk(&tap, "ws", HttpVersion::Http1).await;
    });
    // Both messages of both sides, seen from both.
    let lines = attached.until(8, "text ");
    assert!(lines.iter().all(|line| !line.contains("not shown")), "{lines:?}");
    drop(before);
    runtime.shutdown_timeout(DEADLINE);
    drop(tap);
    assert!(attached.finish().contains("the program ended"));

    // A program that answers with a recording in which something is lost.
    let path = socket("lost");
    let listener = UnixListener::bind(&path).unwrap();
    let program = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let opening = concat!(
            r#""open":{"url":"ws://a/","time":1,"version":"HTTP/1.1","method":"GET","#,
            r#""request":[["Host","a"]],"status":101,"response":[]}"#
        );
        for line in [
            r#"{"fullduplex-recording":1,"program":"x\u001by","process":1,"unobserved":0}"#
                .to_owned(),
            format!(r#"{{"connection":9,"at":0,{opening}}}"#),
            r#"{"connection":9,"at":5000,"from":"server","bytes":"gQJoaYEC"}"#.to_owned(),
            r#"{"connection":9,"at":6000,"from":"server","lost":4711}"#.to_owned(),
            r#"{"connection":9,"at":7000,"from":"server","bytes":"gQJobw=="}"#.to_owned(),
            r#"{"missed":{"connections":3}}"#.to_owned(),
        ] {
            writeln!(stream, "{line}").unwrap();
        }
    });
    let attached = Attached::new(&path, &[]);
    assert_eq!(attached.first, r"attached to x\u{1b}y, process 1");
    let out = attached.finish();
    program.join().unwrap();
    let shown = [
        "#9 > 0.000 s GET / HTTP/1.1\n",
        "#9 < 0.005 s text fin len7 2 B \"hi\"\n#9 < 0.006 s 4711 B were not seen\n\
         #9 < 0.007 s text fin len7 2 B \"ho\"\n",
        "#9 - 0.007 s what follows is not seen, as the program ended\n#9 - 0.007 s ended: ",
    ];
    assert!(shown.iter().all(|lines| out.contains(lines)), "{out}");
    fs::remove_file(&path).unwrap();
}

#[test]
fn attach_shows_the_websockets_of_fdx_serve_inspect() {
    let path = socket("serve");
    let served = serve(&["--inspect", &format!("unix:{}", path.display())]);
    let attached = Attached::new(&path, &["--filter", "kind:message"]);
    assert!(attached.first.starts_with("attached to fdx, process "), "{}", attached.first);
    let url = format!("ws://{}/echo", served.address);
    let mut connect = Command::new(FDX);
    connect.args(["connect", "--proxy", "none", "--messages", "1", &url]);
    let mut connect = connect.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    connect.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    assert_eq!(connect.wait_with_output().unwrap().stdout, b"hello\n");
    let lines = attached.until(2, "\"hello\"");
    assert!(lines[0].starts_with("#1 > ") && lines[1].starts_with("#1 < "), "{lines:?}");
    drop(served);
    attached.finish();
    // It was killed.
    fs::remove_file(&path).unwrap();
}

#[test]
fn attach_to_what_is_no_such_program_is_an_error_that_says_so() {
    let path = socket("none");
    let address = format!("unix:{}", path.display());
    let attach = || run(&["inspect", "--attach", &address]);
    let (code, why) = attach();
    assert!(code == Some(3) && why.contains("No such file"), "{code:?} {why}");
    let listener = UnixListener::bind(&path).unwrap();
    let other = thread::spawn(move || {
        listener.accept().unwrap().0.write_all(b"SSH-2.0-x\r\n").unwrap();
        drop(listener.accept().unwrap());
    });
    let (code, why) = attach();
    assert!(code == Some(3) && why.contains("not a program that lets"), "{code:?} {why}");
    let (code, why) = attach();
    assert!(code == Some(3) && why.contains("as many readers"), "{code:?} {why}");
    other.join().unwrap();
    let (code, why) = attach();
    assert!(code == Some(3) && why.contains("no program listens"), "{code:?} {why}");
    fs::remove_file(&path).unwrap();
    for wrong in [&["--to", ":1"][..], &["--listen", ":1"], &["--keep-host"]] {
        let (code, why) = run(&[&["inspect", "--attach", &address], wrong].concat());
        assert!(code == Some(2) && why.contains("cannot be used with"), "{code:?} {why}");
    }
    let (code, why) = run(&["inspect", "--attach", "127.0.0.1:1"]);
    assert!(code == Some(2) && why.contains("the path of a socket"), "{code:?} {why}");
}
