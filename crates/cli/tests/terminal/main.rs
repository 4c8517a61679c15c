//! `fdx` at a terminal: what a person types and sees.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod listen;
#[allow(unreachable_pub)]
mod pty;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{FDX, Served, serve};
use pty::{Terminal, compare};

/// Returns an empty folder.
fn home(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("terminal-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn url(server: &Served, path: &str) -> String {
    format!("ws://{}{path}", server.address)
}

/// Replaces what differs from run to run.
fn stable(rows: &str, server: &Served) -> String {
    let rows = rows.replace(&server.address, "HOST:PORT");
    let times = |line: &str| match line.split_once(" after ") {
        Some((before, _)) if line.contains("Pong") => format!("{before} after TIME"),
        _ => match line.split_once("; open for ") {
            Some((before, _)) => format!("{before}; …"),
            None => line.to_owned(),
        },
    };
    rows.lines().map(times).collect::<Vec<_>>().join("\n")
}

#[test]
fn terminal_shows_messages_and_commands() {
    let (server, home) = (serve(&[]), home("commands"));
    let url = url(&server, "/echo");
    let mut terminal = Terminal::start(&home, &["connect", "--time", "none", &url]);
    terminal.wait_for_last_row("›");
    terminal.keys("hello\r");
    terminal.wait_for("◂ 5 B hello");
    terminal.keys("{\"b\":1.0,\"a\":[1,2],\"b\":\"\\u001b\"}\r");
    terminal.wait_for("◂ 32 B");
    terminal.keys("/binary 00 ff 41\r");
    terminal.wait_for("◂ binary 3 B");
    terminal.keys("//etc\r");
    terminal.wait_for("◂ 4 B /etc");
    terminal.keys("/ping x\r");
    terminal.wait_for("◂ Pong \"x\"");
    terminal.keys("/pign\r/p\t");
    terminal.wait_for("/pause  /ping   /pong");
    compare("commands", &stable(&terminal.rows(), &server));
    terminal.keys("\x15/close 4001 bye\r");
    assert_eq!(terminal.wait_for_end().code(), Some(6));
    terminal.wait_for("4001");
}

#[test]
fn terminal_shows_frames_when_told_to() {
    let (server, home) = (serve(&["--deflate"]), home("frames"));
    let url = url(&server, "/echo");
    let mut terminal = Terminal::start(&home, &["connect", "--time", "none", "--deflate", &url]);
    terminal.wait_for_last_row("›");
    terminal.keys("first\r");
    terminal.wait_for("◂ 5 B first");
    terminal.keys("/frames\rhello\r");
    terminal.wait_for("◂ 5 B hello");
    let long = "again and ".repeat(10);
    terminal.keys(&format!("{long}\r"));
    terminal.wait_for("text message of 100 B from");
    terminal.wait_for("◂ 100 B");
    terminal.keys("/frames\rlast\r");
    terminal.wait_for("◂ 4 B last");
    let rows = stable(&terminal.rows(), &server);
    compare("frames", &rows);
    terminal.keys("\x04");
    assert_eq!(terminal.wait_for_end().code(), Some(0));
}

#[test]
fn terminal_keeps_the_history_across_runs() {
    let (server, home) = (serve(&[]), home("history"));
    let url = url(&server, "/echo");
    let mut terminal = Terminal::start(&home, &["connect", &url]);
    terminal.wait_for_last_row("›");
    terminal.keys("first line\rsecond line\r hidden\r");
    terminal.wait_for("7 B  hidden");
    terminal.keys("\x04");
    assert_eq!(terminal.wait_for_end().code(), Some(0));

    let mut terminal = Terminal::start(&home, &["connect", &url]);
    terminal.wait_for_last_row("›");
    terminal.keys("\x1b[A");
    terminal.wait_for_last_row("› second line");
    terminal.keys("\x1b[A");
    terminal.wait_for_last_row("› first line");
    terminal.keys("\x15\x12sec");
    terminal.wait_for_last_row("search sec: second line");
    terminal.keys("\r");
    terminal.wait_for("◂");
    let kept = fs::read_to_string(home.join(".local/state/fdx/history")).unwrap();
    assert_eq!(kept, "first line\nsecond line\n");
}

#[test]
fn terminal_keeps_a_line_that_is_being_typed() {
    let (server, home) = (serve(&[]), home("typing"));
    let url = url(&server, "/broadcast");
    let mut terminal = Terminal::start(&home, &["connect", "--time", "none", &url]);
    terminal.wait_for_last_row("›");
    terminal.keys("half a line");
    terminal.wait_for_last_row("› half a line");
    let mut other = Command::new(FDX);
    other.args(["connect", "--eof", "close", &url]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut other = other.spawn().unwrap();
    let lines: Vec<_> = (0..200).map(|n| format!("message {n}\n")).collect();
    other.stdin.take().unwrap().write_all(lines.concat().as_bytes()).unwrap();
    terminal.keys(", \x1b[Dand the rest");
    terminal.wait_for("message 199");
    terminal.wait_for_last_row("› half a line,and the rest");
    // Each is a row of its own, in order.
    for (index, row) in terminal.rows().lines().rev().skip(1).enumerate() {
        assert!(row.ends_with(&format!("message {}", 199 - index)), "{row}");
    }
    terminal.keys("\r");
    terminal.wait_for("half a line,and the rest ");
    other.wait().unwrap();
}

#[test]
fn terminal_offers_the_messages_of_a_profile() {
    let (server, home) = (serve(&[]), home("profile"));
    let url = url(&server, "/echo");
    let config = home.join(".config/fdx");
    fs::create_dir_all(&config).unwrap();
    let text = format!(
        "[message.hello]\ntext = 'of all'\n[profile.p]\nurl = '{url}'\ntime = 'none'\n\
         [profile.p.message.hello]\ntext = 'of the profile'\n\
         [profile.p.message.subscribe]\nfile = 'big.json'\n"
    );
    fs::write(config.join("config.toml"), text).unwrap();
    fs::write(config.join("big.json"), "42").unwrap();
    let mut terminal = Terminal::start(&home, &["@p"]);
    terminal.wait_for_last_row("›");
    terminal.keys("/send hello\r");
    terminal.wait_for("◂ 14 B of the profile");
    terminal.keys("/send sub\t\r");
    terminal.wait_for("◂ 2 B 42");
    terminal.keys("\x04");
    assert_eq!(terminal.wait_for_end().code(), Some(0));
}

#[test]
fn terminal_sends_a_paste_as_one_message() {
    let (server, home) = (serve(&[]), home("paste"));
    let url = url(&server, "/echo");
    let mut terminal = Terminal::start(&home, &["connect", "--time", "none", &url]);
    terminal.wait_for_last_row("›");
    let text = "{\n  \"key\": [1, 2, \"ü\\n\"],\n\t\"tab\": true\n}\n".repeat(2_500);
    assert!(text.len() > 100_000);
    // The status says when the echo is there.
    terminal.keys("/pause\r");
    terminal.wait_for_last_row("[paused, 0 held back] ›");
    terminal.paste(&text);
    terminal.wait_for("[pasted 105.0 kB, 10000 lines]");
    terminal.keys("\r");
    terminal.wait_for_last_row("[paused, 1 held back] ›");
    terminal.keys("/resume\r");
    terminal.wait_for_last_row("›");
    let file = home.join("saved");
    terminal.keys(&format!("/save {}\r", file.display()));
    terminal.wait_for("is written, 105.0 kB");
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    terminal.keys("\x04");
    assert_eq!(terminal.wait_for_end().code(), Some(0));
    terminal.wait_for("sent 1 message");
}

#[test]
fn terminal_ends_at_ctrl_c_with_its_mode_restored() {
    let (server, home) = (serve(&[]), home("interrupt"));
    let url = url(&server, "/echo");
    let mut terminal = Terminal::start(&home, &["connect", &url]);
    terminal.wait_for_last_row("›");
    terminal.keys("half a line");
    terminal.wait_for_last_row("› half a line");
    let begun = Instant::now();
    terminal.keys("\x03");
    assert_eq!(terminal.wait_for_end().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn terminal_that_stands_still_does_not_delay_ctrl_c() {
    let (server, home) = (serve(&[]), home("still"));
    let url = url(&server, "/echo");
    let file = home.join("long");
    fs::write(&file, "0123456789\n".repeat(80_000)).unwrap();
    let mut terminal = Terminal::start(&home, &["connect", &url]);
    terminal.wait_for_last_row("›");
    terminal.keys(&format!("/pause\r/file {}\r", file.display()));
    terminal.wait_for_last_row("[paused, 1 held back] ›");
    terminal.keys("/resume\r");
    terminal.wait_for_last_row("›");
    terminal.stand_still();
    terminal.keys("/show\r");
    // The time to fill what is between the program and the terminal.
    thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    terminal.keys("\x03");
    assert_eq!(terminal.wait_for_end().code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn terminal_draws_the_prompt_again_at_a_new_size() {
    let (server, home) = (serve(&[]), home("resize"));
    let url = url(&server, "/echo");
    let mut terminal = Terminal::start(&home, &["connect", "--time", "none", &url]);
    terminal.wait_for_last_row("›");
    let line = "0123456789".repeat(6);
    terminal.keys(&line);
    terminal.wait_for_last_row(&format!("› {line}"));
    terminal.resize(12, 40);
    terminal.wait_for_last_row(&line[37..]);
    terminal.resize(24, 80);
    terminal.wait_for_last_row(&format!("› {line}"));
    terminal.keys("\r");
    terminal.wait_for(&format!("◂ 60 B {line}"));
    terminal.wait_for_last_row("›");
}

#[test]
fn terminal_holds_messages_back_and_filters_them() {
    let (server, home) = (serve(&[]), home("pause"));
    let url = url(&server, "/echo");
    let mut terminal = Terminal::start(&home, &["connect", "--time", "none", &url]);
    terminal.wait_for_last_row("›");
    terminal.keys("/pause\rone\rtwo\r");
    terminal.wait_for_last_row("[paused, 2 held back] ›");
    assert!(!terminal.rows().contains('◂'), "{}", terminal.rows());
    terminal.keys("/resume\r");
    terminal.wait_for("◂ 3 B two");
    terminal.keys("/grep WANTED\rother\rWANTED x\r");
    terminal.wait_for("◂ 8 B WANTED x");
    terminal.wait_for_last_row("[grep WANTED, 1 hidden] ›");
    assert!(!terminal.rows().contains("◂ 5 B other"), "{}", terminal.rows());
}

#[test]
fn terminal_that_is_dumb_gets_lines_only() {
    let (server, home) = (serve(&[]), home("dumb"));
    let url = url(&server, "/echo");
    let args = ["connect", "--time", "none", &url];
    let mut terminal = Terminal::start_with(&home, &args, |command| {
        command.env("TERM", "dumb").env_remove("LANG");
    });
    terminal.wait_for("connected to");
    terminal.keys("hello\n");
    terminal.wait_for("< 5 B hello");
    terminal.keys("/binary 41\n");
    terminal.wait_until("the echo", |rows| rows.matches("|A|").count() == 2);
    compare("dumb", &stable(&terminal.rows(), &server));
    terminal.keys("\x04");
    assert_eq!(terminal.wait_for_end().code(), Some(0));
}

#[test]
fn terminal_with_the_output_in_a_pipe_has_the_prompt_only() {
    let (server, home) = (serve(&[]), home("pipe"));
    let url = url(&server, "/echo");
    let file = home.join("out");
    let out = fs::File::create(&file).unwrap();
    let mut terminal = Terminal::start_with(&home, &["connect", &url], |command| {
        command.stdout(out);
    });
    terminal.wait_for_last_row("›");
    terminal.keys("hello\r");
    terminal.wait_for("5 B hello");
    terminal.keys("\x04");
    assert_eq!(terminal.wait_for_end().code(), Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), "hello\n");
}

#[test]
fn terminal_counts_the_messages_of_all_connections() {
    let (server, home) = (serve(&[]), home("counts"));
    let url = url(&server, "/echo");
    let mut terminal = Terminal::start(&home, &["connect", "--time", "none", "--reconnect", &url]);
    terminal.wait_for_last_row("›");
    terminal.keys("a\r");
    terminal.wait_for("◂ 1 B a");
    let address = server.address.clone();
    drop(server);
    terminal.wait_for("connecting again in");
    let _server = serve(&["--listen", &address]);
    terminal.wait_for("connected again");
    terminal.keys("b\r");
    terminal.wait_for("◂ 1 B b");
    terminal.keys("/info\r");
    terminal.wait_for("sent         2 text, 0 binary, 2 B;");
    terminal.wait_for("received     2 text, 0 binary, 2 B;");
}
