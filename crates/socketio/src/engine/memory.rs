//! Sessions in memory, for tests.

use std::sync::Arc;

use fullduplex::server::policy::PeerAddr;
use fullduplex::{CloseCode, WebSocket, pair_with};
use http::Request;

use crate::engine::config::EngineConfig;
use crate::engine::driver::Driver;
use crate::engine::outcome::TransportKind;
use crate::engine::packet::{Data, Packet};
use crate::engine::session::Session;
use crate::engine::shared::Shared;

/// Creates a session and its client, which are connected in memory by a WebSocket.
///
/// # Panics
/// Outside of a tokio runtime.
///
/// ```
/// use fullduplex_socketio::engine::{Data, EngineConfig, Outgoing, memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (mut session, mut client) = memory::pair(EngineConfig::default());
/// client.send("hello").await;
/// assert_eq!(session.recv().await, Some(Data::from("hello")));
/// let _ = session.sender().send(&Outgoing::text("world"));
/// assert_eq!(client.recv().await, Some(Data::from("world")));
/// # }
/// ```
pub fn pair(config: EngineConfig) -> (Session, Peer) {
    pair_with_request(config, Request::new(()))
}

/// Creates a session and its client, as if this request had opened the session.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn pair_with_request(config: EngineConfig, request: Request<()>) -> (Session, Peer) {
    let quiet = fullduplex::Config::default().keepalive_interval(None);
    let (client, server) = pair_with(quiet, quiet).unwrap_or_else(|_| fullduplex::pair());
    let transport = TransportKind::WebSocket;
    let shared = Shared::new(&Arc::new(config.into()), transport, request, PeerAddr::Unknown);
    let shared = Arc::new(shared);
    let session = Session::new(shared.clone());
    // The session is open until it ends by itself.
    let sender = session.sender().clone();
    let handler = Box::pin(async move {
        let _reason = sender.closed().await;
    });
    tokio::spawn(Driver::new(shared, Some(server), handler, Box::new(|| {})));
    (session, Peer { websocket: client })
}

/// The client of a session in memory. It answers pings while it receives.
///
/// ```
/// use fullduplex_socketio::engine::{EndReason, EngineConfig, memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (session, client) = memory::pair(EngineConfig::default());
/// client.close().await;
/// assert_eq!(session.sender().closed().await, EndReason::TransportClose);
/// # }
/// ```
#[derive(Debug)]
pub struct Peer {
    websocket: WebSocket,
}

impl Peer {
    /// Receives the next message; `None` after the end.
    pub async fn recv(&mut self) -> Option<Data> {
        loop {
            match Packet::decode(self.websocket.next().await?.ok()?).ok()? {
                Packet::Message(data) => return Some(data),
                Packet::Ping(text) => {
                    let _ = self.websocket.send(Packet::Pong(text).encode()).await;
                }
                _ => {}
            }
        }
    }

    /// Sends a message. Nothing happens after the end of the session.
    pub async fn send(&mut self, data: impl Into<Data>) {
        let _ = self.websocket.send(Packet::Message(data.into()).encode()).await;
    }

    /// Closes the session from the client's side.
    pub async fn close(mut self) {
        let _ = self.websocket.close(CloseCode::NORMAL, "").await;
    }
}
