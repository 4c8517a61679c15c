use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, mpsc};

use super::*;
use crate::{AckError, Args, Binary, Delivery, EncodeError, Event, Socket, Value, Variadic};

#[tokio::test]
async fn event_is_echoed_with_its_attachments() {
    let io = SocketIo::default();
    io.of("/")
        .on("message", async |socket: Socket, args: Variadic<Value>| {
            socket.emit("message-back", args).await;
        })
        .open();
    let mut client = Client::connected(&io).await;
    client.send(r#"2["message",1,"2",{"3":[true]}]"#).await;
    assert_eq!(client.next().await, r#"2["message-back",1,"2",{"3":[true]}]"#);
    client
        .send(r#"52-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#)
        .await;
    client.send_binary(&[1]).await;
    client.send_binary(&[2, 3]).await;
    assert_eq!(
        client.next().await,
        r#"52-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#
    );
    assert_eq!(client.next_binary().await, [1].as_slice());
    assert_eq!(client.next_binary().await, [2, 3].as_slice());
}

#[tokio::test]
async fn output_of_a_handler_is_the_acknowledgement() {
    let io = SocketIo::default();
    io.of("/")
        .on("add", async |_: Socket, (a, b): (i64, i64)| a + b)
        .on("two", async |_: Socket, (): ()| (1, "a"))
        .on("none", async |_: Socket, (): ()| ())
        .on("bytes", async |_: Socket, bytes: Binary| bytes)
        .open();
    let mut client = Client::connected(&io).await;
    client.send(r#"27["add",1,2]"#).await;
    assert_eq!(client.next().await, "37[3]");
    client.send(r#"28["two"]"#).await;
    assert_eq!(client.next().await, r#"38[1,"a"]"#);
    client.send(r#"29["none",5]"#).await;
    assert_eq!(client.next().await, "39[]");
    client.send(r#"51-10["bytes",{"_placeholder":true,"num":0}]"#).await;
    client.send_binary(&[7]).await;
    assert_eq!(client.next().await, r#"61-10[{"_placeholder":true,"num":0}]"#);
    assert_eq!(client.next_binary().await, [7].as_slice());
    // Without an id there is no acknowledgement.
    client.send(r#"2["add",1,2]"#).await;
    client.send(r#"21["none"]"#).await;
    assert_eq!(client.next().await, "31[]");
}

#[tokio::test]
async fn events_of_a_socket_are_handled_in_order() {
    let io = SocketIo::default();
    let gate = Arc::new(Notify::new());
    let waits = gate.clone();
    io.of("/")
        .on("wait", move |_: Socket, (): ()| {
            let gate = waits.clone();
            async move { gate.notified().await }
        })
        .on("next", async |_: Socket, (): ()| ())
        .on_concurrent("beside", async |_: Socket, (): ()| ())
        .open();
    let mut client = Client::connected(&io).await;
    client.send(r#"21["wait"]"#).await;
    client.send(r#"22["next"]"#).await;
    tokio::task::yield_now().await;
    gate.notify_one();
    assert_eq!(client.next().await, "31[]");
    assert_eq!(client.next().await, "32[]");
    client.send(r#"23["beside"]"#).await;
    assert_eq!(client.next().await, "33[]");
}

#[tokio::test]
async fn concurrent_handlers_do_not_wait_for_each_other() {
    let io = SocketIo::default();
    let gate = Arc::new(Notify::new());
    let waits = gate.clone();
    io.of("/")
        .on_concurrent("wait", move |_: Socket, (): ()| {
            let gate = waits.clone();
            async move { gate.notified().await }
        })
        .on("next", async |_: Socket, (): ()| ())
        .open();
    let mut client = Client::connected(&io).await;
    client.send(r#"21["wait"]"#).await;
    client.send(r#"22["next"]"#).await;
    assert_eq!(client.next().await, "32[]");
    gate.notify_one();
    assert_eq!(client.next().await, "31[]");
}

#[tokio::test]
async fn events_wait_until_the_handler_connected_is_done() {
    let io = SocketIo::default();
    let gate = Arc::new(Notify::new());
    let is_done = Arc::new(AtomicBool::new(false));
    let (waits, done) = (gate.clone(), is_done.clone());
    io.of("/")
        .connected(move |_: Socket| {
            let (gate, is_done) = (waits.clone(), done.clone());
            async move {
                gate.notified().await;
                is_done.store(true, Ordering::SeqCst);
            }
        })
        .on("was-done", move |_: Socket, (): ()| {
            let is_done = is_done.clone();
            async move { is_done.load(Ordering::SeqCst) }
        })
        .open();
    let mut client = Client::connected(&io).await;
    client.send(r#"21["was-done"]"#).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    gate.notify_one();
    assert_eq!(client.next().await, "31[true]");
}

#[tokio::test]
async fn events_are_seen_by_on_any_and_invalid_ones_by_on_invalid() {
    let io = SocketIo::default();
    let (seen, mut events) = mpsc::unbounded_channel();
    let invalid = seen.clone();
    io.of("/")
        .on_any(move |socket: Socket, event: Event| {
            let _ = seen.send(format!("any {}", event.name()));
            async move {
                if event.name() == "unknown" {
                    event.acknowledge(&socket, "unknown").await;
                }
            }
        })
        .on_invalid(move |_: Socket, event, error| {
            let _ = invalid.send(format!("invalid {}", event.name()));
            assert!(error.to_string().contains("expected type"));
        })
        .on("number", async |_: Socket, number: u8| number)
        .open();
    let mut client = Client::connected(&io).await;
    client.send(r#"21["unknown"]"#).await;
    assert_eq!(client.next().await, r#"31["unknown"]"#);
    client.send(r#"22["number","text"]"#).await;
    client.send(r#"23["number",3]"#).await;
    assert_eq!(client.next().await, "33[3]");
    let seen: Vec<String> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    assert_eq!(seen, ["any unknown", "any number", "invalid number", "any number"]);
}

#[tokio::test]
async fn emit_with_ack_returns_the_answer_of_the_client() {
    let io = SocketIo::default();
    let main = io.of("/").open();
    let mut client = Client::connected(&io).await;
    let socket = main.all().fetch().remove(0);
    let asked = socket.clone();
    let answer = tokio::spawn(async move { asked.emit_with_ack::<i64>("ping", (1, 2)).await });
    assert_eq!(client.next().await, r#"20["ping",1,2]"#);
    client.send("399[1]").await;
    client.send("30[3]").await;
    assert_eq!(in_time(answer).await.expect("no panic"), Ok(3));

    let asked = socket.clone();
    let answer = tokio::spawn(async move { asked.emit_with_ack::<String>("ping", ()).await });
    client.next().await;
    client.send("31[3]").await;
    let error = in_time(answer).await.expect("no panic").expect_err("a number is not a text");
    assert!(matches!(error, AckError::UnexpectedArgs(_)));
}

#[tokio::test]
async fn emit_with_ack_fails_for_distinct_reasons() {
    let builder = SocketIo::builder().max_outstanding_acks(1).ack_timeout(Duration::from_secs(60));
    let io = build(builder);
    let main = io.of("/").open();
    let mut client = Client::connected(&io).await;
    let socket = main.all().fetch().remove(0);
    let short = Duration::from_millis(10);
    let late = in_time(socket.emit_with_ack_within::<()>(short, "ping", ())).await;
    assert_eq!(late, Err(AckError::Timeout));
    client.next().await;

    let asked = socket.clone();
    let waits = tokio::spawn(async move { asked.emit_with_ack::<()>("ping", ()).await });
    client.next().await;
    let second = in_time(socket.emit_with_ack::<()>("ping", ())).await;
    assert_eq!(second, Err(AckError::TooManyOutstanding));
    client.close().await;
    assert_eq!(in_time(waits).await.expect("no panic"), Err(AckError::Disconnected));
    in_time(socket.closed()).await;
    assert_eq!(socket.emit_with_ack::<()>("ping", ()).await, Err(AckError::Disconnected));
    assert_eq!(socket.emit("ping", ()).await, Delivery::Closed);
    let error = socket.emit("disconnect", ()).await;
    assert_eq!(error, Delivery::Invalid(EncodeError::ReservedEvent));
}

#[tokio::test]
async fn handler_can_wait_for_an_acknowledgement_while_events_come() {
    let io = build(SocketIo::builder().max_pending_events(2));
    io.of("/")
        .on("ask", async |socket: Socket, (): ()| {
            socket.emit_with_ack::<u8>("number", ()).await.unwrap_or(0)
        })
        .on("next", async |_: Socket, (): ()| ())
        .open();
    let mut client = Client::connected(&io).await;
    client.send(r#"21["ask"]"#).await;
    for _ in 0..5 {
        client.send(r#"2["next"]"#).await;
    }
    assert_eq!(client.next().await, r#"20["number"]"#);
    client.send("30[9]").await;
    assert_eq!(client.next().await, "31[9]");
}

#[tokio::test]
async fn values_that_can_not_be_serialized_are_told() {
    let io = SocketIo::default();
    let main = io.of("/").open();
    let _client = Client::connected(&io).await;
    let socket = main.all().fetch().remove(0);
    let keys_of_bytes = std::collections::BTreeMap::from([(vec![1_u8], 1)]);
    let delivery = socket.emit("map", keys_of_bytes).await;
    assert!(matches!(delivery, Delivery::Invalid(EncodeError::Unserializable(_))));
    assert!(Args::none().is_empty());
}

#[tokio::test]
async fn acknowledgement_of_null_has_an_argument_and_one_of_nothing_has_none() {
    let io = SocketIo::default();
    io.of("/")
        .on("null", async |_: Socket, value: Value| value)
        .on("nothing", async |_: Socket, (): ()| ())
        .open();
    let mut client = Client::connected(&io).await;
    client.send(r#"20["null",null]"#).await;
    assert_eq!(client.next().await, "30[null]");
    client.send(r#"21["nothing"]"#).await;
    assert_eq!(client.next().await, "31[]");
}
