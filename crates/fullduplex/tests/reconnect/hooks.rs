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

/// The hook's fields take the place of the request's.
#[tokio::test]
async fn reconnect_sends_the_fields_of_its_request_each_time() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = seen.clone();
    tokio::spawn(server.serve_handshakes(move |handshake| {
        let headers = handshake.request().headers();
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        record.lock().unwrap().push((text("x-user"), text("x-try")));
        async move {
            let mut websocket = handshake.accept().await.unwrap();
            drop(websocket.close(CloseCode::new(1012), "").await);
        }
    }));
    let request = http::Request::get(url).header("x-user", "joe").header("x-try", "first");
    let client = direct().build().unwrap().reconnecting(request.body(()).unwrap());
    let made = AtomicU32::new(0);
    let hook = move |_| {
        let mut change = RequestOverride::default();
        if made.fetch_add(1, Ordering::Relaxed) > 0 {
            change.headers.insert("x-try", "again".parse().unwrap());
        }
        async { Ok(change) }
    };
    let mut client = client.backoff(quick()).before_connect(hook).start();
    for _ in 0..2 {
        let (why, retry_in) = disconnect(&mut client).await;
        assert!(matches!(why, DisconnectReason::Closed(_)) && retry_in.is_some(), "{why:?}");
    }
    let seen = seen.lock().unwrap();
    let expected = [("joe", "first"), ("joe", "again")].map(|(a, b)| (a.into(), b.into()));
    assert_eq!(seen[..2], expected);
}

#[tokio::test]
async fn reconnect_reports_a_request_that_is_not_valid_once() {
    let protected = http::Request::get("ws://127.0.0.1/").header("sec-websocket-key", "x");
    let client = direct().build().unwrap();
    for builder in
        [client.reconnecting("localhost"), client.reconnecting(protected.body(()).unwrap())]
    {
        let mut client = builder.retry_if(|_| true).start();
        let (why, retry_in) = disconnect(&mut client).await;
        let DisconnectReason::Failed(error) = why else { panic!("{why:?}") };
        assert_eq!((error.kind(), retry_in), (ErrorKind::Misuse, None), "{error}");
        assert!(client.next().await.is_none());
    }
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
