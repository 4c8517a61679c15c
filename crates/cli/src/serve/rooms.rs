//! The WebSocket handlers: echo, broadcast, whoami.

use std::sync::Arc;

use bytes::Bytes;
use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::server::Handshake;
use fullduplex::{Error, ErrorKind, PreparedMessage, WebSocket};
use tokio::sync::mpsc;

use super::client_info::{ClientInfo, RequestInfo};
use super::connection_log::{ConnectionLog, LogFormat};
use super::log::log_line;
use super::responses;
use crate::base::escape::printable;

/// What happens to slow members of `/broadcast`: 64 messages wait for each, and the oldest ones are
/// dropped beyond that.
const LAG_POLICY: LagPolicy = LagPolicy::DropOldest { keep: 64 };

/// The state that all connections share.
pub(super) struct Rooms {
    group: Group,
    /// With a log: its format, and a sender of which a clone is kept until a connection's last line
    /// is written. Nothing is sent on it.
    log: Option<(LogFormat, mpsc::Sender<()>)>,
}

/// The handler at a path.
#[derive(Clone, Copy)]
enum Room {
    Echo,
    Broadcast,
    WhoAmI,
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

impl Rooms {
    /// Creates the state. With a log, the receiver ends when the last connection's line is written.
    pub(super) fn new(log: Option<LogFormat>) -> (Arc<Self>, mpsc::Receiver<()>) {
        let (open, closed) = mpsc::channel(1);
        let log = log.map(|format| (format, open));
        (Arc::new(Self { group: Group::new(), log }), closed)
    }

    /// Accepts a handshake, and handles the WebSocket until it ends.
    pub(super) async fn serve(self: Arc<Self>, handshake: Handshake) {
        // Boxed, so that the future of an open connection does not include the handshake's.
        let accepting = Box::pin(self.open(handshake));
        let Some((room, mut websocket, log)) = accepting.await else { return };
        let lines = log.as_deref();
        // The log has the reason; the server goes on.
        let _ = match room {
            Room::Echo | Room::WhoAmI => echo(&mut websocket, lines).await,
            Room::Broadcast => self.broadcast(&mut websocket, lines).await,
        };
        if let Some(log) = log {
            log.close(&websocket);
        }
    }

    async fn open(
        &self,
        handshake: Handshake,
    ) -> Option<(Room, WebSocket, Option<Box<ConnectionLog>>)> {
        let client = ClientInfo::new(&handshake);
        let Some(room) = Room::at(handshake.request().uri().path()) else {
            if let Some((format, _)) = self.log.as_ref().filter(|_| handshake.is_websocket()) {
                let why = "there is no WebSocket at this path";
                format.rejected(&client.to_string(), Some(404), why);
            }
            // A client that is gone does not get the response, which is not an error here.
            let _ = handshake.respond(responses::not_found().map(Bytes::from)).await;
            return None;
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
                return None;
            }
        };
        let log = self.log.clone().map(|(format, until_written)| {
            let fields = client.json_fields(&websocket);
            let line = client.log_line(&websocket);
            Box::new(ConnectionLog::open(format, line, fields, until_written))
        });
        if let Some(request) = request {
            // If it can't be sent, the connection has ended, and its line says why.
            let _ = websocket.send(request.to_json(&client, &websocket)).await;
        }
        Some((room, websocket, log))
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
