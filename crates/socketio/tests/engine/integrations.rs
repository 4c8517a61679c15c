//! The engine beside other services, and on every version of HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use fullduplex::client::{ClientTls, HttpVersion, Proxies, RootCertificates};
use fullduplex::server::tls::{SelfSigned, ServerTls};
use fullduplex::server::{Server, ServerConfig};
use fullduplex::{Client, WebSocket};
use fullduplex_socketio::engine::{EndReason, Engine, EngineConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::client::Polling;
use crate::echo;

/// Returns the answer to a request on a new connection.
async fn raw(address: SocketAddr, head: &str, content: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = content.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\
         \r\n{content}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn text(websocket: &mut WebSocket) -> String {
    let next = timeout(Duration::from_secs(10), websocket.next()).await.expect("a message in time");
    next.unwrap().unwrap().to_text().unwrap().to_owned()
}

/// Polls, posts and upgrades in a server at this address.
async fn use_session(engine: &Engine, address: SocketAddr) {
    let path = "/engine.io/?EIO=4&transport=polling";
    let answer = raw(address, &format!("GET {path}"), "").await;
    let (head, open) = answer.split_once("\r\n\r\n0").expect(&answer);
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let open: serde_json::Value = serde_json::from_str(open).unwrap();
    let session = Polling { engine: engine.clone(), sid: open["sid"].as_str().unwrap().into() };
    let path = format!("/engine.io/?{}", session.query());
    let posted = raw(address, &format!("POST {path}"), "4hello").await;
    assert!(posted.ends_with("\r\n\r\nok"), "{posted}");
    let polled = raw(address, &format!("GET {path}"), "").await;
    assert!(polled.ends_with("\r\n\r\n4hello"), "{polled}");
    let client = Client::builder().proxies(Proxies::none()).build().unwrap();
    let query = session.query().replace("polling", "websocket");
    let url = format!("ws://{address}/engine.io/?{query}");
    let (mut websocket, _) = client.connect(&url).await.unwrap();
    websocket.send("2probe").await.unwrap();
    assert_eq!(text(&mut websocket).await, "3probe");
    websocket.send("5").await.unwrap();
    websocket.send("4again").await.unwrap();
    assert_eq!(text(&mut websocket).await, "4again");
}

#[tokio::test]
async fn layer_of_axum_leaves_other_paths_to_the_router() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let router = Router::new().route("/page", get(async || "a page"));
    let by_route = Router::new()
        .route("/page", get(async || "a page"))
        .route_service("/engine.io/", engine.service());
    let layered = router.layer(engine.layer());
    for app in [layered, by_route] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, app).into_future());
        assert!(raw(address, "GET /page", "").await.ends_with("a page"));
        use_session(&engine, address).await;
        assert_eq!(ends.recv().await, Some(EndReason::TransportClose));
    }
}

#[tokio::test]
async fn server_serves_the_engine_on_every_version() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let plain = Server::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(engine.clone().serve(plain));
    use_session(&engine, address).await;
    assert_eq!(ends.recv().await, Some(EndReason::TransportClose));
    let made = SelfSigned::new(["localhost"]).unwrap();
    let tls = ServerTls::builder().certificate(made.certificate()).build().unwrap();
    let secure = Server::bind("127.0.0.1:0").await.unwrap();
    let secure = secure.config(ServerConfig::default().http2(true)).tls(tls).http3();
    let url = format!("wss://localhost:{}/engine.io/", secure.local_addr().unwrap().port());
    tokio::spawn(engine.clone().serve(secure));
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3] {
        let tls = ClientTls::new().roots(RootCertificates::None).add_authorities(made.pem());
        let client = Client::builder().proxies(Proxies::none()).tls(tls).http_version(version);
        let client = client.build().unwrap();
        let session = Polling::open(&engine).await;
        let url = format!("{url}?EIO=4&transport=websocket&sid={}", session.sid);
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        websocket.send("2probe").await.unwrap();
        assert_eq!(text(&mut websocket).await, "3probe");
        websocket.send("5").await.unwrap();
        websocket.send("4hello").await.unwrap();
        assert_eq!(text(&mut websocket).await, "4hello", "{version:?}");
        drop(websocket);
        assert_eq!(ends.recv().await, Some(EndReason::TransportClose));
    }
}
