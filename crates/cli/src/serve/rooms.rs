//! What happens on the WebSockets: echo, broadcast, who am I.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::server::Handshake;
use fullduplex::{Error, ErrorKind, PreparedMessage, WebSocket};
use tokio::sync::mpsc;

use super::client_info::ClientInfo;
use super::log::say;
use super::responses;
use crate::escape::printable;

/// How many messages a slow member of `/broadcast` may fall behind before it misses some;
/// what they hold is bounded by so many of the largest.
const SLOW: LagPolicy = LagPolicy::DropOldest { keep: 64 };

/// What all connections share.
pub(super) struct Rooms {
    group: Group,
    /// Where there is a log: held until a connection's line is written. Nothing is sent.
    log: Option<mpsc::Sender<()>>,
}

/// What is at a path.
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

/// The line of the log about a connection, while that is open.
struct ConnectionLog {
    visitor: String,
    since: Instant,
    _until_written: mpsc::Sender<()>,
}

impl Rooms {
    /// With a log, the receiver ends when the last line of it is written.
    pub(super) fn new(log: bool) -> (Arc<Self>, mpsc::Receiver<()>) {
        let (open, closed) = mpsc::channel(1);
        (Arc::new(Self { group: Group::new(), log: log.then_some(open) }), closed)
    }

    /// Opens the WebSocket that a request asks for, and serves it to its end.
    pub(super) async fn serve(self: Arc<Self>, handshake: Handshake) {
        // Boxed, so that an open connection does not keep room for its opening.
        let opening = Box::pin(self.open(handshake));
        let Some((room, mut websocket, line)) = opening.await else { return };
        // How one connection ends is no matter for the others.
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
        let visitor = ClientInfo::of(&handshake);
        let Some(room) = Room::at(handshake.request().uri().path()) else {
            if self.log.is_some() && handshake.is_websocket() {
                say!("{visitor}: refused: 404: there is no WebSocket at this path");
            }
            // Whether the answer arrives is the peer's affair.
            let _ = handshake.respond(responses::not_found().map(Bytes::from)).await;
            return None;
        };
        let mut websocket = match handshake.accept().await {
            Ok(websocket) => websocket,
            // Refusals are told by the server.
            Err(error) => {
                let refused = matches!(error.kind(), ErrorKind::Handshake | ErrorKind::Closed);
                if self.log.is_some() && !refused {
                    say!("{visitor}: not opened: {}", printable(&error.to_string()));
                }
                return None;
            }
        };
        let line = self.log.clone().map(|log| {
            let visitor = visitor.line(&websocket);
            Box::new(ConnectionLog { visitor, since: Instant::now(), _until_written: log })
        });
        if matches!(room, Room::WhoAmI) {
            // If it can't be sent, the end says why.
            let _ = websocket.send(visitor.to_json(&websocket)).await;
        }
        Some((room, websocket, line))
    }

    async fn broadcast(&self, websocket: &mut WebSocket) -> Result<(), Error> {
        let _member = self.group.join(websocket, SLOW);
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
        say!("{}, {seconds:.1} s: {}", self.visitor, printable(&end));
    }
}
