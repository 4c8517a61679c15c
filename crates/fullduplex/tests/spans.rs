//! The `tracing` spans of WebSockets: each once, and within that of the request.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "tracing", feature = "tower"))]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;

use common::log::Log;
use common::{client, say};
use fullduplex::client::HttpVersion;
use fullduplex::server::{Handshake, Server, ServerHandle, WebSocketLayer};
use fullduplex::{CloseCode, WebSocket};
use fullduplex_testkit::eventually;
use http::Response;
use hyper::body::Incoming;
use hyper::service::service_fn as hyper_service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};
use tracing::Instrument;

async fn handle(mut websocket: WebSocket) {
    tracing::info!("handled");
    while let Some(Ok(message)) = websocket.next().await {
        websocket.send(message).await.unwrap();
    }
}

/// Opens a WebSocket, says something, and closes it.
async fn visit(address: SocketAddr, handle: &ServerHandle) {
    let (mut websocket, _) =
        client(HttpVersion::Http1).connect(format!("ws://{address}/")).await.unwrap();
    say(&mut websocket, "hello").await;
    websocket.close(CloseCode::NORMAL, "").await.unwrap();
    eventually("the WebSocket is gone", || handle.websocket_count() == 0).await;
}

fn sorted(log: &Log) -> Vec<String> {
    let mut lines = log.take();
    lines.sort();
    lines
}

#[tokio::test]
async fn span_of_a_websocket_is_entered_once_in_every_kind_of_handler() {
    let log = Log::of(&["fullduplex::server", "spans"]);
    let _subscribed = log.subscribe();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let (address, server_handle) = (server.local_addr().unwrap(), server.handle());
    tokio::spawn(server.serve(handle));
    visit(address, &server_handle).await;
    let once = ["websocket: closed", "websocket: handled", "websocket: opened"];
    assert_eq!(sorted(&log), once);

    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let (address, server_handle) = (server.local_addr().unwrap(), server.handle());
    tokio::spawn(server.serve_handshakes(async |handshake: Handshake| {
        if handshake.request().uri().path() == "/no" {
            let no = Response::builder().status(404).body("").unwrap();
            let _ = handshake.respond(no).await;
            return;
        }
        // Also where it opens in a span of the application's.
        let accepting = handshake.accept().instrument(tracing::info_span!("mine"));
        handle(accepting.await.unwrap()).await;
    }));
    visit(address, &server_handle).await;
    assert_eq!(sorted(&log), once);
    let rejected = client(HttpVersion::Http1).connect(format!("ws://{address}/no")).await;
    assert!(rejected.is_err());
    assert_eq!(sorted(&log), ["websocket: rejected"]);
}

#[tokio::test]
async fn span_of_a_websocket_is_within_that_of_its_request() {
    let log = Log::of(&["fullduplex::server", "spans"]);
    let _subscribed = log.subscribe();
    let tracked = ServerHandle::new();
    let layer = WebSocketLayer::new(|websocket, _| handle(websocket)).track(&tracked);
    let service = ServiceBuilder::new().layer(layer).service(tower::service_fn(
        async |_: http::Request<Incoming>| Ok::<_, Infallible>(Response::new(String::new())),
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let in_a_span = hyper_service_fn(move |request| {
            let span = tracing::info_span!("request");
            service.clone().oneshot(request).instrument(span)
        });
        let builder = Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection_with_upgrades(TokioIo::new(tcp), in_a_span).await;
    });
    visit(address, &tracked).await;
    let within =
        ["request: websocket: closed", "request: websocket: handled", "request: websocket: opened"];
    assert_eq!(sorted(&log), within);
}
