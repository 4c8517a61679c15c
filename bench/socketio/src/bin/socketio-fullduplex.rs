//! Ours: `socketio-fullduplex [close | wait | drop | tell | conflate]`, the policy for slow
//! clients.
#![allow(clippy::print_stdout)] // a program that prints

use std::error::Error;
use std::time::Duration;

use fullduplex::server::Server;
use fullduplex::server::limits::ConnectionLimits;
use fullduplex_socketio::engine::EngineConfig;
use fullduplex_socketio::{SlowPolicy, Socket, SocketIo, Value};

const ROOM: &str = "room";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let policy = match std::env::args().nth(1).as_deref() {
        Some("wait") => SlowPolicy::Wait,
        Some("drop") => SlowPolicy::Drop { event: None },
        Some("tell") => SlowPolicy::Drop { event: Some("dropped".into()) },
        Some("conflate") => SlowPolicy::Conflate,
        _ => SlowPolicy::Close,
    };
    let limits = ConnectionLimits::default();
    let engine = EngineConfig::default().path("/socket.io/").limits(limits);
    let io = SocketIo::builder().engine(engine).slow(policy).build()?;
    io.of("/")
        .connected(async |socket: Socket| {
            socket.join(ROOM);
        })
        .on("say", async |socket: Socket, value: Value| {
            socket.namespace().to(ROOM).emit("said", value).await;
        })
        .on("echo", async |_: Socket, value: Value| value)
        .on("flood", flood)
        .open();
    let server = Server::bind("127.0.0.1:0").await?;
    println!("listening on {}", server.local_addr()?);
    io.serve(server).await?;
    Ok(())
}

async fn flood(socket: Socket, (count, size): (u32, usize)) {
    let text = "x".repeat(size);
    let (mut dropped, mut closed) = (0, 0);
    for number in 0..count {
        let room = socket.namespace().to(ROOM).keyed(1);
        let report = room.emit("said", (number, &text)).await;
        dropped += report.dropped;
        closed += report.closed;
        if number % 8 == 7 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let told = format!("{dropped} dropped, {closed} closed, as the broadcasts returned");
    socket.emit("flooded", told).await;
}
