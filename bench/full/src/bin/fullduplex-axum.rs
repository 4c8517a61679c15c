//! fullduplex in axum, as in the README of `fullduplex-axum`.

use axum::serve::ListenerExt;
use axum::{Router, response::Response, routing::any};
use fullduplex_axum::fullduplex::server::ServerConfig;
use fullduplex_axum::{WebSocket, WebSocketUpgrade};
use fullduplex_bench::setup::{self, Error, MAX_MESSAGE};

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    let config = ServerConfig::default().max_message_size(MAX_MESSAGE as u64);
    upgrade.config(config).on_upgrade(echo)
}

async fn echo(mut websocket: WebSocket) {
    while let Some(Ok(message)) = websocket.next().await {
        if websocket.send(message).await.is_err() {
            break;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let listener = setup::listen()?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, Router::new().route("/", any(socket))).await?)
}
