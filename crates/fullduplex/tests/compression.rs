//! permessage-deflate (RFC 7692) through the library: agreed on in a real handshake, in
//! every way to send and to receive, with drops anywhere.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{echo, switching};
use fullduplex::server::{ServerConfig, accept_with};
use fullduplex::{
    Client, CloseCode, Compression, DeflateConfig, ErrorKind, Message, MessageKind,
    PreparedMessage, Transport, WebSocket,
};
use fullduplex_testkit::Rng;
use fullduplex_testkit::cancel::{poll_at_most, retry_cancelled};
use fullduplex_testkit::hostile::{Faults, Hostile};
use fullduplex_testkit::pipe::{Pipe, pipe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn opened<S: Transport>(
    (near, far): (S, S),
    client: impl Into<Option<DeflateConfig>>,
    server: impl Into<Option<DeflateConfig>>,
) -> (WebSocket<S>, WebSocket<S>) {
    let mut config = ServerConfig::default();
    config.websocket.deflate = server.into();
    let client = Client::builder().deflate(client).build().unwrap();
    let (client, server) =
        tokio::join!(client.connect_over(near, "ws://a.example/"), accept_with(far, config));
    (client.unwrap().0, server.unwrap())
}

async fn pair(config: DeflateConfig) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    opened(pipe(1 << 16), config, config).await
}

const PRESETS: [DeflateConfig; 3] =
    [DeflateConfig::small_memory(), DeflateConfig::balanced(), DeflateConfig::smallest_bytes()];

#[tokio::test]
async fn deflate_parameters_are_known_to_both_ends() {
    for config in PRESETS {
        let (client, server) = pair(config).await;
        assert_eq!(client.deflate(), server.deflate());
        let params = client.deflate().unwrap();
        assert_eq!(params.server_no_context_takeover, !config.send_context_takeover);
        assert_eq!(params.server_max_window_bits, config.send_window_bits);
    }
    for (client, server) in [(None, None), (None, Some(PRESETS[1])), (Some(PRESETS[1]), None)] {
        let (client, server) = opened(pipe(1 << 16), client, server).await;
        assert_eq!((client.deflate(), server.deflate()), (None, None));
    }
}

fn text(rng: &mut Rng, len: usize) -> String {
    let mut text = String::new();
    while text.len() < len {
        text += ["one ", "two ", "drei ", "vier ✓ ", "5 "][rng.below(5)];
    }
    text
}

#[tokio::test]
async fn deflate_echoes_all_sizes_in_every_way() {
    let mut rng = Rng::new(5);
    for config in PRESETS {
        let (mut client, server) = pair(config).await;
        tokio::spawn(echo(server));
        for size in [0, 1, 63, 64, 5_000, 70_000, 600_000] {
            let text = text(&mut rng, size);
            for compression in [Compression::Auto, Compression::On, Compression::Off] {
                client.send_with_compression(text.as_str(), compression).await.unwrap();
                assert_eq!(client.next().await.unwrap().unwrap().as_text(), Some(&text[..]));
            }
            client.send_prepared(&PreparedMessage::new(text.as_str())).await.unwrap();
            let mut reader = client.next_reader().await.unwrap().unwrap();
            assert_eq!(reader.kind(), MessageKind::Text);
            let mut back = String::new();
            reader.read_to_string(&mut back).await.unwrap();
            assert_eq!(back, text);
        }
        client.close(CloseCode::NORMAL, "").await.unwrap();
    }
}

#[tokio::test]
async fn deflate_piece_that_was_flushed_is_readable_at_once() {
    for config in PRESETS {
        let (mut client, mut server) = pair(config).await;
        let (mut writer, reading) = (client.writer(MessageKind::Text), server.next_reader());
        let write = async {
            writer.write_all(b"a first piece, ").await.unwrap();
            writer.flush().await.unwrap();
        };
        let (reader, ()) = tokio::join!(reading, write);
        let mut reader = reader.unwrap().unwrap();
        let mut piece = [0; 15];
        reader.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"a first piece, ");
        writer.flush().await.unwrap();
        writer.write_all(b"and the rest").await.unwrap();
        writer.shutdown().await.unwrap();
        let mut rest = String::new();
        reader.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "and the rest");
    }
}

/// Both windows stay in step whatever is dropped, and wherever it waits.
#[tokio::test]
async fn deflate_windows_stay_in_step_when_sends_are_dropped() {
    let faults = |seed| Faults { read: 40, write: 40, seed: Some(seed), ..Faults::BYTEWISE };
    for (most, config) in (1..7).flat_map(|most| PRESETS.map(|config| (most, config))) {
        let (a, b) = pipe(256);
        let ends = (Hostile::new(a, faults(1)), Hostile::new(b, faults(2)));
        let (mut client, server) = opened(ends, config, config).await;
        tokio::spawn(echo(server));
        let mut rng = Rng::new(most as u64);
        for _ in 0..12 {
            let size = rng.below(4000);
            let message = Message::from(text(&mut rng, size));
            retry_cancelled(most, async |n| poll_at_most(client.send(message.clone()), n).await)
                .await
                .unwrap();
            let prepared = PreparedMessage::new(message.clone());
            retry_cancelled(most, async |n| poll_at_most(client.send_prepared(&prepared), n).await)
                .await
                .unwrap();
            for _ in 0..2 {
                let answer =
                    retry_cancelled(most, async |n| poll_at_most(client.next(), n).await).await;
                assert_eq!(answer.unwrap().unwrap(), message);
            }
            if rng.below(4) == 0 {
                client.release_memory();
            }
        }
        client.close(CloseCode::NORMAL, "").await.unwrap();
    }
}

#[tokio::test]
async fn deflate_reader_that_is_dropped_skips_the_rest() {
    let (mut client, mut server) = pair(DeflateConfig::smallest_bytes()).await;
    let long = "long and longer ".repeat(10_000);
    tokio::spawn(async move {
        client.send(long.as_str()).await.unwrap();
        client.send("long and longer, but another").await.unwrap();
        client.next().await
    });
    let mut reader = server.next_reader().await.unwrap().unwrap();
    reader.read_exact(&mut [0; 100]).await.unwrap();
    drop(reader);
    let next = server.next().await.unwrap().unwrap();
    assert_eq!(next.as_text(), Some("long and longer, but another"));
}

#[tokio::test]
async fn deflate_bomb_fails_the_connection_on_both_sides() {
    let (client, mut server) = pair(DeflateConfig::balanced()).await;
    let (send, mut receive) = client.split();
    let sending = tokio::spawn(async move { send.send(vec![0; 64 << 20]).await });
    let error = server.next().await.unwrap().unwrap_err();
    assert_eq!(
        (error.kind(), error.close_code()),
        (ErrorKind::Limit, Some(CloseCode::MESSAGE_TOO_BIG))
    );
    assert!(server.next().await.is_none());
    let told = receive.next().await;
    assert!(told.is_none_or(|told| told.is_err()));
    let info = receive.close_info().unwrap();
    assert_eq!(info.code(), CloseCode::MESSAGE_TOO_BIG);
    let _ = sending.await.unwrap();
}

#[tokio::test]
async fn deflate_response_that_breaks_the_rules_fails_the_handshake() {
    let (near, mut far) = pipe(1 << 16);
    let client = Client::builder().deflate(DeflateConfig::small_memory()).build().unwrap();
    let answering = async {
        let mut head = vec![0; 4096];
        let len = far.read(&mut head).await.unwrap();
        let head = String::from_utf8_lossy(&head[..len]).into_owned();
        let answer = switching(&head, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        far.write_all(answer.as_bytes()).await.unwrap();
        far
    };
    let (connected, _far) = tokio::join!(client.connect_over(near, "ws://a/"), answering);
    let error = connected.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert!(error.to_string().contains("server_no_context_takeover"), "{error}");
}

/// A little input can be a lot of messages; others on the thread have their turn meanwhile.
#[tokio::test]
async fn deflate_is_charged_to_the_tasks_turn() {
    const BOMBS: usize = 60;
    let (mut client, mut server) = opened(pipe(1 << 20), PRESETS[0], PRESETS[0]).await;
    let bomb = vec![0; 256 << 10];
    for _ in 0..BOMBS {
        client.send(bomb.clone()).await.unwrap();
    }
    client.flush().await.unwrap();
    let turns = Arc::new(AtomicUsize::new(0));
    let counter = turns.clone();
    let sibling = tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..BOMBS {
            let message = server.next().await.unwrap().unwrap();
            seen.push(turns.load(Ordering::Relaxed));
            server.send(message).await.unwrap();
            seen.push(turns.load(Ordering::Relaxed));
        }
        seen
    });
    let answers = async {
        for _ in 0..BOMBS {
            assert_eq!(client.next().await.unwrap().unwrap().len(), bomb.len());
        }
    };
    let (seen, ()) = tokio::join!(reading, answers);
    sibling.abort();
    // Each message is more than a turn.
    let waited = seen.unwrap().windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!(waited + 1 >= BOMBS, "others had their turn {waited} times in {BOMBS} messages");
}
