//! A client that connects again: through restarts under load, and when to stop.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

#[path = "../common/mod.rs"]
mod common;
#[cfg(all(feature = "http2", feature = "http3"))]
mod control;
mod hooks;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::direct;
use fullduplex::client::{
    Backoff, DisconnectReason, OfflinePolicy, ReconnectBuilder, ReconnectEvent, Reconnecting,
};
use fullduplex::server::Server;
use fullduplex::{CloseCode, ErrorKind, Message, WebSocket};
use fullduplex_testkit::wait_until;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

fn quick() -> Backoff {
    Backoff::default()
        .initial(Duration::from_millis(4))
        .max(Duration::from_millis(30))
        .stable_after(Duration::from_millis(20))
}

fn to(address: SocketAddr) -> ReconnectBuilder {
    let client = direct().build().unwrap();
    client.reconnecting(format!("ws://{address}/")).backoff(quick())
}

async fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

type Seen = Arc<Mutex<BTreeSet<u32>>>;

/// A server in a runtime of its own, which can be killed with all its connections. It counts
/// the messages that it is the first to see.
fn serve(address: SocketAddr, seen: Seen) -> (Runtime, Arc<AtomicU32>) {
    let count: Arc<AtomicU32> = Arc::default();
    let counter = count.clone();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(async move {
        let server = loop {
            // The one before may not have let go of it yet.
            match Server::bind(address).await {
                Ok(server) => break server,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let handle = move |websocket| acknowledge(websocket, seen.clone(), count.clone());
        server.serve(handle).await.unwrap();
    });
    (runtime, counter)
}

async fn acknowledge(mut websocket: WebSocket, seen: Seen, count: Arc<AtomicU32>) {
    while let Some(Ok(message)) = websocket.next().await {
        let number = message.as_text().unwrap().parse().unwrap();
        let is_new = seen.lock().unwrap().insert(number);
        count.fetch_add(is_new.into(), Ordering::Relaxed);
        if websocket.send(message).await.is_err() {
            return;
        }
    }
}

/// Runs one server after the other, and kills each in the midst of its work, once it has seen
/// so many new messages. The last one stays.
fn restart(address: SocketAddr, seen: &Seen) -> Runtime {
    for most in (1..=MOST_SEEN).cycle().take(RESTARTS as usize) {
        let (runtime, count) = serve(address, seen.clone());
        wait_until("messages have come", || count.load(Ordering::Relaxed) >= most);
        runtime.shutdown_background();
    }
    serve(address, seen.clone()).0
}

const RESTARTS: u32 = 50;

/// So many messages has the luckiest of the servers seen.
const MOST_SEEN: u32 = 25;

/// What the application said was done is done, whatever happens to the server.
#[tokio::test]
async fn reconnect_loses_nothing_acknowledged_by_a_server_killed_fifty_times() {
    let address = free().await;
    let seen = Seen::default();
    let mut client = to(address).start();
    let killing = {
        let seen = seen.clone();
        std::thread::spawn(move || restart(address, &seen))
    };
    let sender = client.sender();
    let (mut next, mut open) = (0_u32, BTreeSet::new());
    let (mut connections, mut attempts) = (0, 0);
    let (mut failures, mut waited) = (0, Duration::ZERO);
    let begun = Instant::now();
    loop {
        let over = killing.is_finished();
        if over && open.is_empty() {
            break;
        }
        // Against a hang alone: it takes 2 s on a machine that has nothing else to do.
        assert!(begun.elapsed() < Duration::from_secs(300), "{} open", open.len());
        tokio::select! {
            event = client.next() => match event.unwrap() {
                ReconnectEvent::Connected { attempts: n, .. } => {
                    (connections, attempts) = (connections + 1, attempts + n);
                    // No busy loop: each end was told but this one, and waited for.
                    assert_eq!(failures + 1, attempts);
                    assert!(begun.elapsed() >= waited);
                    // What has no answer may not have arrived.
                    for number in &open {
                        sender.send(format!("{number}")).await.unwrap();
                    }
                }
                ReconnectEvent::Message(message) => {
                    let number: u32 = message.as_text().unwrap().parse().unwrap();
                    assert!(seen.lock().unwrap().contains(&number));
                    open.remove(&number);
                }
                ReconnectEvent::Disconnected { reason, retry_in } => {
                    failures += 1;
                    waited += retry_in.unwrap_or_else(|| panic!("it gave up: {reason:?}"));
                }
                other => panic!("{other:?}"),
            },
            () = tokio::time::sleep(Duration::from_micros(200)),
                if !over && open.len() < 40 =>
            {
                open.insert(next);
                // While it is down, the queue may be full; it will be sent again.
                let send = sender.send(format!("{next}"));
                let _ = tokio::time::timeout(Duration::from_millis(5), send).await;
                next += 1;
            }
        }
    }
    killing.join().unwrap().shutdown_background();
    assert_eq!(*seen.lock().unwrap(), (0..next).collect());
    // Each server had a connection, and its messages on it.
    assert!(connections >= RESTARTS, "{connections} connections");
    let least = RESTARTS * (1 + MOST_SEEN) / 2;
    assert!(next >= least, "{next} messages");
}

/// A server that closes each connection with a code.
async fn closing(code: u16) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(move |mut websocket| async move {
        websocket.send("hello").await.unwrap();
        drop(websocket.close(CloseCode::new(code), "so").await);
    }));
    address
}

async fn disconnect(client: &mut Reconnecting) -> (DisconnectReason, Option<Duration>) {
    loop {
        if let ReconnectEvent::Disconnected { reason, retry_in } = client.next().await.unwrap() {
            return (reason, retry_in);
        }
    }
}

#[tokio::test]
async fn reconnect_stops_at_final_close_codes() {
    for (code, again) in
        [(1000, false), (1001, true), (1008, false), (1011, true), (1012, true), (4000, true)]
    {
        let mut client = to(closing(code).await).start();
        assert!(matches!(client.next().await, Some(ReconnectEvent::Connected { attempts: 1, .. })));
        assert!(matches!(client.next().await, Some(ReconnectEvent::Message(_))));
        let (why, retry_in) = disconnect(&mut client).await;
        let DisconnectReason::Closed(info) = why else { panic!("{why:?}") };
        assert_eq!(info.code().get(), code);
        assert_eq!(retry_in.is_some(), again, "{code}");
        if !again {
            assert!(client.next().await.is_none());
            assert_eq!(client.send("late").await.unwrap_err().kind(), ErrorKind::Closed);
        }
    }
}

#[tokio::test]
async fn reconnect_stops_at_final_responses() {
    for (status, again) in [(401, false), (403, false), (404, false), (429, true), (503, true)] {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(server.serve_handshakes(move |handshake| async move {
            let mut response = http::Response::builder().status(status);
            if again {
                response = response.header("Retry-After", "2");
            }
            drop(handshake.respond(response.body("no").unwrap()).await);
        }));
        let mut client = to(address).start();
        let (why, retry_in) = disconnect(&mut client).await;
        let DisconnectReason::Failed(error) = why else { panic!("{why:?}") };
        assert_eq!(error.response().unwrap().status().as_u16(), status);
        // Retry-After is capped by the backoff: ten times 30 ms.
        assert_eq!(retry_in.is_some(), again, "{status}");
        assert!(retry_in.is_none_or(|wait| wait >= Duration::from_millis(300)));
    }
    let mut client = to(closing(4000).await).retry_if(|_| false).start();
    assert_eq!(disconnect(&mut client).await.1, None);
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn reconnect_queue_follows_its_policy_while_disconnected() {
    let address = free().await;
    let slow = quick().initial(Duration::from_secs(60));
    let full = |policy| to(address).backoff(slow.max(slow.initial)).queue(2, policy);
    let wait = full(OfflinePolicy::Wait).start();
    wait.send("1").await.unwrap();
    wait.send("2").await.unwrap();
    let third = tokio::time::timeout(Duration::from_millis(30), wait.send("3"));
    assert!(third.await.is_err(), "it waits");
    let reject = full(OfflinePolicy::Reject).start();
    assert_eq!(reject.send("1").await.unwrap_err().kind(), ErrorKind::Closed);

    let mut drops = to(address).queue(2, OfflinePolicy::DropOldest).start();
    for message in ["1", "2", "3", "4"] {
        drops.send(message).await.unwrap();
    }
    let seen = Seen::default();
    let (runtime, _) = serve(address, seen.clone());
    let mut answers = Vec::new();
    while answers.len() < 2 {
        if let ReconnectEvent::Message(message) = drops.next().await.unwrap() {
            answers.push(message);
        }
    }
    assert_eq!(answers, [Message::from("3"), Message::from("4")]);
    runtime.shutdown_background();
}

#[tokio::test]
async fn reconnect_ends_when_closed_or_dropped() {
    let address = free().await;
    let (runtime, _) = serve(address, Seen::default());
    let mut client = to(address).start();
    loop {
        if let ReconnectEvent::Connected { .. } = client.next().await.unwrap() {
            break;
        }
    }
    client.start_close(CloseCode::NORMAL, "enough").unwrap();
    let (why, retry_in) = disconnect(&mut client).await;
    let DisconnectReason::Closed(info) = why else { panic!("{why:?}") };
    assert!(info.is_clean() && retry_in.is_none(), "{info}");
    assert!(client.next().await.is_none());
    // While it waits to try again.
    runtime.shutdown_background();
    let mut client = to(free().await).start();
    disconnect(&mut client).await;
    client.start_close(CloseCode::NORMAL, "").unwrap();
    while client.next().await.is_some() {}
    let sender = client.sender();
    drop(client);
    assert!(sender.send("late").await.is_err());
}

/// A server that counts, slowly, what it is sent.
async fn counting(total: Arc<AtomicU32>) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(move |mut websocket| {
        let total = total.clone();
        async move {
            while let Some(Ok(_)) = websocket.next().await {
                total.fetch_add(1, Ordering::Relaxed);
            }
        }
    }));
    address
}

/// A server that sends so many messages at once to the first client, and says when it has.
async fn flooding(count: u32, sent: tokio::sync::oneshot::Sender<()>) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let sent = Arc::new(Mutex::new(Some(sent)));
    tokio::spawn(server.serve(move |mut websocket| {
        let sent = sent.lock().unwrap().take();
        async move {
            for i in 0..count {
                websocket.send(format!("{i}")).await.unwrap();
            }
            websocket.flush().await.unwrap();
            sent.unwrap().send(()).unwrap();
            while let Some(Ok(_)) = websocket.next().await {}
        }
    }));
    address
}

#[tokio::test]
async fn reconnect_sends_what_was_queued_before_the_close() {
    let total = Arc::new(AtomicU32::new(0));
    let mut client = to(counting(total.clone()).await).start();
    assert!(matches!(client.next().await, Some(ReconnectEvent::Connected { .. })));
    for i in 0..20 {
        client.send(format!("{i}")).await.unwrap();
    }
    client.start_close(CloseCode::NORMAL, "").unwrap();
    let (why, _) = disconnect(&mut client).await;
    assert!(matches!(why, DisconnectReason::Closed(info) if info.is_clean()));
    assert_eq!(total.load(Ordering::Relaxed), 20);
}

#[tokio::test]
async fn reconnect_loses_no_message_when_it_closes_over_unread_ones() {
    let (sent, until_sent) = tokio::sync::oneshot::channel();
    let mut client = to(flooding(300, sent).await).start();
    assert!(matches!(client.next().await, Some(ReconnectEvent::Connected { .. })));
    until_sent.await.unwrap();
    client.start_close(CloseCode::NORMAL, "").unwrap();
    // So that the Close is under way when the first of them is read.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let mut next = 0;
    while let Some(event) = client.next().await {
        if let ReconnectEvent::Message(message) = event {
            assert_eq!(message, Message::from(format!("{next}")));
            next += 1;
        }
    }
    assert_eq!(next, 300);
}

#[tokio::test]
async fn reconnect_ends_the_connection_of_a_dropped_owner() {
    for _ in 0..30 {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(server.serve(move |mut websocket| {
            let ended = ended.clone();
            async move {
                while websocket.next().await.is_some() {}
                ended.send(websocket.close_info().unwrap().code().get()).unwrap();
            }
        }));
        let mut client = to(address).start();
        assert!(matches!(client.next().await, Some(ReconnectEvent::Connected { .. })));
        let sender = client.sender();
        drop(client);
        let code = tokio::time::timeout(Duration::from_secs(5), end.recv()).await;
        assert_eq!(code.unwrap(), Some(1001));
        while sender.send("late").await.is_ok() {}
    }
}
