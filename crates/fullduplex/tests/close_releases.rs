//! What the end of a connection frees, whoever still holds a half of it.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{client, open, say};
use fullduplex::client::HttpVersion;
use fullduplex::server::{DrainOptions, Server, ServerConfig};
use fullduplex::{
    CloseCause, CloseCode, Config, ErrorKind, KeepaliveConfig, NetStream, ReadyState, Role,
    TrySendError, WebSocket,
};
use fullduplex_testkit::eventually;
use fullduplex_testkit::pipe::{Pipe, pipe};
use tokio::net::TcpStream;

async fn in_time<T>(what: &str, doing: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), doing).await.expect(what)
}

/// Echoes until the end.
async fn echo_all(websocket: &mut WebSocket) {
    while let Some(Ok(message)) = websocket.next().await {
        if websocket.send(message).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn close_releases_the_permit_while_halves_are_held() {
    close_many(HttpVersion::Http1).await;
}

#[cfg(feature = "http2")]
#[tokio::test]
async fn close_releases_the_permit_of_a_stream() {
    close_many(HttpVersion::Http2).await;
}

async fn close_many(version: HttpVersion) {
    let config = ServerConfig::default().http2(true);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let handle = server.handle();
    let (halves, whole): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>) = Default::default();
    let (kept, other) = (halves.clone(), whole.clone());
    tokio::spawn(server.serve(move |mut websocket| {
        let (halves, whole) = (kept.clone(), other.clone());
        async move {
            echo_all(&mut websocket).await;
            // A registry that is cleaned now and then; every second has all of it.
            if halves.lock().unwrap().len() > whole.lock().unwrap().len() {
                whole.lock().unwrap().push(websocket);
            } else {
                let (send, receive) = websocket.split();
                drop(receive);
                halves.lock().unwrap().push(send);
            }
        }
    }));
    let client = client(version);
    for _ in 0..20 {
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        say(&mut websocket, "hello").await;
        assert!(websocket.close(CloseCode::NORMAL, "bye").await.unwrap().is_clean());
    }
    eventually("all are kept", || halves.lock().unwrap().len() + whole.lock().unwrap().len() == 20)
        .await;
    // On HTTP/2, they shared a connection, which the client keeps.
    drop(client);
    eventually("none counts", || (handle.websocket_count(), handle.connection_count()) == (0, 0))
        .await;
    assert_eq!(handle.stats().ends.values().sum::<u64>(), 20);
    let all = handle.stats().traffic;
    assert_eq!((all.received.text, all.sent.text), (20, 20));
    // What they know they still say.
    let halves = std::mem::take(&mut *halves.lock().unwrap());
    for send in &halves {
        assert_eq!((send.state(), send.stats().received.text), (ReadyState::Closed, 1));
        assert_eq!(send.close_info().unwrap().reason(), "bye");
        assert!(matches!(send.try_send("late"), Err(TrySendError::Closed { .. })));
        in_time("flush", send.flush()).await.unwrap();
    }
    let mut whole = std::mem::take(&mut *whole.lock().unwrap());
    for websocket in &mut whole {
        assert_eq!((websocket.state(), websocket.stats().sent.text), (ReadyState::Closed, 1));
        assert!(websocket.close_info().unwrap().is_clean());
        assert!(in_time("the end", websocket.next()).await.is_none());
    }
    // A drain waits for none of them.
    let drain = DrainOptions::default().deadline(Duration::from_secs(60)).spread(Duration::ZERO);
    let report = in_time("the drain", handle.drain(drain)).await;
    assert_eq!((report.notified, report.cut, report.cut_http), (0, 0, 0));
}

/// What a socket of this process is, and whether it is open.
#[cfg(target_os = "linux")]
fn is_open(socket: &std::path::Path) -> bool {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).any(|to| to == socket)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn close_releases_the_socket_while_halves_are_held() {
    use std::os::fd::AsRawFd;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let inode =
        |tcp: &TcpStream| std::fs::read_link(format!("/proc/self/fd/{}", tcp.as_raw_fd())).unwrap();
    let sockets = [inode(&near), inode(&far)];
    let mut client = open(NetStream::from(near), Role::Client, Config::default());
    let mut server = open(NetStream::from(far), Role::Server, Config::default());
    assert!(sockets.iter().all(|socket| is_open(socket)));
    let (info, ()) = in_time("closing", async {
        tokio::join!(client.close(CloseCode::NORMAL, ""), echo_all(&mut server))
    })
    .await;
    assert!(info.unwrap().is_clean());
    assert!(!sockets.iter().any(|socket| is_open(socket)));
    drop((client, server));
}

/// A transport that is counted.
type Live = Arc<()>;

fn counted(live: &Live) -> (WebSocket<Counted>, WebSocket<Counted>) {
    let (a, b) = pipe(1 << 16);
    let config =
        Config::default().keepalive(KeepaliveConfig::default().interval(Duration::from_secs(20)));
    let of = |pipe| Counted(pipe, live.clone());
    (open(of(a), Role::Client, config), open(of(b), Role::Server, config))
}

struct Counted(Pipe, #[allow(dead_code)] Live);

mod delegated {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::Counted;

    impl AsyncRead for Counted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn close_by_a_deadline_releases_the_transport_while_halves_are_held() {
    let live = Live::default();
    let (client, mut server) = counted(&live);
    let (send, receive) = client.split();
    send.start_close(CloseCode::NORMAL, "").unwrap();
    // Neither end reads, so the deadline of each passes.
    server.start_close(CloseCode::NORMAL, "").unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(send.state(), ReadyState::Closed);
    assert_eq!(send.close_info().unwrap().cause, CloseCause::CloseTimeout);
    assert_eq!(Arc::strong_count(&live), 1, "of a transport each");
    drop((send, receive, server));
}

#[test]
fn close_of_a_runtime_refuses_messages_and_releases_the_transport() {
    let live = Live::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut client, server) = runtime.block_on(async { counted(&live) });
    drop(runtime);
    let refused = client.try_send("it can't leave").unwrap_err();
    let TrySendError::Closed { error, message } = refused else { panic!("{refused:?}") };
    assert_eq!(message.as_text(), Some("it can't leave"));
    assert_eq!(error.kind(), ErrorKind::Closed);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(async {
        assert!(in_time("send", client.send("nor this")).await.is_err());
        assert!(in_time("ping", client.ping(b"nor this")).await.is_err());
    });
    drop((client, server));
    assert_eq!(Arc::strong_count(&live), 1);
}

/// A client whose runtime is gone, over a transport that belongs to none and is full. (Without
/// a message that was refused, which would end it.)
fn left_behind() -> (WebSocket<Pipe>, Pipe) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (near, far) = pipe(16);
        let mut websocket = open(near, Role::Client, Config::default());
        websocket.try_send(vec![7; 1000]).unwrap();
        (websocket, far)
    })
}

#[test]
fn close_of_a_runtime_wakes_waits_on_another_one() {
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(async {
        let (mut client, _peer) = left_behind_elsewhere();
        assert!(in_time("flush", client.flush()).await.is_err());
        let (mut client, _peer) = left_behind_elsewhere();
        assert!(in_time("next", client.next()).await.unwrap().is_err());
        let (mut client, _peer) = left_behind_elsewhere();
        let info = in_time("close", client.close(CloseCode::NORMAL, "")).await.unwrap();
        assert_eq!(info.cause, CloseCause::TransportError);
        let (client, _peer) = left_behind_elsewhere();
        let (send, _receive) = client.split();
        in_time("closed", send.closed()).await;
        assert_eq!(send.state(), ReadyState::Closed);
        let (mut client, _peer) = left_behind_elsewhere();
        assert!(in_time("ping", client.ping(b"it can't leave")).await.is_err());
    });
}

/// The same, from within another runtime.
fn left_behind_elsewhere() -> (WebSocket<Pipe>, Pipe) {
    std::thread::spawn(left_behind).join().unwrap()
}
