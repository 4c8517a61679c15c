//! Header fields, credentials and cookies, from the command line, files and the environment.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::FDX;
use crate::requests::answering;

const REFUSAL: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// A file with this text.
fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs `fdx` with these arguments and a URL at which the request is read, and returns the request
/// in lower case, and standard error.
fn request(args: &[&str], bearer: Option<&str>) -> (String, String) {
    let (url, asked) = answering(REFUSAL.to_owned());
    let mut command = Command::new(FDX);
    // The options alone are those of `fdx connect`.
    command.args(args).args(["--proxy", "none"]).arg(&url["ws://".len()..]);
    command.env_remove("FDX_BEARER").envs(bearer.map(|token| ("FDX_BEARER", token)));
    let ended = command.stdin(Stdio::null()).output().unwrap();
    (asked.join().unwrap(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn credentials_come_from_options_files_and_the_environment() {
    let headers = file("headers", "# of the gateway\n\nX-Key: one\r\nX-Other: two\n");
    let (token, user) = (file("token", "abc\n"), file("user", "me:pa:ss\n"));
    let cookies = file("cookies", "c=d\n");
    let at = |path: &str| format!("@{path}");
    let (headers, user_file, cookies) = (at(&headers), at(&user), at(&cookies));
    for (args, bearer, fields) in [
        (&["-H", &headers][..], None, &["x-key: one", "x-other: two"][..]),
        (&["--bearer-file", &token], Some("no"), &["authorization: Bearer abc"]),
        (&["--http", "1"], Some("env"), &["authorization: Bearer env"]),
        (&["--user", "me:pa:ss"], Some("no"), &["authorization: Basic bWU6cGE6c3M="]),
        (&["--user", &user_file], None, &["authorization: Basic bWU6cGE6c3M="]),
        (&["-H", "Authorization: own"], Some("no"), &["authorization: own"]),
        (&["--cookie", "a=b", "--cookie", &cookies], None, &["cookie: a=b; c=d"]),
        (&["--origin", "https://a.example"], None, &["origin: https://a.example"]),
        (&["--origin", "null"], None, &["origin: null"]),
    ] {
        let (head, said) = request(args, bearer);
        for field in fields {
            let has = head.lines().filter(|line| line.eq_ignore_ascii_case(field)).count();
            assert_eq!(has, 1, "{args:?}: {field}: {head}{said}");
        }
        let count = head.to_lowercase().matches("authorization").count();
        assert!(count <= 1, "{args:?}: {head}");
    }
}

#[test]
fn credentials_are_in_no_error() {
    let (bad, empty) = (file("bad", "a: b\nSECRET\n"), file("empty", "\n"));
    let at = |path: &str| format!("@{path}");
    let (bad_file, empty_file) = (at(&bad), at(&empty));
    for (args, code, words) in [
        (
            &["-H", "Authorization Bearer SECRET"][..],
            2,
            "'--header <NAME: VALUE|@FILE>': there is no",
        ),
        (&["-H", "Authorization: SECRET\u{1}"], 2, "control character"),
        (&["-H", "Authorization:", "Bearer", "SECRET"], 2, "an argument too many"),
        (&["--user", "SECRET"], 2, "no colon"),
        (&["--cookie", "SECRET"], 2, "NAME=VALUE"),
        (&["--proxy", "ftp://me:SECRET@p"], 2, "--proxy <URL>'"),
        (&["--user", "a:SECRET", "-H", "Authorization: SECRET"], 2, "--user and --header both"),
        (&["--cookie", "a=SECRET", "-H", "Cookie: SECRET"], 2, "--cookie and --header both"),
        (&["-H", &bad_file], 1, "line 2: there is no colon"),
        (&["-H", &empty_file], 1, "it is empty"),
        (&["--bearer-file", &bad], 1, "it has more than one line"),
        (&["--bearer-file", "/nothing"], 1, "--bearer-file: /nothing: No such file"),
        (&["ws://me:SECRET@:x/"], 2, "an argument too many"),
    ] {
        let ended = Command::new(FDX)
            .args(args)
            .args(["--proxy", "none", "ws://127.0.0.1:1/"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words) && !said.contains("SECRET"), "{args:?}: {said}");
    }
}

#[test]
fn bearer_token_that_is_no_field_value_is_named_by_its_place() {
    let bad = file("token-bad", "SEC\u{1}RET\n");
    for (args, token, place) in [
        (&["ws://a/"][..], "SEC\u{1}RET", "FDX_BEARER: the token has a control character"),
        (&["--bearer-file", &bad, "ws://a/"], "", "line 1: the token has a control character"),
    ] {
        let mut command = Command::new(FDX);
        let ended = command.args(args).env("FDX_BEARER", token).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains(place) && !said.contains("RET"), "{said}");
    }
}

#[test]
fn resolve_options_name_the_address() {
    for option in ["--resolve=a.example:PORT:127.0.0.1", "--connect-to=a.example::127.0.0.1:"] {
        let (url, asked) = answering(REFUSAL.to_owned());
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
        let option = option.replace("PORT", port);
        let url = format!("ws://a.example:{port}/x");
        let ended = Command::new(FDX)
            .args([&option, "--proxy", "none", &url])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(4), "{said}");
        let head = asked.join().unwrap().to_lowercase();
        assert!(head.contains(&format!("host: a.example:{port}\r\n")), "{head}");
    }
}
