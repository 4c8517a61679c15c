//! Profiles of the configuration file: their URL, their options, and what is wrong with them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::{FDX, serve};
use crate::requests::answering;

const REFUSAL: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// Makes a folder of configurations with this file, which its owner alone can read.
fn config(name: &str, text: &str) -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("profile-{name}"));
    let file = home.join("fdx/config.toml");
    fs::create_dir_all(home.join("fdx")).unwrap();
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    home
}

/// Runs `fdx` with this folder of configurations, and returns its exit code, output and standard
/// error.
fn fdx(config: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(FDX);
    command.env_clear().env("XDG_CONFIG_HOME", config).args(args).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn profile_has_a_url_and_options() {
    let server = serve(&[]);
    let home = config(
        "options",
        &format!(
            "[profile.here]\nurl = '{}/echo'\nsend = ['one', '@two.txt']\nmessages = 2\n\
             format = 'jsonl'\nconnect-timeout = '10s'\nlinger = 1.5\nhttp = 1\ndeflate = true\n",
            server.address
        ),
    );
    fs::write(home.join("fdx/two.txt"), "two").unwrap();
    let (one, two) = (r#"{"type":"text","data":"one"}"#, r#"{"type":"text","data":"two"}"#);
    let both = format!("{one}\n{two}\n");
    let elsewhere = format!("ws://{}/whoami", server.address);
    for (args, expected) in [
        (&["@here"][..], &*both),
        (&["connect", "@here"], &both),
        (&["connect", "--profile", "here"], &both),
        (&["--profile=here", "--format", "lines"], "one\ntwo\n"),
        (&["@here", "--send", "x", "-n", "1", "--binary"], "x"),
        (&["curl", &elsewhere, "--profile", "here", "-s", "--messages=3"], &both),
    ] {
        let (code, out, said) = fdx(&home, args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
        assert!(out.ends_with(expected), "{args:?}: {out}{said}");
    }
    // The options of connect that another command does not have are left out.
    let (code, out, said) = fdx(&home, &["ping", "@here", "-c", "1"]);
    assert!(code == Some(0) && out.contains("pong 1"), "{code:?}: {out}{said}");
    let (code, out, said) = fdx(&home, &["explain", "@here"]);
    assert!(code == Some(0) && out.contains("permessage-deflate"), "{code:?}: {out}{said}");
}

#[test]
fn profile_gives_way_to_the_command_line() {
    let text = "[profile.p]\nurl = 'URL'\nproxy = 'none'\norigin = 'https://a.example'\n\
                header = ['X-One: 1', 'X-Two: 2', 'Authorization: profile']\ncookie = 'a=profile'\n\
                subprotocol = ['v1', 'v2']\n\
                [profile.basic]\nurl = 'URL'\nproxy = 'none'\nuser = 'me:profile'\n";
    for (args, fields, absent) in [
        (&["@p"][..], &["x-one: 1", "x-two: 2", "authorization: profile"][..], "user-agent: x"),
        (&["@p", "-H", "x-two: 3"], &["x-one: 1", "x-two: 3"], "x-two: 2"),
        (
            &["@p", "--user", "me:x"],
            &["authorization: Basic bWU6eA==", "x-one: 1"],
            "rization: profile",
        ),
        (&["@p", "-H", "Cookie: a=b"], &["cookie: a=b", "x-two: 2"], "a=profile"),
        (&["@p", "-H", "Origin: null"], &["origin: null"], "a.example"),
        (&["@p", "-s", "v3"], &["sec-websocket-protocol: v3"], "v1"),
        (&["@basic"], &["authorization: Basic bWU6cHJvZmlsZQ=="], "x-one"),
        (&["@basic", "-H", "Authorization: own"], &["authorization: own"], "Basic"),
    ] {
        let (url, asked) = answering(REFUSAL.to_owned());
        let home = config("overridden", &text.replace("URL", &url));
        let (code, _, said) = fdx(&home, args);
        let head = asked.join().unwrap();
        assert_eq!(code, Some(4), "{args:?}: {said}");
        for field in fields {
            let has = head.lines().filter(|line| line.eq_ignore_ascii_case(field)).count();
            assert_eq!(has, 1, "{args:?}: {field}: {head}");
        }
        assert!(!head.contains(absent), "{args:?}: {head}");
    }
}

#[test]
fn profile_faults_are_named_with_their_place() {
    let text = "[profile.a]\nurl = ':1'\nreconect = true\n[profile.b]\nurl = 1\n[profile.c]\n\
                reconnect = 'yes'\nurl = ':1'\n[profile.d]\nquiet = true\n[profile.e]\nurl = ':1'\n\
                format = 'xml'\n[profile.f]\nurl = 'me:SECRET@:x'\n[profile.g]\nurl = ':1'\n\
                header = ['A: b', 'Authorization SECRET']\n[profile.h]\nurl = ':1'\nsend = [1]\n\
                [profile]\ni = 1\n";
    let home = config("faults", text);
    for (args, words) in [
        (
            &["@a"][..],
            "config.toml, line 3: profile.a.reconect is not an option; the options are url, \
             message, verbose, header",
        ),
        (&["ping", "@b"], "config.toml, line 5: profile.b.url: expected a string, not integer"),
        (&["@c"], "line 7: profile.c.reconnect: expected true or false, not string"),
        (&["--profile", "d"], "line 9: profile.d has no url, and the command line has none"),
        (&["@e"], "line 13: profile.e.format: one of lines, jsonl, raw, length-prefixed"),
        (&["@f"], "line 15: profile.f.url: it begins neither"),
        (&["explain", "@g"], "line 18: profile.g.header: there is no colon"),
        (&["@h"], "line 21: profile.h.send: expected a string, or an array of strings"),
        (&["@i"], "profile.i: a section of options is expected"),
        (&["@z"], "there is no profile z in "),
        (&["@z"], "there are a, b, c"),
        (&["@"], "the name of a profile is missing"),
        (&["@a", "--profile", "b"], "both name a profile"),
    ] {
        let (code, _, said) = fdx(&home, args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(words) && !said.contains("SECRET"), "{args:?}: {said}");
    }
    let home = config("unknown", "[profiles.a]\nurl = ':1'\n");
    let (code, _, said) = fdx(&home, &["@a"]);
    let words = "line 1: profiles is not known; sections are [message.NAME] and [profile.NAME]";
    assert!(code == Some(2) && said.contains(words), "{said}");
    let (code, _, said) = fdx(Path::new("/nothing"), &["@a"]);
    let words = "there is no profile a; a section [profile.a] in /nothing/fdx/config.toml";
    assert!(code == Some(2) && said.contains(words), "{said}");
}

#[test]
fn profile_with_secrets_that_others_can_read_is_warned_of() {
    for (option, warns) in [
        ("user = 'me:SECRET'", true),
        ("header = 'X-Api-Key: SECRET'", true),
        ("bearer-file = 'token'", false),
    ] {
        let (url, asked) = answering(REFUSAL.to_owned());
        let home =
            config("secrets", &format!("[profile.p]\nurl = '{url}'\nproxy = 'none'\n{option}\n"));
        fs::write(home.join("fdx/token"), "SECRET").unwrap();
        let file = home.join("fdx/config.toml");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let (code, _, said) = fdx(&home, &["@p", "-v"]);
        assert_eq!(code, Some(4), "{said}");
        assert!(asked.join().unwrap().len() > 100);
        assert_eq!(said.contains("chmod 600"), warns, "{option}: {said}");
        assert!(!said.contains("SECRET"), "{said}");
    }
    let file = config("secrets-quiet", "[profile.p]\nurl = ':1'\nuser = 'me:SECRET'\n");
    let mode = fs::Permissions::from_mode(0o644);
    fs::set_permissions(file.join("fdx/config.toml"), mode).unwrap();
    let (_, _, said) = fdx(&file, &["@p", "-q", "--connect-to", "::127.0.0.1:1"]);
    assert!(said.starts_with("fdx connect: "), "{said}");
}

#[test]
fn config_file_that_is_a_pipe_or_has_no_end_is_refused() {
    for (name, make, words) in [
        ("pipe", &["mkfifo"][..], "it is a pipe (FIFO), not a file"),
        ("endless", &["ln", "-s", "/dev/zero"], "it is longer than 1 MiB"),
    ] {
        let home = config(name, "");
        let file = home.join("fdx/config.toml");
        fs::remove_file(&file).unwrap();
        let made = Command::new(make[0]).args(&make[1..]).arg(&file).status().unwrap();
        assert!(made.success());
        let (code, _, said) = fdx(&home, &["@a"]);
        fs::remove_file(&file).unwrap();
        assert!(code == Some(1) && said.contains(words), "{code:?} {said}");
    }
}

#[test]
fn profiles_are_listed_by_the_help() {
    let home = config("list", "[profile.one]\nurl = ':1'\n[profile.two]\n");
    let (code, out, _) = fdx(&home, &["help", "profiles"]);
    assert!(code == Some(0) && out.ends_with("There are: one, two\n"), "{out}");
    let home = config("list-deceptive", "[profile.\"we\\u001b]0;x\\u202e\"]\nurl = ':1'\n");
    let (_, out, _) = fdx(&home, &["help", "profiles"]);
    assert!(out.ends_with("There are: we\\u{1b}]0;x\\u{202e}\n"), "{out:?}");
    let (code, _, said) = fdx(&home, &["@none"]);
    assert!(code == Some(2) && said.contains("there are we\\u{1b}]0;x\\u{202e}"), "{said:?}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
}
