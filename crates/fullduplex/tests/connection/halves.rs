//! The halves of a connection: long messages, joining them again, and sending alone.

use std::pin::Pin;

use fullduplex::{CloseCode, MessageKind, ReadyState, SendHalf, TrySendError, pair};
use futures_util::future::{FusedFuture as _, FutureExt as _};
use futures_util::stream::{FusedStream as _, StreamExt};
use futures_util::{Sink as _, future};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::in_time;

/// Writes a message of some fragments, all of one byte, and waits now and then.
async fn write_letter(send: SendHalf, letter: u8) {
    let mut writer = send.writer(MessageKind::Binary);
    for _ in 0..20 {
        writer.write_all(&[letter; 100]).await.unwrap();
        tokio::task::yield_now().await;
    }
    writer.shutdown().await.unwrap();
}

#[tokio::test]
async fn writers_of_clones_never_interleave() {
    for swaps in [false, true] {
        let (mut near, mut far) = pair();
        if swaps {
            std::mem::swap(&mut near, &mut far);
        }
        let (send, _) = near.split();
        for letter in 0..10 {
            tokio::spawn(write_letter(send.clone(), letter));
            let send = send.clone();
            // Whole messages wait, too.
            tokio::spawn(async move { send.send(vec![letter; 7]).await.unwrap() });
        }
        let (mut long, mut short) = ([0; 10], [0; 10]);
        for _ in 0..20 {
            let message = in_time("a message", far.next()).await.unwrap().unwrap();
            let bytes = message.as_bytes();
            assert!(bytes.iter().all(|byte| *byte == bytes[0]), "{bytes:?}");
            let counts = if bytes.len() == 2000 { &mut long } else { &mut short };
            counts[usize::from(bytes[0])] += 1;
        }
        assert_eq!((long, short), ([1; 10], [1; 10]));
    }
}

#[tokio::test]
async fn writer_holds_back_what_others_send() {
    let (client, mut server) = pair();
    let (mut send, _) = client.split();
    let (first, mut sink) = (send.clone(), send.clone());
    future::poll_fn(|cx| Pin::new(&mut sink).poll_ready(cx)).await.unwrap();
    let mut writer = first.writer(MessageKind::Text);
    writer.write_all(b"long").await.unwrap();
    assert!(matches!(send.try_send("no"), Err(TrySendError::Full(_))));
    assert!(send.send("waits").now_or_never().is_none());
    assert!(future::poll_fn(|cx| Pin::new(&mut send).poll_ready(cx)).now_or_never().is_none());
    // It has reserved its capacity before.
    Pin::new(&mut sink).start_send("reserved".into()).unwrap();
    let other = send.clone();
    let waiting = tokio::spawn(async move { other.send("after it").await });
    tokio::task::yield_now().await;
    writer.write_all(b" message").await.unwrap();
    writer.shutdown().await.unwrap();
    in_time("send", waiting).await.unwrap().unwrap();
    for expected in ["long message", "reserved", "after it"] {
        let message = in_time("a message", server.next()).await.unwrap().unwrap();
        assert_eq!(message.as_text(), Some(expected));
    }
    send.try_send("again").unwrap();
}

#[tokio::test]
async fn writer_that_is_dropped_within_its_message_fails_the_others() {
    let (client, mut server) = pair();
    let (send, _) = client.split();
    let other = send.clone();
    // One that has written nothing leaves nothing behind.
    drop(send.writer(MessageKind::Text));
    let mut writer = send.writer(MessageKind::Text);
    writer.write_all(b"half of ").await.unwrap();
    let waiting = tokio::spawn(async move { other.send("never").await });
    tokio::task::yield_now().await;
    drop(writer);
    let error = in_time("the error", waiting).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("RFC 6455 §5.4"), "{error}");
    assert!(send.send("never").await.is_err());
    assert!(matches!(send.try_send("never"), Err(TrySendError::Closed { .. })));
    assert!(send.writer(MessageKind::Text).write_all(b"never").await.is_err());
    // Closing still works.
    let closing = tokio::spawn(async move { send.close(CloseCode::INTERNAL_ERROR, "").await });
    assert!(in_time("the end", server.next()).await.is_none());
    assert!(in_time("closing", closing).await.unwrap().unwrap().is_clean());
}

#[tokio::test]
async fn receive_half_reads_long_messages() {
    let (client, server) = pair();
    let (send, _) = client.split();
    let (_send, mut receive) = server.split();
    write_letter(send.clone(), 7).await;
    send.send("short").await.unwrap();
    let mut reader = in_time("a reader", receive.next_reader()).await.unwrap().unwrap();
    assert_eq!(reader.kind(), MessageKind::Binary);
    let mut bytes = Vec::new();
    in_time("reading", reader.read_to_end(&mut bytes)).await.unwrap();
    assert_eq!(bytes, [7; 2000]);
    assert_eq!(receive.next().await.unwrap().unwrap().as_text(), Some("short"));
    assert_eq!((receive.state(), receive.stats().received.text), (ReadyState::Open, 1));
}

#[tokio::test]
async fn reunite_joins_the_halves_of_one_connection() {
    let (client, mut server) = pair();
    let (send, receive) = client.split();
    let clone = send.clone();
    let mut client = send.reunite(receive).unwrap();
    clone.send("by a clone").await.unwrap();
    client.send("by the whole").await.unwrap();
    for expected in ["by a clone", "by the whole"] {
        assert_eq!(server.next().await.unwrap().unwrap().as_text(), Some(expected));
    }
    let (others, _rest) = pair();
    let (send, _) = others.split();
    let (own, receive) = client.split();
    let error = send.reunite(receive).unwrap_err();
    assert_eq!(error.to_string(), "the halves are of different connections");
    // It gives both back.
    let client = own.reunite(error.1).unwrap();
    assert_eq!((client.state(), error.0.state()), (ReadyState::Open, ReadyState::Open));
}

#[tokio::test]
async fn sending_alone_answers_the_close_of_the_peer() {
    for discards in [false, true] {
        let (client, mut server) = pair();
        let send = if discards {
            let (send, receive) = client.split();
            receive.discard();
            send
        } else {
            client.send_only()
        };
        server.send("is dropped").await.unwrap();
        send.send("tick").await.unwrap();
        assert_eq!(server.next().await.unwrap().unwrap().as_text(), Some("tick"));
        let info = in_time("closing", server.close(CloseCode::NORMAL, "enough")).await.unwrap();
        assert!(info.is_clean());
        in_time("closed", send.closed()).await;
        assert_eq!(send.close_info().unwrap().reason(), "enough");
        assert!(send.send("late").await.is_err());
    }
}

#[tokio::test]
async fn fused_stream_is_terminated_by_none() {
    let (mut client, mut server) = pair();
    server.send("one").await.unwrap();
    server.start_close(CloseCode::NORMAL, "").unwrap();
    tokio::spawn(async move { server.next().await });
    assert_eq!(in_time("it", client.select_next_some()).await.unwrap().as_text(), Some("one"));
    assert!(!client.select_next_some().is_terminated());
    assert!(in_time("the end", StreamExt::next(&mut client)).await.is_none());
    // So `select!` of `futures` does not ask again.
    assert!(client.select_next_some().is_terminated());
    let (_send, mut receive) = client.split();
    assert!(receive.is_terminated());
    assert!(receive.next().await.is_none());
    // After an error there is still the end to come.
    let (mut client, mut server) = pair();
    server.abort();
    assert!(client.next().await.unwrap().is_err());
    assert!(!client.is_terminated());
    assert!(StreamExt::next(&mut client).await.is_none());
    assert!(client.is_terminated());
}
