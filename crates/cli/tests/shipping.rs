//! The completions, manual pages and help topics of `fdx`.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::FDX;

fn output(args: &[&str]) -> String {
    let output = Command::new(FDX).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = output(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.collect()
}

#[test]
fn completions_of_bash_offer_commands_and_options() {
    let script = output(&["completions", "bash"]);
    let complete = |words: &[&str]| {
        let list = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let run = format!(
            "{script}\nCOMP_WORDS=({list}); COMP_CWORD={}; _fdx fdx '{}' '{}'; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2]
        );
        let bash = Command::new("bash").args(["--norc", "-c", &run]).output().unwrap();
        assert!(bash.status.success(), "{bash:?}");
        String::from_utf8(bash.stdout).unwrap()
    };
    let offered = complete(&["fdx", ""]);
    for command in commands() {
        assert!(offered.lines().any(|line| line == command), "{command}: {offered}");
    }
    let offered = complete(&["fdx", "connect", "--sub"]);
    assert_eq!(offered.trim(), "--subprotocol");
}

#[test]
fn completions_of_zsh_and_fish_name_every_command() {
    for (shell, mark) in [("zsh", "#compdef fdx"), ("fish", "complete -c fdx")] {
        let script = output(&["completions", shell]);
        assert!(script.contains(mark), "{shell}");
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
}

#[test]
fn man_writes_a_page_for_each_command() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    output(&["man", "--out", folder.to_str().unwrap()]);
    let page = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
    assert!(page("fdx").contains(".TH"));
    for command in commands() {
        let page = page(&format!("fdx-{command}"));
        assert!(page.contains(".SH SYNOPSIS") && page.contains("fdx"), "{command}: {page}");
    }
    assert!(page("fdx-connect").contains("subprotocol"));
    assert_eq!(output(&["man", "connect"]), page("fdx-connect"));
}

#[test]
fn help_prints_commands_and_topics() {
    let text = output(&["help"]);
    assert!(text.contains("Commands:") && text.contains("exit-codes"), "{text}");
    assert_eq!(output(&["help", "serve"]), output(&["serve", "--help"]));
    let text = output(&["help", "exit-codes"]);
    assert!(text.contains("fdx connect") && text.contains("the server rejected"), "{text}");
    let unknown = Command::new(FDX).args(["help", "weather"]).stdout(Stdio::null()).output();
    let unknown = unknown.unwrap();
    let why = String::from_utf8(unknown.stderr).unwrap();
    assert_eq!(unknown.status.code(), Some(2), "{why}");
    assert!(why.contains("weather") && why.contains("environment"), "{why}");
}
