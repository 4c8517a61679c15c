//! The example, with clients of both versions of HTTP.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, unreachable_pub)] // of what is shared, this is a part

#[path = "../../fullduplex/tests/common/example.rs"]
mod example;

use example::Serving;
use fullduplex_axum::fullduplex::client::{HttpVersion, Proxies};
use fullduplex_axum::fullduplex::{Client, CloseCode};

#[tokio::test]
async fn example_has_one_room_for_both_versions_of_http() {
    let server = Serving::start("axum");
    let mut all = Vec::new();
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let client = Client::builder().proxies(Proxies::none()).http_version(version);
        let client = client.subprotocols(["echo.v1"]).build().unwrap();
        let url = format!("ws://{}/echo", server.address);
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        assert_eq!(websocket.subprotocol(), Some("echo.v1"));
        websocket.send("hello").await.unwrap();
        assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some("hello"));
        assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());

        let url = format!("ws://{}/room", server.address);
        all.push(client.connect(&url).await.unwrap().0);
    }
    // Each hears what it says, and so is in the room.
    for (i, websocket) in all.iter_mut().enumerate() {
        let said = format!("{i} is here");
        websocket.send(said.as_str()).await.unwrap();
        while websocket.next().await.unwrap().unwrap().as_text() != Some(&said) {}
    }
    all[0].send("to all").await.unwrap();
    for websocket in &mut all {
        while websocket.next().await.unwrap().unwrap().as_text() != Some("to all") {}
    }
    let told = tokio::spawn(async move {
        for mut websocket in all {
            assert!(websocket.next().await.is_none());
            assert_eq!(websocket.close_info().unwrap().code(), CloseCode::GOING_AWAY);
        }
    });
    let said = tokio::task::spawn_blocking(|| server.interrupt()).await.unwrap();
    assert!(said.contains("2 WebSockets notified, 0 cut off"), "{said}");
    told.await.unwrap();
}
