//! The environment variables of `fdx connect`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::{FDX, serve};

/// Runs `fdx connect` with only these environment variables, and returns its exit code and standard
/// error.
fn connect_in(variables: &[(&str, &str)], url: &str) -> (Option<i32>, String) {
    let mut command = Command::new(FDX);
    command.env_clear().envs(variables.iter().copied()).args(["connect", "--eof", "close", url]);
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
    // The hint is for loopback addresses only.
    let (_, said) = connect_in(&[("http_proxy", &dead)], "ws://a.example/");
    assert!(said.contains("Connection refused") && !said.contains("http_proxy"), "{said}");
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

#[test]
fn key_log_of_the_environment_is_written_for_tls_only() {
    let server = serve(&["--tls-self-signed", "--h2", "--h3"]);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keys");
    for version in ["1", "2", "3"] {
        let _ = fs::remove_file(&file);
        let url = format!("wss://{}/echo", server.address);
        let mut command = Command::new(FDX);
        command
            .args(["connect", "--eof", "close", "-k", "--proxy", "none", "--http", version, &url]);
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
        assert_eq!(
            said.contains("SSLKEYLOGFILE: opening the key log file /nothing/keys"),
            code == 1,
            "{said}"
        );
    }
}
