//! Callbacks, hooks and `tracing` subscribers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fullduplex::client::{Backoff, DisconnectReason, HttpVersion, ReconnectEvent, RequestOverride};
use fullduplex::server::{Server, ServerConfig, ServerHandle};
use fullduplex::{CloseCode, ErrorKind};

use super::common::{client, direct, echo, raw, say};
use super::in_time;
use fullduplex_testkit::eventually;

/// A server that has room for one connection, with an `on_rejected` that panics.
async fn narrow()
-> (SocketAddr, ServerHandle, tokio::task::JoinHandle<Result<(), fullduplex::Error>>) {
    let mut config = ServerConfig::default();
    config.limits.connections.max_connections = Some(1);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.on_rejected(|refused| panic!("as asked: {refused}"));
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    (address, handle, tokio::spawn(server.serve(echo)))
}

#[tokio::test]
async fn panic_in_on_refused_ends_nothing() {
    let (address, handle, serving) = narrow().await;
    let url = format!("ws://{address}/");
    let client = client(HttpVersion::Http1);
    for refused in 1..=3 {
        let (mut first, _) = client.connect(&url).await.unwrap();
        say(&mut first, "in").await;
        assert!(raw(address, "").await.starts_with("HTTP/1.1 503 "));
        eventually("the panic is counted", || handle.stats().panics == refused).await;
        say(&mut first, "still here").await;
        first.close(CloseCode::NORMAL, "").await.unwrap();
        eventually("the place is free", || handle.connection_count() == 0).await;
    }
    assert!(!serving.is_finished());
}

#[tokio::test]
async fn panic_in_a_hook_costs_one_attempt() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve(echo));
    let calls = Arc::new(AtomicU32::new(0));
    let nth = {
        let calls = calls.clone();
        move || calls.fetch_add(1, Ordering::SeqCst)
    };
    // The hooks panic one after the other, each at its first call; `on_connect_event` does at each.
    let (in_prepare, in_opened) = (nth.clone(), nth);
    let client = direct().on_connect_event(|step| panic!("as asked: {step}")).build().unwrap();
    let backoff = Backoff::default().initial(Duration::from_millis(1));
    let mut connection = client
        .reconnecting(url)
        .backoff(backoff)
        .before_connect(move |_| {
            assert!(in_prepare() > 0, "as asked");
            std::future::ready(Ok(RequestOverride::default()))
        })
        .on_connected(move |websocket| {
            let call = in_opened();
            async move {
                assert!(call > 2, "as asked");
                Ok(websocket)
            }
        })
        .retry_if(|_| panic!("as asked"))
        .start();
    let mut next = async || in_time("an event", connection.next()).await.unwrap();
    for _ in 0..2 {
        let event = next().await;
        let ReconnectEvent::Disconnected {
            reason: DisconnectReason::Failed(error),
            retry_in: Some(_),
        } = event
        else {
            panic!("{event:?}");
        };
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert!(error.to_string().contains("panicked"), "{error}");
    }
    assert!(matches!(next().await, ReconnectEvent::Connected { .. }));
}

#[cfg(feature = "tracing")]
mod tracing_events {
    use fullduplex::Client;
    use tracing::Event;

    use super::*;
    use crate::subscriber::{Calls, subscribe};
    use crate::{on_runtime, without_deadlock};

    /// Panics at each event of the library, and counts them.
    struct Panicking(Arc<AtomicU32>);

    impl Calls for Panicking {
        fn event(&self, event: &Event<'_>) {
            if event.metadata().name().contains("trace.rs") {
                self.0.fetch_add(1, Ordering::SeqCst);
                panic!("as asked");
            }
        }
    }

    /// Panics at each event of a client.
    struct PanicsAtClients;

    impl Calls for PanicsAtClients {
        fn event(&self, event: &Event<'_>) {
            assert!(!event.metadata().target().starts_with("fullduplex::client"), "as asked");
        }
    }

    #[tokio::test]
    async fn panic_in_the_subscriber_costs_a_client_nothing() {
        let server = Server::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", server.local_addr().unwrap());
        tokio::spawn(server.serve(echo));
        let _subscribed = subscribe(PanicsAtClients);
        let client = client(HttpVersion::Http1);
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        say(&mut websocket, "in").await;
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
        // The attempt, the opening and the end.
        eventually("all are counted", || client.stats().panics == 3).await;
        assert_eq!((client.stats().websockets, client.stats().ends.len()), (0, 1));

        let mut feed = client.reconnecting(&url).start();
        for _ in 0..2 {
            let event = in_time("a connection", feed.next()).await;
            assert!(matches!(event, Some(ReconnectEvent::Connected { .. })), "{event:?}");
            feed.reconnect();
            let event = in_time("its end", feed.next()).await;
            assert!(matches!(event, Some(ReconnectEvent::Disconnected { .. })), "{event:?}");
        }
    }

    /// Asks the client for its statistics at each event.
    struct Asking(Client, Arc<AtomicU32>);

    impl Calls for Asking {
        fn event(&self, event: &Event<'_>) {
            if event.metadata().target().starts_with("fullduplex::client") {
                assert_eq!(self.0.stats().panics, 0);
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }

        fn end_of_a_span(&self) {
            assert_eq!(self.0.stats().panics, 0);
        }
    }

    #[test]
    fn subscriber_may_ask_the_client_that_calls_it() {
        without_deadlock(|| {
            on_runtime(async {
                let server = Server::bind("127.0.0.1:0").await.unwrap();
                let url = format!("ws://{}/", server.local_addr().unwrap());
                tokio::spawn(server.serve(echo));
                let client = client(HttpVersion::Http1);
                let events: Arc<AtomicU32> = Arc::default();
                let _subscribed = subscribe(Asking(client.clone(), events.clone()));
                let (mut websocket, _) = client.connect(&url).await.unwrap();
                websocket.close(CloseCode::NORMAL, "").await.unwrap();
                eventually("its end is told", || events.load(Ordering::SeqCst) == 3).await;
                assert_eq!(client.stats().panics, 0);
            });
        });
    }

    #[tokio::test]
    async fn panic_in_the_subscriber_does_not_end_the_accept_loop() {
        let panics = Arc::new(AtomicU32::new(0));
        let _subscribed = subscribe(Panicking(panics.clone()));
        let (address, handle, serving) = narrow().await;
        // Without a request, so that only the rejections are reported.
        let _held = tokio::net::TcpStream::connect(address).await.unwrap();
        eventually("it is accepted", || handle.connection_count() == 1).await;
        for rejected in 1..=2 {
            raw(address, "").await;
            // The rejection's event, the callback, and that each panicked.
            eventually("it is counted", || handle.stats().panics == 2 * rejected).await;
        }
        assert_eq!(panics.load(Ordering::SeqCst), 2 * 3);
        assert!(!serving.is_finished());
    }
}
