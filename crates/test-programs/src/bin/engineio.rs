//! An Engine.IO server that sends back what it receives, for clients in other languages.
//!
//! `engineio PING-INTERVAL PING-TIMEOUT` in milliseconds. Pages of any origin may connect.
#![allow(clippy::print_stdout)] // a program that prints

use std::time::Duration;

use fullduplex::server::Server;
use fullduplex::server::policy::OriginPolicy;
use fullduplex_socketio::engine::{Data, Engine, EngineConfig, Outgoing, Session};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let milliseconds = |nth, default| match std::env::args().nth(nth) {
        Some(text) => text.parse().map(Duration::from_millis),
        None => Ok(Duration::from_millis(default)),
    };
    let config = EngineConfig::default()
        .ping_interval(milliseconds(1, 25_000)?)
        .ping_timeout(milliseconds(2, 20_000)?)
        .origin_policy(OriginPolicy::DangerousAny);
    let address = std::env::args().nth(3).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let server = Server::bind(&*address).await?;
    println!("listening on http://{}", server.local_addr()?);
    Engine::new(config, echo)?.serve(server).await?;
    Ok(())
}

async fn echo(mut session: Session) {
    while let Some(data) = session.recv().await {
        let message = match data {
            Data::Text(text) => Outgoing::text(&text),
            Data::Binary(bytes) => Outgoing::binary(bytes),
        };
        let _ = session.sender().send(&message);
    }
}
