//! What a server tells a recorder of `metrics` and a subscriber of `tracing`.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, unreachable_pub)] // the modules are shared
#![cfg(all(feature = "metrics", feature = "tracing"))]

#[path = "engine/client.rs"]
mod client;
#[path = "../../fullduplex/tests/common/log.rs"]
mod log;
#[path = "../../fullduplex/tests/common/recorder.rs"]
mod recorder;

use std::time::Duration;

use client::{Polling, get, send};
use fullduplex_socketio::engine::EngineConfig;
use fullduplex_socketio::{ConnectError, ConnectRequest, Recovery, Socket, SocketIo};
use http::HeaderValue;
use log::Log;
use recorder::Values;

fn server() -> SocketIo {
    // The path of the client of these tests.
    let engine = EngineConfig::default().path("/engine.io/");
    let recovery = Recovery::within(Duration::from_secs(60));
    let io = SocketIo::builder().engine(engine).recovery(recovery).build().unwrap();
    io.of("/")
        .middleware(async |request: ConnectRequest| match request.auth::<serde_json::Value>() {
            Ok(token) if token == serde_json::json!({ "token": "wrong" }) => {
                Err(ConnectError::new("no"))
            }
            _ => Ok(()),
        })
        .on("hello", async |_: Socket, secret: String| {
            tracing::info!(length = secret.len(), "handled");
        })
        .on("panic", async |_: Socket, value: u8| assert!(value > 0, "on purpose"))
        .open();
    io
}

/// Connects to the main namespace, and returns the answer.
async fn connect(session: &Polling, auth: &str) -> String {
    assert_eq!(session.post(format!("40{auth}")).await.status, 200);
    session.poll().await.content
}

/// Sends a request of a page that may not, and one for a session that there is not.
async fn be_rejected(io: &SocketIo) {
    let mut evil = get("EIO=4&transport=polling");
    evil.headers_mut().insert("origin", HeaderValue::from_static("https://evil.example"));
    assert_eq!(send(io.engine(), evil).await.status, 403);
    assert_eq!(send(io.engine(), get("EIO=4&transport=polling&sid=a")).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn metrics_count_sessions_sockets_and_recoveries() {
    let io = server();
    let first = Polling::open(io.engine()).await;
    let answer = connect(&first, "").await;
    let (_, pid) = answer.split_once(r#""pid":""#).unwrap_or_else(|| panic!("{answer}"));
    let pid = pid.split('"').next().unwrap();
    first.post("1").await;
    assert_eq!(first.poll().await.content, "6");
    for pid in [pid, "twenty-characters-no"] {
        let session = Polling::open(io.engine()).await;
        let answer = connect(&session, &format!("{{\"pid\":\"{pid}\"}}")).await;
        assert!(answer.starts_with("40{"), "{answer}");
    }
    let refused = Polling::open(io.engine()).await;
    assert_eq!(connect(&refused, r#"{"token":"wrong"}"#).await, r#"44{"message":"no"}"#);
    be_rejected(&io).await;

    let values = Values::default();
    metrics::with_local_recorder(&values, || io.record_metrics());
    let all = values.all();
    for (name, value) in [
        ("engineio_sessions{transport=polling}", 3),
        ("engineio_sessions{transport=websocket}", 0),
        ("engineio_opened_total{transport=polling}", 4),
        ("engineio_upgrades_total{outcome=completed}", 0),
        ("engineio_polls_total", 4),
        ("engineio_packets_total{direction=received}", 5),
        ("engineio_packets_total{direction=sent}", 4),
        ("engineio_ends_total{reason=transport_close}", 1),
        ("engineio_rejected_total{reason=origin}", 1),
        ("engineio_rejected_total{reason=unknown_session}", 1),
        ("socketio_sockets", 2),
        ("socketio_connects_total{outcome=connected}", 3),
        ("socketio_connects_total{outcome=refused}", 1),
        ("socketio_disconnects_total{reason=transport_close}", 1),
        ("socketio_disconnects_total{reason=slow_client}", 0),
        ("socketio_unsent_total{how=dropped}", 0),
        ("socketio_recoveries_total{outcome=recovered}", 1),
        ("socketio_recoveries_total{outcome=unknown_session}", 1),
    ] {
        assert_eq!(all.get(&format!("fullduplex_{name}")), Some(&value), "{name}: {all:#?}");
    }
    let described = values.described();
    for name in all.keys() {
        let name = name.split('{').next().unwrap();
        assert!(described.iter().any(|described| described == name), "{name} is not described");
    }
}

#[tokio::test(start_paused = true)]
async fn spans_of_sockets_are_within_those_of_their_sessions() {
    let log = Log::of(&["fullduplex_socketio", "observability"]);
    let _subscribed = log.subscribe();
    let io = server();
    let session = Polling::open(io.engine()).await;
    connect(&session, "").await;
    session.post(r#"42["hello","password"]"#).await;
    session.post(r#"42["panic",0]"#).await;
    assert_eq!(session.poll().await.content, "41");
    session.post("1").await;
    let ended = async {
        while io.engine().session_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
    be_rejected(&io).await;
    assert_eq!(
        log.take(),
        [
            "session: opened",
            "session: socket: connected",
            "session: socket: handled",
            "session: socket: a handler panicked",
            "session: socket: disconnected",
            "session: ended",
            "rejected",
            "rejected",
        ]
    );
    let fields = log.fields().join("\n");
    for secret in [&*session.sid, "password", "evil.example"] {
        assert!(!fields.contains(secret), "{secret} is in {fields}");
    }
    assert!(fields.contains("status=403") && fields.contains("reason=\"origin\""), "{fields}");
}
