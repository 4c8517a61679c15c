//! The examples, each as a process that others talk to.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "http2",
    feature = "http3",
    feature = "tower"
))]

mod bridge;
mod chat;
#[path = "../common/mod.rs"]
mod common;
mod feed;
#[cfg(all(feature = "metrics", feature = "tracing"))]
mod metrics;
mod routes;
mod servers;
mod tunnel;
mod upload;

use std::time::Duration;

use common::client;
use common::example::Serving;
use fullduplex::WebSocket;
use fullduplex::client::HttpVersion;
use tokio::time::timeout;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The answer to a request for a page.
async fn get(server: &Serving, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    common::raw(server.address, &request).await
}

/// Opens a WebSocket at a path of the server.
async fn open(server: &Serving, path: &str) -> WebSocket {
    let url = format!("ws://{}{path}", server.address);
    client(HttpVersion::Http1).connect(&url).await.unwrap().0
}

/// The next message, which is text.
async fn text(websocket: &mut WebSocket) -> String {
    let message = timeout(PATIENCE, websocket.next()).await.unwrap().unwrap().unwrap();
    message.as_text().unwrap().to_owned()
}

/// Waits for the end of the connection.
async fn end(websocket: &mut WebSocket) -> fullduplex::CloseInfo {
    while timeout(PATIENCE, websocket.next()).await.unwrap().is_some() {}
    websocket.close_info().unwrap()
}
