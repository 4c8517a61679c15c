//! A page, an echo and a room in axum, on HTTP/1.1 and HTTP/2. Ctrl-C closes all WebSockets with
//! 1001: `cargo run -p fullduplex-axum --example axum -- 127.0.0.1:9002`
#![allow(clippy::print_stdout)] // an example prints

use axum::extract::State;
use axum::response::{Html, Response};
use axum::routing::{any, get};
use axum::{Router, serve};
use fullduplex_axum::fullduplex::broadcast::{Group, LagPolicy};
use fullduplex_axum::fullduplex::server::{DrainOptions, ServerHandle};
use fullduplex_axum::fullduplex::{DeflateConfig, PreparedMessage};
use fullduplex_axum::{CloseCode, WebSocket, WebSocketUpgrade};
use tokio::net::TcpListener;

#[derive(Clone, Default)]
struct App {
    sockets: ServerHandle,
    room: Group,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);

    let app = App::default();
    let sockets = app.sockets.clone();
    let router = Router::new()
        .route("/", get(page))
        .route("/echo", any(echo))
        .route("/room", any(room))
        .with_state(app);
    // On HTTP/2 axum waits for the WebSockets, so both must run at the same time.
    let serving = serve(listener, router).with_graceful_shutdown(sockets.drain_started());
    let shutdown = async {
        let _ = tokio::signal::ctrl_c().await;
        sockets.drain(DrainOptions::default()).await
    };
    let (served, report) = tokio::join!(serving.into_future(), shutdown);
    println!("{report}");
    Ok(served?)
}

async fn page() -> Html<&'static str> {
    Html(include_str!("axum.html"))
}

async fn echo(upgrade: WebSocketUpgrade, State(app): State<App>) -> Response {
    let upgrade = upgrade.protocols(["echo.v2", "echo.v1"]).deflate(DeflateConfig::balanced());
    upgrade.track(&app.sockets).on_failed_upgrade(|error| println!("no echo: {error}")).on_upgrade(
        |mut websocket| async move {
            while let Some(Ok(message)) = websocket.next().await {
                if websocket.send(message).await.is_err() {
                    break;
                }
            }
        },
    )
}

async fn room(upgrade: WebSocketUpgrade, State(app): State<App>) -> Response {
    upgrade.track(&app.sockets).on_upgrade(|websocket| chat(websocket, app.room))
}

/// Publishes each message of the WebSocket to the room.
async fn chat(mut websocket: WebSocket, room: Group) {
    let _member = room.join(&websocket, LagPolicy::Close(CloseCode::TRY_AGAIN_LATER));
    while let Some(Ok(message)) = websocket.next().await {
        room.publish(&PreparedMessage::new(message));
    }
}
