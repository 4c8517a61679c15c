//! The `Sink` of WebSockets and of their sending halves, which others fill meanwhile.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use common::open;
use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::{
    CloseCause, Config, Error, ErrorKind, Message, PreparedMessage, Role, SendHalf, WebSocket,
};
use fullduplex_testkit::pipe::pipe;
use futures_util::{Sink, SinkExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

const TIME: Duration = Duration::from_secs(60);

/// More than `high_water`.
const LONG: usize = 70_000;

type Half = SendHalf<DuplexStream>;

fn pair() -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = duplex(4096);
    (open(near, Role::Server, Config::default()), open(far, Role::Client, Config::default()))
}

fn poll_ready(half: &mut Half) -> Poll<Result<(), Error>> {
    Pin::new(half).poll_ready(&mut Context::from_waker(Waker::noop()))
}

fn start_send(half: &mut Half, message: impl Into<Message>) -> Result<(), Error> {
    Pin::new(half).start_send(message.into())
}

/// What `SinkExt::send` does.
async fn send(half: &mut Half, message: Message) -> Result<(), Error> {
    poll_fn(|cx| Pin::new(&mut *half).poll_ready(cx)).await?;
    Pin::new(&mut *half).start_send(message)?;
    poll_fn(|cx| Pin::new(&mut *half).poll_flush(cx)).await
}

/// The peer's Close does not say that it has all that was sent.
#[tokio::test(start_paused = true)]
async fn sink_close_and_flush_fail_where_what_was_queued_is_lost() {
    for resets in [false, true] {
        let (near, mut far) = pipe(1 << 10);
        let (mut send, mut receive) = open(near, Role::Client, Config::default()).split();
        send.send(vec![7; LONG]).await.unwrap();
        far.write_all(&[0x88, 2, 0x03, 0xe9]).await.unwrap();
        if resets {
            far.incoming().reset();
        } else {
            drop(far);
        }
        // How it ended, the peer has said.
        assert!(timeout(TIME, receive.next()).await.unwrap().is_none());
        let info = send.close_info().unwrap();
        assert_eq!((info.cause, info.is_clean()), (CloseCause::Handshake, false));
        for error in [
            timeout(TIME, SinkExt::close(&mut send)).await.unwrap().unwrap_err(),
            timeout(TIME, SendHalf::flush(&send)).await.unwrap().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            assert_eq!(error.close_info().unwrap(), &info);
        }
        // What is refused from now on is so for being closed.
        assert_eq!(SendHalf::send(&send, "more").await.unwrap_err().kind(), ErrorKind::Closed);
    }
    // Where nothing is lost, all is well, however often.
    let (near, mut far) = pipe(1 << 10);
    let (mut send, mut receive) = open(near, Role::Client, Config::default()).split();
    far.write_all(&[0x88, 2, 0x03, 0xe9]).await.unwrap();
    far.shutdown().await.unwrap();
    assert!(timeout(TIME, receive.next()).await.unwrap().is_none());
    for _ in 0..2 {
        timeout(TIME, SinkExt::close(&mut send)).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn sink_takes_what_it_was_ready_for() {
    let (server, mut client) = pair();
    let group = Group::new();
    let _member = group.join(&server, LagPolicy::DropOldest { keep: 3 });
    let (mut a, _receive) = server.split();
    let (mut b, mut c) = (a.clone(), a.clone());
    for half in [&mut a, &mut b, &mut c] {
        assert!(poll_ready(half).is_ready());
        // To be told twice makes no difference.
        assert!(poll_ready(half).is_ready());
    }
    start_send(&mut b, vec![1; LONG]).unwrap();
    assert!(poll_ready(&mut b).is_pending());
    // This waits, as there is no room.
    group.publish(&PreparedMessage::new("published"));
    start_send(&mut a, vec![2; LONG]).unwrap();
    start_send(&mut c, "short").unwrap();
    // No more was promised, so that memory is bounded, whoever does not ask.
    let refused = start_send(&mut a, "unasked").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Limit);
    let mut received = Vec::new();
    for _ in 0..4 {
        let message = timeout(TIME, client.next()).await.unwrap().unwrap().unwrap();
        received.push((message.as_bytes()[0], message.len()));
    }
    assert_eq!(received, [(1, LONG), (2, LONG), (b's', 5), (b'p', 9)]);
    assert!(poll_ready(&mut a).is_ready());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sink_clones_lose_nothing() {
    const EACH: usize = 200;
    let (server, mut client) = pair();
    let group = Group::new();
    let _member = group.join(&server, LagPolicy::DropNewest);
    let (first, _receive) = server.split();
    let sending: Vec<_> = (0..4_u8)
        .map(|who| {
            let mut half = first.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    send(&mut half, Message::from(vec![who; 20_000])).await.unwrap();
                }
            })
        })
        .collect();
    let publishing = tokio::spawn(async move {
        loop {
            group.publish(&PreparedMessage::new(vec![9; 30_000]));
            tokio::task::yield_now().await;
        }
    });
    let sent = async {
        for each in sending {
            each.await.unwrap();
        }
        publishing.abort();
    };
    let mut seen = [0; 10];
    let receiving = async {
        let (mut is_sent, mut sent) = (false, pin!(sent));
        while !is_sent || seen[..4] != [EACH; 4] {
            // A flush waits for what the group publishes too, so that reading must go on.
            tokio::select! {
                () = &mut sent, if !is_sent => is_sent = true,
                message = client.next() => {
                    seen[usize::from(message.unwrap().unwrap().as_bytes()[0])] += 1;
                }
            }
        }
    };
    timeout(TIME, receiving).await.expect("all that was sent arrives");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn byte_stream_beside_a_group_writes_on() {
    let (server, client) = pair();
    let group = Group::new();
    let _member = group.join(&server, LagPolicy::DropNewest);
    let (mut near, mut far) = (server.into_byte_stream(), client.into_byte_stream());
    let publishing = tokio::spawn(async move {
        loop {
            group.publish(&PreparedMessage::new(vec![9; 40_000]));
            tokio::task::yield_now().await;
        }
    });
    let writing = tokio::spawn(async move {
        for _ in 0..200 {
            near.write_all(&vec![1; 20_000]).await.unwrap();
        }
        near
    });
    let (mut ones, mut buffer) = (0, vec![0; 64 << 10]);
    let reading = async {
        while ones < 200 * 20_000 {
            let len = far.read(&mut buffer).await.unwrap();
            ones += buffer[..len].split(|byte| *byte != 1).map(<[u8]>::len).sum::<usize>();
        }
    };
    timeout(TIME, reading).await.expect("all that was written arrives");
    publishing.abort();
    drop(writing.await.unwrap());
}
