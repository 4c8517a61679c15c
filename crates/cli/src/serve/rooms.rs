//! The WebSocket handlers: echo, broadcast, whoami.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::server::Handshake;
use fullduplex::{Error, ErrorKind, PreparedMessage, WebSocket};
use tokio::sync::mpsc;

use super::client_info::ClientInfo;
use super::log::log_line;
use super::responses;
use crate::base::escape::printable;

/// What happens to slow members of `/broadcast`: 64 messages wait for each, and the oldest ones are
/// dropped beyond that.
const LAG_POLICY: LagPolicy = LagPolicy::DropOldest { keep: 64 };

/// The state that all connections share.
pub(super) struct Rooms {
    group: Group,
    /// With a log: a clone is kept until a connection's line is written. Nothing is sent on it.
    log: Option<mpsc::Sender<()>>,
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

/// The parts of a connection's log line that are known while it is open.
struct ConnectionLog {
    client: String,
    since: Instant,
    _until_written: mpsc::Sender<()>,
}

impl Rooms {
    /// Creates the state. With a log, the receiver ends when the last connection's line is written.
    pub(super) fn new(log: bool) -> (Arc<Self>, mpsc::Receiver<()>) {
        let (open, closed) = mpsc::channel(1);
        (Arc::new(Self { group: Group::new(), log: log.then_some(open) }), closed)
    }

    /// Accepts a handshake, and handles the WebSocket until it ends.
    pub(super) async fn serve(self: Arc<Self>, handshake: Handshake) {
        // Boxed, so that the future of an open connection does not include the handshake's.
        let accepting = Box::pin(self.open(handshake));
        let Some((room, mut websocket, line)) = accepting.await else { return };
        // The log has the reason; the server goes on.
        let _ = match room {
            Room::Echo | Room::WhoAmI => echo(&mut websocket).await,
            Room::Broadcast => self.broadcast(&mut websocket).await,
        };
        if let Some(line) = line {
            line.write(&websocket);
        }
    }

    async fn open(
        &self,
        handshake: Handshake,
    ) -> Option<(Room, WebSocket, Option<Box<ConnectionLog>>)> {
        let client = ClientInfo::new(&handshake);
        let Some(room) = Room::at(handshake.request().uri().path()) else {
            if self.log.is_some() && handshake.is_websocket() {
                log_line!("{client}: rejected: 404: there is no WebSocket at this path");
            }
            // A client that is gone does not get the response, which is not an error here.
            let _ = handshake.respond(responses::not_found().map(Bytes::from)).await;
            return None;
        };
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
        let line = self.log.clone().map(|log| {
            let client = client.log_line(&websocket);
            Box::new(ConnectionLog { client, since: Instant::now(), _until_written: log })
        });
        if matches!(room, Room::WhoAmI) {
            // If it can't be sent, the connection has ended, and its line says why.
            let _ = websocket.send(client.to_json(&websocket)).await;
        }
        Some((room, websocket, line))
    }

    async fn broadcast(&self, websocket: &mut WebSocket) -> Result<(), Error> {
        let _member = self.group.join(websocket, LAG_POLICY);
        while let Some(message) = websocket.next().await {
            self.group.publish(&PreparedMessage::new(message?));
        }
        Ok(())
    }
}

async fn echo(websocket: &mut WebSocket) -> Result<(), Error> {
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}

impl ConnectionLog {
    fn write(self, websocket: &WebSocket) {
        let end = websocket.close_info().map(|info| info.to_string());
        let end = end.unwrap_or_else(|| "still open".into());
        let seconds = self.since.elapsed().as_secs_f64();
        log_line!("{}, {seconds:.1} s: {}", self.client, printable(&end));
    }
}
