//! Tests of the server with clients in memory, which send and receive packets as text.

#[cfg(feature = "admin")]
mod admin;
mod broadcasts;
mod connects;
mod events;
mod recovers;
mod recovers_in_full;
mod slow;

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value as Json;
use tokio::time::timeout;

use super::{SocketIo, SocketIoBuilder, connection};
use crate::engine::Data;
use crate::engine::memory::{self, Peer};

const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for this future, at most for the deadline.
async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("it is done in time")
}

fn build(builder: SocketIoBuilder) -> SocketIo {
    builder.build().expect("settings in their ranges")
}

struct Client {
    peer: Peer,
}

impl Client {
    /// Opens a connection that is in no namespace.
    fn open(io: &SocketIo) -> Self {
        let (session, peer) = memory::pair(io.engine.config().clone());
        tokio::spawn(connection::run(io.shared.clone(), session));
        Self { peer }
    }

    /// Connects to the main namespace, and returns what the server answers.
    async fn connect(io: &SocketIo, auth: &str) -> (Self, Json) {
        let mut client = Self::open(io);
        client.send(&format!("0{auth}")).await;
        let answer = client.next().await;
        let json = answer.strip_prefix('0');
        let json = json.unwrap_or_else(|| panic!("a CONNECT packet, not {answer}"));
        let json = serde_json::from_str(json).expect("JSON");
        (client, json)
    }

    /// Connects to the main namespace.
    async fn connected(io: &SocketIo) -> Self {
        Self::connect(io, "").await.0
    }

    async fn send(&mut self, text: &str) {
        self.peer.send(text).await;
    }

    async fn send_binary(&mut self, bytes: &'static [u8]) {
        self.peer.send(Data::Binary(Bytes::from_static(bytes))).await;
    }

    /// Receives a text, which the server must send in time.
    async fn next(&mut self) -> String {
        match in_time(self.peer.recv()).await.expect("the connection is open") {
            Data::Text(text) => text.as_str().to_owned(),
            Data::Binary(bytes) => panic!("a text, not {bytes:?}"),
        }
    }

    async fn next_binary(&mut self) -> Bytes {
        match in_time(self.peer.recv()).await.expect("the connection is open") {
            Data::Binary(bytes) => bytes,
            Data::Text(text) => panic!("bytes, not {text:?}"),
        }
    }

    /// Waits for the end of the connection. Nothing may be received before.
    async fn ended(&mut self) {
        assert_eq!(in_time(self.peer.recv()).await, None);
    }

    async fn close(self) {
        self.peer.close().await;
    }
}
