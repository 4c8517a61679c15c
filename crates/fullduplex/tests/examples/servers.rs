//! The servers on a listener, on hyper and on tower, and the one of every version of HTTP.

use fullduplex::client::HttpVersion;
use fullduplex::{CloseCode, WebSocket};

use crate::common::example::Serving;
use crate::common::tls::{LOCALHOST, trusting};
use crate::common::{client, direct, say};
use crate::get;

async fn connect(url: &str, version: HttpVersion) -> WebSocket {
    client(version).connect(url).await.unwrap().0
}

async fn echoes(websocket: &mut WebSocket) {
    for text in ["hello", &"long ".repeat(50_000)] {
        say(websocket, text).await;
    }
}

#[tokio::test]
async fn example_listener_serves() {
    let server = Serving::start("listener");
    let mut websocket = connect(&format!("ws://{}/", server.address), HttpVersion::Http1).await;
    echoes(&mut websocket).await;
    assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
}

#[tokio::test]
async fn example_hyper_serves() {
    let server = Serving::start("hyper");
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let mut websocket = connect(&format!("ws://{}/", server.address), version).await;
        echoes(&mut websocket).await;
        assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    }
    assert!(get(&server, "/").await.contains("This is a WebSocket server."));
}

#[tokio::test]
async fn example_tower_serves() {
    let server = Serving::start("tower");
    assert!(get(&server, "/").await.contains("There is a WebSocket at /echo."));
    let url = format!("ws://{}/echo", server.address);
    let mut all = Vec::new();
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let mut websocket = connect(&url, version).await;
        echoes(&mut websocket).await;
        all.push(websocket);
    }
    let told = tokio::spawn(async move {
        for mut websocket in all {
            assert!(websocket.next().await.is_none());
            assert_eq!(websocket.close_info().unwrap().code(), CloseCode::GOING_AWAY);
        }
    });
    let said = tokio::task::spawn_blocking(|| server.interrupt()).await.unwrap();
    assert!(said.contains("2 WebSockets notified, 0 cut off; 0 HTTP connections"), "{said}");
    told.await.unwrap();
}

#[tokio::test]
async fn example_internet_serves_every_version_over_tls() {
    let pem = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/localhost.pem");
    let server = Serving::start_with("internet", &[pem, pem]);
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3] {
        let tls = trusting(LOCALHOST);
        let client = direct().tls(tls).http_version(version).build().unwrap();
        let url = format!("wss://localhost:{}/?ann", server.address.port());
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        websocket.send("hello").await.unwrap();
        let answer = websocket.next().await.unwrap().unwrap();
        assert_eq!(answer.as_text(), Some("ann: hello"), "{version:?}");
        assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean(), "{version:?}");
    }
    let said = tokio::task::spawn_blocking(|| server.interrupt()).await.unwrap();
    assert!(said.contains("0 WebSockets"), "{said}");
}
