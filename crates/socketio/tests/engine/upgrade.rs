use std::time::Duration;

use bytes::Bytes;
use fullduplex::client::Proxies;
use fullduplex::server::Server;
use fullduplex::{Client, CloseCode, Message, WebSocket};
use fullduplex_socketio::engine::{
    EndReason, Engine, EngineConfig, Outgoing, SendOutcome, Session,
};
use tokio::time::timeout;

use crate::client::Polling;
use crate::echo;

/// Serves an engine, and returns the beginning of its URL.
async fn serve(engine: &Engine) -> String {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/engine.io/", server.local_addr().unwrap());
    tokio::spawn(engine.clone().serve(server));
    url
}

async fn connect(url: &str, query: &str) -> Result<WebSocket, fullduplex::Error> {
    let client = Client::builder().proxies(Proxies::none()).build().unwrap();
    Ok(client.connect(&format!("{url}?EIO=4&transport=websocket{query}")).await?.0)
}

async fn text(websocket: &mut WebSocket) -> String {
    let next = timeout(Duration::from_secs(10), websocket.next()).await.expect("a message in time");
    next.unwrap().unwrap().to_text().unwrap().to_owned()
}

/// A session that polls, and a WebSocket that was opened for it.
async fn upgrading(engine: &Engine, url: &str) -> (Polling, WebSocket) {
    let session = Polling::open(engine).await;
    let websocket = connect(url, &format!("&sid={}", session.sid)).await.unwrap();
    (session, websocket)
}

#[tokio::test]
async fn websocket_alone_opens_a_session() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let url = serve(&engine).await;
    let mut websocket = connect(&url, "").await.unwrap();
    let open = text(&mut websocket).await;
    assert!(open.starts_with("0{") && open.contains(r#""upgrades":[]"#), "{open}");
    websocket.send("4hello").await.unwrap();
    assert_eq!(text(&mut websocket).await, "4hello");
    let binary = Message::binary(Bytes::from_static(&[1, 2, 3, 4]));
    websocket.send(binary.clone()).await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap(), binary);
    assert_eq!(engine.session_count(), 1);
    websocket.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(ends.recv().await, Some(EndReason::TransportClose));
    assert_eq!(engine.session_count(), 0);
}

#[tokio::test]
async fn websocket_ends_for_what_is_not_a_packet() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let url = serve(&engine).await;
    for (wrong, reason) in [
        ("abc", EndReason::ParseError),
        ("", EndReason::ParseError),
        ("2", EndReason::TransportError),
        ("1", EndReason::TransportClose),
    ] {
        let mut websocket = connect(&url, "").await.unwrap();
        text(&mut websocket).await;
        websocket.send(wrong).await.unwrap();
        assert!(websocket.next().await.is_none(), "{wrong}");
        assert_eq!(ends.recv().await, Some(reason), "{wrong}");
    }
}

#[tokio::test]
async fn websocket_heartbeat_ends_a_silent_client() {
    let config = EngineConfig::default()
        .ping_interval(Duration::from_millis(50))
        .ping_timeout(Duration::from_millis(200));
    let (engine, mut ends) = echo(config);
    let url = serve(&engine).await;
    let mut websocket = connect(&url, "").await.unwrap();
    text(&mut websocket).await;
    for _ in 0..3 {
        assert_eq!(text(&mut websocket).await, "2");
        websocket.send("3").await.unwrap();
    }
    assert_eq!(text(&mut websocket).await, "2");
    assert!(websocket.next().await.is_none());
    assert_eq!(ends.recv().await, Some(EndReason::PingTimeout));
}

#[tokio::test]
async fn upgrade_moves_a_session_to_its_websocket() {
    let (engine, mut ends) = echo(EngineConfig::default());
    let url = serve(&engine).await;
    let (session, mut websocket) = upgrading(&engine, &url).await;
    websocket.send("2probe").await.unwrap();
    assert_eq!(text(&mut websocket).await, "3probe");
    // Each poll is answered at once.
    assert_eq!(session.poll().await.brief(), (200, "6"));
    assert_eq!(session.poll().await.brief(), (200, "6"));
    session.post("4by polling").await;
    websocket.send("5").await.unwrap();
    websocket.send("4by websocket").await.unwrap();
    assert_eq!(text(&mut websocket).await, "4by polling");
    assert_eq!(text(&mut websocket).await, "4by websocket");
    let bad_request = (400, r#"{"code":3,"message":"Bad request"}"#);
    assert_eq!(session.poll().await.brief(), bad_request);
    assert_eq!(session.post("4a").await.brief(), bad_request);
    // Another WebSocket is closed, and this one stays.
    let mut other = connect(&url, &format!("&sid={}", session.sid)).await.unwrap();
    assert!(other.next().await.is_none());
    websocket.send("4still here").await.unwrap();
    assert_eq!(text(&mut websocket).await, "4still here");
    let stats = engine.stats();
    assert_eq!((stats.opened.polling, stats.opened.websocket), (1, 0));
    assert_eq!((stats.open.polling, stats.open.websocket), (0, 1));
    assert_eq!((stats.upgrades.completed, stats.upgrades.failed), (1, 0));
    assert_eq!(stats.polls, 2);
    websocket.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(ends.recv().await, Some(EndReason::TransportClose));
    let is_counted = || engine.stats().open.websocket == 0;
    timeout(Duration::from_secs(10), async {
        while !is_counted() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(engine.stats().ends[&EndReason::TransportClose], 1);
}

#[tokio::test]
async fn upgrade_frees_a_poll_that_waits() {
    let (engine, _ends) = echo(EngineConfig::default());
    let url = serve(&engine).await;
    let (session, mut websocket) = upgrading(&engine, &url).await;
    let waiting = tokio::spawn(async move { session.poll().await.content });
    websocket.send("2probe").await.unwrap();
    assert_eq!(text(&mut websocket).await, "3probe");
    let answered = timeout(Duration::from_secs(10), waiting).await.unwrap();
    assert_eq!(answered.unwrap(), "6");
}

#[tokio::test]
async fn upgrade_holds_messages_until_it_is_complete() {
    let (senders, mut sender) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |mut session: Session| {
        let _ = senders.send(session.sender().clone());
        async move { while session.recv().await.is_some() {} }
    };
    let engine = Engine::new(EngineConfig::default(), handler).unwrap();
    let url = serve(&engine).await;
    let (session, mut websocket) = upgrading(&engine, &url).await;
    let sender = sender.recv().await.unwrap();
    websocket.send("2probe").await.unwrap();
    assert_eq!(text(&mut websocket).await, "3probe");
    assert_eq!(sender.send(&Outgoing::text("held")), SendOutcome::Queued);
    assert_eq!(sender.send_volatile(&Outgoing::text("now or never")), SendOutcome::Full);
    assert_eq!(session.poll().await.brief(), (200, "6"));
    websocket.send("5").await.unwrap();
    assert_eq!(text(&mut websocket).await, "4held");
    assert_eq!(sender.send(&Outgoing::text("sent")), SendOutcome::Sent);
    assert_eq!(text(&mut websocket).await, "4sent");
}

#[tokio::test]
async fn upgrade_that_fails_leaves_polling_whole() {
    let (engine, _ends) = echo(EngineConfig::default());
    let url = serve(&engine).await;
    for (probed, wrong) in [(false, "5"), (true, "4a"), (true, "x"), (true, "")] {
        let (session, mut websocket) = upgrading(&engine, &url).await;
        if probed {
            websocket.send("2probe").await.unwrap();
            assert_eq!(text(&mut websocket).await, "3probe");
        }
        if wrong.is_empty() {
            websocket.abort();
        } else {
            websocket.send(wrong).await.unwrap();
            assert!(websocket.next().await.is_none());
        }
        drop(websocket);
        assert_eq!(session.post("4whole").await.status, 200);
        // Until the end of the WebSocket is seen.
        let polling = async {
            loop {
                let content = session.poll().await.content;
                if content != "6" {
                    break content;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert_eq!(timeout(Duration::from_secs(10), polling).await.unwrap(), "4whole");
    }
    let stats = engine.stats();
    assert_eq!((stats.upgrades.completed, stats.upgrades.failed), (0, 4));
    assert_eq!((stats.open.polling, stats.open.websocket), (4, 0));
}

#[tokio::test]
async fn upgrade_has_a_deadline() {
    let config = EngineConfig::default().upgrade_timeout(Duration::from_millis(100));
    let (engine, _ends) = echo(config);
    let url = serve(&engine).await;
    let (session, mut websocket) = upgrading(&engine, &url).await;
    websocket.send("2probe").await.unwrap();
    assert_eq!(text(&mut websocket).await, "3probe");
    assert!(timeout(Duration::from_secs(10), websocket.next()).await.unwrap().is_none());
    session.post("4a").await;
    assert_eq!(session.poll().await.content, "4a");
}

#[tokio::test]
async fn upgrade_of_an_unknown_session_is_rejected() {
    let (engine, _ends) = echo(EngineConfig::default());
    let url = serve(&engine).await;
    for query in ["&sid=unknown", "&sid=__proto__", "&sid="] {
        let error = connect(&url, query).await.unwrap_err();
        assert!(error.to_string().contains("400"), "{error}");
    }
}

#[tokio::test]
async fn server_that_drains_tells_its_sessions() {
    use fullduplex::server::DrainOptions;

    let (engine, mut ends) = echo(EngineConfig::default());
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/engine.io/", server.local_addr().unwrap());
    let handle = server.handle();
    let serving = tokio::spawn(engine.clone().serve(server));
    let mut websocket = connect(&url, "").await.unwrap();
    text(&mut websocket).await;
    let session = Polling::open(&engine).await;
    let waiting = tokio::spawn(async move { session.poll().await.content });
    tokio::task::yield_now().await;
    let options = DrainOptions::default().spread(Duration::ZERO).deadline(Duration::from_secs(5));
    let draining = tokio::spawn(async move { handle.drain(options).await });
    assert!(websocket.next().await.is_none());
    assert_eq!(websocket.close_info().unwrap().code(), CloseCode::GOING_AWAY);
    assert_eq!(waiting.await.unwrap(), "1");
    for _ in 0..2 {
        assert_eq!(ends.recv().await, Some(EndReason::ServerShutdown));
    }
    draining.await.unwrap();
    serving.await.unwrap().unwrap();
}
