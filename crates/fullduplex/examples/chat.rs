//! A chat with rooms: `cargo run --example chat -- 127.0.0.1:9002`
//!
//! The path names the room, and the query the user: `fdx connect 'ws://127.0.0.1:9002/tea?ann'`. A
//! GET of `/` lists the rooms.
#![allow(clippy::print_stdout)] // an example prints

use fullduplex::broadcast::{LagPolicy, Topics};
use fullduplex::server::{DrainOptions, Handshake, Server};
use fullduplex::{Error, PreparedMessage, WebSocket};
use http::{Response, StatusCode};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let server = Server::bind(address).await?.max_message_size(2_000);
    println!("listening on ws://{}/", server.local_addr()?);

    let handle = server.handle();
    let drained = tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        handle.drain(DrainOptions::default()).await
    });
    let rooms = Topics::new();
    server.serve_handshakes(move |handshake| answer(handshake, rooms.clone())).await?;
    println!("{}", drained.await?);
    Ok(())
}

async fn answer(handshake: Handshake, rooms: Topics) -> Result<(), Error> {
    let uri = handshake.request().uri().clone();
    let (room, user) = (uri.path().trim_start_matches('/'), uri.query().unwrap_or_default());
    if !handshake.is_websocket() && room.is_empty() {
        return handshake.respond(Response::new(rooms.names().join("\n") + "\n")).await;
    }
    if !handshake.is_websocket() || !is_name(room) || !is_name(user) {
        let mut response = Response::new("a WebSocket is at /ROOM?USER\n");
        *response.status_mut() = StatusCode::NOT_FOUND;
        return handshake.respond(response).await;
    }
    chat(handshake.accept().await?, &rooms, room, user).await
}

/// What may name a room or a user. Both come from the client.
fn is_name(name: &str) -> bool {
    (1..=20).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

async fn chat(
    mut websocket: WebSocket,
    rooms: &Topics,
    room: &str,
    user: &str,
) -> Result<(), Error> {
    // A room exists while it has members. A slow one misses the oldest of its messages.
    let subscription = rooms.subscribe(room, &websocket, LagPolicy::DropOldest { keep: 64 });
    println!("{user} enters {room}");
    let tell_others = |text: String| {
        rooms.publish_except(room, &PreparedMessage::new(text), &subscription);
    };
    tell_others(format!("* {user} has come"));
    let talked = async {
        while let Some(message) = websocket.next().await {
            if let Some(text) = message?.as_text() {
                tell_others(format!("{user}: {text}"));
            }
        }
        Ok(())
    }
    .await;
    println!("{user} leaves {room}");
    tell_others(format!("* {user} has left"));
    talked
}
