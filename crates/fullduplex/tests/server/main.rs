//! A server on one port: WebSockets on both versions of HTTP, ordinary requests, and the end.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "http2",
    feature = "http3",
    feature = "hyper"
))]

#[path = "../common/mod.rs"]
mod common;
mod drain;
mod http_requests;
mod limits;
mod panics;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use common::server::Pieces;
use common::tls::{LOCALHOST, localhost, trusting};
use common::{client, direct, echo, raw, say};
use fullduplex::CloseCode;
use fullduplex::client::HttpVersion;
use fullduplex::server::policy::HostPolicy;
use fullduplex::server::stats::HandshakeOutcome;
use fullduplex::server::{self, Body, DrainOptions, Handshake, Server, ServerConfig, ServerHandle};
use fullduplex_testkit::eventually;
use h2::client::SendRequest;
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::service_fn;

/// Answers with the version and the path.
async fn page(request: Request<Body>) -> Result<Response<Pieces>, Infallible> {
    assert!(request.extensions().get::<server::ConnectInfo>().unwrap().client_ip().is_some());
    Ok(Pieces::once(format!("{:?} {}", request.version(), request.uri().path())))
}

type Serving = tokio::task::JoinHandle<Result<(), fullduplex::Error>>;

/// A server with pages beside its WebSockets.
async fn serving(config: ServerConfig) -> (SocketAddr, ServerHandle, Serving) {
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.service(service_fn(page));
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    (address, handle, tokio::spawn(server.serve(echo)))
}

fn both_versions() -> ServerConfig {
    ServerConfig::default().http2(true)
}

async fn http2(address: SocketAddr) -> SendRequest<Bytes> {
    common::http2::connect(TcpStream::connect(address).await.unwrap()).await
}

#[tokio::test]
async fn server_serves_both_versions_on_one_port() {
    let (address, handle, _) = serving(both_versions()).await;
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let client = client(version);
        let mut all = Vec::new();
        for i in 0..10 {
            let (mut websocket, _) = client.connect(format!("ws://{address}/")).await.unwrap();
            say(&mut websocket, &format!("{i}")).await;
            say(&mut websocket, &"long ".repeat(60_000)).await;
            all.push(websocket);
        }
        assert_eq!(handle.websocket_count(), 10);
        // On HTTP/2 they share a connection.
        assert_eq!(handle.connection_count(), if version == HttpVersion::Http2 { 1 } else { 10 });
        for mut websocket in all {
            assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        }
        eventually("no WebSocket is left", || handle.websocket_count() == 0).await;
    }
}

#[tokio::test]
async fn tls_alpn_selects_the_version() {
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(both_versions());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = server.tls(localhost()).http3().on_rejected(move |refused| {
        tell.send((refused.status(), refused.to_string())).unwrap();
    });
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    tokio::spawn(server.serve_handshakes(|handshake| async move {
        let remote = handshake.connect_info().unwrap();
        let tls = remote.tls.as_ref().unwrap();
        assert!(remote.secure && tls.server_name.as_deref() == Some("localhost"));
        let version = String::from_utf8(tls.alpn.clone().unwrap()).unwrap();
        let mut websocket = handshake.accept().await.unwrap();
        websocket.send(version).await.unwrap();
        echo(websocket).await;
    }));
    let url = format!("wss://localhost:{}/", address.port());
    for (version, alpn) in [
        (HttpVersion::Http1, "http/1.1"),
        (HttpVersion::Http2, "h2"),
        (HttpVersion::Auto, "h2"),
        (HttpVersion::Http3, "h3"),
    ] {
        let client = direct().http_version(version).tls(trusting(LOCALHOST)).build().unwrap();
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some(alpn));
        say(&mut websocket, "secret").await;
        say(&mut websocket, &"long ".repeat(200_000)).await;
        assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    }
    let opened = HandshakeOutcome::Opened(http::Version::HTTP_3);
    assert_eq!(handle.stats().handshakes[&opened], 1);
    // Whoever speaks no TLS gets an end, and bothers nobody.
    let answer = raw(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!answer.contains("HTTP"), "{answer}");
    let (status, line) = told.recv().await.unwrap();
    assert!(status.is_none() && line.contains("TLS"), "{line}");
}

#[tokio::test]
async fn rejections_are_reported_without_secrets() {
    let mut config = both_versions();
    config.host_policy = HostPolicy::list_or_local([]).unwrap();
    config.handshake_limits.handshake_timeout = Duration::from_millis(300);
    config.handshake_limits.max_head_bytes = 1000;
    config.limits.connections.max_connections = Some(1);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.service(service_fn(page)).on_rejected(move |refused| {
        let status = refused.status().map(|status| status.as_u16());
        tell.send((refused.peer(), status, refused.to_string(), format!("{refused:?}"))).unwrap();
    });
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    tokio::spawn(server.serve_handshakes(|handshake: Handshake| async {
        if handshake.request().uri().path() == "/no" {
            handshake.respond(Response::builder().status(404).body("").unwrap()).await.unwrap();
        } else {
            drop(handshake.accept().await);
        }
    }));
    let ask = |line: &str, host: &str, more: &str| {
        format!(
            "GET {line}?token=secret HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Cookie: secret\r\n{more}\r\n"
        )
    };
    let version = "Sec-WebSocket-Version: 13\r\n";
    let origin = format!("{version}Origin: https://evil.example\r\n");
    for (request, status, words) in [
        (ask("/a", "evil.example", version), 421, "/a HTTP/1.1: 421: evil.example is not served"),
        (ask("/b", "localhost", &origin), 403, "/b HTTP/1.1: 403: Origin https://evil.example"),
        (ask("/c", "localhost", ""), 426, "/c HTTP/1.1: 426: "),
        (ask("/no", "localhost", version), 404, "/no HTTP/1.1: 404: rejected by the application"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".into(), 421, "/ HTTP/1.1: 421: "),
        (
            ask("/d", "localhost\r\nHost: localhost", version),
            400,
            "/d HTTP/1.1: 400: more than one Host",
        ),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\n".into(), 400, ": 400: "),
        ("no request\r\n\r\n".into(), 400, ": 400: "),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2000)), 431, ": 431: "),
        ("GET / HTTP/1.1\r\n".into(), 408, ": 408: timed out: handshake_timeout"),
    ] {
        let answer = raw(address, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        let (peer, told_status, line, debug) = told.recv().await.unwrap();
        assert_eq!(told_status, Some(status), "{line}");
        assert!(line.starts_with(&peer.to_string()) && line.contains(words), "{line}");
        assert!(!line.contains("secret") && !debug.contains("secret"), "{line}, {debug}");
        eventually("no connection is left", || handle.connection_count() == 0).await;
    }
    let held = TcpStream::connect(address).await.unwrap();
    let answer = raw(address, "").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let (_, status, line, _) = told.recv().await.unwrap();
    assert!(
        status == Some(503) && line.ends_with("too many connections (max_connections = 1)"),
        "{line}"
    );
    // Who leaves by itself was not refused.
    drop(held);
    eventually("no connection is left", || handle.connection_count() == 0).await;
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn handshake_is_inspected_before_it_is_accepted() {
    #[derive(Clone)]
    struct User(String);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(both_versions());
    let server = server.authenticate(|mut request| async move {
        let Some(name) = request.headers().get("x-user") else {
            let mut refusal = Response::new(Bytes::from_static(b"who are you?"));
            *refusal.status_mut() = StatusCode::UNAUTHORIZED;
            return Err(refusal);
        };
        if name == "slow" {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let user = User(name.to_str().unwrap().to_owned());
        request.extensions_mut().insert(user);
        Ok(request)
    });
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve_handshakes(|handshake| async move {
        let User(name) = handshake.request().extensions().get::<User>().unwrap().clone();
        let mut websocket = handshake.accept().await.unwrap();
        websocket.send(name).await.unwrap();
        drop(websocket.close(CloseCode::NORMAL, "").await);
    }));
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let error = client(version).connect(&url).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), StatusCode::UNAUTHORIZED);
        assert_eq!(error.response().unwrap().body(), "who are you?");
        let known = direct().http_version(version).header("x-user", "ann").build().unwrap();
        let (mut websocket, _) = known.connect(&url).await.unwrap();
        assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some("ann"));
    }
}

#[tokio::test]
async fn upgrade_in_a_server_that_hyper_runs() {
    use hyper_util::rt::TokioIo;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let service = hyper::service::service_fn(|mut request| async move {
                let answer = match server::upgrade(&mut request, ServerConfig::default()) {
                    Ok((response, upgrade)) => {
                        tokio::spawn(async move { echo(upgrade.await.unwrap()).await });
                        response.map(|()| String::new())
                    }
                    Err(rejection) => {
                        let response = rejection.into_response();
                        response.map(|why| String::from_utf8_lossy(&why).into_owned())
                    }
                };
                Ok::<_, Infallible>(answer)
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(tcp), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    let client = client(HttpVersion::Http1);
    let (mut websocket, _) = client.connect(format!("ws://{address}/")).await.unwrap();
    say(&mut websocket, "through hyper").await;
    assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    let answer = raw(address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("RFC 6455"), "{answer}");
}

#[tokio::test]
async fn stats_count_what_a_server_sees() {
    let config = both_versions()
        .websocket(fullduplex::Config::default().deflate(fullduplex::DeflateConfig::balanced()));
    let (address, handle, _) = serving(config).await;
    let url = format!("ws://{address}/");
    let client = direct().deflate(fullduplex::DeflateConfig::balanced()).build().unwrap();
    let (mut websocket, _) = client.connect(&url).await.unwrap();
    say(&mut websocket, &"again and again ".repeat(1000)).await;
    websocket.send(vec![7; 10]).await.unwrap();
    websocket.next().await.unwrap().unwrap();
    let stats = handle.stats();
    assert_eq!((stats.websockets, stats.connections.in_use, stats.accepted), (1, 1, 1));
    for flow in [stats.traffic.received, stats.traffic.sent] {
        assert_eq!((flow.text, flow.binary, flow.payload), (1, 1, 16_010));
        assert!(flow.wire > 20 && flow.wire < 1000, "{flow:?}");
    }
    websocket.close(CloseCode::new(3999), "").await.unwrap();
    raw(address, "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: x\r\nConnection: close\r\n\r\n")
        .await;
    raw(address, "nonsense\r\n\r\n").await;
    eventually("no WebSocket is left", || handle.stats().websockets == 0).await;
    let stats = handle.stats();
    assert_eq!(stats.traffic.received.payload, 16_010, "it is counted on");
    let handshakes: Vec<_> = stats.handshakes.into_iter().collect();
    let opened = HandshakeOutcome::Opened(http::Version::HTTP_11);
    assert_eq!(handshakes, [(opened, 1), (HandshakeOutcome::Rejected(StatusCode::BAD_REQUEST), 2)]);
    let ends: Vec<_> = stats.ends.iter().map(|(end, n)| (end.code, end.cause, *n)).collect();
    assert_eq!(ends, [(3000, "handshake", 1)]);
}

#[tokio::test]
async fn client_address_is_found_behind_proxies() {
    let mut config = ServerConfig::default();
    config.proxy_protocol.mode = server::policy::ProxyMode::Optional;
    config.proxy_protocol.trusted = "127.0.0.1".parse().unwrap();
    config.forwarding.header = server::policy::ForwardedHeader::XForwardedFor;
    config.forwarding.trusted = "127.0.0.1, 10.0.0.0/8".parse().unwrap();
    config.limits.connections.max_per_address = Some(1);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve_handshakes(|handshake| async move {
        let client = handshake.client_ip().unwrap().to_string();
        drop(handshake.respond(Response::new(client)).await);
    }));
    for (before, header, expected) in [
        ("", "", "127.0.0.1"),
        ("", "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.0.0.2\r\n", "192.0.2.7"),
        ("PROXY TCP4 192.0.2.8 10.0.0.2 1 2\r\n", "", "192.0.2.8"),
        ("PROXY TCP4 10.0.0.9 10.0.0.2 1 2\r\n", "X-Forwarded-For: 192.0.2.9\r\n", "192.0.2.9"),
    ] {
        for cut in 0..=before.len() {
            let request = format!("{before}GET / HTTP/1.1\r\nHost: a\r\n{header}\r\n");
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(&request.as_bytes()[..cut]).await.unwrap();
            tokio::task::yield_now().await;
            socket.write_all(&request.as_bytes()[cut..]).await.unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.unwrap();
            assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{expected}: {answer}");
        }
    }
    // The clients of a proxy are told apart.
    let held = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nUpgrade: websocket\r\n";
    let answer = raw(address, &format!("{held}X-Forwarded-For: what?\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn server_serves_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("fullduplex-serving-{}", std::process::id()));
    let listener = server::listen::bind_unix(&path, Some(0o600), server::listen::BACKLOG).unwrap();
    let _file = server::listen::UnixSocketFile::new(&path);
    let server = Server::from_listener(server::listen::Listener::try_from(listener).unwrap());
    tokio::spawn(server.serve(echo));
    let url = format!("ws+unix:{}:/", path.display());
    let (mut websocket, _) = client(HttpVersion::Http1).connect(&url).await.unwrap();
    say(&mut websocket, "on this machine").await;
}

#[test]
fn workers_share_one_port() {
    let any = "127.0.0.1:0".parse().unwrap();
    let workers = server::Workers::bind(any, 3).unwrap();
    let (address, handle) = (workers.local_addr(), workers.handle());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    let threads = seen.clone();
    let serving = std::thread::spawn(move || {
        workers.serve(move |websocket| {
            let threads = threads.clone();
            async move {
                threads.lock().unwrap().insert(std::thread::current().id());
                echo(websocket).await;
            }
        })
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = client(HttpVersion::Http1);
        let mut all = Vec::new();
        while seen.lock().unwrap().len() < 3 {
            // The system spreads them by chance: two of three threads get all of these once in
            // 10^17 times.
            assert!(all.len() < 100, "{:?} of 3 threads serve", seen.lock().unwrap());
            let (mut websocket, _) = client.connect(format!("ws://{address}/")).await.unwrap();
            say(&mut websocket, "somewhere").await;
            all.push(websocket);
        }
        let report = handle.drain(DrainOptions::default().spread(Duration::ZERO));
        let told = async {
            for mut websocket in all {
                assert!(websocket.next().await.is_none());
            }
        };
        let (report, ()) = tokio::join!(report, told);
        assert_eq!(report.cut, 0);
    });
    serving.join().unwrap().unwrap();
}
