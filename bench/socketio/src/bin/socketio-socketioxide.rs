//! socketioxide in axum.
#![allow(clippy::print_stdout)] // a program that prints

use std::error::Error;
use std::time::Duration;

use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};

const ROOM: &str = "room";

async fn connected(socket: SocketRef) {
    socket.join(ROOM);
    socket.on("say", async |socket: SocketRef, Data::<Value>(value)| {
        let _ = socket.within(ROOM).emit("said", &value).await;
    });
    socket.on("echo", async |Data::<Value>(value), ack: AckSender| {
        let _ = ack.send(&value);
    });
    socket.on("flood", async |socket: SocketRef, Data::<(u32, usize)>((count, size))| {
        let text = "x".repeat(size);
        let mut failed = 0;
        for number in 0..count {
            let sent = socket.within(ROOM).emit("said", &(number, &text)).await;
            failed += u32::from(sent.is_err());
            if number % 8 == 7 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        let _ = socket.emit("flooded", &format!("{failed} broadcasts returned an error"));
    });
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (layer, io) = SocketIo::new_layer();
    io.ns("/", connected);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().layer(layer)).await?;
    Ok(())
}
