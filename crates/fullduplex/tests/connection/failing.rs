//! The end after a failure that this end has found: the peer's end is noticed at once.

use std::time::{Duration, Instant};

use fullduplex::{CloseCode, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::in_time;

/// Half of `close_timeout`, which the end must not wait for.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn failure_ends_with_the_transport_of_a_peer_that_ends_first() {
    let (near, mut far) = tokio::io::duplex(1024);
    let mut websocket = fullduplex::WebSocket::client(near);
    // A Ping with all reserved bits, and then what a peer does that was sent a 1002.
    far.write_all(b"\xf9\x00").await.unwrap();
    let error = in_time("the error", websocket.next()).await.unwrap().unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::PROTOCOL_ERROR));
    let mut close = [0; 2];
    far.read_exact(&mut close).await.unwrap();
    assert_eq!(close[0], 0x88);
    far.write_all(b"\x88\x02\x03\xea").await.unwrap();
    drop(far);
    let begun = Instant::now();
    assert!(in_time("the end", websocket.next()).await.is_none());
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

#[cfg(all(feature = "tls", feature = "http2", feature = "http3"))]
#[tokio::test]
async fn failure_ends_at_once_on_each_version_and_in_both_roles() {
    for swaps in [false, true] {
        for (name, mut near, mut far, _client) in crate::on_each_version().await {
            if swaps {
                std::mem::swap(&mut near, &mut far);
            }
            let sending = tokio::spawn(async move {
                let _ = far.send(Message::binary(vec![0; (1 << 20) + 1])).await;
                while let Some(Ok(_)) = far.next().await {}
                far.close_info().unwrap().code()
            });
            let error = in_time(name, near.next()).await.unwrap().unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::MESSAGE_TOO_BIG), "{name}");
            let begun = Instant::now();
            assert!(in_time(name, near.next()).await.is_none(), "{name}");
            assert!(begun.elapsed() < AT_ONCE, "{name}, swapped {swaps}: {:?}", begun.elapsed());
            let code = in_time(name, sending).await.unwrap();
            assert_eq!(code, CloseCode::MESSAGE_TOO_BIG, "{name}");
        }
    }
}
