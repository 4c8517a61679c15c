//! What the tests of the library share.

#![allow(dead_code, unreachable_pub)] // each test file uses its part

pub mod example;
#[cfg(feature = "tls")]
pub mod tls;

use bytes::BytesMut;
use fullduplex::{Config, Message, Role, Transport, WebSocket};
use fullduplex_testkit::pipe::{Pipe, pipe};

/// A client and a server, joined in memory.
pub fn pair(capacity: usize) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    pair_with(capacity, Config::default())
}

pub fn pair_with(capacity: usize, config: Config) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let (a, b) = pipe(capacity);
    (open(a, Role::Client, config), open(b, Role::Server, config))
}

/// An end whose opening handshake is taken as done.
pub fn open<S: Transport>(stream: S, role: Role, config: Config) -> WebSocket<S> {
    WebSocket::from_handshake(stream, role, &config, None, BytesMut::new())
}

/// Echoes until the end.
pub async fn echo<S: Transport>(mut websocket: WebSocket<S>) {
    while let Some(Ok(message)) = websocket.next().await {
        if websocket.send(message).await.is_err() {
            return;
        }
    }
}

pub fn numbered(i: usize, len: usize) -> Message {
    let mut bytes = vec![i.to_le_bytes()[0]; len];
    bytes.extend(i.to_le_bytes());
    Message::from(bytes)
}
