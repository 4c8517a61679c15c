//! Echo with fullduplex. Modes: off, shared (no context takeover), dedicated.

use fullduplex::server::{Server, ServerConfig};
use fullduplex::{DeflateConfig, Error, WebSocket};
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let level = std::env::args().nth(2).and_then(|level| level.parse().ok());
    let mut config = ServerConfig::default();
    config.websocket.deflate = match mode.as_str() {
        "shared" => Some(DeflateConfig::small_memory()),
        "dedicated" => Some(DeflateConfig {
            send_window_bits: 15,
            receive_window_bits: 15,
            ..DeflateConfig::balanced()
        }),
        "balanced" => Some(DeflateConfig::balanced()),
        _ => None,
    };
    if let (Some(deflate), Some(level)) = (&mut config.websocket.deflate, level) {
        deflate.level = level;
    }
    config.websocket.limits.max_message_size = Some(16 << 20);
    let server = Server::bind("127.0.0.1:0").await?.config(config);
    println!("listening on {}", server.local_addr()?);
    server.serve(|websocket| async { drop(echo(websocket).await) }).await;
    Ok(())
}

async fn echo(mut websocket: WebSocket<TcpStream>) -> Result<(), Error> {
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}
