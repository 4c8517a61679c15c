//! Servers, networks and connectors that never answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use fullduplex::client::{BoxFuture, Connect, SocketOptions};
use fullduplex::server::Server;
use fullduplex::{ErrorKind, HandshakeLimits, NetStream};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::common::direct;
use crate::{Fixed, fails, serving};

#[tokio::test]
async fn connect_to_a_server_that_never_answers_times_out() {
    let url = serving(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(stream);
    })
    .await;
    let limits = HandshakeLimits::default().handshake_timeout(Duration::from_millis(100));
    let error = fails(direct().handshake_limits(limits), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout"), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn connect_deadline_is_not_moved_by_a_dripping_response() {
    let url = serving(|mut stream, _| async move {
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n".iter().cycle() {
            if stream.write_u8(*byte).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let limits = HandshakeLimits::default().handshake_timeout(Duration::from_millis(200));
    let error = fails(direct().handshake_limits(limits), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

struct Never;

impl Connect for Never {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn connect_by_a_connector_that_never_answers_times_out() {
    let builder = direct().connector(Never).connect_timeout(Duration::from_millis(50));
    let error = fails(builder, "ws://a.example/").await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("connect_timeout"), "{error}");
}

/// An address that takes no more connections and says nothing about it: the queue of its
/// listener is full, so SYNs are dropped. It lasts as long as what else is returned.
#[cfg(target_os = "linux")]
async fn black_hole() -> (SocketAddr, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    let moment = Duration::from_millis(200);
    while let Ok(stream) = tokio::time::timeout(moment, TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
        assert!(queued.len() < 100, "the queue is never full");
    }
    (address, (listener, queued))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connect_into_a_black_hole_times_out() {
    let (hole, _full) = black_hole().await;
    let url = format!("ws://{hole}/");
    let error = fails(direct().connect_timeout(Duration::from_millis(300)), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("connect_timeout (300ms)"), "{error}");

    let attempt_timeout = Duration::from_millis(300);
    let options = SocketOptions::default().attempt_timeout(attempt_timeout);
    let error = fails(direct().socket_options(options.clone()), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("attempt_timeout (300ms)"), "{error}");
    assert!(error.is_retryable());

    // The next address does not wait for its end.
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let good = server.local_addr().unwrap();
    tokio::spawn(server.serve(|websocket| async move { drop(websocket) }));
    let client = direct().resolver(Fixed(vec![hole, good])).build().unwrap();
    client.connect("ws://many.example/").await.unwrap();
}

#[cfg(feature = "_tls")]
#[tokio::test]
async fn tls_handshake_without_an_answer_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let error = fails(direct().connect_timeout(Duration::from_millis(200)), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("connect_timeout"), "{error}");
}
