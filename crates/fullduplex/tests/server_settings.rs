//! What a server is told before it serves: in any order, or it says what is wrong.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2", feature = "http3"))]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::tls::{LOCALHOST, localhost, trusting};
use common::{direct, echo, say};
use fullduplex::client::HttpVersion;
use fullduplex::server::stats::HandshakeOutcome;
use fullduplex::server::{DrainOptions, Server, ServerConfig, ServerHandle, Workers};
use fullduplex::{Client, Error, ErrorKind};

fn client(version: HttpVersion) -> Client {
    direct().http_version(version).tls(trusting(LOCALHOST)).build().unwrap()
}

async fn server() -> Server {
    Server::bind("127.0.0.1:0").await.unwrap()
}

/// Room for two connections, and for what they say.
fn two() -> ServerConfig {
    let mut config = ServerConfig::default().http2(true);
    config.limits.connections.max_connections = Some(2);
    config.websocket.limits.max_message_size = Some(10);
    config
}

#[tokio::test]
async fn server_handle_may_be_taken_at_any_time() {
    let before = server().await;
    let handle = before.handle();
    let before = before.config(two());
    let after = server().await.config(two());
    let other = after.handle();
    for (server, handle) in [(before, handle), (after, other)] {
        let url = format!("ws://{}/", server.local_addr().unwrap());
        let serving = tokio::spawn(server.serve(echo));
        let client = direct().build().unwrap();
        let (mut first, _) = client.connect(&url).await.unwrap();
        let (mut second, _) = client.connect(&url).await.unwrap();
        say(&mut first, "one").await;
        say(&mut second, "two").await;
        assert_eq!((handle.websocket_count(), handle.stats().accepted), (2, 2));
        // The limits are those of the configuration.
        let error = client.connect(&url).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), 503);
        assert_eq!(handle.stats().connections.rejected_total, 1);
        let told = async {
            assert!(first.next().await.is_none());
            assert!(second.next().await.is_none());
        };
        let drain = DrainOptions::default().spread(Duration::ZERO);
        let (report, ()) = tokio::join!(handle.drain(drain), told);
        assert_eq!((report.notified, report.cut), (2, 0));
        serving.await.unwrap().unwrap();
    }
}

/// A WebSocket on HTTP/3, which is held to the configuration.
async fn held_on_http3(address: SocketAddr, handle: &ServerHandle) {
    let client = client(HttpVersion::Http3);
    let url = format!("wss://localhost:{}/", address.port());
    let (mut websocket, response) = client.connect(&url).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_3);
    say(&mut websocket, "short").await;
    assert_eq!(handle.stats().handshakes[&HandshakeOutcome::Opened(http::Version::HTTP_3)], 1);
    websocket.send("more than ten bytes").await.unwrap();
    assert!(websocket.next().await.is_none());
    assert_eq!(websocket.close_info().unwrap().code().get(), 1009);
}

#[tokio::test]
async fn server_takes_http3_in_any_order() {
    let tls = localhost();
    let at = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = || fullduplex::server::listen::Listener::try_from(at()).unwrap();
    for order in 0..4 {
        let server = match order {
            0 => server().await.config(two()).tls(tls.clone()).http3(),
            1 => server().await.http3().tls(tls.clone()).config(two()),
            2 => server().await.tls(tls.clone()).http3().config(two()),
            // What it listens on later has a port of UDP too.
            _ => server().await.http3().config(two()).add_listener(listener()).tls(tls.clone()),
        };
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        let serving = tokio::spawn(server.serve(echo));
        held_on_http3(address, &handle).await;
        serving.abort();
    }
    let later = at();
    let address = later.local_addr().unwrap();
    let later = fullduplex::server::listen::Listener::try_from(later).unwrap();
    let server = server().await.tls(tls).config(two()).http3().add_listener(later);
    let handle = server.handle();
    let serving = tokio::spawn(server.serve(echo));
    held_on_http3(address, &handle).await;
    serving.abort();
}

#[test]
fn workers_serve_http3_on_one_of_them() {
    let workers = Workers::bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
    let (address, handle) = (workers.local_addr(), workers.handle());
    let workers = workers.configure(|server| server.http3().tls(localhost())).config(two());
    let serving = std::thread::spawn(move || workers.serve(echo));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        held_on_http3(address, &handle).await;
        // On TCP there are all of them.
        let url = format!("wss://localhost:{}/", address.port());
        let (mut websocket, _) = client(HttpVersion::Http2).connect(&url).await.unwrap();
        say(&mut websocket, "over TCP").await;
        drop(websocket);
        handle.drain(DrainOptions::default().spread(Duration::ZERO)).await;
    });
    serving.join().unwrap().unwrap();
}

type Change = fn(&mut ServerConfig);

/// What is wrong with a server.
async fn wrong(server: Server) -> Error {
    let ended = tokio::time::timeout(Duration::from_secs(20), server.serve(echo)).await;
    ended.expect("it serves").unwrap_err()
}

#[tokio::test]
async fn server_settings_that_can_not_be_served_are_named() {
    let error = wrong(server().await.http3()).await;
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("HTTP/3 needs TLS"), "{error}");

    let server_of_tcp = server().await.tls(localhost());
    let address = server_of_tcp.local_addr().unwrap();
    let taken = std::net::UdpSocket::bind(address).unwrap();
    let error = wrong(server_of_tcp.http3()).await;
    assert_eq!(error.kind(), ErrorKind::Io);
    let words = format!("{error:?}");
    assert!(words.contains(&format!("{address} of UDP")), "{words}");
    drop(taken);

    let changes: [(&str, Change); 3] = [
        ("handshake_timeout", |config| config.handshake_limits.handshake_timeout = Duration::ZERO),
        ("limits.http_idle_timeout", |config| config.limits.http_idle_timeout = Duration::ZERO),
        ("limits.stall_timeout", |config| config.limits.stall_timeout = Duration::ZERO),
    ];
    for (setting, change) in changes {
        let mut config = ServerConfig::default();
        change(&mut config);
        let error = wrong(server().await.config(config)).await;
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().starts_with(&format!("{setting} must not be zero")), "{error}");
    }
}

#[test]
fn workers_are_bounded() {
    for threads in [1025, usize::MAX] {
        let error = Workers::bind("127.0.0.1:0".parse().unwrap(), threads).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("at most 1024 threads"), "{error}");
    }
    // Whatever is wrong with one thread's part ends all.
    let workers = Workers::bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
    let error = workers.configure(Server::http3).serve(echo).unwrap_err();
    assert!(error.to_string().contains("HTTP/3 needs TLS"), "{error}");
}
