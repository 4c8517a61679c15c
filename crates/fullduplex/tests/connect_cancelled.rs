//! `connect`, dropped wherever it waits: no transport and no task is left.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2", feature = "_tls"))]

mod common;

use std::io;
use std::sync::Arc;

use common::direct;
use common::http2::keep;
use common::tls::{LOCALHOST, acceptor, trusting};
use fullduplex::client::{BoxFuture, Connect, HttpVersion, Proxy};
use fullduplex::server::accept;
use fullduplex::{Client, NetStream, Transport};
use fullduplex_testkit::cancel::{poll_at_most, yield_now};
use fullduplex_testkit::hostile::{Faults, Hostile};
use fullduplex_testkit::pipe::{Pipe, pipe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is between the client and its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Tls,
    /// TLS in a tunnel.
    Proxy,
    Http2,
    /// HTTP/2 with TLS, or what the server chooses.
    Auto,
}

/// Transports that wait at every call, to servers that live until their transport ends.
struct Net {
    way: Way,
    live: Arc<()>,
}

impl Connect for Net {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        let (near, far) = pipe(1 << 16);
        let (way, live) = (self.way, self.live.clone());
        tokio::spawn(async move {
            // However it ends.
            let _ = serve(way, far).await;
            drop(live);
        });
        let faults = Faults { read: 20, write: 20, ..Faults::BYTEWISE };
        Box::pin(async move {
            yield_now().await;
            Ok(NetStream::new(Hostile::new(near, faults)))
        })
    }
}

async fn serve(way: Way, mut far: Pipe) -> Option<()> {
    match way {
        Way::Plain => talk(far).await,
        Way::Http2 => keep(far).await,
        Way::Tls => talk(acceptor(&[]).accept(far).await.ok()?).await,
        Way::Auto => keep(acceptor(&[b"h2"]).accept(far).await.ok()?).await,
        Way::Proxy => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(far.read_u8().await.ok()?);
            }
            far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
            talk(acceptor(&[]).accept(far).await.ok()?).await
        }
    }
}

async fn talk<S: Transport>(stream: S) -> Option<()> {
    let mut websocket = accept(stream).await.ok()?;
    while websocket.next().await.is_some() {}
    Some(())
}

fn client(net: Net) -> Client {
    let builder = direct().tls(trusting(LOCALHOST).dangerous_accept_any_certificate());
    let builder = match net.way {
        Way::Plain | Way::Tls => builder,
        Way::Proxy => builder.proxy(Proxy::parse("http://proxy.example").unwrap()),
        Way::Http2 => builder.http_version(HttpVersion::Http2),
        Way::Auto => builder.http_version(HttpVersion::Auto),
    };
    builder.connector(net).build().unwrap()
}

#[tokio::test]
async fn connect_that_is_dropped_leaves_nothing() {
    for way in [Way::Plain, Way::Tls, Way::Proxy, Way::Http2, Way::Auto] {
        let secure = matches!(way, Way::Tls | Way::Proxy | Way::Auto);
        let url = if secure { "wss://localhost/" } else { "ws://localhost/" };
        let live = Arc::new(());
        let mut points = 0;
        loop {
            let client = client(Net { way, live: live.clone() });
            let connected = poll_at_most(Box::pin(client.connect(url)), points + 1).await;
            drop(client);
            if let Some(connected) = connected {
                connected.unwrap();
                break;
            }
            let mut turns = 0;
            while Arc::strong_count(&live) > 1 {
                assert!(turns < 10_000, "{way:?} lives on, dropped at {points}");
                turns += 1;
                yield_now().await;
            }
            points += 1;
        }
        // Each way has several steps; HTTP/2 without TLS has the fewest.
        assert!(points >= 5, "{way:?}: {points}");
    }
}
