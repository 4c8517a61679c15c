//! Connections of HTTP/2: shared, full, gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fullduplex::client::HttpVersion;
use fullduplex::{Client, CloseCode, ErrorKind};
use fullduplex_testkit::eventually;
use tokio::net::{TcpListener, TcpStream};

use crate::common::{Addresses, direct, say};
use crate::{client, echo, serving};

/// Echoes on all streams of a connection.
async fn echo_all(tcp: TcpStream) {
    let mut builder = h2::server::Builder::new();
    let handshake = builder.enable_connect_protocol().handshake(tcp);
    let mut connection = handshake.await.unwrap();
    while let Some(Ok(stream)) = connection.accept().await {
        tokio::spawn(echo(stream));
    }
}

#[tokio::test]
async fn http2_connection_is_shared_and_websockets_close_one_by_one() {
    let (url, connections) = serving(true, echo).await;
    let client = client();
    let mut all = Vec::new();
    for i in 0..20 {
        let (mut websocket, response) = client.connect(&url).await.unwrap();
        assert_eq!(response.status(), 200);
        say(&mut websocket, &format!("hello from {i}")).await;
        all.push(websocket);
    }
    for (i, mut websocket) in all.into_iter().enumerate() {
        say(&mut websocket, &format!("goodbye from {i}")).await;
        let info = websocket.close(CloseCode::NORMAL, "enough").await.unwrap();
        assert!(info.is_clean(), "{info}");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    // Opened at the same time, they wait for the one connection.
    let other = self::client();
    let (a, b) = tokio::join!(other.connect(&url), other.connect(&url));
    a.unwrap();
    b.unwrap();
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn http2_connection_that_is_full_is_followed_by_another() {
    let (url, connections) = serving(true, echo).await;
    let client = client();
    let mut all = Vec::new();
    for i in 0..70 {
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        say(&mut websocket, &format!("hello from {i}")).await;
        all.push(websocket);
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

/// Whoever waits behind an attempt that is given up makes one of its own.
#[tokio::test]
async fn http2_attempt_that_is_cancelled_fails_no_other() {
    let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", inner.local_addr().unwrap());
    let (told, accepted) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        // The first one gets no answer.
        let _stuck = inner.accept().await.unwrap();
        told.send(()).unwrap();
        let (tcp, _) = inner.accept().await.unwrap();
        echo_all(tcp).await;
    });
    let client = client();
    let connect = |client: Client, url: String| async move { client.connect(&url).await };
    let first = tokio::spawn(connect(client.clone(), url.clone()));
    accepted.await.unwrap();
    let others: Vec<_> =
        (0..3).map(|_| tokio::spawn(connect(client.clone(), url.clone()))).collect();
    tokio::task::yield_now().await;
    assert!(others.iter().all(|other| !other.is_finished()));
    first.abort();
    for other in others {
        let (mut websocket, _) = other.await.unwrap().unwrap();
        say(&mut websocket, "after all").await;
    }
}

#[tokio::test]
async fn http2_connections_to_many_origins_are_not_kept_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let live = Arc::new(());
    let counted = live.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                echo_all(tcp).await;
                drop(counted);
            });
        }
    });
    let builder = direct().http_version(HttpVersion::Http2);
    let client = builder.resolver(Addresses(vec![address])).build().unwrap();
    let mut kept = None;
    for i in 0..100 {
        let (mut websocket, _) = client.connect(format!("ws://{i}.example/")).await.unwrap();
        if i == 0 {
            kept = Some(websocket);
        } else {
            websocket.close(CloseCode::NORMAL, "").await.unwrap();
        }
    }
    // The ends arrive in their own time.
    eventually("few connections are kept", || Arc::strong_count(&live) - 2 <= 40).await;
    say(&mut kept.unwrap(), "still here").await;
}

/// A connection that has gone silent is not used again.
#[tokio::test]
async fn http2_connection_that_is_silent_leaves_the_pool() {
    let (url, connections) = serving(true, |stream| async move {
        if stream.0.uri().path() == "/silent" {
            std::future::pending::<()>().await;
        }
        echo(stream).await;
    })
    .await;
    let limits = fullduplex::HandshakeLimits::default().handshake_timeout(Duration::from_secs(2));
    let client = direct().http_version(HttpVersion::Http2);
    let client = client.handshake_limits(limits).build().unwrap();
    let error = client.connect(format!("{url}silent")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let (mut websocket, _) = client.connect(&url).await.unwrap();
    say(&mut websocket, "on another one").await;
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn http2_goaway_spares_open_streams_and_moves_new_ones() {
    let (url, connections) = serving(true, echo).await;
    let client = client();
    let (mut old, _) = client.connect(format!("{url}go-away")).await.unwrap();
    say(&mut old, "before").await;
    // GOAWAY was sent before this echo, on the same connection.
    let (mut new, _) = client.connect(&url).await.unwrap();
    say(&mut old, "after").await;
    say(&mut new, "new").await;
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}
