//! `feed`, with a server of this process.

use std::process::Stdio;

use fullduplex::{CloseCode, WebSocket, server};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::PATIENCE;
use crate::common::example::example;

/// The next connection, and what it subscribes.
async fn subscriber(listener: &TcpListener) -> (WebSocket<TcpStream>, String) {
    let (tcp, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut websocket = server::accept(tcp).await.unwrap();
    let message = timeout(PATIENCE, websocket.next()).await.unwrap().unwrap().unwrap();
    (websocket, message.as_text().unwrap().to_owned())
}

#[tokio::test]
async fn example_feed_shows_each_event_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let client = example("feed").arg(url).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();

    let (mut websocket, subscribed) = subscriber(&listener).await;
    assert_eq!(subscribed, "after 0");
    for event in ["1 one", "2 two", "4 four", "5 five"] {
        websocket.send(event).await.unwrap();
    }
    // It saw the gap.
    while timeout(PATIENCE, websocket.next()).await.unwrap().is_some() {}
    let (mut websocket, subscribed) = subscriber(&listener).await;
    assert_eq!(subscribed, "after 2");
    for event in ["2 two", "3 three", "4 four"] {
        websocket.send(event).await.unwrap();
    }
    websocket.close(CloseCode::SERVICE_RESTART, "").await.unwrap();
    let (mut websocket, subscribed) = subscriber(&listener).await;
    assert_eq!(subscribed, "after 4");
    websocket.send("5 five").await.unwrap();
    websocket.close(CloseCode::NORMAL, "").await.unwrap();

    let client = client.unwrap();
    let ended = tokio::task::spawn_blocking(|| client.wait_with_output().unwrap());
    let ended = timeout(PATIENCE, ended).await.unwrap().unwrap();
    let shown = "1 one\n2 two\n3 three\n4 four\n5 five\n";
    assert_eq!(String::from_utf8_lossy(&ended.stdout), shown);
    let log = String::from_utf8_lossy(&ended.stderr);
    assert!(
        log.contains("4 after 2: a gap") && log.ends_with("3 connections in 3 attempts\n"),
        "{log}"
    );
}
