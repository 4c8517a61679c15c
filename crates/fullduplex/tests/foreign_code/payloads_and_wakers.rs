//! Wakers, and the `Drop` of payloads: they may use the connection, and may panic.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::proto::PerMessageDeflate;
#[cfg(feature = "tracing")]
use fullduplex::server::ServerHandle;
use fullduplex::{
    CloseCode, Compression, Config, DeflateConfig, Message, PreparedMessage, ReadyState, Role,
    SendHalf, WebSocket, WebSocketBuilder,
};
use fullduplex_testkit::pipe::{Pipe, pipe};

use super::common::{open, pair};
#[cfg(feature = "tracing")]
use super::transports::{self, At};
use super::{in_time, on_runtime, without_deadlock};
use fullduplex_testkit::eventually;

/// What a payload belongs to. When it is dropped it asks its connection, and may panic.
struct Owner {
    bytes: Vec<u8>,
    asks: SendHalf<Pipe>,
    dropped: Arc<AtomicU32>,
    panics: bool,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
        let _ = self.asks.try_send(format!("{} waited", self.asks.buffered_amount()));
        assert!(!self.panics, "as asked");
    }
}

fn owned(len: usize, asks: &SendHalf<Pipe>, dropped: &Arc<AtomicU32>, panics: bool) -> Message {
    let bytes = vec![b'x'; len];
    let (asks, dropped) = (asks.clone(), dropped.clone());
    Message::Binary(Bytes::from_owner(Owner { bytes, asks, dropped, panics }))
}

/// Two ends that compress.
fn compressing() -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let (a, b) = pipe(1 << 20);
    let config = DeflateConfig::balanced();
    let (answer, server) = config.accept(&config.offers()).unwrap();
    let client = config.check(&[answer]).unwrap().unwrap();
    let open = |stream, role, deflate: PerMessageDeflate| {
        WebSocketBuilder::new(role).deflate(deflate).build(stream).unwrap()
    };
    (open(a, Role::Server, server), open(b, Role::Client, client))
}

#[test]
fn drop_of_a_payload_may_use_its_connection() {
    // Referenced until it has left, copied, compressed, masked.
    for (role, len, compresses) in [
        (Role::Server, 8192, false),
        (Role::Server, 100, false),
        (Role::Server, 2000, true),
        (Role::Client, 8192, false),
        (Role::Client, 8192, true),
    ] {
        without_deadlock(move || {
            on_runtime(async move {
                let (server, client) = if compresses { compressing() } else { pair(1 << 20) };
                let (client, server) = if compresses { (client, server) } else { (server, client) };
                let (near, mut far) =
                    if role == Role::Server { (server, client) } else { (client, server) };
                let (send, _receive) = near.split();
                let dropped = Arc::default();
                let message = owned(len, &send, &dropped, false);
                send.send_with_compression(message, Compression::On).await.unwrap();
                send.flush().await.unwrap();
                assert_eq!(dropped.load(Ordering::SeqCst), 1, "{role:?}, {len}");
                let message = in_time("a message", far.next()).await.unwrap().unwrap();
                assert_eq!(message.len(), len);
                let message = in_time("what it sent", far.next()).await.unwrap().unwrap();
                assert!(message.as_text().unwrap().ends_with("waited"));
            });
        });
    }
}

#[test]
fn drop_of_a_payload_that_waits_for_a_slow_member_may_use_its_connection() {
    without_deadlock(|| {
        on_runtime(async {
            let (server, client) = pair(1);
            let group = Group::new();
            let _member = group.join(&server, LagPolicy::DropOldest { keep: 2 });
            let (send, receive) = server.split();
            let dropped = Arc::default();
            // Full, two that are kept, and those that fall out or never leave.
            for _ in 0..30 {
                let message = owned(8192, &send, &dropped, false);
                group.publish(&PreparedMessage::new(message));
            }
            eventually("the oldest are dropped", || dropped.load(Ordering::SeqCst) >= 5).await;
            drop((client, receive));
            in_time("the end", send.closed()).await;
            eventually("all are dropped", || dropped.load(Ordering::SeqCst) == 30).await;
        });
    });
}

#[test]
fn panic_in_the_drop_of_a_payload_costs_the_connection_and_not_the_driver() {
    without_deadlock(|| {
        on_runtime(async {
            let (server, _client) = pair(1 << 20);
            let (mut near, mut far) = pair(1 << 20);
            let (send, mut receive) = server.split();
            let dropped = Arc::default();
            // The second leaves in the driver's turn.
            send.send("first").await.unwrap();
            send.send(owned(8192, &send, &dropped, true)).await.unwrap();
            in_time("it ends", send.closed()).await;
            assert_eq!(dropped.load(Ordering::SeqCst), 1);
            assert!(in_time("the end", receive.next()).await.unwrap().is_err());
            for text in ["one", "two"] {
                near.send(text).await.unwrap();
            }
            for text in ["one", "two"] {
                let message = in_time("a message", far.next()).await.unwrap().unwrap();
                assert_eq!(message.as_text(), Some(text));
            }
        });
    });
}

/// A waker that uses the connection when it wakes and when it is dropped, or panics.
struct Asking {
    asks: OnceLock<SendHalf<Pipe>>,
    woken: AtomicU32,
    panics: AtomicBool,
}

impl Asking {
    fn new(asks: &SendHalf<Pipe>) -> Arc<Self> {
        let asks = OnceLock::from(asks.clone());
        Arc::new(Self { asks, woken: AtomicU32::new(0), panics: AtomicBool::new(false) })
    }
}

impl Wake for Asking {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        self.asks.get().unwrap().buffered_amount();
        assert!(!self.panics.load(Ordering::SeqCst), "as asked");
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(asks) = self.asks.get() {
            asks.buffered_amount();
        }
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>, waker: &Arc<Asking>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(waker.clone())))
}

#[test]
fn waker_may_use_its_connection() {
    without_deadlock(|| {
        on_runtime(async {
            let (near, far) = pipe(1);
            let (send, mut receive) = open(near, Role::Server, Config::default()).split();
            let mut far = open(far, Role::Client, Config::default());
            let (sender, closer, first, reader) =
                (Asking::new(&send), Asking::new(&send), Asking::new(&send), Asking::new(&send));
            send.send("more than the pipe holds").await.unwrap();
            {
                let mut flush = pin!(send.flush());
                let mut ending = pin!(send.closed());
                let mut next = pin!(receive.next());
                assert!(poll(flush.as_mut(), &sender).is_pending());
                assert!(poll(ending.as_mut(), &closer).is_pending());
                assert!(poll(next.as_mut(), &first).is_pending());
                // The one before is dropped, being the last of its kind.
                assert!(poll(next.as_mut(), &reader).is_pending());
                drop(first);
                assert!(in_time("a message", far.next()).await.unwrap().is_ok());
                eventually("room", || sender.woken.load(Ordering::SeqCst) > 0).await;
                // As soon as it begins, the reader has to wait for another thing.
                send.start_close(CloseCode::NORMAL, "").unwrap();
                assert!(reader.woken.load(Ordering::SeqCst) > 0);
            }
            let reading = async { while receive.next().await.is_some() {} };
            tokio::join!(reading, async { while far.next().await.is_some() {} });
            assert!(closer.woken.load(Ordering::SeqCst) > 0);
            assert_eq!(send.state(), ReadyState::Closed);
        });
    });
}

#[test]
fn panic_in_a_waker_costs_the_connection_and_not_the_driver() {
    without_deadlock(|| {
        on_runtime(async {
            let (near, far) = pipe(1);
            let (send, _receive) = open(near, Role::Server, Config::default()).split();
            let mut far = open(far, Role::Client, Config::default());
            let (mut sibling, mut other) = pair(1 << 16);
            let waker = Asking::new(&send);
            waker.panics.store(true, Ordering::SeqCst);
            send.send("more than the pipe holds").await.unwrap();
            let mut flushing = pin!(send.flush());
            assert!(poll(flushing.as_mut(), &waker).is_pending());
            // It is woken in the driver's turn.
            let _ = in_time("a message", far.next()).await;
            eventually("it is closed", || send.state() == ReadyState::Closed).await;
            assert_eq!(waker.woken.load(Ordering::SeqCst), 1);
            for text in ["one", "two"] {
                sibling.send(text).await.unwrap();
            }
            for text in ["one", "two"] {
                let message = in_time("a message", other.next()).await.unwrap().unwrap();
                assert_eq!(message.as_text(), Some(text));
            }
        });
    });
}

#[cfg(feature = "tracing")]
#[test]
fn callback_of_a_subscriber_may_publish_to_the_group_that_lets_a_member_go() {
    use tracing::Event;

    use crate::subscriber::{Calls, subscribe};

    /// Publishes to a group at each event and each end of a span, and counts the events.
    struct Publishing(Group, Arc<AtomicU32>);

    impl Calls for Publishing {
        fn event(&self, event: &Event<'_>) {
            if event.metadata().is_event() {
                self.0.publish(&PreparedMessage::new(Message::text("an event")));
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }

        fn end_of_a_span(&self) {
            self.0.publish(&PreparedMessage::new(Message::text("the end of a span")));
        }
    }

    without_deadlock(|| {
        let (group, events) = (Group::new(), Arc::new(AtomicU32::new(0)));
        let _subscribed = subscribe(Publishing(group.clone(), events.clone()));
        on_runtime(async {
            let server = fullduplex::server::Server::bind("127.0.0.1:0").await.unwrap();
            let url = format!("ws://{}/", server.local_addr().unwrap());
            let handle = server.handle();
            let (room, members) = (group.clone(), Arc::new(std::sync::Mutex::new(Vec::new())));
            let kept = members.clone();
            tokio::spawn(server.serve(move |websocket| {
                // The registry outlives the WebSocket.
                let slow = LagPolicy::Close(CloseCode::POLICY_VIOLATION);
                kept.lock().unwrap().push(room.join(&websocket, slow));
                super::common::echo(websocket)
            }));
            let client = super::common::client(fullduplex::client::HttpVersion::Http1);
            for _ in 0..3 {
                let (mut websocket, _) = client.connect(&url).await.unwrap();
                websocket.send("hello").await.unwrap();
                // After what the events of this client have published.
                while let message = in_time("the echo", websocket.next()).await.unwrap().unwrap()
                    && message.as_text() != Some("hello")
                {}
                websocket.close(CloseCode::NORMAL, "").await.unwrap();
            }
            eventually("they are closed", || handle.websocket_count() == 0).await;
            assert!(events.load(Ordering::SeqCst) >= 6);
            assert_eq!(group.len(), 3);
            // One that ends while the group is locked: a message that fills it is written at once.
            let (tracked, armed) = (ServerHandle::new(), Arc::new(AtomicBool::new(false)));
            let (bad, _peer) = transports::tracked(&tracked, At::Write, &armed).await;
            let _member = group.join(&bad, LagPolicy::DropNewest);
            armed.store(true, Ordering::SeqCst);
            let before = events.load(Ordering::SeqCst);
            group.publish(&PreparedMessage::new(Message::binary(vec![0; 100_000])));
            eventually("it is closed", || tracked.websocket_count() == 0).await;
            eventually("it is told", || events.load(Ordering::SeqCst) > before).await;
            assert_eq!(bad.state(), ReadyState::Closed);
        });
    });
}
