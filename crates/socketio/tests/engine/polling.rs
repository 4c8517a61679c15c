use std::time::Duration;

use bytes::Bytes;
use fullduplex_socketio::engine::{EndReason, EngineConfig};
use http::Request;
use http_body_util::Full;
use tokio::time::{Instant, advance, timeout};

use crate::client::{Polling, get, send};
use crate::echo;

#[tokio::test(start_paused = true)]
async fn polling_opens_a_session_with_the_settings() {
    let (engine, _ends) = echo(EngineConfig::default());
    let answer = send(&engine, get("EIO=4&transport=polling")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/plain; charset=UTF-8");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let open: serde_json::Value = serde_json::from_str(&answer.content[1..]).unwrap();
    assert!(answer.content.starts_with('0'));
    let sid = open["sid"].as_str().unwrap();
    assert_eq!(
        open,
        serde_json::json!({
            "sid": sid, "upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000,
            "maxPayload": 1_000_000,
        })
    );
    assert_eq!(engine.session_count(), 1);
    let alone = echo(EngineConfig::default().websocket(false)).0;
    let answer = send(&alone, get("EIO=4&transport=polling")).await;
    assert!(answer.content.contains(r#""upgrades":[]"#));
}

#[tokio::test(start_paused = true)]
async fn polling_rejects_with_the_official_codes() {
    let (engine, _ends) = echo(EngineConfig::default());
    let unknown_transport = r#"{"code":0,"message":"Transport unknown"}"#;
    let unknown_sid = r#"{"code":1,"message":"Session ID unknown"}"#;
    let version = r#"{"code":5,"message":"Unsupported protocol version"}"#;
    for (query, expected) in [
        ("EIO=4", unknown_transport),
        ("EIO=4&transport=abc", unknown_transport),
        // Names of what every object of JavaScript has (CVE-2023-31125).
        ("EIO=4&transport=__proto__", unknown_transport),
        ("EIO=4&transport=constructor", unknown_transport),
        ("transport=polling", version),
        ("EIO=3&transport=polling", version),
        ("EIO=4&transport=polling&sid=__proto__", unknown_sid),
        ("EIO=4&transport=polling&sid=", unknown_sid),
        ("EIO=4&transport=websocket", r#"{"code":3,"message":"Bad request"}"#),
    ] {
        let answer = send(&engine, get(query)).await;
        assert_eq!(answer.brief(), (400, expected), "{query}");
        assert_eq!(answer.headers["content-type"], "application/json");
    }
    for method in ["POST", "PUT", "HEAD"] {
        let request = Request::builder().method(method).uri("/engine.io/?EIO=4&transport=polling");
        let answer = send(&engine, request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.brief(), (400, r#"{"code":2,"message":"Bad handshake method"}"#));
    }
    let other = Request::get("/other/?EIO=4&transport=polling").body(Full::default()).unwrap();
    assert_eq!(send(&engine, other).await.status, 404);
    assert_eq!(engine.session_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn polling_echoes_text_and_binary() {
    let (engine, _ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    let content = "4hello\u{1e}bAQIDBA==\u{1e}4grüße";
    assert_eq!(session.post(content).await.brief(), (200, "ok"));
    assert_eq!(session.poll().await.brief(), (200, content));
}

#[tokio::test(start_paused = true)]
async fn polling_pings_and_ends_without_a_pong() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(session.poll().await.brief(), (200, "2"));
        assert_eq!(session.post("3").await.brief(), (200, "ok"));
    }
    assert_eq!(begun.elapsed().as_secs(), 75);
    assert_eq!(session.poll().await.brief(), (200, "2"));
    assert_eq!(session.poll().await.brief(), (200, "1"));
    assert_eq!(begun.elapsed().as_secs(), 120);
    assert_eq!(ends.recv().await, Some(EndReason::PingTimeout));
    assert_eq!(session.poll().await.status, 400);
    assert_eq!(engine.session_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn polling_twice_at_once_ends_the_session() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    let (first, second) = tokio::join!(session.poll(), session.poll());
    assert_eq!((first.brief(), second.status), ((200, "1"), 400));
    assert_eq!(ends.recv().await, Some(EndReason::TransportError));
    assert_eq!(session.poll().await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn polling_that_is_cancelled_ends_the_session() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    assert!(timeout(Duration::from_secs(1), session.poll()).await.is_err());
    assert_eq!(ends.recv().await, Some(EndReason::TransportError));
    assert_eq!(session.poll().await.status, 400);
    assert_eq!(engine.session_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn polling_response_that_is_not_taken_ends_the_session() {
    use tower::ServiceExt;

    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    session.post("4lost").await;
    let response = engine.service().oneshot(get(&session.query())).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    assert_eq!(ends.recv().await, Some(EndReason::TransportError));
}

#[tokio::test(start_paused = true)]
async fn polling_client_closes_the_session() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    let (poll, post) = tokio::join!(session.poll(), session.post("1"));
    assert_eq!((poll.brief(), post.brief()), ((200, "6"), (200, "ok")));
    assert_eq!(ends.recv().await, Some(EndReason::TransportClose));
    assert_eq!(session.poll().await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn polling_client_that_closes_before_its_poll_arrives_has_an_answer() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let (session, late) = (Polling::open(&engine).await, Polling::open(&engine).await);
    for session in [&session, &late] {
        assert_eq!(session.post("1").await.brief(), (200, "ok"));
    }
    // Before the task of the session has run.
    assert_eq!(session.poll().await.brief(), (200, "6"));
    for _ in 0..2 {
        assert_eq!(ends.recv().await, Some(EndReason::TransportClose));
    }
    assert_eq!(engine.session_count(), 0);
    assert_eq!(late.post("4a").await.status, 400, "only a poll may have been overtaken");
    assert_eq!(late.poll().await.brief(), (200, "6"));
    for session in [&session, &late] {
        assert_eq!(session.poll().await.status, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn polling_responses_hold_to_max_packets_per_poll() {
    let (engine, _ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    assert_eq!(session.post(vec!["4a"; 17].join("\u{1e}")).await.status, 200);
    assert_eq!(session.poll().await.content, vec!["4a"; 16].join("\u{1e}"));
    assert_eq!(session.poll().await.content, "4a");
}

#[tokio::test(start_paused = true)]
async fn polling_payload_that_is_malformed_ends_the_session() {
    for content in ["abc", "", "4a\u{1e}\u{1e}4b", "b%%%", "4a\u{1e}9"] {
        let (engine, mut ends) = echo(EngineConfig::default());
        let session = Polling::open(&engine).await;
        assert_eq!(session.post(content).await.status, 400, "{content}");
        assert_eq!(ends.recv().await, Some(EndReason::ParseError), "{content}");
        assert_eq!(session.poll().await.status, 400);
    }
    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    assert_eq!(session.post(Bytes::from_static(b"4\xff")).await.status, 400);
    assert_eq!(ends.recv().await, Some(EndReason::ParseError));
}

#[tokio::test(start_paused = true)]
async fn polling_responses_hold_to_max_payload() {
    let (engine, _ends) = echo(EngineConfig::default().max_payload(20));
    let session = Polling::open(&engine).await;
    assert_eq!(session.post("4aaaaaaa\u{1e}4bbbbbbb").await.status, 200);
    assert_eq!(session.post("4cccccccc").await.status, 200);
    assert_eq!(session.poll().await.content, "4aaaaaaa\u{1e}4bbbbbbb");
    assert_eq!(session.poll().await.content, "4cccccccc");
}

#[tokio::test(start_paused = true)]
async fn polling_session_is_closed_with_what_it_has_to_say() {
    use fullduplex_socketio::engine::{Engine, Outgoing, Session};

    let engine = Engine::new(EngineConfig::default(), |session: Session| async move {
        let _ = session.sender().send(&Outgoing::text("goodbye"));
    });
    let engine = engine.unwrap();
    let session = Polling::open(&engine).await;
    assert_eq!(session.poll().await.brief(), (200, "4goodbye"));
    assert_eq!(session.poll().await.brief(), (200, "1"));
    assert_eq!(session.poll().await.status, 400);
    tokio::task::yield_now().await;
    assert_eq!(engine.session_count(), 0);
    // A client that does not come back does not keep the session.
    Polling::open(&engine).await;
    tokio::task::yield_now().await;
    assert_eq!(engine.session_count(), 1);
    advance(Duration::from_secs(31)).await;
    tokio::task::yield_now().await;
    assert_eq!(engine.session_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn polling_post_waits_for_a_slow_application() {
    use fullduplex_socketio::engine::{Engine, Session};

    let config = EngineConfig::default().max_received_bytes(100);
    let engine = Engine::new(config, |mut session: Session| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        while session.recv().await.is_some() {}
    });
    let session = Polling::open(&engine.unwrap()).await;
    let begun = Instant::now();
    assert_eq!(session.post("4a").await.status, 200);
    assert_eq!(begun.elapsed().as_secs(), 0);
    let content = vec!["4b"; 100].join("\u{1e}");
    assert_eq!(session.post(content).await.status, 200);
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn shutdown_tells_sessions_and_opens_no_more() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let session = Polling::open(&engine).await;
    let (poll, ()) = tokio::join!(session.poll(), async {
        tokio::task::yield_now().await;
        engine.shutdown();
    });
    assert_eq!(poll.brief(), (200, "1"));
    assert_eq!(ends.recv().await, Some(EndReason::ServerShutdown));
    assert_eq!(send(&engine, get("EIO=4&transport=polling")).await.status, 503);
}
