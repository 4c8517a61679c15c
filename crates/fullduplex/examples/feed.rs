//! A feed whose events are numbered, each shown once and in order, whatever happens to connections:
//! `cargo run --example feed -- ws://127.0.0.1:9002/`
//!
//! The client sends `after N`, and the server the events from `N + 1` on: `NUMBER TEXT`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example prints

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use fullduplex::client::{Backoff, ReconnectEvent};
use fullduplex::{Client, CloseCode};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:9002/".into());
    // The number of the last event that was shown.
    let last = Arc::new(AtomicU64::new(0));
    let resume_after = last.clone();
    let mut client = Client::default()
        .reconnecting(url)
        .backoff(Backoff::default().max(Duration::from_secs(30)))
        // Each connection begins here: the server has forgotten who this is.
        .on_connected(move |mut websocket| {
            let subscribe = format!("after {}", resume_after.load(Relaxed));
            async move {
                websocket.send(subscribe).await?;
                Ok(websocket)
            }
        })
        .start();

    // Whether another connection is waited for, as this one has a gap.
    let mut has_gap = false;
    loop {
        let event = tokio::select! {
            event = client.next() => event,
            _ = tokio::signal::ctrl_c() => {
                client.start_close(CloseCode::NORMAL, "")?;
                continue; // the last event follows
            }
        };
        match event {
            Some(ReconnectEvent::Connected { attempts, .. }) => {
                has_gap = false;
                eprintln!("connected, attempt {attempts}");
            }
            Some(ReconnectEvent::Disconnected { reason, retry_in }) => {
                eprintln!("{reason}; again in {retry_in:?}");
            }
            Some(ReconnectEvent::Message(message)) if !has_gap => {
                let text = message.as_text().ok_or("an event is text")?;
                let (number, text) = text.split_once(' ').ok_or("an event has a number")?;
                let (number, shown) = (number.parse::<u64>()?, last.load(Relaxed));
                if number == shown + 1 {
                    println!("{number} {text}");
                    last.store(number, Relaxed);
                } else if number > shown {
                    eprintln!("{number} after {shown}: a gap");
                    has_gap = true;
                    client.reconnect(); // and so subscribe again
                }
            }
            // Events after a gap come again.
            Some(_) => {}
            None => break,
        }
    }
    let stats = client.stats();
    eprintln!("{} connections in {} attempts", stats.connections, stats.attempts);
    Ok(())
}
