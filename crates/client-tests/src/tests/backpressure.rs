use std::time::Duration;

use fullduplex::{Client, CloseCode, ErrorKind, TrySendError};

use crate::peers::{Peers, differs, open, open_by, within};
use crate::target::sleep;

/// The size of the messages here.
const MESSAGE: usize = 64 << 10;

pub(crate) async fn backpressure_bounds_what_is_unsent(peers: &Peers) {
    // Less than two messages: the one that fills the buffer, and what was below the mark.
    const MOST: usize = 2 * MESSAGE + 1024;
    let mut websocket = open(&format!("{}/stall", peers.node)).await;
    let message = vec![7; MESSAGE];
    let mut sent = 0;
    // 64 MiB, of which the peer reads nothing.
    while sent < 1024 {
        let sending = websocket.send(message.clone());
        let Some(outcome) = within(Duration::from_secs(1), sending).await else { break };
        outcome.unwrap();
        sent += 1;
        assert!(websocket.buffered_amount() <= MOST, "{}", websocket.buffered_amount());
    }
    assert!(sent < 1024, "it does not wait for the peer");
    assert!(matches!(websocket.try_send(message), Err(TrySendError::Full(_))));
    assert!(websocket.buffered_amount() >= MESSAGE, "{}", websocket.buffered_amount());
}

pub(crate) async fn backpressure_bounds_what_a_peer_floods(peers: &Peers) {
    const BUFFERED: usize = 1 << 20;
    /// What the sockets of both ends hold.
    const SOCKETS: usize = 24 << 20;
    #[cfg(target_family = "wasm")]
    let client = Client::builder().max_buffered(BUFFERED).build().unwrap();
    #[cfg(not(target_family = "wasm"))]
    let client = Client::default();
    let (url, id) = peers.recorded("flood");
    let mut websocket = open_by(&client, &url).await;
    sleep(Duration::from_secs(1)).await;
    let taken = peers.ask("taken", &id).await.parse::<usize>().unwrap();
    let mut received = 0;
    while received <= SOCKETS {
        match websocket.next().await.unwrap() {
            Ok(message) => received += message.len(),
            Err(error) => {
                let why = "only a page may be unable to leave the peer waiting";
                assert!(differs(why, false, true), "{error}");
                assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
                assert!(error.to_string().contains("max_buffered"), "{error}");
                assert!(received <= BUFFERED + MESSAGE, "{received} bytes");
                // A browser without streams can't be told to wait: what it had received until
                // then is dropped, and no more comes.
                let later = peers.ask("taken", &id).await.parse::<usize>().unwrap();
                assert_eq!(later, taken);
                return;
            }
        }
    }
    assert!(taken < SOCKETS, "{taken} bytes");
}

pub(crate) async fn backpressure_is_flushed(peers: &Peers) {
    for url in peers.echoes() {
        let (sender, receiver) = open(&url).await.split();
        let draining = async {
            receiver.discard();
            for _ in 0..32 {
                sender.send(vec![0; MESSAGE]).await.unwrap();
            }
            sender.flush().await.unwrap();
            assert_eq!(sender.buffered_amount(), 0);
        };
        draining.await;
        sender.close(CloseCode::NORMAL, "").await.unwrap();
    }
}
