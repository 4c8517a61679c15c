//! A Socket.IO server for clients in other languages and for the official test suite.
//!
//! `socketio_server [--recovery] [--msgpack] [--fast] [--admin ORIGIN] [--listen ADDRESS]` says
//! `listening on URL` and serves until its standard input ends. `--fast` has the short times that
//! the suite asks for. `--admin` lets in pages of this origin only, and the Admin UI by the name
//! `admin` and the password `secret`.

#![allow(clippy::print_stdout, reason = "its output is for the tests")]

use std::error::Error;
use std::time::Duration;

use fullduplex::server::policy::OriginPolicy;
use fullduplex::server::{DrainOptions, Server};
use fullduplex_socketio::engine::EngineConfig;
use fullduplex_socketio::{
    Admin, ConnectError, ConnectRequest, NamespaceBuilder, Parser, Recovery, Socket, SocketIo,
    Value, Variadic,
};
use tokio::io::AsyncReadExt as _;

/// The bcrypt hash of `secret`, of the lowest cost.
const PASSWORD_HASH: &str = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

/// What a client gave as `auth`.
struct User {
    auth: Value,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut listen = "127.0.0.1:0".to_owned();
    let mut engine = EngineConfig::default().origin_policy(OriginPolicy::DangerousAny);
    let mut builder = SocketIo::builder();
    let mut admin = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--recovery" => builder = builder.recovery(Recovery::within(Duration::from_secs(60))),
            "--msgpack" => builder = builder.parser(Parser::MessagePack),
            "--fast" => {
                engine = engine
                    .ping_interval(Duration::from_millis(300))
                    .ping_timeout(Duration::from_millis(200));
                builder = builder.connect_timeout(Duration::from_secs(1));
            }
            "--admin" => {
                let origin = args.next().ok_or("--admin needs an origin")?;
                engine = engine.origin_policy(OriginPolicy::list_or_same_host([origin])?);
                admin = Some(Admin::with_password("admin", PASSWORD_HASH)?);
            }
            "--listen" => listen = args.next().ok_or("--listen needs an address")?,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let io = builder.engine(engine).build()?;
    define(io.of("/")).open();
    define(io.of("/custom")).open();
    io.of_matching(|name| name.starts_with("/dynamic-")).open();
    io.of("/refused")
        .authenticate(async |_: ConnectRequest| {
            Err::<(), _>(ConnectError::new("not authorized").with_data(("code", 7)))
        })
        .open();
    if let Some(admin) = admin {
        io.open_admin(admin)?;
    }
    let server = Server::bind(&*listen).await?;
    println!("listening on http://{}", server.local_addr()?);
    let handle = server.handle();
    tokio::spawn(async move {
        let mut stdin = tokio::io::stdin();
        // What arrives does not matter, only the end.
        while stdin.read_u8().await.is_ok() {}
        handle.drain(DrainOptions::default().deadline(Duration::from_secs(1))).await;
    });
    io.serve(server).await?;
    Ok(())
}

fn define(namespace: NamespaceBuilder) -> NamespaceBuilder<User> {
    namespace
        .authenticate(async |request: ConnectRequest| Ok(User { auth: request.auth()? }))
        .connected(async |socket: Socket<User>| {
            if !socket.is_recovered() {
                socket.emit("auth", &socket.user().auth).await;
            }
        })
        .on("message", async |socket: Socket<User>, args: Variadic<Value>| {
            socket.emit("message-back", args).await;
        })
        .on("message-with-ack", async |_: Socket<User>, args: Variadic<Value>| args)
        .on("nothing", async |socket: Socket<User>, (): ()| {
            let null = Value::Null;
            socket.emit("one-null", &null).await;
            socket.emit("nulls", (&null, 1, None::<u8>, (), Value::Null)).await;
            socket.emit("no-argument", ()).await;
            null
        })
        .on("no-answer", async |_: Socket<User>, (): ()| {})
        .on("join", async |socket: Socket<User>, room: String| socket.join(room).is_in_room())
        .on("leave", async |socket: Socket<User>, room: String| socket.leave(&room))
        .on("say", async |socket: Socket<User>, (room, value): (String, Value)| {
            socket.to(room).emit("said", value).await.accepted()
        })
        .on("count", async |socket: Socket<User>, (room, to): (String, u64)| {
            // In the background, as the client may be gone before it is done.
            tokio::spawn(async move {
                for number in 1..=to {
                    socket.namespace().to(&*room).emit("number", number).await;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            });
        })
        .on("ask", async |socket: Socket<User>, value: Value| {
            socket.emit_with_ack::<Value>("question", value).await.ok()
        })
        .on("ask-all", async |socket: Socket<User>, room: String| {
            let room = socket.namespace().to(room).timeout(Duration::from_millis(500));
            let acks = room.emit_with_ack::<Value>("question", ()).await;
            acks.map(|acks| vec![acks.answers.len(), acks.missing.len()]).unwrap_or_default()
        })
        .on("kick", async |socket: Socket<User>, (): ()| socket.disconnect())
        .on("cut", async |socket: Socket<User>, (): ()| {
            socket.emit("goodbye", "cut").await;
            socket.close_connection();
        })
}
