//! `close_timeout` while a peer takes its time.

use std::time::Duration;

use fullduplex::proto::CloseCause;
use fullduplex::{CloseCode, Role, WebSocket};
use fullduplex_testkit::pipe::Pipe;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use crate::{CLOSE, DEADLINE, busy, taken_apart};

/// Returns a busy server's WebSocket that closes, after or before the peer's Close, and its peer.
async fn closing(received: bool) -> (WebSocket<Pipe>, Pipe) {
    let (mut websocket, mut peer) = busy(Role::Server).await;
    if received {
        peer.write_all(&CLOSE).await.unwrap();
    } else {
        websocket.start_close(CloseCode::NORMAL, "").unwrap();
    }
    (websocket, peer)
}

#[tokio::test(start_paused = true)]
async fn close_timeout_spares_a_peer_that_takes_bytes() {
    let (mut websocket, mut peer) = busy(Role::Server).await;
    let begun = tokio::time::Instant::now();
    let closing = tokio::spawn(async move {
        let info = websocket.close(CloseCode::NORMAL, "").await.unwrap();
        (info, begun.elapsed())
    });
    // Some 160 s, of which none is without a byte for 10.
    let mut received = vec![0; (20 << 10) + 4 + 4];
    for piece in received.chunks_mut(512) {
        sleep(Duration::from_secs(4)).await;
        peer.read_exact(piece).await.unwrap();
    }
    peer.write_all(&CLOSE).await.unwrap();
    let (info, took) = timeout(DEADLINE, closing).await.unwrap().unwrap();
    assert!(info.is_clean() && took > Duration::from_secs(150), "{info} after {took:?}");
    assert_eq!(taken_apart(&received).1, Some(1000));
}

#[tokio::test(start_paused = true)]
async fn close_timeout_ends_a_peer_that_takes_a_byte_now_and_then() {
    for received in [false, true] {
        let (mut websocket, mut peer) = closing(received).await;
        let begun = tokio::time::Instant::now();
        let ended = tokio::spawn(async move {
            let end = websocket.next().await;
            (end.unwrap().unwrap_err(), websocket.close_info().unwrap())
        });
        let sipping = async {
            for _ in 0..1000 {
                sleep(Duration::from_secs(9)).await;
                peer.read_u8().await.unwrap();
            }
        };
        let sips = tokio::select! {
            ended = ended => ended.unwrap(),
            () = sipping => panic!("it is kept for {:?}", begun.elapsed()),
        };
        assert_eq!((sips.1.cause, sips.1.close_sent), (CloseCause::CloseTimeout, false));
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn close_timeout_ends_a_peer_that_takes_nothing_and_says_so() {
    for received in [false, true] {
        let (mut websocket, _peer) = closing(received).await;
        let begun = tokio::time::Instant::now();
        let error = websocket.next().await.unwrap().unwrap_err();
        let info = websocket.close_info().unwrap();
        // Our Close was queued, but never left: that is not clean.
        assert_eq!((info.cause, info.close_sent), (CloseCause::CloseTimeout, false));
        assert!(error.to_string().contains("close_timeout"), "{error}");
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn close_timeout_counts_from_when_the_slow_peer_has_the_close() {
    let (mut websocket, mut peer) = busy(Role::Server).await;
    websocket.start_close(CloseCode::NORMAL, "").unwrap();
    let ended = tokio::spawn(async move {
        let end = websocket.next().await;
        (end.unwrap().unwrap_err(), websocket.close_info().unwrap())
    });
    let mut all = vec![0; (20 << 10) + 4 + 4];
    for piece in all.chunks_mut(2 << 10) {
        sleep(Duration::from_secs(2)).await;
        peer.read_exact(piece).await.unwrap();
    }
    // It has all, and does not answer.
    let begun = tokio::time::Instant::now();
    let (_, info) = timeout(DEADLINE, ended).await.unwrap().unwrap();
    assert_eq!((info.cause, info.close_sent), (CloseCause::CloseTimeout, true));
    assert!(begun.elapsed() <= Duration::from_secs(20), "{:?}", begun.elapsed());
}
