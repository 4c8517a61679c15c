//! What an open connection offers: its ends, its halves, and what they know of it.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "_tls",
    feature = "http2",
    feature = "http3"
))]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod closing;
mod failing;
mod halves;
mod pairs;
mod pings;
mod traits;

use std::future::Future;
use std::time::Duration;

use fullduplex::server::{Server, ServerConfig};
use fullduplex::{Client, WebSocket};
use tokio::sync::mpsc;

pub(crate) async fn in_time<T>(what: &str, doing: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), doing).await.expect(what)
}

/// Both ends of a WebSocket, on each version of HTTP and on TLS: what it runs on, the client's and
/// the server's, and what they need to stay open.
#[cfg(all(feature = "tls", feature = "http2", feature = "http3"))]
pub(crate) async fn on_each_version() -> Vec<(&'static str, WebSocket, WebSocket, Client)> {
    use common::tls::{LOCALHOST, localhost, trusting};
    use fullduplex::client::HttpVersion;

    let mut all = Vec::new();
    for (name, version, is_secure) in [
        ("HTTP/1.1", HttpVersion::Http1, false),
        ("HTTP/1.1 over TLS", HttpVersion::Http1, true),
        ("HTTP/2", HttpVersion::Http2, false),
        ("HTTP/2 over TLS", HttpVersion::Http2, true),
        ("HTTP/3", HttpVersion::Http3, true),
    ] {
        let config = ServerConfig::default().http2(true);
        let mut server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
        if is_secure {
            server = server.tls(localhost()).http3();
        }
        let port = server.local_addr().unwrap().port();
        let (opened, mut open) = mpsc::unbounded_channel();
        tokio::spawn(server.serve(move |websocket| {
            opened.send(websocket).unwrap();
            std::future::ready(())
        }));
        let client =
            common::direct().http_version(version).tls(trusting(LOCALHOST)).build().unwrap();
        let scheme = if is_secure { "wss" } else { "ws" };
        let url = format!("{scheme}://localhost:{port}/");
        let (near, _) = in_time(name, client.connect(&url)).await.unwrap();
        all.push((name, near, open.recv().await.unwrap(), client));
    }
    all
}
