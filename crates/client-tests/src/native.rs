//! What the tests need of a native target.

// The results are for the program that runs it.
#![allow(clippy::print_stdout)]

use std::time::Duration;

use crate::peers::{Peers, within};
use crate::tests;

pub(crate) use tokio::time::sleep;

/// How long one test may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// There are no events of pages.
pub(crate) fn dispatch(_event: &str) -> bool {
    false
}

pub(crate) fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words = words.join(" ");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut has_failed = false;
    for name in tests::NAMES {
        let words = words.clone();
        // As a task, so that a panic ends the test only.
        let outcome = runtime.block_on(tokio::task::LocalSet::new().run_until(async move {
            let test = async move {
                let peers = Peers::parse(&words, name);
                within(DEADLINE, tests::run(name, &peers)).await.expect("took too long");
            };
            tokio::task::spawn_local(test).await
        }));
        if outcome.is_ok() {
            println!("ok {name}");
        } else {
            has_failed = true;
            println!("not ok {name}: see its panic");
        }
    }
    std::process::exit(i32::from(has_failed));
}
