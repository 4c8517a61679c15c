//! Connections of HTTP/3: shared, kept alive, closed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fullduplex::{CloseCode, Config, ErrorKind};
use fullduplex_http3::quinn::TransportConfig;
use fullduplex_http3::server::AcceptedRequest;
use fullduplex_http3::transport_config;
use fullduplex_testkit::eventually;
use http::Response;
use tokio::io::AsyncReadExt as _;

use crate::common::say;
use crate::{Server, echo, websockets};

#[tokio::test]
async fn http3_connection_is_shared_and_websockets_close_one_by_one() {
    let server = Server::websockets(echo);
    let client = server.client();
    let mut all = Vec::new();
    for i in 0..20 {
        let (mut websocket, response) = client.connect(&server.url("/")).await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_3));
        say(&mut websocket, &format!("hello from {i}")).await;
        all.push(websocket);
    }
    for (i, mut websocket) in all.into_iter().enumerate() {
        say(&mut websocket, &format!("goodbye from {i}")).await;
        let info = if i % 2 == 0 {
            websocket.close(CloseCode::NORMAL, "enough").await.unwrap()
        } else {
            websocket.send("close").await.unwrap();
            assert!(websocket.next().await.is_none());
            let info = websocket.close_info().unwrap();
            assert_eq!(info.code(), CloseCode::new(4000));
            info
        };
        assert!(info.is_clean(), "{info}");
    }
    assert_eq!(server.connections(), 1);
    // Opened at the same time, they wait for the one connection.
    let (other, url) = (server.client(), server.url("/"));
    let (a, b) = tokio::join!(other.connect(&url), other.connect(&url));
    a.unwrap();
    b.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn http3_connection_that_is_full_is_followed_by_another() {
    let server = Server::websockets(echo);
    let client = server.client();
    let mut all = Vec::new();
    for i in 0..70 {
        let (mut websocket, _) = client.connect(&server.url("/")).await.unwrap();
        say(&mut websocket, &format!("hello from {i}")).await;
        all.push(websocket);
    }
    assert_eq!(server.connections(), 3);
}

/// A connection that has gone silent is not used again.
#[tokio::test]
async fn http3_connection_that_is_silent_leaves_the_pool() {
    let server = Server::websockets(echo);
    let limits = fullduplex::HandshakeLimits::default().handshake_timeout(Duration::from_secs(2));
    let client = server.builder().handshake_limits(limits).build().unwrap();
    let error = client.connect(&server.url("/silent")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout"), "{error}");
    assert!(error.to_string().contains("waiting for the server's response"), "{error}");
    let (mut websocket, _) = client.connect(&server.url("/")).await.unwrap();
    say(&mut websocket, "on another one").await;
    assert_eq!(server.connections(), 2);
}

/// A peer that gives a silent connection up after 30 s, as quic-go does by default, and does
/// nothing to keep it alive.
fn impatient() -> TransportConfig {
    let mut transport = transport_config(30, Duration::from_secs(30));
    transport.keep_alive_interval(None);
    transport
}

const TEN_MINUTES: Duration = Duration::from_secs(600);

/// With the defaults, and without a keepalive of the WebSocket's own.
#[tokio::test(start_paused = true)]
async fn http3_keepalive_outlasts_a_short_idle_timeout() {
    let server = Server::start_with(impatient(), websockets(), "localhost", echo);
    let mut config = Config::default();
    for interval in [config.keepalive.interval, None] {
        config.keepalive.interval = interval;
        let client = server.builder().config(config).build().unwrap();
        let (mut websocket, _) = client.connect(&server.url("/quiet")).await.unwrap();
        say(&mut websocket, "before").await;
        let idle = tokio::time::timeout(TEN_MINUTES, websocket.next()).await;
        assert!(idle.is_err(), "{interval:?}: {idle:?}");
        say(&mut websocket, "after").await;
    }
}

/// A connection in the pool that no WebSocket uses is not kept alive for ever.
#[tokio::test(start_paused = true)]
async fn http3_keepalive_ends_with_the_use_of_a_connection() {
    let server = Server::websockets(echo);
    let ended = || server.ended.load(Ordering::Relaxed);
    let client = server.client();
    for round in 0..2 {
        let (mut websocket, _) = client.connect(&server.url("/quiet")).await.unwrap();
        say(&mut websocket, "in use").await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        say(&mut websocket, "still").await;
        assert_eq!(ended(), round);
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
        drop(websocket);
        tokio::time::sleep(Duration::from_secs(45)).await;
        assert_eq!(ended(), round, "closed too early");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(ended(), round + 1, "kept alive without a use");
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn http3_goaway_spares_open_streams_and_moves_new_ones() {
    let server = Server::websockets(echo);
    let client = server.client();
    let (mut old, _) = client.connect(&server.url("/go-away")).await.unwrap();
    say(&mut old, "before").await;
    // Whether or not the GOAWAY has come by now: what it rejects is opened again.
    let (mut new, _) = client.connect(&server.url("/")).await.unwrap();
    say(&mut old, "after").await;
    say(&mut new, "new").await;
    assert_eq!(server.connections(), 2);
}

/// A server learns that a connection on which nothing opened is over, though the client's runtime
/// ends with it.
#[tokio::test]
async fn close_idle_waits_for_connections_that_failed() {
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        // It breaks a rule, so that the connection is not used again.
        let malformed = Response::builder().status(404).header("content-length", "x");
        stream.send_response(&malformed.body(()).unwrap()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let (client, url) = (server.client(), server.url("/"));
    let connecting = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let error = client.connect(&url).await.unwrap_err();
            assert!(error.response().is_none(), "{error}");
            client.close_idle_connections().await;
        });
    });
    connecting.await.unwrap();
    eventually("the server sees the end", || server.ended.load(Ordering::Relaxed) > 0).await;
}

/// Neither those of a connection that is in the pool nor those of one that has left it are closed,
/// or waited for.
#[tokio::test]
async fn close_idle_leaves_connections_that_websockets_use() {
    let server = Server::websockets(echo);
    let client = server.client();
    let mut all = Vec::new();
    // 30 fill the first connection.
    for _ in 0..31 {
        all.push(client.connect(&server.url("/")).await.unwrap().0);
    }
    assert_eq!(server.connections(), 2);
    tokio::time::timeout(Duration::from_secs(5), client.close_idle_connections()).await.unwrap();
    for websocket in &mut all {
        say(websocket, "still there").await;
    }
    let (mut another, _) = client.connect(&server.url("/")).await.unwrap();
    say(&mut another, "on the second connection").await;
    assert_eq!(server.connections(), 2);
    // Once they are not used any more, they are closed.
    all.push(another);
    for mut websocket in all {
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
    }
    let closing = async {
        while server.ended.load(Ordering::Relaxed) < 2 {
            client.close_idle_connections().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closing).await.unwrap();
}
