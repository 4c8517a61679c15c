//! The engine as a service and in a server: sessions, polls, payloads, upgrades, CORS, limits.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

mod attacks;
mod client;
mod cors;
mod integrations;
mod polling;
mod sending;
mod upgrade;

use fullduplex_socketio::engine::{Data, EndReason, Engine, EngineConfig, Outgoing, Session};
use tokio::sync::mpsc;

/// Creates an engine that sends back what it receives, and reports the end of each session.
fn echo(config: EngineConfig) -> (Engine, mpsc::UnboundedReceiver<EndReason>) {
    let (ended, ends) = mpsc::unbounded_channel();
    let engine = Engine::new(config, move |mut session: Session| {
        let ended = ended.clone();
        async move {
            while let Some(data) = session.recv().await {
                let message = match data {
                    Data::Text(text) => Outgoing::text(&text),
                    Data::Binary(bytes) => Outgoing::binary(bytes),
                };
                let _ = session.sender().send(&message);
            }
            ended.send(session.sender().closed().await).unwrap();
        }
    });
    (engine.unwrap(), ends)
}
