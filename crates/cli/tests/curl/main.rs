//! `fdx curl` with commands in the forms that browsers' developer tools copy.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const FDX: &str = env!("CARGO_BIN_EXE_fdx");

const COPIED: [(&str, &str); 4] = [
    ("Chromium, POSIX", include_str!("copied/chromium-posix.txt")),
    ("Chromium, cmd", include_str!("copied/chromium-cmd.txt")),
    ("Firefox, POSIX", include_str!("copied/firefox-posix.txt")),
    ("Firefox, cmd", include_str!("copied/firefox-cmd.txt")),
];

/// Refuses one handshake, and returns the address and the request.
fn listen() -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let request = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
        head
    });
    (address, request)
}

/// Runs a command without proxies, with this standard input.
fn run(mut command: Command, input: &[u8]) -> Output {
    for name in ["HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy", "FDX_BEARER"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Runs `fdx curl` in a shell, as it is typed with a copied command pasted after it.
fn in_bash(copied: &str) -> Output {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("\"$0\" {copied}"), FDX]);
    run(command, b"")
}

fn by_standard_input(copied: &str) -> Output {
    let mut command = Command::new(FDX);
    command.args(["curl", "-"]);
    run(command, copied.as_bytes())
}

/// Checks the request that a copied command leads to.
fn check(name: &str, copied: &str, run: fn(&str) -> Output) {
    let (address, request) = listen();
    let ended = run(&copied.replace("HOST_PORT", &address));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(4), "{name}: {said}");
    let head = String::from_utf8(request.join().unwrap()).unwrap();
    assert!(head.starts_with("GET /echo?room=a%20b&who=x! HTTP/1.1\r\n"), "{name}: {head}");
    for (field, value) in [
        ("host", &*address),
        ("origin", &format!("http://{address}")),
        ("cookie", "sid=it's; plain=1"),
        ("sec-websocket-protocol", "graphql-transport-ws, v2.chat"),
        ("accept-language", "en-US,en;q=0.9"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
    ] {
        let values: Vec<_> = fields(&head, field).collect();
        assert_eq!(values, [value], "{name}: {field}: {head}");
    }
    let starts = |field, with| fields(&head, field).filter(|value| value.starts_with(with)).count();
    assert_eq!(starts("user-agent", "Mozilla/5.0 (X11; Linux x86_64"), 1, "{name}: {head}");
    assert_eq!(starts("sec-websocket-extensions", "permessage-deflate"), 1, "{name}: {head}");
    assert_eq!(fields(&head, "accept-encoding").count(), 0, "{name}: {head}");
    let key = fields(&head, "sec-websocket-key").next().unwrap();
    assert!(!copied.contains(key), "{name}: {head}");
    let told = said.lines().find(|line| line.starts_with("fdx curl: left to the handshake: "));
    assert!(told.is_some_and(|told| told.contains("Sec-WebSocket-Key")), "{name}: {said}");
}

fn fields<'a>(head: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[test]
fn curl_commands_of_browsers_work_in_a_shell() {
    for (name, copied) in COPIED {
        if name.ends_with("POSIX") {
            check(name, copied, in_bash);
        }
    }
}

#[test]
fn curl_commands_of_browsers_work_on_standard_input() {
    for (name, copied) in COPIED {
        check(name, copied, by_standard_input);
        // As Windows has them on its clipboard.
        check(name, &copied.replace('\n', "\r\n"), by_standard_input);
    }
}

#[test]
fn curl_values_of_any_bytes_are_sent() {
    let (address, request) = listen();
    // Firefox copies ü as a byte of Latin-1, older versions of Chromium have --compressed.
    let copied =
        format!("curl 'ws://{address}/' \\\n  -H $'X-Name: Gr\\xfc\\xdfe' \\\n  --compressed");
    let ended = in_bash(&copied);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("left out: --compressed"), "{said}");
    let head = request.join().unwrap();
    let wanted = b"Gr\xfc\xdfe\r\n";
    assert!(head.windows(wanted.len()).any(|window| window == wanted), "{said}");
}

#[test]
fn curl_commands_that_can_not_be_followed_are_explained() {
    for (args, input, code, words) in [
        (&["ws://127.0.0.1:1/", "--data-raw", "SECRET"][..], "", 2, "--data-raw: a handshake has"),
        (&["ws://127.0.0.1:1/", "--nothing"], "", 2, "--nothing is not an option"),
        (&["-k"], "", 2, "there is no URL"),
        (&["-H", "Authorization: SECRET\u{1}", "ws://a/"], "", 2, "'--header <NAME: VALUE|@FILE>'"),
        (&["-"], "curl 'ws://127.0.0.1:1/' ;\ncurl b", 2, "more than one command"),
        (&["-"], "curl 'ws://127.0.0.1:1/", 2, "a quotation is not closed"),
        (&["-"], "", 2, "there is no URL"),
        (&["-E", "/nothing.pem:SECRET", "wss://a/"], "", 2, "-E: there is no file /nothing.pem"),
        (&["--cert", "/dev/null:SECRET", "wss://a/"], "", 2, "--cert: /dev/null: a password can't"),
        (&["--cert", "/nothing.pem", "wss://a/"], "", 1, "--cert, --key: reading /nothing.pem"),
        (&["curl 'ws://a/' -d SECRET"], "", 2, "-d: a handshake has no content"),
        (&[" curl 'ws://127.0.0.1:1/' \\\n -s", "-k"], "", 3, "Connection refused"),
        (&["@/nothing"], "", 1, "/nothing: No such file"),
        (&["-", "-k"], "curl ws://127.0.0.1:1/", 3, "Connection refused"),
    ] {
        let mut command = Command::new(FDX);
        command.arg("curl").args(args);
        let ended = run(command, input.as_bytes());
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words) && !said.contains("SECRET"), "{args:?}: {said}");
    }
}
