//! WebSockets without an opening handshake.

use std::time::Duration;

use bytes::BytesMut;
use fullduplex::{
    CloseCause, Config, PreparedMessage, Role, WebSocket, WebSocketBuilder, pair, pair_with,
};
use tokio::time::Instant;

use crate::in_time;

#[tokio::test(start_paused = true)]
async fn pair_has_a_config_for_each_end() {
    let strict = Config::default().max_message_size(10).keepalive_interval(None);
    let (mut client, mut server) = pair_with(Config::default(), strict).unwrap();
    server.send(vec![0; 100]).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap().len(), 100);
    client.send(vec![0; 100]).await.unwrap();
    let error = server.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("max_message_size"), "{error}");
    // With paused time, waiting for a timeout takes none.
    let (mut client, _server) = pair();
    let (paused, real) = (Instant::now(), std::time::Instant::now());
    assert!(client.next().await.unwrap().is_err());
    assert_eq!(client.close_info().unwrap().cause, CloseCause::KeepaliveTimeout);
    assert!(paused.elapsed() >= Duration::from_secs(30));
    assert!(real.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn pair_sends_prepared_messages_without_waiting() {
    let (mut client, mut server) = pair();
    let prepared = PreparedMessage::new("at once");
    server.try_send_prepared(&prepared).unwrap();
    let received = in_time("it", client.next()).await.unwrap().unwrap();
    assert_eq!(received, *prepared.message());
    server.abort();
    let error = server.try_send_prepared(&prepared).unwrap_err();
    assert!(!error.is_full());
    assert_eq!(error.into_message(), *prepared.message());
}

#[tokio::test]
async fn pair_writes_prepared_messages_that_are_fed_together() {
    let (mut client, server) = pair();
    let (send, _receive) = server.split();
    let prepared = PreparedMessage::new("together");
    send.try_send_prepared(&prepared).unwrap();
    assert_eq!(send.buffered_amount(), 0, "it was written at once");
    in_time("the first", client.next()).await.unwrap().unwrap();
    for count in 1..=3 {
        send.try_feed_prepared(&prepared).unwrap();
        assert_eq!(send.buffered_amount(), count * (2 + "together".len()));
    }
    for _ in 0..3 {
        let received = in_time("it", client.next()).await.unwrap().unwrap();
        assert_eq!(received, *prepared.message());
    }
    assert_eq!(send.buffered_amount(), 0);
    send.abort();
    assert!(!send.try_feed_prepared(&prepared).unwrap_err().is_full());
}

#[tokio::test]
async fn builder_opens_what_was_agreed_elsewhere() {
    let (near, far) = tokio::io::duplex(1024);
    let config = fullduplex::DeflateConfig::balanced();
    let (answer, deflate) = config.accept(&config.offers()).unwrap();
    // The client's first frame came with its request.
    let mut server = WebSocketBuilder::server()
        .deflate(deflate)
        .subprotocol("chat")
        .received(BytesMut::from(&b"\x81\x82\0\0\0\0hi"[..]))
        .build(near)
        .unwrap();
    let agreed = config.check(&[answer]).unwrap();
    let mut client =
        WebSocketBuilder::new(Role::Client).deflate(agreed).subprotocol("chat").build(far).unwrap();
    assert_eq!(in_time("it", server.next()).await.unwrap().unwrap().as_text(), Some("hi"));
    assert_eq!((client.subprotocol(), server.subprotocol()), (Some("chat"), Some("chat")));
    assert!(client.deflate().is_some() && server.deflate().is_some());
    client.send("x".repeat(2000)).await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap().len(), 2000);
    assert!(client.stats().sent.wire < 200);
    let (_send, receive) = server.split();
    assert_eq!((receive.subprotocol(), receive.deflate().is_some()), (Some("chat"), true));
}

#[tokio::test]
async fn builder_has_short_forms() {
    let (near, far) = tokio::io::duplex(1024);
    let (mut client, mut server) = (WebSocket::client(near), WebSocket::server(far));
    client.send("masked").await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap().as_text(), Some("masked"));
    server.send("not masked").await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap().as_text(), Some("not masked"));
}
