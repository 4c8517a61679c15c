//! Hooks of a client that connects again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fullduplex::client::{DisconnectReason, ReconnectEvent, RequestOverride};
use fullduplex::server::Server;
use fullduplex::{CloseCode, ErrorKind, Message};

use crate::common::direct;
use crate::{Seen, disconnect, free, quick, serve, to};

#[tokio::test]
async fn reconnect_hooks_change_the_request_and_subscribe() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let seen = tokens.clone();
    tokio::spawn(server.serve_handshakes(move |handshake| {
        let token = handshake.request().headers()["x-token"].to_str().unwrap().to_owned();
        seen.lock().unwrap().push(token);
        async move {
            let mut websocket = handshake.accept().await.unwrap();
            // The subscription comes before what was queued.
            for expected in ["subscribe", "queued"] {
                let message = websocket.next().await.unwrap().unwrap();
                assert_eq!(message.as_text(), Some(expected));
            }
            websocket.send("done").await.unwrap();
            drop(websocket.close(CloseCode::new(1012), "").await);
        }
    }));
    let made = Arc::new(AtomicU32::new(0));
    let mut client = to(address)
        .before_connect(move |_| {
            let token = made.fetch_add(1, Ordering::Relaxed);
            async move {
                let mut change = RequestOverride::default();
                change.headers.insert("x-token", token.into());
                Ok(change)
            }
        })
        .on_connected(|mut websocket| async {
            websocket.send("subscribe").await?;
            Ok(websocket)
        })
        .start();
    for _ in 0..3 {
        client.send("queued").await.unwrap();
        loop {
            if let ReconnectEvent::Message(message) = client.next().await.unwrap() {
                assert_eq!(message, Message::from("done"));
                break;
            }
        }
    }
    assert_eq!(*tokens.lock().unwrap(), ["0", "1", "2"]);
}

#[tokio::test]
async fn reconnect_gives_up_a_hook_that_never_ends() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(
        server.serve(|mut websocket| async move { while websocket.next().await.is_some() {} }),
    );
    let client = direct().connect_timeout(Duration::from_millis(200)).build().unwrap();
    let to = || client.reconnecting(&url).backoff(quick());
    let prepare = to().before_connect(|_| std::future::pending());
    let opened = to().on_connected(|_| std::future::pending());
    for (builder, name) in [(prepare, "hook before_connect"), (opened, "hook on_connected")] {
        let mut client = builder.start();
        let (why, retry_in) = disconnect(&mut client).await;
        let DisconnectReason::Failed(error) = why else { panic!("{why:?}") };
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains(name), "{error}");
        assert!(error.to_string().contains("connect_timeout"), "{error}");
        assert!(retry_in.is_some());
    }
}

/// It costs the attempt, and what was queued goes with the next one.
#[tokio::test]
async fn reconnect_reports_a_panic_in_a_hook() {
    let address = free().await;
    let (runtime, _) = serve(address, Seen::default());
    let mut client = to(address)
        .before_connect(|attempt| async move {
            assert!(attempt > 0, "as asked");
            Ok(RequestOverride::default())
        })
        .start();
    client.send("1").await.unwrap();
    let (why, retry_in) = disconnect(&mut client).await;
    assert!(matches!(why, DisconnectReason::Failed(_)) && retry_in.is_some(), "{why:?}");
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), client.next()).await;
        if let ReconnectEvent::Message(message) = event.unwrap().unwrap() {
            assert_eq!(message, Message::from("1"));
            break;
        }
    }
    runtime.shutdown_background();
}

#[tokio::test]
async fn reconnect_hook_can_not_change_protected_fields() {
    let mut client = to(free().await)
        .before_connect(|_| async {
            let mut change = RequestOverride::default();
            change.headers.insert("sec-websocket-key", "x".parse().unwrap());
            Ok(change)
        })
        .start();
    let (why, retry_in) = disconnect(&mut client).await;
    let DisconnectReason::Failed(error) = why else { panic!("{why:?}") };
    assert_eq!((error.kind(), retry_in), (ErrorKind::Misuse, None));
}
