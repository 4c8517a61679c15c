//! `fdx serve`: its listeners, its certificates, `/whoami`, and the lines of its log.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod common;

use common::{FDX, run, serve};

/// A path in a folder of these tests, at which there is nothing.
fn nothing_at(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

/// Runs `fdx connect` with this input, and returns its exit code, output and standard error.
fn connect(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(FDX);
    command.args(["connect", "--proxy", "none"]).args(args).env_remove("SSLKEYLOGFILE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

/// Starts `fdx serve` with these options only, and returns the first lines of its output.
fn lines_of(options: &[&str], count: usize) -> Vec<String> {
    let mut command = Command::new(FDX);
    command.arg("serve").args(options).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let lines = out.lines().take(count).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    lines
}

#[test]
fn listening_address_of_every_interface_is_followed_by_those_to_open() {
    let lines = lines_of(&["--listen", "0.0.0.0:0"], 2);
    assert!(lines[0].starts_with("listening on http://0.0.0.0:"), "{lines:?}");
    assert!(lines[1].starts_with("  http://127.0.0.1:"), "{lines:?}");
    assert_eq!(lines[0].rsplit(':').next(), lines[1].rsplit(':').next());
    let lines = lines_of(&["--listen", ":0"], 1);
    assert!(lines[0].starts_with("listening on http://127.0.0.1:"), "{lines:?}");
}

#[test]
fn unix_socket_has_its_mode_and_may_have_tls() {
    let socket = nothing_at("s");
    let listen = format!("unix:{}", socket.display());
    let server = serve(&["--listen", &listen, "--unix-mode", "620", "--tls-self-signed"]);
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o620);
    let url = format!("wss+unix:{}:/echo", socket.display());
    let (code, out, said) = connect(&["-k", &url], "hello\n");
    assert_eq!((code, &*out), (Some(0), "hello\n"), "{said}");
    drop(server);
}

#[test]
fn self_signed_certificate_is_kept_in_its_file() {
    let (file, key) = (nothing_at("kept.pem"), nothing_at("kept.key"));
    let option = format!("--tls-self-signed={}", file.display());
    let mut certificates = Vec::new();
    for _ in 0..2 {
        let server = serve(&[&option]);
        let url = format!("wss://{}/echo", server.address);
        let (code, out, said) = connect(&["--ca", file.to_str().unwrap(), &url], "hello\n");
        assert_eq!((code, &*out), (Some(0), "hello\n"), "{said}");
        certificates.push(fs::read_to_string(&file).unwrap());
        assert_eq!(server.end().0, Some(0));
    }
    assert_eq!(certificates[0], certificates[1]);
    assert!(!certificates[0].contains("PRIVATE"), "{}", certificates[0]);
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    // One that can't be read is replaced.
    fs::write(&file, "nothing").unwrap();
    let server = serve(&[&option]);
    assert_ne!(fs::read_to_string(&file).unwrap(), certificates[0]);
    drop(server);
    let (code, said) =
        run(&["serve", "--listen", "127.0.0.1:0", "--tls-self-signed=/nothing/a.pem"]);
    assert!(code == Some(1) && said.contains("/nothing/a.key: No such file"), "{code:?}: {said}");
}

#[test]
fn self_signed_certificate_is_for_every_address_that_is_printed() {
    let file = nothing_at("own.pem");
    let mut command = Command::new(FDX);
    command.args(["serve", "--listen", "0.0.0.0:0"]).stdout(Stdio::piped());
    command.arg(format!("--tls-self-signed={}", file.display()));
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let lines: Vec<_> = lines.take_while(|line| !line.starts_with("its SHA-256")).collect();
    let addresses = lines.iter().filter_map(|line| line.strip_prefix("  https://"));
    let addresses: Vec<_> = addresses.collect();
    assert!(!addresses.is_empty(), "{lines:?}");
    let ended = addresses.iter().map(|address| {
        let url = format!("wss://{address}echo");
        connect(&["--ca", file.to_str().unwrap(), &url], "hello\n")
    });
    let ended: Vec<_> = ended.collect();
    child.kill().unwrap();
    child.wait().unwrap();
    for (code, out, said) in ended {
        assert_eq!((code, &*out), (Some(0), "hello\n"), "{said}");
    }
}

#[test]
fn certificate_that_does_not_match_its_key_is_named() {
    let mut files = Vec::new();
    for name in ["one", "two"] {
        let (file, key) = (nothing_at(&format!("{name}.pem")), nothing_at(&format!("{name}.key")));
        drop(serve(&[&format!("--tls-self-signed={}", file.display())]));
        files.push((file, key));
    }
    let (cert, key) = (files[0].0.to_str().unwrap(), files[1].1.to_str().unwrap());
    let (code, said) =
        run(&["serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key]);
    let words = format!("{cert} and {key}: the private key does not match the certificate");
    assert!(code == Some(1) && said.contains(&words), "{code:?}: {said}");
}

#[test]
fn whoami_has_the_request_without_secrets() {
    let server = serve(&["--any-origin"]);
    let url = format!("ws://{}/whoami?a=b", server.address);
    let options = ["--cookie", "sid=SECRET; b=SECRET", "--user", "me:SECRET"];
    let more = ["--origin", "https://a.example", "-H", "X-Own: ü\"", &url];
    let (code, out, said) = connect(&[&options[..], &more].concat(), "");
    assert_eq!(code, Some(0), "{said}");
    let who: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(who["path"], "/whoami");
    assert_eq!(who["query"], "a=b");
    assert_eq!(who["origin"], "https://a.example");
    assert_eq!(who["headers"]["cookie"], "sid=***; b=***");
    assert_eq!(who["headers"]["authorization"], "Basic ***");
    assert_eq!(who["headers"]["x-own"], "ü\"");
    assert!(!out.contains("SECRET"), "{out}");
}

/// Sends three messages to a server with this option, and returns the lines of its log, without
/// the time.
fn log_of(option: &str) -> Vec<String> {
    let server = serve(&[option]);
    assert_eq!(server.status("/nothing", "localhost", ""), "404");
    let url = format!("ws://{}/echo?secret", server.address);
    let cut_off = "ä".repeat(300);
    let (code, _, said) = connect(&[&url], &format!("hello\n\u{1b}[31m\n{cut_off}\n"));
    assert_eq!(code, Some(0), "{said}");
    let (code, log) = server.end();
    assert!(code == Some(0) && !log.contains("secret"), "{log}");
    log.lines().map(str::to_owned).collect()
}

#[test]
fn log_tells_of_opening_messages_and_end() {
    let lines = log_of("--log=messages");
    let expected = [
        ("/nothing HTTP/1.1: rejected: 404: there is no WebSocket", ""),
        ("#1 127.0.0.1:", "/echo HTTP/1.1: open"),
        ("#1 received text, 5 bytes: hello", ""),
        ("#1 received text, 5 bytes: \\u{1b}[31m", ""),
        ("#1 received text, 600 bytes: ää", "ää…"),
        ("#1 127.0.0.1:", "s, received 3 messages (610 bytes), sent 3 (610 bytes): closed by"),
    ];
    for (line, (start, more)) in lines.iter().zip(expected) {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
        assert!(rest.contains(start) && rest.contains(more), "{line}");
    }
    assert!(lines.len() >= expected.len(), "{lines:?}");
    let lines = log_of("--log");
    assert!(!lines.iter().any(|line| line.contains("hello")), "{lines:?}");
}

#[test]
fn log_lines_are_objects() {
    let lines = log_of("--log=json,messages");
    let events: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = ["rejected", "open", "message", "message", "message", "close"];
    assert_eq!(names[..6], expected, "{lines:?}");
    assert_eq!((&events[0]["status"], &events[1]["path"]), (&404.into(), &"/echo".into()));
    for event in &events[..2] {
        assert_eq!((&event["address"], &event["http"]), (&"127.0.0.1".into(), &"HTTP/1.1".into()));
        assert!(event["port"].is_u64() && event["client"].is_null(), "{event}");
    }
    assert_eq!((&events[2]["text"], &events[4]["cut"]), (&"hello".into(), &true.into()));
    let close = &events[5];
    assert_eq!(close["received"]["messages"], 3);
    assert_eq!(close["sent"]["bytes"], 610);
    assert_eq!(close["clean"], true);
    assert!(close["seconds"].is_number() && close["time"].is_string(), "{close}");
}
