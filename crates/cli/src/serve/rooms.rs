//! The WebSocket handlers: echo, broadcast, whoami, the command of `--exec`, and the targets of
//! `--forward`.

use std::future::pending;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::server::{Handshake, ServerHandle};
use fullduplex::{Error, ErrorKind, NetStream, PreparedMessage, WebSocket};
use fullduplex_socketio::SocketIo;
use http::{Response, StatusCode};
use tokio::sync::mpsc;

use super::client_info::{ClientInfo, RequestInfo};
use super::connection_log::{ConnectionLog, LogFormat};
#[cfg(unix)]
use super::exec::{Exec, Pending};
use super::forward::{Forward, ForwardArgs};
use super::log::log_line;
#[cfg(unix)]
use super::paths::has_own_handler;
use super::responses;
use crate::base::escape::printable;
use crate::relay::{Target, carry, reset};

/// What happens to slow members of `/broadcast`: 64 messages wait for each, and the oldest ones are
/// dropped beyond that.
const LAG_POLICY: LagPolicy = LagPolicy::DropOldest { keep: 64 };

/// The state that all connections share.
pub(super) struct Rooms {
    group: Group,
    /// With a log: its format, and a sender of which a clone is kept until a connection's last line
    /// is written. Nothing is sent on it.
    log: Option<(LogFormat, mpsc::Sender<()>)>,
    #[cfg(unix)]
    exec: Option<Arc<Exec>>,
    forward: ForwardArgs,
    socketio: Option<SocketIo>,
    /// The server, which may drain while a target is connected.
    handle: ServerHandle,
}

/// The handler at a path.
enum Room {
    Echo,
    Broadcast,
    WhoAmI,
    #[cfg(unix)]
    Exec(Box<Pending>),
    /// The connection to a target.
    Forward(Box<NetStream>),
}

impl Room {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/" | "/echo" => Some(Self::Echo),
            "/broadcast" => Some(Self::Broadcast),
            "/whoami" => Some(Self::WhoAmI),
            _ => None,
        }
    }
}

/// Why a client is rejected.
enum NoRoom {
    UnknownPath,
    #[cfg(unix)]
    TooManyProcesses,
    /// The target can't be reached.
    NoTarget(Target, io::Error),
    /// The server drains.
    Draining,
}

impl NoRoom {
    fn response(&self) -> Response<String> {
        match self {
            Self::UnknownPath => responses::not_found(),
            #[cfg(unix)]
            Self::TooManyProcesses => responses::too_many_processes(),
            Self::NoTarget(_, error) => responses::no_target(error.kind()),
            Self::Draining => responses::draining(),
        }
    }

    /// Returns the reason for the log.
    fn reason(&self) -> String {
        match self {
            Self::UnknownPath => "there is no WebSocket at this path".into(),
            #[cfg(unix)]
            Self::TooManyProcesses => "as many commands run as --max-processes allows".into(),
            Self::NoTarget(target, error) => format!("connecting to {target}: {error}"),
            Self::Draining => "the server ends".into(),
        }
    }
}

impl Rooms {
    /// Creates the state. With a log, the receiver ends when the last connection's line is written.
    pub(super) fn new(
        log: Option<LogFormat>,
        forward: ForwardArgs,
        handle: ServerHandle,
    ) -> (Self, mpsc::Receiver<()>) {
        let (open, closed) = mpsc::channel(1);
        let log = log.map(|format| (format, open));
        let rooms = Self {
            group: Group::new(),
            log,
            #[cfg(unix)]
            exec: None,
            forward,
            socketio: None,
            handle,
        };
        (rooms, closed)
    }

    /// Runs a command for each WebSocket, at all paths but those of the other handlers.
    #[cfg(unix)]
    pub(super) fn with_exec(self, exec: Option<Arc<Exec>>) -> Self {
        Self { exec, ..self }
    }

    /// Hands requests for Socket.IO to it.
    pub(super) fn with_socketio(self, socketio: Option<SocketIo>) -> Self {
        Self { socketio, ..self }
    }

    /// Returns the handler for a client, or why there is none.
    async fn room(&self, handshake: &Handshake, client: &ClientInfo) -> Result<Room, NoRoom> {
        let path = handshake.request().uri().path();
        #[cfg(unix)]
        if let Some(exec) = self.exec.as_ref().filter(|_| !has_own_handler(path)) {
            let pending = exec.reserve(handshake, client).map(Box::new);
            return pending.map(Room::Exec).ok_or(NoRoom::TooManyProcesses);
        }
        #[cfg(not(unix))]
        let _ = client;
        if let Some(target) = Forward::at(&self.forward.forward, path) {
            let connected = tokio::select! {
                connected = target.connect() => connected,
                () = self.handle.drain_started() => return Err(NoRoom::Draining),
            };
            return connected
                .map(|socket| Room::Forward(Box::new(socket)))
                .map_err(|error| NoRoom::NoTarget(target.clone(), error));
        }
        Room::at(path).ok_or(NoRoom::UnknownPath)
    }

    /// Accepts a handshake, and handles the WebSocket until it ends.
    pub(super) async fn serve(self: Arc<Self>, mut handshake: Handshake) {
        if let Some(io) = &self.socketio {
            match Box::pin(io.handle(handshake)).await {
                // Why a connection has ended is in no log.
                Ok(_ended) => return,
                Err(other) => handshake = other,
            }
        }
        // Boxed, so that the future of an open connection does not include the handshake's.
        let accepting = Box::pin(self.open(handshake));
        let Some((room, mut websocket, log)) = accepting.await else { return };
        let lines = log.as_deref();
        let mut cut = None;
        // The log has the reason; the server goes on.
        let _ = match room {
            Room::Echo | Room::WhoAmI => echo(&mut websocket, lines).await,
            Room::Broadcast => self.broadcast(&mut websocket, lines).await,
            #[cfg(unix)]
            Room::Exec(pending) => {
                let Some(exec) = &self.exec else { return };
                // Boxed, so that the other handlers need no memory for it.
                let Some(ended) = Box::pin(exec.run(*pending, websocket)).await else { return };
                websocket = ended;
                Ok(())
            }
            Room::Forward(socket) => {
                let timeout = self.forward.half_close_timeout();
                // A drain closes it with 1001.
                (websocket, cut) = Box::pin(carry(*socket, websocket, timeout, pending())).await;
                Ok(())
            }
        };
        if let Some(log) = log {
            log.close(&websocket, cut.as_ref());
        }
    }

    async fn open(
        &self,
        handshake: Handshake,
    ) -> Option<(Room, WebSocket, Option<Box<ConnectionLog>>)> {
        let client = ClientInfo::new(&handshake);
        let room = match self.room(&handshake, &client).await {
            Ok(room) => room,
            Err(why) => {
                let response = why.response();
                if handshake.is_websocket() {
                    self.log_rejection(&client, response.status(), &why);
                }
                // A client that is gone does not get the response, which is not an error here.
                let _ = handshake.respond(response.map(Bytes::from)).await;
                return None;
            }
        };
        let request = matches!(room, Room::WhoAmI).then(|| RequestInfo::new(&handshake));
        let mut websocket = match handshake.accept().await {
            Ok(websocket) => websocket,
            // `on_rejected` has logged rejections.
            Err(error) => {
                let was_rejected = matches!(error.kind(), ErrorKind::Handshake | ErrorKind::Closed);
                if self.log.is_some() && !was_rejected {
                    log_line!("{client}: not opened: {}", printable(&error.to_string()));
                }
                if let Room::Forward(socket) = room {
                    reset(*socket);
                }
                return None;
            }
        };
        let log = self.log.clone().map(|(format, until_written)| {
            let fields = client.open_json_fields(&websocket);
            let line = client.log_line(&websocket);
            Box::new(ConnectionLog::open(format, line, fields, until_written))
        });
        if let Some(request) = request {
            // If it can't be sent, the connection has ended, and its line says why.
            let _ = websocket.send(request.to_json(&client, &websocket)).await;
        }
        Some((room, websocket, log))
    }

    /// Writes the line of a rejection. That of a target that can't be reached is written without a
    /// log, too.
    fn log_rejection(&self, client: &ClientInfo, status: StatusCode, why: &NoRoom) {
        match self.log {
            Some((format, _)) => {
                let (status, fields) = (Some(status.as_u16()), client.json_fields());
                format.rejected(&client.to_string(), fields, status, &why.reason());
            }
            None if matches!(why, NoRoom::NoTarget(..)) => {
                log_line!("fdx serve: {client}: {}", printable(&why.reason()));
            }
            None => {}
        }
    }

    async fn broadcast(
        &self,
        websocket: &mut WebSocket,
        log: Option<&ConnectionLog>,
    ) -> Result<(), Error> {
        let _member = self.group.join(websocket, LAG_POLICY);
        while let Some(message) = websocket.next().await {
            let message = message?;
            if let Some(log) = log {
                log.message(&message);
            }
            self.group.publish(&PreparedMessage::new(message));
        }
        Ok(())
    }
}

async fn echo(websocket: &mut WebSocket, log: Option<&ConnectionLog>) -> Result<(), Error> {
    while let Some(message) = websocket.next().await {
        let message = message?;
        if let Some(log) = log {
            log.message(&message);
        }
        websocket.send(message).await?;
    }
    Ok(())
}
