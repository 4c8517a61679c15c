//! What `fdx connect` says when there is no connection.

use std::net::TcpListener;

use crate::common::serve;
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
        (&["--proxy", &format!("http://me:SECRET@{address}"), "ws://x/"], 3),
        (&["-v", &format!("ws://me:SECRET@{address}/")], 3),
    ] {
        let (got, _, said) = connect(args, "");
        assert_eq!(got, Some(code), "{args:?}: {said}");
        assert!(!said.contains("SECRET") && !said.contains("SEC RET"), "{args:?}: {said}");
    }
}
