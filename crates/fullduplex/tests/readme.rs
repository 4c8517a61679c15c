//! The README's examples are the examples, and they work.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use common::example::{Serving, example};

/// The code of an example, without its first comment.
fn code(source: &str) -> &str {
    source.split_once("\n\n").unwrap().1
}

#[test]
fn readme_shows_the_examples() {
    let readme = include_str!("../../../README.md");
    for source in [include_str!("../examples/server.rs"), include_str!("../examples/client.rs")] {
        assert!(readme.contains(code(source)), "the README shows other code than:\n{source}");
    }
}

#[test]
fn readme_examples_talk_to_each_other() {
    let server = Serving::start("server");
    let client = example("client").arg(format!("ws://{}/", server.address)).output().unwrap();
    assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    assert_eq!(
        String::from_utf8_lossy(&client.stdout),
        "received: hello\nclosed by this end with 1000 (normal closure): \"goodbye\"\n"
    );
}
