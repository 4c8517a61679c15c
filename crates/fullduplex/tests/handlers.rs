//! What handlers may end with.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use common::{client, say};
use fullduplex::client::HttpVersion;
use fullduplex::server::{Handshake, Server};
use fullduplex::{CloseCode, Error, WebSocket};
use tokio::time::timeout;

async fn bound() -> (Server, SocketAddr) {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

async fn open(address: SocketAddr) -> WebSocket {
    client(HttpVersion::Http1).connect(format!("ws://{address}/")).await.unwrap().0
}

#[tokio::test]
async fn handler_may_end_with_a_result() {
    let (server, address) = bound().await;
    tokio::spawn(server.serve(|mut websocket| async move {
        while let Some(message) = websocket.next().await {
            let message = message?;
            let number = message.as_text().filter(|text| text.parse::<u32>().is_ok());
            number.ok_or_else(|| std::io::Error::other("no number"))?;
            websocket.send(message).await?;
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    }));
    let mut websocket = open(address).await;
    say(&mut websocket, "17").await;
    websocket.send("seventeen").await.unwrap();
    // What the handler had is dropped with its error.
    let ended = timeout(Duration::from_secs(20), websocket.next()).await.unwrap();
    assert!(ended.is_none());
    assert_eq!(websocket.close_info().unwrap().code(), CloseCode::GOING_AWAY);

    let (server, address) = bound().await;
    tokio::spawn(server.serve_handshakes(|handshake: Handshake| async {
        common::echo(handshake.accept().await?).await;
        Ok::<_, Error>(())
    }));
    say(&mut open(address).await, "hello").await;
}

#[tokio::test]
async fn handler_may_go_on_for_ever_or_end_with_nothing() {
    let (server, address) = bound().await;
    tokio::spawn(server.serve(|mut websocket| async move {
        loop {
            match websocket.next().await {
                Some(Ok(message)) => websocket.send(message).await.unwrap(),
                _ => pending::<()>().await,
            }
        }
    }));
    say(&mut open(address).await, "hello").await;

    let (server, address) = bound().await;
    tokio::spawn(server.serve(common::echo));
    say(&mut open(address).await, "hello").await;
}
