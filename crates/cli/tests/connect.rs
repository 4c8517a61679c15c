//! `fdx connect`: what it tells, and what it says when there is no connection.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

mod common;

use common::{FDX, serve};
use fullduplex::proto::handshake::SecKey;

/// Runs `fdx connect` with this input to its end.
fn connect_to_end(args: &[&str], input: &[u8], stderr: impl Into<Stdio>) -> Output {
    let mut command = Command::new(FDX);
    command.env_remove("SSLKEYLOGFILE");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(name);
    }
    command.env_remove("all_proxy").arg("connect").args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// The same: its exit code, its output, and its standard error.
fn connect(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = connect_to_end(args, input.as_bytes(), Stdio::piped());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn stdin_that_is_not_text_is_reported() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    for (options, input, code, output) in
        [(&[][..], &b"a\n\xff\n"[..], 1, &b"a\n"[..]), (&["--binary"], b"\xff", 0, b"\xff")]
    {
        let ended = connect_to_end(&[options, &[url.as_str()]].concat(), input, Stdio::piped());
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(code), output), "{said}");
        let is_told = said.contains("standard input: a line is not UTF-8; use --binary");
        assert_eq!(is_told, code == 1, "{said}");
    }
}

#[test]
fn stderr_may_be_closed() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    let (reader, stderr) = std::io::pipe().unwrap();
    drop(reader);
    let ended = connect_to_end(&["-v", &url], b"hello\n", stderr);
    assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(0), &b"hello\n"[..]));
}

#[test]
fn verbose_shows_the_steps_and_what_was_negotiated() {
    let server = serve(&["--subprotocol", "chat", "--deflate"]);
    let url = format!("ws://{}/echo", server.address);
    let (code, out, said) = connect(&["-v", "-s", "chat", "--deflate", &url], "hello\n");
    assert_eq!((code, out.as_str()), (Some(0), "hello\n"), "{said}");
    for words in [
        &format!("* connected to {} from 127.0.0.1:", server.address),
        "* HTTP/1.1, subprotocol chat, compression permessage-deflate",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (_, _, said) = connect(&[&url], "");
    assert!(!said.contains('*'), "{said}");
}

#[test]
fn verbose_shows_tls_on_every_version() {
    let server = serve(&["--tls-self-signed", "--h2", "--h3"]);
    let port = server.address.split_once(':').unwrap().1;
    let url = format!("wss://localhost:{port}/echo");
    for (version, alpn, agreed) in
        [("1", "http/1.1", "HTTP/1.1"), ("2", "h2", "HTTP/2.0"), ("3", "h3", "HTTP/3.0")]
    {
        let (code, _, said) = connect(&["-v", "-k", "--http", version, &url], "");
        assert_eq!(code, Some(0), "{version}: {said}");
        for words in [
            &format!("* connected to 127.0.0.1:{port}"),
            "* TLSv1.3 with localhost",
            &format!(", ALPN {alpn}\n"),
            "* certificate for localhost, valid for ",
            " days more, SHA-256 ",
            &format!("* {agreed}, subprotocol none, compression none"),
        ] {
            assert!(said.contains(words), "{version}: {words}: {said}");
        }
    }
}

#[test]
fn pem_files_with_faults_are_named() {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (options, words) in [
        (&["--ca", "/nothing.pem"][..], "/nothing.pem: No such file"),
        (&["--ca", own], "Cargo.toml: there is no certificate"),
        (&["--cert", "/nothing.pem", "--key", own], "/nothing.pem: No such file"),
        (&["--cert", own, "--key", "/nothing.key"], "/nothing.key: No such file"),
        (&["--cert", own, "--key", own], "Cargo.toml: there is no certificate"),
    ] {
        let (code, _, said) = connect(&[options, &["wss://localhost:1/"]].concat(), "");
        assert!(code == Some(1) && said.contains(words), "{options:?}: {code:?} {said}");
    }
}

#[test]
fn retry_after_of_a_full_server_is_shown() {
    let server = serve(&["--max-connections", "1"]);
    let _socket = server.open("/echo");
    let (code, _, said) = connect(&[&format!("ws://{}/echo", server.address)], "");
    assert!(code == Some(4) && said.contains("503"), "{code:?} {said}");
    assert!(said.contains("\n  Retry-After: 1 s\n"), "{said}");
}

#[test]
fn connect_failures_are_explained() {
    let server = serve(&[]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_url = format!("ws://{}/", closed.local_addr().unwrap());
    drop(closed);
    let (missing, here) = (format!("ws://{}/nothing", server.address), &server.address);
    for (url, code, words) in [
        (closed_url.as_str(), 3, "Connection refused"),
        (&missing, 4, "404"),
        (&format!("wss://{here}/"), 3, "does not speak TLS"),
        ("ws://nothing.invalid/", 3, "no address for \"nothing.invalid\""),
        ("localhost:9001", 2, "ws://localhost:9001 or, with TLS, wss://localhost:9001"),
        ("ftp://localhost/", 2, "ws or wss"),
        (&closed_url.replace("ws:", "http:"), 3, "Connection refused"),
        ("ws://", 2, "ws"),
        ("", 2, "a URL such as ws://"),
    ] {
        let (got, out, said) = connect(&[url], "");
        assert!(
            got == Some(code) && out.is_empty() && said.contains(words),
            "{url}: {got:?} {said}"
        );
        assert!(said.lines().count() <= 3, "{said}");
    }
}

/// `fdx connect` with these variables of the environment alone: its exit code and what it says.
fn connect_in(variables: &[(&str, &str)], url: &str) -> (Option<i32>, String) {
    let mut command = Command::new(FDX);
    command.env_clear().envs(variables.iter().copied()).args(["connect", url]);
    let Output { status, stderr, .. } = command.stdin(Stdio::null()).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn proxy_variables_touch_only_what_they_concern() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://me:secret@{}", closed.local_addr().unwrap());
    drop(closed);
    let bad = ("all_proxy", "socks4://me:secret@127.0.0.1:1");
    for variables in [
        &[bad, ("no_proxy", "127.0.0.1")][..],
        &[bad, ("NO_PROXY", "*")],
        &[("https_proxy", "socks4://127.0.0.1:1")],
        &[("http_proxy", dead.as_str()), ("no_proxy", "127.0.0.0/8")],
    ] {
        let (code, said) = connect_in(variables, &url);
        assert_eq!(code, Some(0), "{variables:?}: {said}");
    }
    for (variables, code, says) in [
        (bad, 2, &["the environment variable all_proxy", "socks4 is not http"][..]),
        (("http_proxy", dead.as_str()), 3, &["Connection refused", "http_proxy", "--proxy none"]),
        // SOCKS5, by which this server was not asked well.
        (("ALL_PROXY", &format!("socks://{}", server.address)), 3, &["SOCKS5", "ALL_PROXY"]),
    ] {
        let (got, said) = connect_in(&[variables], &url);
        assert_eq!(got, Some(code), "{variables:?}: {said}");
        assert!(says.iter().all(|words| said.contains(words)), "{says:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
    // The hint is for this machine alone.
    let (_, said) = connect_in(&[("http_proxy", &dead)], "ws://a.example/");
    assert!(said.contains("Connection refused") && !said.contains("--proxy none"), "{said}");
}

#[test]
fn tls_without_authorities_names_what_is_missing() {
    let server = serve(&["--tls-self-signed"]);
    let url = format!("wss://{}/echo", server.address);
    let variables = [("SSL_CERT_FILE", "/nowhere.pem"), ("SSL_CERT_DIR", "/nowhere")];
    let (code, said) = connect_in(&variables, &url);
    assert_eq!(code, Some(3), "{said}");
    for words in ["SSL_CERT_FILE=/nowhere.pem", "ca-certificates", "--ca"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// Answers one connection with these bytes; gives its URL, and what was asked.
fn answering(answer: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    (url, asked)
}

#[test]
fn redirect_carries_no_header_option_to_another_server() {
    let refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let (end, at_the_end) = answering(refusal.to_owned());
    let moved = format!("HTTP/1.1 302 Found\r\nLocation: {end}\r\nContent-Length: 0\r\n\r\n");
    let (url, at_the_beginning) = answering(moved);
    let options = ["-H", "X-Api-Key: SECRET", "-s", "bearer.SECRET", "--max-redirects", "1"];
    let (code, _, said) = connect(&[&options[..], &[url.as_str()]].concat(), "");
    assert_eq!(code, Some(4), "{said}");
    let heads = [at_the_beginning, at_the_end].map(|head| head.join().unwrap());
    assert_eq!(heads[0].matches("SECRET").count(), 2, "{}", heads[0]);
    assert!(!heads[1].contains("SECRET"), "{}", heads[1]);
}

#[test]
fn user_agent_is_sent_unless_one_is_given() {
    let refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    for (options, own, given) in [(&[][..], 1, 0), (&["-H", "User-Agent: mine"], 0, 1)] {
        let (url, asked) = answering(refusal.to_owned());
        connect(&[options, &[url.as_str()]].concat(), "");
        let head = asked.join().unwrap().to_lowercase();
        let count = |field: &str| head.matches(field).count();
        let fields = (count("user-agent: fdx/"), count("user-agent: mine"));
        assert_eq!(fields, (own, given), "{head}");
    }
}

/// The server is told that this end goes away, and need not find out.
#[test]
fn signal_closes_with_1001_and_is_the_exit_code() {
    for (signal, code) in [("-TERM", 143), ("-HUP", 129)] {
        let server = serve(&["--log"]);
        let mut command = Command::new(FDX);
        command.args(["connect", &format!("ws://{}/echo", server.address)]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"hello\n").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "hello\n");
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        let (_, log) = server.end();
        assert!(log.contains("closed by the peer with 1001"), "{signal}: {log}");
    }
}

/// Chromium waits for 2 s; the library's own deadline is 10 s.
#[test]
fn close_ends_connect_though_the_server_keeps_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = SecKey::parse(key.as_bytes()).unwrap().accept();
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                      Connection: Upgrade\r\nSec-WebSocket-Accept: ";
        write!(stream, "{answer}{}\r\n\r\n", accept.as_str()).unwrap();
        // A masked Close with 1000, and its answer (RFC 6455 §5.2).
        let mut close = [0; 8];
        stream.read_exact(&mut close).unwrap();
        stream.write_all(&[0x88, 2, 0x03, 0xe8]).unwrap();
        // Until the client ends the connection.
        stream.read_to_end(&mut Vec::new()).unwrap()
    });
    let begun = Instant::now();
    let (code, _, said) = connect(&["--linger", "0", &url], "");
    let took = begun.elapsed();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("closed by this end with 1000"), "{said}");
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
    assert_eq!(serving.join().unwrap(), 0);
}

/// On a terminal, which `script` provides, bytes of the server's must not steer it.
#[cfg(target_os = "linux")]
#[test]
fn binary_on_a_terminal_is_escaped() {
    let server = serve(&[]);
    let command = format!("'{FDX}' connect --binary --linger 1 ws://{}/echo", server.address);
    // Through a pipe its input would be the terminal's too.
    let command = format!("printf '\\033]0;title\\007\\377' | {command}");
    let terminal = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&terminal.stdout);
    assert!(shown.contains(r"\u{1b}]0;title\u{7}\xff"), "{shown:?}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn key_log_of_the_environment_is_written_for_tls_only() {
    let server = serve(&["--tls-self-signed", "--h2", "--h3"]);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keys");
    for version in ["1", "2", "3"] {
        let _ = fs::remove_file(&file);
        let url = format!("wss://{}/echo", server.address);
        let mut command = Command::new(FDX);
        command.args(["connect", "-k", "--proxy", "none", "--http", version, &url]);
        command.env("SSLKEYLOGFILE", &file).stdin(Stdio::null());
        let ended = command.output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success() && said.contains("SSLKEYLOGFILE"), "{said}");
        let keys = fs::read_to_string(&file).unwrap();
        let secret = keys.lines().find_map(|line| line.strip_prefix("CLIENT_TRAFFIC_SECRET_0 "));
        let words: Vec<_> = secret.unwrap_or_else(|| panic!("{keys}")).split(' ').collect();
        assert_eq!(words[0].len(), 64, "{keys}");
        assert!(words.concat().chars().all(|c| c.is_ascii_hexdigit()), "{keys}");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "others can read it: {mode:o}");
    }
    // It does not concern a connection without TLS, and names itself where it is of no use.
    for (scheme, code) in [("ws", 3), ("wss", 1)] {
        let mut command = Command::new(FDX);
        command.args(["connect", "--proxy", "none", &format!("{scheme}://127.0.0.1:1/")]);
        command.env("SSLKEYLOGFILE", "/nothing/keys").stdin(Stdio::null());
        let ended = command.output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{said}");
        assert_eq!(said.contains("SSLKEYLOGFILE: opening /nothing/keys"), code == 1, "{said}");
    }
}

/// With another code than 1000 the server may have had more to send, however clean the closing was.
#[test]
fn close_with_another_code_than_1000_is_the_exit_code_6() {
    let close = |code: u16| [&[0x88, 2][..], &code.to_be_bytes()].concat();
    for (close, code) in
        [(close(1000), 0), (vec![0x88, 0], 0), (close(1001), 6), (close(1011), 6), (vec![], 5)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let sent = [b"\x81\x02hi", &*close].concat();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
            let accept = SecKey::parse(key.unwrap().as_bytes()).unwrap().accept();
            let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                          Connection: Upgrade\r\nSec-WebSocket-Accept: ";
            write!(stream, "{answer}{}\r\n\r\n", accept.as_str()).unwrap();
            stream.write_all(&sent).unwrap();
            // The client's answer.
            let _ = stream.read(&mut [0; 16]);
        });
        let (ended, output, said) = connect(&[&url], "");
        serving.join().unwrap();
        assert_eq!((ended, &*output), (Some(code), "hi\n"), "{close:02x?}: {said}");
    }
}
