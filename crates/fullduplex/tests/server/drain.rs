//! The end of a server.

use std::time::Duration;

use fullduplex::client::HttpVersion;
use fullduplex::server::{DrainOptions, ServerConfig};
use fullduplex::{CloseCause, CloseCode};
use fullduplex_testkit::eventually;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::common::{client, say};
use crate::{both_versions, serving};

#[tokio::test]
async fn drain_closes_every_websocket_and_ends_the_server() {
    let (address, handle, serving) = serving(both_versions()).await;
    let url = format!("ws://{address}/");
    let (one, two) = (client(HttpVersion::Http1), client(HttpVersion::Http2));
    let mut all = Vec::new();
    for _ in 0..20 {
        for client in [&one, &two] {
            let (mut websocket, _) = client.connect(&url).await.unwrap();
            say(&mut websocket, "open").await;
            all.push(websocket);
        }
    }
    let (refused, was_refused) = tokio::sync::oneshot::channel();
    let watching = tokio::spawn(async move {
        // Their answers hold the drain up until it has been seen to refuse.
        was_refused.await.unwrap();
        for mut websocket in all {
            assert!(websocket.next().await.is_none());
            let info = websocket.close_info().unwrap();
            assert_eq!((info.code(), info.cause), (CloseCode::GOING_AWAY, CloseCause::Handshake));
        }
    });
    let late = async {
        handle.drain_started().await;
        let error = one.connect(&url).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(error.retry_after().is_some() && error.is_retryable());
        refused.send(()).unwrap();
    };
    let drain = DrainOptions::default().spread(Duration::from_millis(500));
    let (report, ()) = tokio::join!(handle.drain(drain), late);
    assert_eq!((report.notified, report.cut, report.cut_http), (40, 0, 0));
    watching.await.unwrap();
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn drain_without_time_tells_every_websocket() {
    let (address, handle, serving) = serving(both_versions()).await;
    let mut websockets = Vec::new();
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http1, HttpVersion::Http2]
    {
        let connected = client(version).connect(format!("ws://{address}/")).await;
        let (mut websocket, _) = connected.unwrap();
        say(&mut websocket, "here").await;
        websockets.push(websocket);
    }
    let drain = DrainOptions::default().deadline(Duration::ZERO);
    let report = timeout(Duration::from_secs(5), handle.drain(drain)).await.unwrap();
    assert_eq!(report.notified, websockets.len());
    for mut websocket in websockets {
        // The end may be unclean, as the answer is not waited for.
        while let Some(message) = websocket.next().await {
            assert!(message.is_err(), "{message:?}");
        }
        assert_eq!(websocket.close_info().unwrap().code(), CloseCode::GOING_AWAY);
    }
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn drain_cuts_peers_that_do_not_close() {
    let (address, handle, serving) = serving(ServerConfig::default()).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    eventually("the WebSocket is open", || handle.websocket_count() > 0).await;
    let drain = DrainOptions::default().deadline(Duration::from_millis(300)).spread(Duration::ZERO);
    let report = handle.drain(drain).await;
    assert_eq!((report.notified, report.cut), (1, 1));
    serving.await.unwrap().unwrap();
    let mut received = Vec::new();
    let _ = socket.read_to_end(&mut received).await;
    assert!(received.windows(4).any(|bytes| bytes[0] == 0x88 && bytes[2..] == [0x03, 0xE9]));
}
