use super::*;
use crate::engine::EngineConfig;
use crate::{Recovery, SlowPolicy};

fn recovery() -> Recovery {
    Recovery::within(Duration::from_secs(60))
}

/// Enters a namespace, and returns what the server answers.
async fn enter(io: &SocketIo, namespace: &str, auth: Json) -> (Client, Json) {
    let mut client = Client::open(io);
    client.send(&format!("0{namespace},{auth}")).await;
    let answer = client.next().await;
    let json = answer.strip_prefix(&format!("0{namespace},"));
    let json = json.unwrap_or_else(|| panic!("a CONNECT packet, not {answer}"));
    (client, serde_json::from_str(json).expect("JSON"))
}

/// Receives an event, and returns its number and its offset.
async fn event(client: &mut Client) -> (u64, String) {
    let packet = client.next().await;
    let (_, json) = packet.split_once(',').expect("a namespace");
    let json: Json = serde_json::from_str(json).expect("JSON");
    let offset = json.as_array().and_then(|args| args.last()).and_then(Json::as_str);
    (json[1].as_u64().expect("a number"), offset.expect("an offset").to_owned())
}

/// Closes a connection, and waits until its namespace is forgotten.
async fn leave(io: &SocketIo, client: Client) {
    client.close().await;
    in_time(async {
        while !io.namespaces().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// The numbers of its packets go on, or a client would believe that it has missed nothing.
#[tokio::test]
async fn recovered_client_receives_what_was_sent_after_its_namespace_was_forgotten() {
    let io = build(SocketIo::builder().recovery(recovery()));
    io.of_matching(|name| name.starts_with("/game-")).open();
    let (mut first, answer) = enter(&io, "/game-1", serde_json::json!({})).await;
    let mut offset = String::new();
    for number in 1..=5 {
        let game = io.namespace::<()>("/game-1").expect("it is open");
        game.all().emit("m", number).await;
        let (received, of) = event(&mut first).await;
        assert_eq!(received, number);
        offset = of;
    }
    leave(&io, first).await;
    let (mut second, _) = enter(&io, "/game-1", serde_json::json!({})).await;
    for number in 6..=7 {
        let game = io.namespace::<()>("/game-1").expect("it is open");
        game.all().emit("m", number).await;
        assert_eq!(event(&mut second).await.0, number);
    }
    leave(&io, second).await;
    let auth = serde_json::json!({ "pid": answer["pid"], "offset": offset });
    let (mut first, again) = enter(&io, "/game-1", auth).await;
    assert_eq!(again["sid"], answer["sid"]);
    assert_eq!(event(&mut first).await.0, 6);
    assert_eq!(event(&mut first).await.0, 7);
}

#[tokio::test]
async fn client_of_a_namespace_that_was_defined_again_is_not_recovered() {
    let io = build(SocketIo::builder().recovery(recovery()));
    let old = io.of("/a").open();
    let (client, answer) = enter(&io, "/a", serde_json::json!({})).await;
    let new = io.of("/a").open();
    let auth = serde_json::json!({ "pid": answer["pid"] });
    let (mut back, again) = enter(&io, "/a", auth).await;
    assert_ne!(again["sid"], answer["sid"]);
    // Each of the two has numbers of its own, and its own sockets.
    old.all().emit("m", 1).await;
    new.all().emit("m", 2).await;
    assert_eq!(event(&mut back).await.0, 2);
    drop(client);
}

/// A policy that drops is for live messages: a client that counts as recovered lacks nothing.
#[tokio::test]
async fn recovered_client_receives_more_than_its_queue_holds_under_each_policy() {
    let policies = [
        SlowPolicy::Drop { event: Some("missed".into()) },
        SlowPolicy::Conflate,
        SlowPolicy::Close,
        SlowPolicy::Wait,
    ];
    for policy in policies {
        let engine = EngineConfig::default().max_queue_bytes(40_000);
        let builder = SocketIo::builder().engine(engine).recovery(recovery()).slow(policy.clone());
        let io = build(builder);
        let namespace = io.of("/a").open();
        let (client, answer) = enter(&io, "/a", serde_json::json!({})).await;
        client.close().await;
        in_time(async {
            while !namespace.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        let text = "x".repeat(16_000);
        for number in 0..200 {
            namespace.all().emit("m", (number, &text)).await;
        }
        let (mut client, again) =
            enter(&io, "/a", serde_json::json!({ "pid": answer["pid"] })).await;
        assert_eq!(again["sid"], answer["sid"], "{policy:?}");
        // Nothing is read meanwhile.
        tokio::time::sleep(Duration::from_millis(50)).await;
        for number in 0..200 {
            assert_eq!(event(&mut client).await.0, number, "{policy:?}");
        }
    }
}
