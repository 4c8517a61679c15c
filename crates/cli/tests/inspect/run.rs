//! `fdx inspect run`: the environment of a command, its exit code and what is left behind.
#![cfg(unix)]

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use crate::common::FDX;

/// Runs a command of the shell, and returns the exit code, standard output and standard error.
fn run(temporary: &str, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(FDX);
    command.args(["inspect", "run"]).args(words).env("TMPDIR", temporary);
    command.env("NODE_EXTRA_CA_CERTS", "/nothing").env_remove("SSL_CERT_FILE");
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn temporary(name: &str) -> String {
    let folder = std::env::temp_dir().join(format!("fdx-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder.to_str().unwrap().to_owned()
}

#[test]
fn run_gives_a_command_its_proxy_and_authority() {
    let temporary = temporary("run-environment");
    let script = "env; stat -c mode=%a $(dirname $SSL_CERT_FILE); \
                  echo own=$(grep -c BEGIN $NODE_EXTRA_CA_CERTS); \
                  grep -q \"$(sed -n 2p $NODE_EXTRA_CA_CERTS)\" $SSL_CERT_FILE && echo both=yes; \
                  grep -rl PRIVATE $(dirname $SSL_CERT_FILE)";
    let (code, out, text) = run(&temporary, &["--json", "sh", "-c", script]);
    assert_eq!(code, Some(1), "grep finds no key: {text}");
    let variables: HashMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once('=')).collect();
    let proxy = variables["HTTPS_PROXY"];
    assert!(proxy.starts_with("http://127.0.0.1:"), "{proxy}");
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy", "ALL_PROXY"] {
        assert_eq!(variables[name], proxy, "{name}");
    }
    for (name, value) in
        [("NO_PROXY", ""), ("no_proxy", ""), ("NODE_USE_ENV_PROXY", "1"), ("mode", "700")]
    {
        assert_eq!(variables[name], value, "{name}");
    }
    assert_eq!((variables["own"], variables["both"]), ("1", "yes"));
    assert_eq!(variables["REQUESTS_CA_BUNDLE"], variables["SSL_CERT_FILE"]);
    assert!(variables["JAVA_TOOL_OPTIONS"].contains("-Dhttps.proxyHost=127.0.0.1"));
    // Standard output has only what fdx says.
    assert!(out.lines().all(|line| line.starts_with('{')), "{out}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    fs::remove_dir_all(temporary).unwrap();
}

#[test]
fn run_exits_as_its_command() {
    let temporary = temporary("run-exit");
    for (words, expected) in [
        (&["--", "sh", "-c", "exit 5"][..], 5),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["/nothing/at/all"], 127),
        (&["/"], 126),
        (&[], 2),
        (&["--decrypt", "a:1", "true"], 2),
    ] {
        let (code, _, text) = run(&temporary, words);
        assert_eq!(code, Some(expected), "{words:?}: {text}");
    }
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    fs::remove_dir_all(temporary).unwrap();
}
