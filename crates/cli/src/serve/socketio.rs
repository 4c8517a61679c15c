//! Socket.IO of `fdx serve --socketio`: namespaces to try a client with.

use std::time::Duration;

use fullduplex::ConfigError;
use fullduplex::server::{ServerConfig, ServerHandle};
use fullduplex_socketio::engine::EngineConfig;
use fullduplex_socketio::{
    ConnectRequest, Event, NamespaceBuilder, Recovery, Socket, SocketIo, Value, Variadic,
};
use serde_json::json;

use super::socketio_log::{Lines, SocketLog};

/// How long a client may be gone and still recover.
const RECOVERY: Duration = Duration::from_secs(120);
/// The longest name of a member of the chat, in characters.
const MAX_NAME: usize = 32;

/// A member of the chat.
struct Member {
    name: String,
    log: SocketLog,
}

/// Starts Socket.IO at `/socket.io/`, with the policies and limits of the server, and lines in the
/// log.
pub(super) fn start(config: &ServerConfig, log: Lines) -> Result<SocketIo, ConfigError> {
    let limit = config.websocket.limits.max_message_size.unwrap_or(u64::MAX);
    let engine = EngineConfig::default()
        .origin_policy(config.origin_policy.clone())
        .limits(config.limits.connections)
        .max_payload(usize::try_from(limit).unwrap_or(usize::MAX));
    let recovery = Recovery::within(RECOVERY);
    let io = SocketIo::builder().engine(engine).recovery(recovery).build()?;
    logged(&io, "/", log).on_any(echo).open();
    rooms(&io, log);
    chat(&io, log);
    Ok(io)
}

/// Closes all connections of Socket.IO when the server begins to drain.
pub(super) async fn shut_down_with(io: SocketIo, server: ServerHandle) {
    server.drain_started().await;
    io.shutdown();
}

/// Begins a namespace whose sockets have lines in the log.
fn logged(io: &SocketIo, name: &str, log: Lines) -> NamespaceBuilder<SocketLog> {
    io.of(name)
        .authenticate(move |_| async move { Ok(SocketLog::new(log)) })
        .connected(async |socket: Socket<SocketLog>| socket.user().connected(&socket))
        .disconnected(async |socket: Socket<SocketLog>, reason| {
            socket.user().disconnected(&socket, reason);
        })
}

/// Sends an event back, as its acknowledgement if the client asks for one.
async fn echo(socket: Socket<SocketLog>, event: Event) {
    // Values are of any type, so that this does not fail.
    let args: Variadic<Value> = event.args().unwrap_or_default();
    if event.wants_ack() {
        event.acknowledge(&socket, args).await;
    } else {
        socket.emit(event.name(), args).await;
    }
}

fn rooms(io: &SocketIo, log: Lines) {
    logged(io, "/rooms", log)
        .on("join", async |socket: Socket<SocketLog>, room: String| socket.join(room).is_in_room())
        .on("leave", async |socket: Socket<SocketLog>, room: String| socket.leave(&room))
        .on("send", async |socket: Socket<SocketLog>, (room, value): (String, Value)| {
            let from = socket.id().to_string();
            socket.namespace().to(&*room).emit("message", (&room, from, value)).await.accepted()
        })
        .open();
}

fn chat(io: &SocketIo, log: Lines) {
    io.of("/chat")
        .authenticate(move |request: ConnectRequest| async move {
            let auth: Value = request.auth()?;
            let name = auth.get("name").and_then(Value::as_str).unwrap_or("guest");
            let name = name.chars().take(MAX_NAME).collect();
            Ok(Member { name, log: SocketLog::new(log) })
        })
        .connected(async |socket: Socket<Member>| {
            socket.user().log.connected(&socket);
            if !socket.is_recovered() {
                socket.broadcast().emit("joined", &socket.user().name).await;
            }
        })
        .on("message", async |socket: Socket<Member>, text: String| {
            let message = json!({ "from": socket.user().name, "text": text });
            socket.namespace().all().emit("message", message).await.accepted()
        })
        .on("who", async |socket: Socket<Member>, (): ()| {
            let members = socket.namespace().all().fetch();
            members.iter().map(|member| member.user().name.clone()).collect::<Vec<_>>()
        })
        .disconnected(async |socket: Socket<Member>, reason| {
            socket.user().log.disconnected(&socket, reason);
            if !reason.is_recoverable() {
                socket.broadcast().emit("left", &socket.user().name).await;
            }
        })
        .open();
}
