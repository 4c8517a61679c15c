//! Subscribes again after each break: `cargo run --example reconnect -- ws://127.0.0.1:9002/`
#![allow(clippy::print_stdout)] // an example prints

use fullduplex::Client;
use fullduplex::client::ReconnectEvent;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:9002/".into());
    let mut client = Client::default()
        .reconnecting(url)
        .on_connected(|mut websocket| async {
            websocket.send("subscribe").await?;
            Ok(websocket)
        })
        .start();
    while let Some(event) = client.next().await {
        match event {
            ReconnectEvent::Connected { attempts, .. } => println!("connected, attempt {attempts}"),
            ReconnectEvent::Message(message) => println!("received: {message:?}"),
            ReconnectEvent::Disconnected { reason, retry_in } => {
                println!("{reason:?}; again in {retry_in:?}");
            }
            _ => {}
        }
    }
    Ok(())
}
