//! Transports that use their own connection while they are polled.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fullduplex::broadcast::{Group, LagPolicy, Topics};
use fullduplex::{CloseCause, Config, Message, PreparedMessage, Role, SendHalf, WebSocket};
use fullduplex_testkit::pipe::{Pipe, pipe};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::common::open;
use super::{in_time, on_runtime, without_deadlock};
use crate::transports::only_sends;
use fullduplex_testkit::eventually;

/// Reading ahead polls the transport without a lock that the application's thread may wait for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callback_of_a_transport_that_is_read_ahead_may_wait_for_the_application() {
    let (mut websocket, mut peer, call) = calling();
    only_sends(&mut websocket, Waker::noop()).await;
    let (entered, enters) = std::sync::mpsc::channel();
    let (answer, answers) = std::sync::mpsc::channel();
    let answers = Mutex::new(answers);
    let once = AtomicBool::new(true);
    let in_poll = move || {
        if once.swap(false, Ordering::SeqCst) {
            entered.send(()).unwrap();
            let waited = answers.lock().unwrap().recv_timeout(Duration::from_secs(5));
            entered.send(()).unwrap();
            waited.expect("the application waits for the transport");
        }
    };
    assert!(call.set(Box::new(in_poll)).is_ok());
    peer.send("hello").await.unwrap();
    peer.flush().await.unwrap();
    let waiting = tokio::task::spawn_blocking(move || {
        enters.recv_timeout(Duration::from_secs(10)).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let polled = Pin::new(&mut websocket).poll_next(&mut cx).is_pending();
        // It is still polled.
        let in_time = enters.try_recv().is_err();
        let _ = answer.send(());
        (websocket, polled && in_time, enters)
    });
    let (mut websocket, is_pending, _enters) = in_time("a poll", waiting).await.unwrap();
    assert!(is_pending, "it waited for the transport");
    let message = in_time("the message", websocket.next()).await.unwrap().unwrap();
    assert_eq!(message.as_text(), Some("hello"));
    // And it is dropped as ever.
    drop(websocket);
    in_time("the end", async { while let Some(Ok(_)) = peer.next().await {} }).await;
    assert!(peer.close_info().unwrap().is_clean());
}

/// A pipe that calls back whenever it is polled, as one does that logs to a connection.
struct Calling {
    pipe: Pipe,
    call: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
}

impl Calling {
    fn call(&self) {
        if let Some(call) = self.call.get() {
            call();
        }
    }
}

impl AsyncRead for Calling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.call();
        Pin::new(&mut self.pipe).poll_read(cx, buf)
    }
}

impl AsyncWrite for Calling {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.call();
        Pin::new(&mut self.pipe).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

type Call = Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>;

fn calling() -> (WebSocket<Calling>, WebSocket<Pipe>, Call) {
    let (near, far) = pipe(1 << 16);
    let call = Call::default();
    let near = Calling { pipe: near, call: call.clone() };
    (WebSocket::server(near), open(far, Role::Client, Config::default()), call)
}

/// Has it called a few times and no more, as what it does makes it be called.
fn a_few_times(call: &Call, what: impl Fn() + Send + Sync + 'static) {
    let left = AtomicU32::new(4);
    let what = move || {
        let once = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if once.is_ok() {
            what();
        }
    };
    assert!(call.set(Box::new(what)).is_ok());
}

#[test]
fn callback_of_a_transport_may_send_and_publish_on_its_own_connection() {
    without_deadlock(|| {
        on_runtime(async {
            let (websocket, mut peer, call) = calling();
            let group = Group::new();
            let _member = group.join(&websocket, LagPolicy::DropNewest);
            let topics = Topics::new();
            let topic = topics.subscribe("topic", &websocket, LagPolicy::DropNewest);
            let (send, mut receive) = websocket.split();
            let own = send.clone();
            let refused = Arc::new(AtomicU32::new(0));
            let (told, room) = (refused.clone(), group.clone());
            let all = topics.clone();
            a_few_times(&call, move || {
                if own.try_send("sent").is_err() {
                    told.fetch_add(1, Ordering::SeqCst);
                }
                room.publish(&PreparedMessage::new(Message::text("published")));
                all.publish_to_all(&PreparedMessage::new(Message::text("to all")));
                let left_out = all.publish_except("topic", &PreparedMessage::new("not"), &topic);
                assert_eq!(left_out.delivered, 0);
            });
            // It writes on behalf of the sender, of a publisher, of the driver, and reads.
            let reading = tokio::spawn(async move { while receive.next().await.is_some() {} });
            tokio::task::yield_now().await;
            send.send("first").await.unwrap();
            group.publish(&PreparedMessage::new(Message::text("second")));
            let (mut published, mut to_all) = (0, 0);
            while published < 4 || to_all < 4 {
                let message = in_time("a message", peer.next()).await.unwrap().unwrap();
                assert_ne!(message.as_text(), Some("not"));
                published += u32::from(message.as_text() == Some("published"));
                to_all += u32::from(message.as_text() == Some("to all"));
            }
            // While it is polled for writing, a connection is full.
            assert!((1..4).contains(&refused.load(Ordering::SeqCst)));
            peer.close(fullduplex::CloseCode::NORMAL, "").await.unwrap();
            in_time("the end", reading).await.unwrap();
        });
    });
}

#[test]
fn callback_of_a_transport_that_would_wait_for_itself_costs_the_connection() {
    without_deadlock(|| {
        on_runtime(async {
            let (mut websocket, _peer, call) = calling();
            let own: Arc<Mutex<Option<SendHalf<Calling>>>> = Arc::default();
            websocket.send("first").await.unwrap();
            let (send, mut receive) = websocket.split();
            *own.lock().unwrap() = Some(send.clone());
            let asks = own.clone();
            a_few_times(&call, move || {
                if let Some(own) = &*asks.lock().unwrap() {
                    own.buffered_amount();
                }
            });
            let _ = send.send("second").await;
            assert!(in_time("the end", receive.next()).await.unwrap().is_err());
            assert_eq!(send.close_info().unwrap().cause, CloseCause::TransportError);
            // Lest it own itself.
            let _last = own.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        });
    });
}

#[test]
fn callback_of_a_transport_may_leave_a_group_and_waits_for_none() {
    without_deadlock(|| {
        on_runtime(async {
            let (websocket, _peer, call) = calling();
            let (other, _other_peer, _) = calling();
            let room = Group::new();
            let _member = room.join(&websocket, LagPolicy::DropNewest);
            let leaving = Mutex::new(vec![room.join(&other, LagPolicy::DropNewest)]);
            let asked = Arc::new(AtomicU32::new(0));
            let (asks, all) = (asked.clone(), room.clone());
            a_few_times(&call, move || {
                drop(leaving.lock().unwrap().pop());
                asks.fetch_add(1, Ordering::SeqCst);
                all.len();
            });
            // Too much for the queue of a member, which so is polled with the group locked.
            for _ in 0..2 {
                room.publish(&PreparedMessage::new(Message::from(vec![7; 100_000])));
            }
            eventually("it is called", || asked.load(Ordering::SeqCst) > 0).await;
            eventually("it has left", || room.len() == 1).await;
        });
    });
}

/// A payload that uses a connection when it is dropped.
struct Asking {
    of: Arc<OnceLock<SendHalf<Calling>>>,
    answered: Arc<AtomicU32>,
}

impl AsRef<[u8]> for Asking {
    fn as_ref(&self) -> &[u8] {
        &[7; 8192]
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(connection) = self.of.get() {
            connection.buffered_amount();
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn callback_of_a_transport_drops_nothing_of_its_own_connection_by_using_another() {
    without_deadlock(|| {
        on_runtime(async {
            let (websocket, _peer, call) = calling();
            let (other, _other_peer, _) = calling();
            let (send, _receive) = websocket.split();
            let (of, answered) = (Arc::new(OnceLock::new()), Arc::new(AtomicU32::new(0)));
            assert!(of.set(send.clone()).is_ok());
            let payload = |of: &Arc<OnceLock<SendHalf<Calling>>>| {
                let owner = Asking { of: of.clone(), answered: answered.clone() };
                Message::Binary(bytes::Bytes::from_owner(owner))
            };
            let nobody = || bytes::Bytes::from_owner(vec![7; 8192]);
            let (other, _other_receive) = other.split();
            // Behind what has just left they are gathered for one turn.
            send.try_send("first").unwrap();
            a_few_times(&call, move || other.try_send(Message::Binary(nobody())).unwrap());
            for _ in 0..3 {
                send.try_send(payload(&of)).unwrap();
            }
            in_time("flush", send.flush()).await.unwrap();
            assert_eq!(answered.load(Ordering::SeqCst), 3);
        });
    });
}
