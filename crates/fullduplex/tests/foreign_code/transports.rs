//! Transports that panic, or use the connection that they carry.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fullduplex::proto::handshake::SecKey;
use fullduplex::server::{Handshake, ServerConfig, ServerHandle};
use fullduplex::{CloseCause, Config, Message, ReadyState, Role, Transport, WebSocket};
use fullduplex_testkit::cancel::CountingWaker;
use fullduplex_testkit::pipe::{Pipe, pipe};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::common::open;
use super::in_time;
use fullduplex_testkit::eventually;

/// Where a transport panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Read,
    Write,
    Flush,
    Shutdown,
    Drop,
    /// Wherever it is polled.
    AnyPoll,
}

/// A pipe that panics at one place, once it is told to.
pub(crate) struct Panicking {
    pipe: Pipe,
    at: At,
    armed: Arc<AtomicBool>,
}

impl Panicking {
    #[cfg(all(feature = "_tls", feature = "http2"))]
    pub(crate) fn new(pipe: Pipe, at: At, armed: Arc<AtomicBool>) -> Self {
        Self { pipe, at, armed }
    }

    fn reach(&self, at: At) {
        let is_there = at == self.at || (self.at == At::AnyPoll && at != At::Drop);
        assert!(!is_there || !self.armed.load(Ordering::SeqCst), "as asked: {at:?}");
    }
}

impl AsyncRead for Panicking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reach(At::Read);
        Pin::new(&mut self.pipe).poll_read(cx, buf)
    }
}

impl AsyncWrite for Panicking {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.reach(At::Write);
        Pin::new(&mut self.pipe).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.reach(At::Flush);
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.reach(At::Shutdown);
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        self.reach(At::Drop);
    }
}

/// A WebSocket of a server's on such a transport, and its peer.
pub(crate) async fn tracked(
    handle: &ServerHandle,
    at: At,
    armed: &Arc<AtomicBool>,
) -> (WebSocket<Panicking>, WebSocket<Pipe>) {
    let (near, mut far) = pipe(1 << 16);
    let near = Panicking { pipe: near, at, armed: armed.clone() };
    let key = SecKey::from_nonce([7; 16]);
    let request = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {}\r\nSec-WebSocket-Version: 13\r\n\r\n",
        key.as_str()
    );
    far.write_all(request.as_bytes()).await.unwrap();
    let mut handshake = Handshake::read(near, ServerConfig::default()).await.unwrap();
    handshake.track(handle);
    let websocket = handshake.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(far.read_u8().await.unwrap());
    }
    (websocket, open(far, Role::Client, Config::default()))
}

#[tokio::test]
async fn panic_in_a_transport_costs_its_connection_and_not_the_driver() {
    let handle = ServerHandle::new();
    for (before, at) in [At::Write, At::Flush, At::Shutdown, At::Drop].into_iter().enumerate() {
        let armed = Arc::new(AtomicBool::new(false));
        let (mut bad, mut peer) = tracked(&handle, at, &armed).await;
        // A sibling that was there before: its driver is the same.
        let (a, b) = pipe(1 << 16);
        let mut sibling = open(a, Role::Client, Config::default());
        let mut other = open(b, Role::Server, Config::default());
        armed.store(true, Ordering::SeqCst);
        if matches!(at, At::Write | At::Flush) {
            // The second is left to the driver, in whose turn it panics.
            armed.store(false, Ordering::SeqCst);
            bad.send("first").await.unwrap();
            bad.send("second").await.unwrap();
            armed.store(true, Ordering::SeqCst);
            eventually("it is closed", || bad.state() == ReadyState::Closed).await;
            assert_eq!(bad.close_info().unwrap().cause, CloseCause::TransportError, "{at:?}");
            assert!(bad.send("third").await.is_err(), "{at:?}");
            assert!(bad.next().await.unwrap().is_err(), "{at:?}");
            assert!(bad.next().await.is_none(), "{at:?}");
        } else {
            let closing = tokio::spawn(async move {
                while peer.next().await.is_some() {}
                peer
            });
            in_time("closing", bad.close(fullduplex::CloseCode::NORMAL, "")).await.unwrap();
            drop(closing);
        }
        drop(bad);
        eventually("it is counted", || handle.stats().panics == before as u64 + 1).await;
        assert_eq!((handle.websocket_count(), handle.connection_count()), (0, 0), "{at:?}");
        for i in 0..5 {
            in_time("the sibling sends", sibling.send(format!("{i}"))).await.unwrap();
        }
        for i in 0..5 {
            let message = in_time("the sibling receives", other.next()).await.unwrap().unwrap();
            assert_eq!(message, Message::text(format!("{i}")));
        }
    }
}

#[tokio::test]
async fn panic_in_the_reading_side_of_a_dropped_half_ends_the_connection() {
    let handle = ServerHandle::new();
    let armed = Arc::new(AtomicBool::new(false));
    let (bad, _peer) = tracked(&handle, At::Read, &armed).await;
    let (send, receive) = bad.split();
    armed.store(true, Ordering::SeqCst);
    // From now on a task of the library's reads.
    drop(receive);
    in_time("it ends", send.closed()).await;
    eventually("it is counted", || handle.stats().panics == 1).await;
    assert_eq!(handle.connection_count(), 0);
}

/// What the application does before a task of the library's reads in its place: it waits for a
/// message with this waker, and then only sends.
pub(crate) async fn only_sends<S: Transport>(websocket: &mut WebSocket<S>, waker: &Waker) {
    let mut cx = Context::from_waker(waker);
    assert!(Pin::new(&mut *websocket).poll_next(&mut cx).is_pending());
    for _ in 0..8 {
        websocket.send("tick").await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn panic_in_a_transport_that_is_read_ahead_wakes_the_application() {
    let handle = ServerHandle::new();
    let armed = Arc::new(AtomicBool::new(false));
    let (mut bad, mut peer) = tracked(&handle, At::Read, &armed).await;
    let (woken, waker) = CountingWaker::new();
    only_sends(&mut bad, &waker).await;
    armed.store(true, Ordering::SeqCst);
    peer.send("hello").await.unwrap();
    eventually("it panics", || handle.stats().panics == 1).await;
    // Also by the pipe, which has this waker from before.
    eventually("it is woken", || woken.count() > 1).await;
    assert!(in_time("the error", bad.next()).await.unwrap().is_err());
    assert!(in_time("the end", bad.next()).await.is_none());
    assert_eq!(handle.connection_count(), 0);
}

#[tokio::test]
async fn panic_in_a_transport_while_another_panic_unwinds_does_not_abort() {
    for at in [At::Write, At::Drop] {
        let handle = ServerHandle::new();
        let armed = Arc::new(AtomicBool::new(false));
        let (bad, peer) = tracked(&handle, at, &armed).await;
        armed.store(true, Ordering::SeqCst);
        let ended = tokio::spawn(async move {
            // It is closed with 1011 by its `Drop`, which writes.
            let _bad = bad;
            panic!("as asked");
        });
        assert!(ended.await.unwrap_err().is_panic());
        drop(peer);
        eventually("it is over", || handle.connection_count() == 0).await;
        eventually("it is counted", || handle.stats().panics == 1).await;
    }
}
