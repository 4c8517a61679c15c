use std::time::Duration;

use fullduplex::client::{Backoff, DisconnectReason, ReconnectEvent, Reconnecting};
use fullduplex::{Client, CloseCode, CloseInfo, Error, ErrorKind};

use crate::peers::{Peers, differs, within};
use crate::target;

/// Waits until there is a connection; returns how many attempts it took.
async fn connected(feed: &mut Reconnecting) -> u32 {
    loop {
        match feed.next().await.unwrap() {
            ReconnectEvent::Connected { attempts, .. } => return attempts,
            // Until the server listens.
            ReconnectEvent::Disconnected { retry_in: Some(_), .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn received(feed: &mut Reconnecting) -> String {
    match feed.next().await.unwrap() {
        ReconnectEvent::Message(message) => message.as_text().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Returns how the connection ended, and whether there will be another attempt.
async fn closed(feed: &mut Reconnecting) -> (CloseInfo, bool) {
    match feed.next().await.unwrap() {
        ReconnectEvent::Disconnected { reason: DisconnectReason::Closed(info), retry_in } => {
            (info, retry_in.is_some())
        }
        other => panic!("{other:?}"),
    }
}

/// Returns why an attempt failed.
async fn failed(feed: &mut Reconnecting) -> Error {
    match feed.next().await.unwrap() {
        ReconnectEvent::Disconnected {
            reason: DisconnectReason::Failed(error),
            retry_in: Some(_),
        } => error,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn reconnecting_survives_restarts_of_the_server(peers: &Peers) {
    let id = peers.unique();
    let url = format!("ws://127.0.0.1:{}/echo", peers.ask("start", &id).await);
    let millis = Duration::from_millis;
    let backoff = Backoff::default().initial(millis(50)).max(millis(200));
    let mut feed = Client::default().reconnecting(&url).backoff(backoff).start();
    assert_eq!(connected(&mut feed).await, 1);
    feed.send("before").await.unwrap();
    assert_eq!(received(&mut feed).await, "before");
    for (signal, code) in [("SIGTERM", CloseCode::GOING_AWAY), ("SIGKILL", CloseCode::ABNORMAL)] {
        assert_eq!(peers.ask(&format!("stop?signal={signal}"), &id).await, "stopped");
        let (info, will_retry) = closed(&mut feed).await;
        assert_eq!((info.code(), will_retry), (code, true), "{signal}: {info}");
        feed.send(signal).await.unwrap();
        let error = failed(&mut feed).await;
        let why = "a page is not told why it could not connect";
        assert_eq!(error.kind(), differs(why, ErrorKind::Io, ErrorKind::Handshake), "{error}");
        peers.ask("start", &id).await;
        assert!(connected(&mut feed).await > 1);
        // What was sent without a connection arrives.
        assert_eq!(received(&mut feed).await, signal);
    }
    feed.start_close(CloseCode::NORMAL, "done").unwrap();
    let (info, will_retry) = closed(&mut feed).await;
    assert_eq!((info.code(), will_retry), (CloseCode::NORMAL, false), "{info}");
    assert!(feed.next().await.is_none());
    peers.ask("stop?signal=SIGKILL", &id).await;
}

pub(crate) async fn reconnecting_tries_at_once_when_a_page_is_online_or_seen_again(peers: &Peers) {
    let id = peers.unique();
    let url = format!("ws://127.0.0.1:{}/echo", peers.ask("start", &id).await);
    // Random, but hardly ever as short as the test.
    let days = Duration::from_secs(20 * 86_400);
    let backoff = Backoff::default().initial(days).max(days);
    let mut feed = Client::default().reconnecting(&url).backoff(backoff).start();
    assert_eq!(connected(&mut feed).await, 1);
    for event in ["online", "visibilitychange"] {
        peers.ask("stop?signal=SIGKILL", &id).await;
        assert!(closed(&mut feed).await.1, "{event}");
        peers.ask("start", &id).await;
        let early = within(Duration::from_millis(200), feed.next()).await;
        assert!(early.is_none(), "{event}: {early:?}");
        if !target::dispatch(event) {
            // No document, as in a worker, or no page at all.
            feed.reconnect();
        }
        let attempts = within(Duration::from_secs(10), connected(&mut feed)).await;
        assert_eq!(attempts, Some(1), "{event}");
    }
    feed.start_close(CloseCode::NORMAL, "done").unwrap();
    peers.ask("stop?signal=SIGKILL", &id).await;
}
