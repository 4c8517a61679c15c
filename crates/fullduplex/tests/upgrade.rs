//! WebSockets in servers of somebody else's: of hyper's, and behind a tower layer.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2", feature = "tower"))]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::hyper::serve;
use common::{client, echo, raw};
use fullduplex::client::HttpVersion;
use fullduplex::server::integrate::UpgradeRequest;
use fullduplex::server::policy::OriginPolicy;
use fullduplex::server::{
    self, DrainOptions, Handshake, ServerConfig, ServerHandle, WebSocketLayer,
};
use fullduplex::{CloseCode, WebSocket};
use fullduplex_testkit::eventually;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::{ServiceBuilder, service_fn};

const BOTH: [HttpVersion; 2] = [HttpVersion::Http1, HttpVersion::Http2];

async fn page(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let mut response = Response::new(format!("page {}", request.uri().path()));
    if server::integrate::is_websocket(&request) {
        // On HTTP/2 a 200 would open it.
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

/// Echoes, after it has told the path.
fn layer() -> WebSocketLayer {
    WebSocketLayer::new(|mut websocket, request| async move {
        let path = request.uri().path().to_owned();
        websocket.send(path).await.unwrap();
        echo(websocket).await;
    })
}

async fn open(address: SocketAddr, version: HttpVersion) -> WebSocket {
    let url = format!("ws://{address}/path");
    let (mut websocket, _) = client(version).connect(&url).await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some("/path"));
    websocket
}

const LAST: &str = "GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

const KEY: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn layer_takes_websockets_and_leaves_pages() {
    let address = serve(ServiceBuilder::new().layer(layer()).service(service_fn(page))).await;
    for version in BOTH {
        let mut websocket = open(address, version).await;
        websocket.send("x".repeat(300_000)).await.unwrap();
        assert_eq!(websocket.next().await.unwrap().unwrap().len(), 300_000);
        assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    }
    let answer = raw(address, LAST).await;
    assert!(answer.ends_with("page /b"), "{answer}");
}

#[tokio::test]
async fn layer_filter_leaves_websockets_to_the_service() {
    let layer = layer().filter(|head| head.uri.path() == "/path");
    let address = serve(ServiceBuilder::new().layer(layer).service(service_fn(page))).await;
    for version in BOTH {
        open(address, version).await;
        let url = format!("ws://{address}/other");
        let error = client(version).connect(&url).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn upgrade_with_a_setting_out_of_range_is_answered_500() {
    let config = ServerConfig::default().idle_timeout(Duration::ZERO);
    let address =
        serve(ServiceBuilder::new().layer(layer().config(config)).service(service_fn(page))).await;
    for version in BOTH {
        let error = client(version).connect(&format!("ws://{address}/")).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!error.to_string().contains("idle_timeout"), "a client is told: {error}");
    }
}

#[tokio::test]
async fn upgrade_rejection_names_the_rule() {
    let config = ServerConfig::default().origin_policy(OriginPolicy::DangerousAny);
    let strict = serve(ServiceBuilder::new().layer(layer()).service(service_fn(page))).await;
    let lax =
        serve(ServiceBuilder::new().layer(layer().config(config)).service(service_fn(page))).await;
    let foreign = format!("GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n{KEY}\r\n");
    // Two requests, as hyper goes on after the first.
    let answer = raw(strict, &(foreign.clone() + LAST)).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("http://b"), "{answer}");
    let mut socket = TcpStream::connect(lax).await.unwrap();
    socket.write_all(foreign.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");

    let old = KEY.replace("Version: 13", "Version: 8") + "Connection: close\r\n";
    let answer = raw(strict, &format!("GET / HTTP/1.1\r\nHost: a\r\n{old}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("RFC 6455"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("sec-websocket-version: 13"), "{answer}");
    let post = format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{KEY}\r\n");
    let answer = raw(strict, &post).await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("RFC 6455"), "{answer}");
}

#[tokio::test]
async fn upgrade_keeps_bytes_after_the_request() {
    let address = serve(ServiceBuilder::new().layer(layer()).service(service_fn(page))).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut bytes = format!("GET /p HTTP/1.1\r\nHost: a\r\n{KEY}\r\n").into_bytes();
    // A text of one letter, masked with zeros, and a Close.
    bytes.extend_from_slice(&[0x81, 0x81, 0, 0, 0, 0, b'!', 0x88, 0x80, 0, 0, 0, 0]);
    socket.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(&[0x81, 2, b'/', b'p', 0x81, 1, b'!', 0x88, 0]), "{answer:?}");
}

#[tokio::test]
async fn upgrade_without_a_connection_to_take_over_is_refused() {
    let request = Request::get("/").header("host", "a").header("upgrade", "websocket");
    let request = request.header("connection", "upgrade").header("sec-websocket-version", "13");
    let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let mut request = request.body(()).unwrap();
    assert!(server::integrate::is_websocket(&request));
    let rejection = server::upgrade(&mut request, ServerConfig::default()).unwrap_err();
    assert!(rejection.is_websocket());
    assert_eq!(rejection.into_response().status(), StatusCode::NOT_IMPLEMENTED);
    let rejection = UpgradeRequest::new(&mut Request::new(())).unwrap_err();
    assert!(!rejection.is_websocket(), "{rejection}");
}

#[tokio::test]
async fn drain_closes_tracked_websockets() {
    let handle = ServerHandle::new();
    let layer = layer().track(&handle);
    let address = serve(ServiceBuilder::new().layer(layer).service(service_fn(page))).await;
    let mut all = Vec::new();
    for version in BOTH {
        for _ in 0..10 {
            all.push(open(address, version).await);
        }
    }
    assert_eq!((handle.websocket_count(), handle.connection_count()), (20, 20));
    drop(all.pop());
    eventually("one has left", || handle.connection_count() < 20).await;
    let watching = tokio::spawn(async move {
        for mut websocket in all {
            assert!(websocket.next().await.is_none());
            assert_eq!(websocket.close_info().unwrap().code(), CloseCode::GOING_AWAY);
        }
    });
    let late = async {
        handle.drain_started().await;
        for version in BOTH {
            let url = format!("ws://{address}/late");
            let error = client(version).connect(&url).await.unwrap_err();
            let response = error.response().unwrap();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(error.retry_after().is_some());
        }
    };
    let drain = DrainOptions::default().spread(Duration::from_millis(300));
    let (report, ()) = tokio::join!(handle.drain(drain), late);
    assert_eq!((report.notified, report.cut, report.cut_http), (19, 0, 0));
    assert_eq!((handle.websocket_count(), handle.connection_count()), (0, 0));
    watching.await.unwrap();
}

/// A service whose responses leave when `ready` gives so.
async fn serve_late<F>(
    handle: &ServerHandle,
    ready: impl Fn() -> F + Clone + Send + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send,
{
    let handle = handle.clone();
    let respond = service_fn(move |mut request: Request<Incoming>| {
        let mut request = UpgradeRequest::new(&mut request).unwrap();
        request.track(&handle);
        let ready = ready.clone();
        async move {
            let (response, upgrade) = request.accept(ServerConfig::default()).unwrap();
            tokio::spawn(async move { echo(upgrade.await.unwrap()).await });
            ready().await;
            Ok::<_, Infallible>(response.map(|()| String::new()))
        }
    });
    serve(respond).await
}

/// Begins to open a WebSocket, and waits until the request has come.
async fn opening(handle: &ServerHandle, address: SocketAddr) -> tokio::task::JoinHandle<WebSocket> {
    let opening = tokio::spawn(async move {
        client(HttpVersion::Http1).connect(format!("ws://{address}/")).await.unwrap().0
    });
    eventually("the request has come", || handle.connection_count() > 0).await;
    assert_eq!(handle.websocket_count(), 0);
    opening
}

#[tokio::test]
async fn drain_closes_websockets_that_were_being_opened() {
    let handle = ServerHandle::new();
    let draining = handle.clone();
    let address = serve_late(&handle, move || draining.drain_started()).await;
    let opening = opening(&handle, address).await;
    let drain = handle.drain(DrainOptions::default().spread(Duration::ZERO));
    let told = async {
        let mut websocket = opening.await.unwrap();
        assert!(websocket.next().await.is_none());
        assert_eq!(websocket.close_info().unwrap().code(), CloseCode::GOING_AWAY);
    };
    let (report, ()) = tokio::join!(drain, told);
    assert_eq!((report.notified, report.cut, report.cut_http), (1, 0, 0));
}

#[tokio::test]
async fn drain_cuts_what_opens_after_its_end() {
    let handle = ServerHandle::new();
    let ended = Arc::new(Semaphore::new(0));
    let wait = ended.clone();
    let ready = move || {
        let ended = wait.clone();
        async move { drop(ended.acquire().await.unwrap()) }
    };
    let address = serve_late(&handle, ready).await;
    let opening = opening(&handle, address).await;
    let drain = DrainOptions::default().spread(Duration::ZERO).deadline(Duration::from_millis(50));
    let report = handle.drain(drain).await;
    assert_eq!((report.notified, report.cut, report.cut_http), (0, 0, 1));
    ended.add_permits(1);
    let mut websocket = opening.await.unwrap();
    assert!(websocket.next().await.unwrap().is_err());
}

#[tokio::test]
async fn drain_closes_tracked_websockets_without_hyper() {
    let handle = ServerHandle::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let tracked = handle.clone();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut handshake = Handshake::read(tcp, ServerConfig::default()).await.unwrap();
            handshake.track(&tracked);
            if let Ok(websocket) = handshake.accept().await {
                tokio::spawn(echo(websocket));
            }
        }
    });
    let (mut websocket, _) = client(HttpVersion::Http1).connect(&url).await.unwrap();
    assert_eq!(handle.websocket_count(), 1);
    let drain = DrainOptions::default().spread(Duration::ZERO);
    let (report, end) = tokio::join!(handle.drain(drain), websocket.next());
    assert!(end.is_none() && report.notified == 1 && report.cut == 0, "{report}");
    let error = client(HttpVersion::Http1).connect(&url).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}
