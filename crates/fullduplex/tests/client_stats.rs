//! What a client counts and traces, on every version of HTTP.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2", feature = "http3"))]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::tls::{LOCALHOST, localhost, trusting};
use common::{direct, say};
use fullduplex::client::stats::{CloseKind, ConnectOutcome};
use fullduplex::client::{Backoff, HttpVersion, OfflinePolicy, ReconnectEvent};
use fullduplex::server::{Handshake, Server, ServerConfig};
use fullduplex::{Client, CloseCode, ErrorKind};
use fullduplex_testkit::eventually;
use http::{Response, Version};
use tokio::net::TcpListener;
use tokio::time::timeout;

const VERSIONS: [(HttpVersion, Version); 3] = [
    (HttpVersion::Http1, Version::HTTP_11),
    (HttpVersion::Http2, Version::HTTP_2),
    (HttpVersion::Http3, Version::HTTP_3),
];

/// Echoes at `/`, redirects `/moved` to it, and rejects everything else.
async fn serve() -> SocketAddr {
    let config = ServerConfig::default().http2(true);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.tls(localhost()).http3();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve_handshakes(async |handshake: Handshake| {
        let rejection = match handshake.request().uri().path() {
            "/" => {
                common::echo(handshake.accept().await.unwrap()).await;
                return;
            }
            "/moved" => Response::builder().status(307).header("location", "/?secret=1"),
            _ => Response::builder().status(404),
        };
        let _ = handshake.respond(rejection.body("").unwrap()).await;
    }));
    address
}

fn client_of(version: HttpVersion) -> Client {
    let builder = direct().http_version(version).tls(trusting(LOCALHOST));
    builder.max_redirects(1).build().unwrap()
}

/// Opens a WebSocket after a redirection, says something, closes it, and is rejected once.
async fn visit(client: &Client, address: SocketAddr) {
    let url = |path| format!("wss://localhost:{}{path}", address.port());
    let (mut websocket, _) = client.connect(url("/moved?secret=1")).await.unwrap();
    say(&mut websocket, "hello").await;
    assert_eq!(client.stats().websockets, 1);
    assert_eq!(client.stats().traffic, websocket.stats(), "of what is open, too");
    websocket.close(CloseCode::new(4123), "").await.unwrap();
    eventually("the WebSocket is gone", || client.stats().websockets == 0).await;
    client.connect(url("/no?secret=1")).await.unwrap_err();
}

#[tokio::test]
async fn client_stats_are_the_same_on_every_version() {
    let address = serve().await;
    for (version, shown) in VERSIONS {
        let client = client_of(version);
        visit(&client.clone(), address).await;
        let stats = client.stats();
        let attempts =
            [(ConnectOutcome::Opened(shown), 1), (ConnectOutcome::Failed(ErrorKind::Handshake), 1)];
        assert_eq!(stats.attempts.into_iter().collect::<Vec<_>>(), attempts);
        assert_eq!((stats.redirects, stats.connecting, stats.panics), (1, 0, 0));
        assert_eq!(stats.connect_times.count(), 1);
        let ends: Vec<_> = stats.ends.into_iter().collect();
        assert!(matches!(ends[..], [(CloseKind { code: 4000, cause: "handshake", .. }, 1)]));
        let (received, sent) = (stats.traffic.received, stats.traffic.sent);
        assert_eq!((received.text, received.payload, sent.text, sent.payload), (1, 5, 1, 5));
        assert!(received.wire > 5 && sent.wire > 5);
    }
}

#[tokio::test]
async fn client_stats_have_attempts_that_fail_early_or_are_cancelled() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", silent.local_addr().unwrap());
    let client = direct().build().unwrap();
    let attempt = tokio::spawn({
        let client = client.clone();
        async move { client.connect(url).await.map(drop) }
    });
    eventually("it connects", || client.stats().connecting == 1).await;
    assert!(client.stats().attempts.is_empty());
    attempt.abort();
    assert!(attempt.await.unwrap_err().is_cancelled());
    let stats = client.stats();
    assert_eq!((stats.connecting, stats.attempts[&ConnectOutcome::Cancelled]), (0, 1));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    client.connect(format!("ws://{closed}/")).await.unwrap_err();
    assert_eq!(client.stats().attempts[&ConnectOutcome::Failed(ErrorKind::Io)], 1);
    assert_eq!(client.stats().connect_times.count(), 0);
    // What is wrong before the attempt is none.
    client.connect("no URL").await.unwrap_err();
    assert_eq!(client.stats().attempts.values().sum::<u64>(), 2);
}

#[tokio::test]
async fn client_stats_have_websockets_on_transports_of_the_application() {
    let client = direct().build().unwrap();
    let (near, far) = tokio::io::duplex(1 << 16);
    let accepting = tokio::spawn(fullduplex::server::accept(far));
    let (websocket, _) = client.connect_over(near, "ws://localhost/").await.unwrap();
    let served = accepting.await.unwrap().unwrap();
    assert_eq!(client.stats().websockets, 1);
    drop((websocket, served));
    eventually("it has ended", || client.stats().websockets == 0).await;
    assert_eq!(client.stats().attempts[&ConnectOutcome::Opened(Version::HTTP_11)], 1);
    assert_eq!(client.stats().ends.values().sum::<u64>(), 1);
}

/// A client that reconnects to where nobody listens, after its first failures.
async fn offline(client: &Client) -> fullduplex::client::Reconnecting {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut feed = client
        .reconnecting(format!("ws://secret:secret@{closed}/feed?secret=1"))
        .backoff(Backoff::default().initial(Duration::from_millis(1)).max(Duration::from_millis(2)))
        .queue(2, OfflinePolicy::DropOldest)
        .start();
    for _ in 0..3 {
        let event = timeout(Duration::from_secs(10), feed.next()).await.unwrap();
        assert!(matches!(event, Some(ReconnectEvent::Disconnected { retry_in: Some(_), .. })));
    }
    feed
}

#[tokio::test]
async fn client_stats_have_the_queues_of_reconnecting_clients() {
    let client = direct().build().unwrap();
    let feed = offline(&client).await;
    for text in ["one", "two", "three"] {
        feed.send(text).await.unwrap();
    }
    let stats = client.stats();
    assert_eq!((stats.reconnecting, stats.dropped), (1, 1));
    assert_eq!(stats.queued, feed.queue_len());
    assert!(stats.retries >= 2, "{stats:?}");
    feed.start_close(CloseCode::NORMAL, "").unwrap();
    eventually("it has stopped", || client.stats().reconnecting == 0).await;
    let stats = client.stats();
    assert_eq!((stats.queued, stats.dropped), (0, 1));
}

#[cfg(feature = "metrics")]
mod metrics_of_a_client {
    use std::collections::BTreeMap;

    use super::common::recorder::Values;
    use super::*;

    /// What the client records: all with a description, and nothing that names a host.
    fn recorded(client: &Client) -> BTreeMap<String, u64> {
        let values = Values::default();
        metrics::with_local_recorder(&values, || client.record_metrics());
        let all = values.all();
        for metric in all.keys() {
            assert!(metric.starts_with("fullduplex_client_"), "{metric}");
            assert!(!metric.contains("localhost") && !metric.contains("127."), "{metric}");
            let name = metric.split('{').next().unwrap();
            let name = name.replace("_count", "_bucket").replace("_sum", "_bucket");
            assert!(values.described().contains(&name), "{name}");
        }
        all
    }

    #[tokio::test]
    async fn client_metrics_are_its_stats() {
        let address = serve().await;
        for (version, shown) in VERSIONS {
            let client = client_of(version);
            visit(&client, address).await;
            let mut all = recorded(&client);
            let mut value = |metric: &str| all.remove(&format!("fullduplex_client_{metric}"));
            let shown = format!("{shown:?}").replace(".0", "");
            let opened = format!("attempts_total{{outcome=opened,detail={shown}}}");
            assert_eq!(value(&opened), Some(1), "{opened}");
            assert_eq!(value("attempts_total{outcome=failed,detail=handshake}"), Some(1));
            assert_eq!(value("redirects_total"), Some(1));
            assert_eq!(value("connect_seconds_count"), Some(1));
            assert_eq!(value("connect_seconds_bucket{le=+Inf}"), Some(1));
            assert_eq!(value("websockets"), Some(0));
            assert_eq!(value("closes_total{code=4000,cause=handshake}"), Some(1));
            assert_eq!(value("messages_total{direction=sent,kind=text}"), Some(1));
            assert_eq!(value("bytes_total{direction=received,of=payload}"), Some(5));
            assert!(value("bytes_total{direction=sent,of=wire}") > Some(5));
            assert_eq!(value("ping_round_trip_seconds_count"), Some(0));
            assert_eq!(value("connecting"), Some(0));
            assert_eq!(value("panics_total"), Some(0));
        }
    }

    #[tokio::test]
    async fn client_metrics_have_its_reconnecting_clients() {
        let client = direct().build().unwrap();
        let feed = offline(&client).await;
        for text in ["one", "two", "three"] {
            feed.send(text).await.unwrap();
        }
        let all = recorded(&client);
        let value = |metric: &str| all[&format!("fullduplex_client_{metric}")];
        assert!(value("attempts_total{outcome=failed,detail=io}") >= 3);
        assert!(value("retries_total") >= 2);
        assert_eq!((value("reconnecting"), value("dropped_messages_total")), (1, 1));
        assert_eq!(value("queued_messages"), feed.queue_len() as u64);
    }
}

#[cfg(feature = "tracing")]
mod trace_of_a_client {
    use super::common::log::Log;
    use super::*;

    #[tokio::test]
    async fn span_of_a_client_has_all_of_its_events_on_every_version() {
        let address = serve().await;
        for (version, shown) in VERSIONS {
            let log = Log::of(&["fullduplex::client"]);
            let _subscribed = log.subscribe();
            visit(&client_of(version), address).await;
            let expected = [
                "websocket: connecting",
                "websocket: redirected",
                "websocket: opened",
                "websocket: closed",
                "websocket: connecting",
                "websocket: connecting failed",
            ];
            assert_eq!(log.take(), expected);
            let fields = log.fields();
            let host = format!("localhost:{}", address.port());
            for expected in [
                format!("websocket: host=\"{host}\" path=\"/moved\""),
                format!("redirected: status=307 host=\"{host}\" path=\"/\""),
                format!("websocket: version={shown:?}"),
                "opened: deflate=false".to_owned(),
                "closed: code=4000 cause=\"handshake\" received=1 sent=1".to_owned(),
                "connecting failed: kind=Handshake status=404".to_owned(),
            ] {
                assert!(fields.contains(&expected), "{expected} is not in {fields:#?}");
            }
        }
    }

    #[tokio::test]
    async fn events_of_a_reconnecting_client_say_why_and_when() {
        let log = Log::of(&["fullduplex::client"]);
        let _subscribed = log.subscribe();
        let feed = offline(&direct().build().unwrap()).await;
        drop(feed);
        let lines = log.take();
        let expected = ["websocket: connecting", "websocket: connecting failed", "reconnecting"];
        assert_eq!(lines[..3], expected);
        let fields = log.fields();
        let event = fields.iter().find(|line| line.starts_with("reconnecting: ")).unwrap();
        for expected in ["path=\"/feed\"", "reason=\"failed\"", "kind=Io", "delay="] {
            assert!(event.contains(expected), "{event}");
        }
        assert!(!fields.concat().contains("secret"), "{fields:#?}");
    }

    #[tokio::test]
    async fn event_of_a_cancelled_attempt_is_in_its_span() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", silent.local_addr().unwrap());
        let log = Log::of(&["fullduplex::client"]);
        let _subscribed = log.subscribe();
        let client = direct().build().unwrap();
        timeout(Duration::from_millis(50), client.connect(url)).await.unwrap_err();
        let expected = ["websocket: connecting", "websocket: connecting was cancelled"];
        assert_eq!(log.take(), expected);
    }
}
