//! The README's examples are the examples, and they work.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// An example, which cargo has built beside this test.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile: PathBuf = test.ancestors().nth(2).unwrap().to_path_buf();
    let path = profile.join("examples").join(name);
    assert!(path.exists(), "{} is not built: cargo build --examples", path.display());
    Command::new(path)
}

/// The code of an example, without its first comment.
fn code(source: &str) -> &str {
    source.split_once("\n\n").unwrap().1
}

#[test]
fn the_readme_shows_the_examples() {
    let readme = include_str!("../../../README.md");
    for source in [
        include_str!("../examples/server.rs"),
        include_str!("../examples/client.rs"),
        include_str!("../examples/reconnect.rs"),
    ] {
        assert!(readme.contains(code(source)), "the README shows other code than:\n{source}");
    }
}

#[test]
fn the_examples_talk_to_each_other() {
    let mut server = example("server").arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap();
    let client = example("client").arg(url).output().unwrap();
    assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    assert_eq!(
        String::from_utf8_lossy(&client.stdout),
        "connected: 101 Switching Protocols\nreceived: Text(\"hello\")\n\
         closed by this end with 1000 (normal closure): \"goodbye\"\n"
    );
    line.clear();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "closed by the peer with 1000 (normal closure): \"goodbye\"\n");
    server.kill().unwrap();
    server.wait().unwrap();
    said.read_to_string(&mut line).unwrap();
}
