//! What a client that connects again does after each kind of failure, and that
//! [`Error::is_retryable`](fullduplex::Error::is_retryable) says the same.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::direct;
use fullduplex::client::{Backoff, DisconnectReason, Proxy, ReconnectEvent};
use fullduplex::server::Server;
use fullduplex::{Client, ClientBuilder, CloseCode, Error, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Serves each connection in this way.
async fn serving<F>(handle: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// Answers each request of HTTP/1.1 with this head.
async fn answering(head: String) -> SocketAddr {
    serving(move |mut stream| {
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await
}

/// The first failure, and whether there will be another attempt.
async fn failure(builder: ClientBuilder, url: &str) -> (Error, bool) {
    let backoff = Backoff::default().initial(Duration::from_millis(1));
    let client = builder.build().unwrap();
    let mut client = client.reconnecting(url).backoff(backoff).start();
    let event = timeout(Duration::from_secs(20), client.next()).await.unwrap().unwrap();
    match event {
        ReconnectEvent::Disconnected { reason: DisconnectReason::Failed(error), retry_in } => {
            assert_eq!(error.is_retryable(), retry_in.is_some(), "{error}");
            (error, retry_in.is_some())
        }
        other => panic!("{other:?}"),
    }
}

fn through(proxy: &str) -> ClientBuilder {
    Client::builder().proxy(Proxy::parse(proxy).unwrap())
}

/// A SOCKS5 proxy that takes no authentication and refuses with this reply, or with the other
/// one for IPv6.
async fn socks5(reply: u8, for_ipv6: u8) -> SocketAddr {
    serving(move |mut stream| async move {
        stream.read_exact(&mut [0; 3]).await.unwrap();
        stream.write_all(&[5, 0]).await.unwrap();
        let mut request = [0; 4];
        stream.read_exact(&mut request).await.unwrap();
        let reply = if request[3] == 4 { for_ipv6 } else { reply };
        let _ = stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

#[tokio::test]
async fn retry_after_the_replies_of_socks5_proxies() {
    for (reply, expected) in [1, 3, 4, 5, 6].map(|reply| (reply, true)).into_iter().chain([
        (2, false),
        (7, false),
        (8, false),
    ]) {
        let proxy = socks5(reply, reply).await;
        for scheme in ["socks5", "socks5h"] {
            let (error, again) =
                failure(through(&format!("{scheme}://{proxy}")), "ws://127.0.0.1/").await;
            assert_eq!((error.kind(), again), (ErrorKind::Proxy, expected), "{error}");
        }
    }
}

/// A proxy without IPv6, and a server that restarts: the address that may answer later decides.
#[tokio::test]
async fn retry_where_one_of_several_addresses_may_answer_later() {
    let proxy = socks5(5, 8).await;
    let addresses = ["[2001:db8::1]:80".parse().unwrap(), "192.0.2.1:80".parse().unwrap()];
    let builder = through(&format!("socks5://{proxy}"));
    let builder = builder.resolver(common::Addresses(addresses.into()));
    let (error, again) = failure(builder, "ws://both.example/").await;
    assert!(again && error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn retry_never_with_credentials_that_a_proxy_refuses() {
    let proxy = serving(|mut stream| async move {
        stream.read_exact(&mut [0; 4]).await.unwrap();
        stream.write_all(&[5, 2]).await.unwrap();
        // "u" and "p" (RFC 1929).
        stream.read_exact(&mut [0; 5]).await.unwrap();
        let _ = stream.write_all(&[1, 1]).await;
    })
    .await;
    let (error, again) =
        failure(through(&format!("socks5://u:p@{proxy}")), "ws://127.0.0.1/").await;
    assert!(!again && error.to_string().contains("does not accept the user"), "{error}");
    let proxy = answering("407 Proxy Authentication Required".into()).await;
    let (error, again) = failure(through(&format!("http://u:p@{proxy}")), "ws://127.0.0.1/").await;
    assert!(!again && error.to_string().contains("407"), "{error}");
}

#[tokio::test]
async fn retry_after_the_statuses_of_servers_and_proxies() {
    for (head, expected) in [
        ("521 Web Server Is Down", true),
        ("529 Overloaded", true),
        ("530 X", true),
        ("503 Service Unavailable", true),
        ("404 Not Found\r\nRetry-After: 2", true),
        ("403 Forbidden\r\nRetry-After: 2", true),
        ("404 Not Found\r\nRetry-After: soon", false),
        ("403 Forbidden", false),
        ("501 Not Implemented", false),
        ("302 Found\r\nLocation: /\r\nRetry-After: 2", false),
    ] {
        let address = answering(head.into()).await;
        let (error, again) = failure(direct(), &format!("ws://{address}/")).await;
        assert_eq!((error.kind(), again), (ErrorKind::Handshake, expected), "{head}: {error}");
        // As an answer to CONNECT.
        let (error, again) =
            failure(through(&format!("http://{address}")), "ws://a.example/").await;
        assert_eq!((error.kind(), again), (ErrorKind::Proxy, expected), "{head}: {error}");
    }
}

#[cfg(feature = "_tls")]
#[tokio::test]
async fn retry_after_the_alerts_of_servers_that_are_starting() {
    for (alert, expected, says) in [
        (80, true, "no certificate yet"),
        (112, true, "does not serve this host name"),
        (49, true, "no certificate for this name yet"),
        (40, false, "no common parameters"),
        (48, false, "does not accept the client's certificate"),
        (70, false, "supports neither TLS 1.2 nor 1.3"),
    ] {
        let address = serving(move |mut stream| async move {
            // All of the ClientHello, as an end over unread bytes is a reset.
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.unwrap();
            let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            stream.read_exact(&mut hello).await.unwrap();
            let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, alert]).await;
        })
        .await;
        let (error, again) = failure(direct(), &format!("wss://{address}/")).await;
        assert_eq!((error.kind(), again), (ErrorKind::Tls, expected), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn retry_for_a_unix_socket_that_may_come_and_not_for_a_path_that_can_not_be() {
    for (path, expected) in [("/nowhere/at/all".to_owned(), true), ("/x".repeat(200), false)] {
        let (error, again) = failure(direct().unix_socket(&path), "ws://a.example/").await;
        assert_eq!(again, expected, "{error}");
    }
}

/// The server closes while the hook sends: its code decides, not that sending failed.
#[tokio::test]
async fn retry_depends_on_the_close_that_a_hook_ran_into() {
    for (code, expected) in [(1008, false), (1012, true)] {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", server.local_addr().unwrap());
        tokio::spawn(server.serve(move |mut websocket| async move {
            drop(websocket.close(CloseCode::new(code), "").await);
        }));
        let client =
            direct().build().unwrap().reconnecting(url).on_connected(|mut websocket| async {
                while websocket.next().await.is_some() {}
                websocket.send("subscribe").await?;
                Ok(websocket)
            });
        let mut client = client.start();
        let event = timeout(Duration::from_secs(20), client.next()).await.unwrap().unwrap();
        let ReconnectEvent::Disconnected { reason: DisconnectReason::Failed(error), retry_in } =
            event
        else {
            panic!("{event:?}");
        };
        assert_eq!((error.kind(), retry_in.is_some()), (ErrorKind::Closed, expected), "{code}");
    }
}
