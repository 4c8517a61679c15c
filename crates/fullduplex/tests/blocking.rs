//! The example of `fullduplex-proto`, a client on a blocking socket, against our server.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

#[allow(unreachable_pub)] // It is a program, too.
#[path = "../../proto/examples/blocking.rs"]
mod blocking;
mod common;

use std::time::Duration;

use blocking::Client;
use fullduplex::proto::{CloseCause, CloseCode, Initiator};
use fullduplex::server::{Server, ServerConfig};

#[tokio::test]
async fn blocking_client_talks_and_closes() {
    let mut config = ServerConfig::default();
    config.websocket.keepalive.interval = Some(Duration::from_millis(50));
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let host = server.local_addr().unwrap().to_string();
    tokio::spawn(server.serve(common::echo));
    let talking = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&host, "/").unwrap();
        for length in [0, 5, 125, 126, 100_000] {
            client.send(&"x".repeat(length)).unwrap();
            assert_eq!(client.receive().unwrap().unwrap().as_bytes().len(), length);
        }
        client.close(CloseCode::NORMAL, "done").unwrap()
    });
    let info = tokio::time::timeout(Duration::from_secs(20), talking).await.unwrap().unwrap();
    assert!(info.is_clean(), "{info}");
    assert_eq!((info.initiator, info.cause), (Initiator::Local, CloseCause::Handshake));
    assert_eq!(info.code(), CloseCode::NORMAL);
}

#[tokio::test]
async fn blocking_client_learns_how_the_server_closes() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let host = server.local_addr().unwrap().to_string();
    tokio::spawn(server.serve(|mut websocket| async move {
        let _ = websocket.close(CloseCode::GOING_AWAY, "later").await;
    }));
    let talking = tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&host, "/").unwrap();
        assert_eq!(client.receive().unwrap(), None);
        client.close(CloseCode::NORMAL, "").unwrap()
    });
    let info = tokio::time::timeout(Duration::from_secs(20), talking).await.unwrap().unwrap();
    assert!(info.is_clean(), "{info}");
    assert_eq!(info.initiator, Initiator::Peer);
    assert_eq!(info.code(), CloseCode::GOING_AWAY);
}
