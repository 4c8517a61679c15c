//! Who waits for a connection of HTTP/2 that another one makes: in virtual time, over pipes.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2"))]

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use common::direct;
use fullduplex::client::{BoxFuture, Connect, HttpVersion};
use fullduplex::{Client, ErrorKind, NetStream};
use fullduplex_testkit::pipe::pipe;
use tokio::task::JoinSet;
use tokio::time::Instant;

const URL: &str = "ws://a.example/";

/// What becomes of an attempt.
#[derive(Clone, Copy)]
enum Way {
    Hang,
    Fail,
    /// A server, after so long.
    Serve(Duration),
}

/// Goes these ways one after the other, and then the last one.
#[derive(Clone)]
struct Ways {
    plan: Arc<[Way]>,
    attempts: Arc<AtomicUsize>,
    /// What hangs; dropped with its attempt.
    hanging: Arc<()>,
}

impl Connect for Ways {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        let n = self.attempts.fetch_add(1, Relaxed);
        let way = self.plan[n.min(self.plan.len() - 1)];
        let hanging = self.hanging.clone();
        Box::pin(async move {
            match way {
                Way::Hang => {
                    std::future::pending::<()>().await;
                    drop(hanging);
                    unreachable!()
                }
                Way::Fail => Err(io::ErrorKind::ConnectionRefused.into()),
                Way::Serve(after) => {
                    tokio::time::sleep(after).await;
                    let (near, far) = pipe(1 << 16);
                    tokio::spawn(common::http2::keep(far));
                    Ok(NetStream::new(near))
                }
            }
        })
    }
}

fn client(ways: &[Way]) -> (Client, Ways) {
    let ways = Ways { plan: ways.into(), attempts: Arc::default(), hanging: Arc::default() };
    let builder = direct().http_version(HttpVersion::Http2);
    (builder.connector(ways.clone()).build().unwrap(), ways)
}

/// So many at the same time: how long each one took, and what came of it.
async fn connect(client: &Client, count: usize) -> Vec<(Duration, Result<(), ErrorKind>)> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let client = client.clone();
        tasks.spawn(async move {
            let connected = client.connect(URL).await;
            (begun.elapsed(), connected.map(drop).map_err(|error| error.kind()))
        });
    }
    tasks.join_all().await
}

#[tokio::test(start_paused = true)]
async fn http2_attempt_that_hangs_delays_no_other() {
    let (client, ways) = client(&[Way::Hang, Way::Serve(Duration::ZERO)]);
    let ended = connect(&client, 50).await;
    // The one that hung is served by the other one's connection, too.
    assert!(ended.iter().all(|(took, end)| end.is_ok() && *took < Duration::from_secs(1)));
    assert_eq!(ways.attempts.load(Relaxed), 2);
    assert_eq!(Arc::strong_count(&ways.hanging), 2, "it was given up");
}

#[tokio::test(start_paused = true)]
async fn http2_attempts_that_hang_delay_no_other() {
    let (client, ways) = client(&[Way::Hang, Way::Hang, Way::Hang, Way::Serve(Duration::ZERO)]);
    let ended = connect(&client, 50).await;
    assert!(ended.iter().all(|(took, end)| end.is_ok() && *took < Duration::from_secs(2)));
    assert_eq!(ways.attempts.load(Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn http2_attempts_at_a_slow_server_are_few() {
    let after = Duration::from_millis(1900);
    let (client, ways) = client(&[Way::Serve(after)]);
    let ended = connect(&client, 50).await;
    // The first attempt serves all, while others are under way.
    assert!(ended.iter().all(|(took, end)| end.is_ok() && *took == after));
    assert_eq!(ways.attempts.load(Relaxed), 4, "one each half second, and no more");
}

#[tokio::test(start_paused = true)]
async fn http2_attempts_have_their_own_deadlines() {
    let (client, _) = client(&[Way::Hang]);
    let late = client.clone();
    let late = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        connect(&late, 3).await
    });
    for ended in [connect(&client, 3).await, late.await.unwrap()] {
        for (took, end) in ended {
            assert_eq!(end, Err(ErrorKind::Timeout));
            assert_eq!(took, Duration::from_secs(30));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn http2_attempt_that_fails_fails_no_other() {
    let (client, ways) = client(&[Way::Fail, Way::Fail, Way::Serve(Duration::ZERO)]);
    let ended = connect(&client, 10).await;
    assert_eq!(ended.iter().filter(|(_, end)| end.is_err()).count(), 2);
    assert_eq!(ways.attempts.load(Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn http2_attempt_that_is_dropped_at_any_point_fails_no_other() {
    for most in 1..20 {
        let (client, ways) = client(&[Way::Hang, Way::Serve(Duration::from_millis(100))]);
        let other = client.clone();
        let first = fullduplex_testkit::cancel::poll_at_most(client.connect(URL), most);
        let first = tokio::time::timeout(Duration::from_millis(200), first);
        let (_, others) = tokio::join!(first, connect(&other, 5));
        assert!(others.iter().all(|(_, end)| end.is_ok()), "{most}: {others:?}");
        assert_eq!(Arc::strong_count(&ways.hanging), 2);
    }
}
