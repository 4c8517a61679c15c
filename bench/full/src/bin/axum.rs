//! axum's own WebSockets, which are tungstenite's, as in its documentation.

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::serve::ListenerExt;
use axum::{Router, response::Response, routing::any};
use fullduplex_bench::setup::{self, Error, MAX_MESSAGE};

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).on_upgrade(echo)
}

async fn echo(mut websocket: WebSocket) {
    while let Some(Ok(message)) = websocket.recv().await {
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data && websocket.send(message).await.is_err() {
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
