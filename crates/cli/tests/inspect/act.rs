//! What the options and the page hold, change, delay and cut.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{FDX, run};
use crate::relay::{DEADLINE, Relay, accept, expect, head, open, relay, upgrade};

const SWITCH: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";

/// A page that is open, as far as its messages go.
struct Page {
    process: Child,
    input: ChildStdin,
    told: Receiver<Value>,
    /// What was told last of what is held and paused.
    acts: Value,
    rows: Vec<Value>,
    commands: u64,
}

impl Page {
    fn open(relay: &Relay) -> Self {
        let url = relay.page.as_deref().unwrap();
        let url = url.replace("http:", "ws:").replace("/?", "/live?");
        let mut command = Command::new(FDX);
        command.args(["connect", "--proxy", "none", &url]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let (sender, told) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { process, input, told, acts: Value::Null, rows: Vec::new(), commands: 0 }
    }

    /// Takes one message, and returns the answer if it is one.
    fn take(&mut self) -> Option<Value> {
        let told = self.told.recv_timeout(DEADLINE).expect("a message of the page");
        if let Some(acts) = told.get("acts") {
            self.acts = acts.clone();
        }
        self.rows.extend(told["rows"].as_array().into_iter().flatten().cloned());
        told.get("answer").cloned()
    }

    /// Sends a command, and returns its error.
    fn command(&mut self, command: &Value) -> (Value, Value) {
        self.commands += 1;
        let mut command = command.clone();
        command["to"] = self.commands.into();
        writeln!(self.input, "{command}").unwrap();
        loop {
            if let Some(mut answer) = self.take()
                && answer["to"] == self.commands
            {
                return (answer["error"].take(), answer["held"].take());
            }
        }
    }

    #[track_caller]
    fn done(&mut self, command: &Value) -> Value {
        let (error, more) = self.command(command);
        assert_eq!(error, Value::Null, "{command}");
        more
    }

    /// Waits until as many frames are held, and returns their texts.
    fn held(&mut self, count: usize) -> Vec<Value> {
        loop {
            if let Some(held) = self.acts["held"].as_array()
                && held.len() == count
            {
                return held.clone();
            }
            self.take();
        }
    }

    /// Waits for the row of a frame with this text, and returns what became of it.
    fn row(&mut self, text: &str) -> Value {
        loop {
            if let Some(row) = self.rows.iter().find(|row| row["text"] == text) {
                return row["handling"].clone();
            }
            self.take();
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn rules_change_what_matches_and_nothing_else() {
    let (listener, relay) = relay(&[
        "--json",
        "--drop",
        "dir:out ~/^secret/",
        "--replace",
        "dir:in",
        "s/buy/sell/g",
        "--drop",
        "bad",
    ]);
    let mut client = relay.connect();
    client.write_all(upgrade(&relay.address, "").as_bytes()).unwrap();
    let mut server = accept(&listener);
    head(&mut server);
    // What follows the head at once is subject to the rules, too.
    server.write_all(&[SWITCH, b"\x81\x07buy buy"].concat()).unwrap();
    head(&mut client);
    expect(&mut client, b"\x81\x09sell sell");
    client.write_all(b"\x81\x86\0\0\0\0secret\x01\x81\x01\x02\x03\x04a\x89\x80\0\0\0\0").unwrap();
    client.write_all(b"\x80\x81\x01\x02\x03\x04b").unwrap();
    expect(&mut server, b"\x01\x81\x01\x02\x03\x04a\x89\x80\0\0\0\0\x80\x81\x01\x02\x03\x04b");
    server.write_all(b"\x83\x01x\x82\x01y\x88\x02\x03\xe8").unwrap();
    expect(&mut client, b"\x82\x01y\x88\x02\x03\xe8");
    drop((client, server));
    let frames = relay.events("frame");
    let handled: Vec<_> = frames.iter().filter_map(|frame| frame["handling"].as_str()).collect();
    assert_eq!(handled, ["replaced", "injected", "dropped", "dropped"], "{frames:#?}");
    assert_eq!(frames[1]["message"]["text"], "sell sell");
    let closed = &relay.events("closed")[0];
    assert_eq!(
        (&closed["server"]["frames"], &closed["client"]["messages"]),
        (&4.into(), &2.into())
    );
}

#[test]
fn page_holds_edits_injects_and_cuts() {
    let (listener, relay) = relay(&["--page", "--break", "~/hold/"]);
    let (mut client, mut server) = open(&listener, &relay, "");
    let mut page = Page::open(&relay);
    server.write_all(b"\x81\x04free\x81\x07hold me\x89\x01p").unwrap();
    expect(&mut client, b"\x81\x04free");
    let held = page.held(1);
    assert_eq!((&held[0]["text"], &held[0]["d"]), (&"hold me".into(), &"in".into()));
    let number = held[0]["held"].clone();
    // It holds what follows, but not what is injected, and not the other direction.
    page.done(&json!({"act": "send", "socket": 1, "as": "server", "kind": "text", "text": "new"}));
    expect(&mut client, b"\x81\x03new");
    client.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    expect(&mut server, b"\x81\x82\0\0\0\0hi");
    assert_eq!(page.done(&json!({"act": "show", "held": number}))["text"], "hold me");
    let decision = json!({
        "act": "release", "held": number, "decision": "replace", "kind": "binary", "hex": "00ff",
    });
    page.done(&decision);
    expect(&mut client, b"\x82\x02\x00\xff\x89\x01p");
    assert_eq!(page.command(&decision).0, "it is not held any more");
    // A frame of a client is masked.
    page.done(&json!({"act": "send", "socket": 1, "as": "client", "kind": "ping", "text": "x"}));
    let mut ping = [0; 7];
    server.read_exact(&mut ping).unwrap();
    assert_eq!((&ping[..2], ping[6] ^ ping[2]), (&b"\x89\x81"[..], b'x'));
    // Pausing holds each frame; going on lets all pass.
    page.done(&json!({"act": "break", "filter": ""}));
    page.done(&json!({"act": "pause", "socket": 1, "on": true}));
    client.write_all(b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b").unwrap();
    let number = page.held(1)[0]["held"].clone();
    page.done(&json!({"act": "release", "held": number, "decision": "drop"}));
    while page.held(1)[0]["text"] != "b" {
        page.take();
    }
    page.done(&json!({"act": "pause", "socket": null, "on": false}));
    expect(&mut server, b"\x81\x81\0\0\0\0b");
    for (text, handling) in [
        ("free", None),
        ("hold me", Some("replaced")),
        ("new", Some("injected")),
        ("a", Some("dropped")),
    ] {
        assert_eq!(page.row(text).as_str(), handling, "{text}");
    }
    for (wrong, why) in [
        (
            json!({"act": "send", "socket": 1, "as": "server", "kind": "close", "code": 1006}),
            "1006",
        ),
        (json!({"act": "send", "socket": 7, "as": "server", "kind": "text"}), "#7 has ended"),
        (json!({"act": "break", "filter": "dir:up"}), "direction"),
        (json!({"act": "fly"}), "not a command"),
    ] {
        let error = page.command(&wrong).0;
        assert!(error.as_str().unwrap().contains(why), "{error}");
    }
    page.done(&json!({"act": "send", "socket": 1, "as": "server", "kind": "close", "code": 4000}));
    expect(&mut client, b"\x88\x02\x0f\xa0");
    let error =
        page.command(&json!({"act": "send", "socket": 1, "as": "server", "kind": "text"})).0;
    assert!(error.as_str().unwrap().contains("a Close has passed"), "{error}");
    page.done(&json!({"act": "cut", "socket": 1, "how": "rst"}));
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    relay.line("reset by fdx");
    relay.line("ended: ");
    let error = page.command(&json!({"act": "cut", "socket": 1, "how": "rst"})).0;
    assert!(error.as_str().unwrap().contains("ended"), "{error}");
}

#[test]
fn cut_ends_both_sides_as_its_option_says() {
    for (option, expected) in [("6B:fin", None), ("6B", Some(ErrorKind::ConnectionReset))] {
        let (listener, relay) = relay(&["--cut-after", option]);
        let (mut client, mut server) = open(&listener, &relay, "");
        client.write_all(b"\x81\x82\0\0").unwrap();
        expect(&mut server, b"\x81\x82\0\0");
        server.write_all(b"\x81\x02hi").unwrap();
        let mut seen = Vec::new();
        let ended = client.read_to_end(&mut seen);
        if expected.is_none() {
            assert_eq!(seen, b"\x81\x02", "{option}");
        }
        assert_eq!(ended.err().map(|error| error.kind()), expected, "{option}");
        let ended = server.read(&mut [0]);
        assert_eq!(ended.err().map(|error| error.kind()), expected, "{option}");
    }
    let (listener, relay) = relay(&["--cut-after", "300ms"]);
    let begun = Instant::now();
    let (mut client, _server) = open(&listener, &relay, "");
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn delay_and_rate_let_bytes_pass_later_and_unchanged() {
    let (listener, relay) = relay(&["--delay", "200ms", "--rate", "5k"]);
    let (mut client, mut server) = open(&listener, &relay, "");
    let begun = Instant::now();
    let frame = [&b"\x82\x7e\x08\x00"[..], &[7; 2048]].concat();
    server.write_all(&frame).unwrap();
    drop(server);
    expect(&mut client, &frame);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    // The last of eight parts begins after seven have had their time.
    assert!(begun.elapsed() >= Duration::from_millis(550), "{:?}", begun.elapsed());
}

#[test]
fn rules_that_are_not_valid_are_named() {
    for (options, why) in [
        (&["--replace", "dir:in", "s/(/x/"][..], "unclosed group"),
        (&["--replace", "dir:up", "s/a/b/"], "is not a direction"),
        (&["--drop", "dir:up"], "is not a direction"),
        (&["--cut-after", "30"], "a time such as 30s"),
        (&["--rate", "0"], "a number of bytes in a second"),
        (&["--pause"], "--page"),
    ] {
        let (code, error) =
            run(&[&["inspect", "--to", ":1", "--listen", "127.0.0.1:0"], options].concat());
        assert!(code == Some(2) && error.contains(why), "{code:?} {error}");
    }
}
