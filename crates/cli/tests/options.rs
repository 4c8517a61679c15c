//! The options of `fdx serve`: their effects, and the errors of wrong ones.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::fs;
use std::path::Path;

mod common;

use common::{Served, ask, run, serve, serve_limited};

/// A file of options.
fn config(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn options_with_wrong_values_are_named() {
    for (args, words) in [
        (&["serve", "--workers", "99999999"][..], "--workers <N>': 99999999 is not in 0..=1024"),
        (&["serve", "--workers", "-1"], "unexpected argument '-1'"),
        (&["serve", "--handshake-timeout", "0"], "--handshake-timeout <SECONDS>': a number of"),
        (&["serve", "--handshake-timeout", "1e-9"], "from 0.001 to 86400"),
        (&["serve", "--drain", "inf"], "--drain <SECONDS>': a number of seconds"),
        (&["serve", "--drain", "NaN"], "--drain <SECONDS>': a number of seconds"),
        (&["serve", "--max-message-size", "0"], "--max-message-size <BYTES>': 0 is not in 1.."),
        (&["serve", "--max-connections", "4294967296"], "--max-connections <N>'"),
        (&["serve", "--max-per-address", "many"], "--max-per-address <N>'"),
        (
            &["serve", "--subprotocol", "a b"],
            "--subprotocol <NAME>': a subprotocol has only letters",
        ),
        (&["serve", "--subprotocol", ""], "--subprotocol <NAME>'"),
        (&["serve", "--origin", "example.com"], "https://example.com, or http://example.com"),
        (&["serve", "--origin", "https://a.example/x"], "--origin <ORIGIN>': an origin is"),
        (&["serve", "--host", "*.example.com"], "--host <NAME[:PORT]>': a host, with a port"),
        (&["serve", "--host", ""], "--host <NAME[:PORT]>'"),
        (&["serve", "--listen", "example.com:80"], "such as 127.0.0.1:9001 or [::]:80"),
        (&["serve", "--unix-mode", "888"], "--unix-mode <MODE>': permissions in octal"),
        (&["serve", "--listen", "unix:"], "needs the path"),
        (&["serve", "--root", ""], "a value is required for '--root <DIR>'"),
        (&["serve", "--metrics=x"], "--metrics[=<ADDR:PORT>]'"),
        (&["serve", "--trusted-proxies", "", "--forwarded", "forwarded"], "--trusted-proxies"),
        (&["serve", "--h3"], "--tls-cert <FILE>|--tls-self-signed"),
        (&["serve", "--tls-client-ca", "a.pem"], "--tls-cert <FILE>|--tls-self-signed"),
        (&["serve", "--deflate=window=7"], "window=7: a number from 8 to 15"),
        (&["connect", "--subprotocol", "a,b", "ws://x/"], "--subprotocol <NAME>'"),
        (&["connect", "--header", "nothing", "ws://x/"], "there is no colon between"),
        (&["connect", "--header", "a b: c", "ws://x/"], "is not a valid field name"),
        (&["connect", "--proxy", "ftp://x", "ws://x/"], "--proxy <URL>'"),
        (&["connect", "--linger=-1", "ws://x/"], "--linger <SECONDS>': a number"),
        (&["connect", "--max-message-size", "0", "ws://x/"], "--max-message-size <BYTES>'"),
        (&["connect", "--max-redirects", "-1", "ws://x/"], "unexpected argument '-1'"),
        (&["connect", "--http", "4", "ws://x/"], "--http <VERSION>': 1, 2, 3 or auto"),
    ] {
        let (code, said) = run(args);
        assert!(code == Some(2) && said.contains(words), "{args:?}: {code:?}: {said}");
    }
}

#[test]
fn options_serve_with_their_largest_values() {
    let server = serve(&[
        "--workers",
        "1024",
        "--max-message-size",
        &u64::MAX.to_string(),
        "--max-connections",
        &u32::MAX.to_string(),
        "--max-per-address",
        &u32::MAX.to_string(),
        "--handshake-timeout",
        "86400",
        "--drain",
        "0",
    ]);
    let _socket = server.open("/echo");
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn origin_of_own_pages_may_be_any_name_of_this_machine() {
    let origin = |origin: &str| format!("Origin: {origin}\r\n");
    for (options, listed) in [(&[][..], "403"), (&["--origin", "https://a.example"], "101")] {
        let server = serve(options);
        let own = format!("http://{}", server.address);
        for (host, from, expected) in [
            (server.address.as_str(), own.as_str(), "101"),
            ("localhost:9001", "http://localhost:9001", "101"),
            // Through a port that is forwarded, or a proxy that takes TLS off.
            ("localhost:8080", "http://localhost:8080", "101"),
            // Names that are not configured.
            ("machine.local:9001", "http://machine.local:9001", "421"),
            ("chat.example", "https://chat.example", "421"),
            ("localhost:9001", "http://localhost:8080", "403"),
            ("localhost:9001", "https://evil.example", "403"),
            ("localhost:9001", "https://a.example", listed),
            ("localhost:9001", "null", "403"),
        ] {
            assert_eq!(server.status("/echo", host, &origin(from)), expected, "{from} at {host}");
        }
    }
    // An unknown name is refused where names are listed, also its own pages.
    let server = serve(&["--origin", "https://a.example", "--host", "b.example"]);
    let evil = origin("http://evil.example:9001");
    assert_eq!(server.status("/echo", "evil.example:9001", &evil), "421");
    assert_eq!(server.status("/echo", "b.example", &origin("https://a.example")), "101");
    assert_eq!(server.status("/echo", "b.example", &origin("https://b.example")), "101");
}

/// DNS rebinding: a page whose name was pointed at this machine asks for its own host.
#[test]
fn host_that_was_not_listed_is_refused_on_loopback() {
    let get = |path: &str, host: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
    };
    let page = |server: &Served, host: &str| server.ask(&get("/", host));
    let metrics_here = serve(&["--metrics"]);
    let mut server = serve(&["--h2", "--metrics=127.0.0.1:0"]);
    let metrics = server.metrics_address();
    for (host, status) in [("evil.example", "421"), ("machine:1", "421"), ("localhost:1", "200")] {
        for address in [&metrics_here.address, &metrics] {
            let answer = ask(address, &get("/metrics", host));
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
        }
    }
    for host in ["evil.example:9001", "evil.example", "localhost.evil.example", "machine"] {
        let answer = page(&server, host);
        assert!(answer.starts_with("HTTP/1.1 421 ") && answer.contains("--host"), "{answer}");
        let origin = format!("Origin: http://{host}\r\n");
        assert_eq!(server.status("/echo", host, &origin), "421", "{host}");
    }
    for host in ["127.0.0.1", "127.0.0.1:9001", "192.0.2.1", "[::1]:1", "localhost", "a.localhost"]
    {
        assert!(page(&server, host).starts_with("HTTP/1.1 200 "), "{host}");
        assert_eq!(server.status("/echo", host, ""), "101", "{host}");
    }
    let trusting = ["--trusted-proxies", "127.0.0.1", "--forwarded", "forwarded"];
    for options in [&["--host", "evil.example"][..], &["--any-origin"], &trusting] {
        let server = serve(options);
        assert!(page(&server, "evil.example:9001").starts_with("HTTP/1.1 200 "), "{options:?}");
        assert_eq!(server.status("/echo", "evil.example:9001", ""), "101", "{options:?}");
    }
    // It also holds with a Unix socket, which no page can reach.
    let socket = std::env::temp_dir().join(format!("fdx-host-{}", std::process::id()));
    let server = serve(&["--listen", &format!("unix:{}", socket.display())]);
    assert_eq!(server.status("/echo", "evil.example:9001", ""), "421");
    server.end();
    // A server on other addresses too has names that it does not know.
    let server = serve(&["--listen", "0.0.0.0:0"]);
    assert_eq!(server.status("/echo", "evil.example:9001", ""), "101");
}

/// The limit on open files of a server, where the system tells.
fn open_files(server: &Served) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.id())).ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[test]
fn limits_on_open_files_are_raised_as_far_as_needed() {
    let server = serve_limited("ulimit -Sn 100; ulimit -Hn 200", &["--max-connections", "120"]);
    if cfg!(target_os = "linux") {
        assert_eq!(open_files(&server), Some(184));
    }
    let (_, said) = server.end();
    assert!(!said.contains("open files"), "{said}");
}

#[test]
fn limits_on_open_files_refuse_connections_at_once() {
    let file = config("many.toml", "max-connections = 1000\n");
    for (options, told) in [
        (&["--max-connections", "1000"][..], Some("warning: ")),
        (&["--config", &file], Some("warning: ")),
        (&["--log"], None),
        (&[], None),
        (&["--max-connections", "0"], None),
    ] {
        let server = serve_limited("ulimit -n 80", options);
        // With so few files, half are for connections.
        let open = |_| {
            let (head, socket) = server.upgrade("/echo", "localhost", "");
            assert!(head.starts_with("HTTP/1.1 101 "), "{options:?}: {head}");
            socket
        };
        let all: Vec<_> = (0..40).map(open).collect();
        for _ in 0..100 {
            let (head, _) = server.upgrade("/echo", "localhost", "");
            assert!(head.starts_with("HTTP/1.1 503 "), "{options:?}: {head}");
            assert!(head.contains("Retry-After: "), "{options:?}: {head}");
        }
        drop(all);
        let (code, said) = server.end();
        assert_eq!(code, Some(0), "{options:?}: {said}");
        let line = said.lines().find(|line| line.contains("80 open files"));
        assert_eq!(line.is_some(), told.is_some(), "{options:?}: {said}");
        if let (Some(line), Some(told)) = (line, told) {
            assert!(
                line.contains(told) && line.contains("only 40 connections are accepted"),
                "{options:?}: {said}"
            );
            assert_eq!(line.contains("warning"), told.contains("warning"), "{options:?}: {said}");
        }
    }
}

#[test]
fn options_of_the_command_line_override_the_file_by_groups() {
    let file = config("any.toml", "any-origin = true\nlog = true\n");
    let evil = "Origin: https://evil.example\r\n";
    let server = serve(&["--config", &file]);
    assert_eq!(server.status("/echo", "localhost", evil), "101");
    let server = serve(&["--config", &file, "--origin", "https://a.example"]);
    assert_eq!(server.status("/echo", "localhost", evil), "403");
    let file = config("some.toml", "origin = ['https://a.example']\n");
    let server = serve(&["--config", &file, "--any-origin"]);
    assert_eq!(server.status("/echo", "localhost", evil), "101");
    let file = config("tls.toml", "tls-cert = '/nothing.pem'\ntls-key = '/nothing.key'\n");
    let server = serve(&["--config", &file, "--tls-self-signed"]);
    assert!(server.address.starts_with("127.0.0.1:"));
}

#[test]
fn options_file_faults_are_reported_with_their_place() {
    let (code, said) = run(&["serve", "--config", "/nothing.toml"]);
    assert!(code == Some(1) && said.contains("/nothing.toml: No such file"), "{code:?}: {said}");
    for (text, words) in [
        (
            "h2 = true\n\nnothing = 1\n",
            "wrong.toml, line 3: nothing is not an option; the options are",
        ),
        ("h2 = 'yes'", "wrong.toml, line 1: h2: expected true or false, not string"),
        ("\nworkers = 5000", "wrong.toml, line 2: workers: 5000 is not in 0..=1024"),
        (
            "origin = ['https://a.example',\n 'example.com']",
            "wrong.toml, line 2: origin: an origin",
        ),
        ("handshake-timeout = 0", "wrong.toml, line 1: handshake-timeout: a number of seconds"),
        ("subprotocol = 'a b'", "wrong.toml, line 1: subprotocol: a subprotocol has"),
        ("any-origin = true\norigin = 'https://a.example'", "wrong.toml: "),
        ("tls-cert = 'a'", "wrong.toml: "),
        ("h3 = true", "wrong.toml: "),
        ("h2 = ", "wrong.toml, line 1: "),
    ] {
        let file = config("wrong.toml", text);
        let (code, said) = run(&["serve", "--config", &file]);
        assert!(code == Some(2) && said.contains(words), "{text}: {code:?}: {said}");
    }
}

#[test]
fn options_that_are_not_text_are_reported() {
    use std::os::unix::ffi::OsStrExt as _;

    let word = std::ffi::OsStr::from_bytes(b"--caf\xe9");
    let ended = std::process::Command::new(common::FDX).arg("connect").arg(word).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("error: ") && !said.contains("panicked"), "{said}");
}

#[test]
fn help_is_short_or_long() {
    let help = |words: &[&str]| {
        let ended = std::process::Command::new(common::FDX).args(words).output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{words:?}");
        String::from_utf8(ended.stdout).unwrap()
    };
    for (command, headings) in [
        ("connect", &["Request:", "Connection:", "TLS:", "WebSocket:"][..]),
        ("serve", &["Listening:", "HTTP:", "TLS:", "Who may connect:", "Limits:", "WebSocket:"]),
    ] {
        let (short, long) = (help(&[command, "-h"]), help(&[command, "--help"]));
        assert!(short.len() < long.len(), "{short}");
        assert!(long.contains("Exit codes:") && !short.contains("Exit codes:"), "{short}");
        for heading in headings {
            let count = |text: &str| text.lines().filter(|line| line == heading).count();
            assert_eq!((count(&short), count(&long)), (1, 1), "{heading}: {short}");
        }
    }
}
