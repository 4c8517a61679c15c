//! The chat in a terminal: lines in, lines out.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;

use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::sync::mpsc;

use crate::chat::chat;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or("ws://127.0.0.1:9001/broadcast".into());
    let name = args.next().unwrap_or("guest".into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let (sender, typed) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdin()).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if sender.send(line).await.is_err() {
                    break;
                }
            }
        });
        chat(&url, &name, typed, |line| println!("{line}")).await
    });
    // Does not wait for another line.
    runtime.shutdown_background();
    Ok(outcome?)
}
