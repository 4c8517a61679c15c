use serde_json::json;

use super::*;
use crate::{Admin, Socket};

/// Receives events until one of this name comes.
async fn until(client: &mut Client, event: &str) -> Json {
    loop {
        let text = client.next().await;
        let Some(json) = text.strip_prefix("2/admin,") else { continue };
        let json: Json = serde_json::from_str(json).expect("JSON");
        if json[0] == event {
            return json;
        }
    }
}

/// Returns the arguments of an event without its time.
fn args(event: &Json) -> &[Json] {
    match &event.as_array().expect("an event")[..] {
        [_, args @ .., time] => {
            assert!(time.as_str().is_some_and(|time| time.ends_with('Z')), "{time}");
            args
        }
        [] | [_] => &[],
    }
}

fn server() -> SocketIo {
    let io = SocketIo::default();
    io.of("/")
        .on("join", async |socket: Socket, room: String| socket.join(room).is_in_room())
        .open();
    io
}

fn with_password() -> Admin {
    // The lowest cost, as it is checked several times.
    let hash = bcrypt::hash("secret", 4).expect("a hash");
    Admin::with_password("admin", &hash).expect("a hash")
}

#[tokio::test]
async fn admin_is_let_in_by_its_password_and_then_by_its_session() {
    let io = server();
    io.open_admin(with_password()).expect("the first");
    assert!(io.open_admin(Admin::dangerous_without_password()).is_err(), "it is open already");
    let mut admin = Client::open(&io);
    for auth in [
        "{}",
        r#"{"username":"admin","password":"wrong"}"#,
        r#"{"username":"root","password":"secret"}"#,
        r#"{"sessionId":"twenty-characters-no"}"#,
    ] {
        admin.send(&format!("0/admin,{auth}")).await;
        assert_eq!(admin.next().await, r#"4/admin,{"message":"invalid credentials"}"#);
    }
    admin.send(r#"0/admin,{"username":"admin","password":"secret"}"#).await;
    let session = until(&mut admin, "session").await;
    let features = until(&mut admin, "config").await;
    let features = features[1]["supportedFeatures"].as_array().expect("features").len();
    assert_eq!(features, 9);
    let mut again = Client::open(&io);
    again.send(&format!("0/admin,{{\"sessionId\":{}}}", session[1])).await;
    until(&mut again, "all_sockets").await;
    assert!(Admin::with_password("admin", "secret").is_err(), "a password in place of its hash");
}

#[tokio::test]
async fn admin_sees_sockets_rooms_and_events() {
    let io = server();
    io.open_admin(Admin::dangerous_without_password().server_id("one")).expect("the first");
    let mut first = Client::connected(&io).await;
    let mut admin = Client::open(&io);
    admin.send("0/admin,").await;
    let all = until(&mut admin, "all_sockets").await;
    let sockets = all[1].as_array().expect("sockets");
    let id = sockets.iter().find(|socket| socket["nsp"] == "/").expect("a socket")["id"].clone();

    let other = Client::connected(&io).await;
    let connected = until(&mut admin, "socket_connected").await;
    assert_eq!(connected[1]["transport"], "websocket");
    other.close().await;
    let gone = until(&mut admin, "socket_disconnected").await;
    assert_eq!((&gone[2], &gone[3]), (&connected[1]["id"], &Json::from("transport close")));
    let left = until(&mut admin, "room_left").await;
    assert_eq!((&left[2], &left[3]), (&connected[1]["id"], &connected[1]["id"]), "its own room");

    first.send(r#"2["join","a"]"#).await;
    let event = until(&mut admin, "event_received").await;
    assert_eq!(args(&event), [json!("/"), id.clone(), json!(["join", "a"])]);
    let joined = until(&mut admin, "room_joined").await;
    assert_eq!(args(&joined), [json!("/"), json!("a"), id]);
    let stats = until(&mut admin, "server_stats").await;
    assert_eq!(stats[1]["serverId"], "one");
    assert_eq!(stats[1]["namespaces"].as_array().expect("namespaces").len(), 2);
}

#[tokio::test]
async fn admin_is_told_all_sockets_again_after_more_changes_than_it_is_told_of() {
    let io = server();
    io.open_admin(Admin::dangerous_without_password()).expect("the first");
    let client = Client::connected(&io).await;
    let mut admin = Client::open(&io);
    admin.send("0/admin,").await;
    until(&mut admin, "all_sockets").await;
    let all = io.namespace::<()>("/").expect("it is open").all();
    for room in 0..2000 {
        all.join(format!("room {room}"));
    }
    let sockets = until(&mut admin, "all_sockets").await;
    let sockets = sockets[1].as_array().expect("sockets");
    let socket = sockets.iter().find(|socket| socket["nsp"] == "/").expect("a socket");
    let rooms = socket["rooms"].as_array().expect("rooms");
    assert!(rooms.len() > 1000, "they are told at once: {}", rooms.len());
    drop(client);
}

#[tokio::test]
async fn admin_emits_and_disconnects_unless_it_may_only_look() {
    for is_read_only in [false, true] {
        let io = server();
        io.open_admin(Admin::dangerous_without_password().read_only(is_read_only))
            .expect("the first");
        let mut client = Client::connected(&io).await;
        let mut admin = Client::open(&io);
        admin.send("0/admin,").await;
        until(&mut admin, "all_sockets").await;
        admin.send(r#"2/admin,["join","/","a",null]"#).await;
        if is_read_only {
            admin.send(r#"2/admin,["_disconnect","/",true,null]"#).await;
            until(&mut admin, "server_stats").await;
            client.send(r#"20["join","a"]"#).await;
            assert_eq!(client.next().await, "30[true]", "it is in no room and still connected");
            continue;
        }
        until(&mut admin, "room_joined").await;
        admin.send(r#"2/admin,["emit","/","a","hello",1,{"b":null}]"#).await;
        assert_eq!(client.next().await, r#"2["hello",1,{"b":null}]"#);
        admin.send(r#"2/admin,["leave","/","a",null]"#).await;
        until(&mut admin, "room_left").await;
        admin.send(r#"2/admin,["_disconnect","/",true,null]"#).await;
        assert_eq!(client.next().await, "1");
        client.ended().await;
    }
}

#[tokio::test]
async fn admin_that_gets_numbers_only_is_told_of_no_socket() {
    let io = server();
    io.open_admin(Admin::dangerous_without_password().sends_all(false)).expect("the first");
    let mut admin = Client::open(&io);
    admin.send("0/admin,").await;
    assert!(admin.next().await.starts_with("0/admin,"));
    assert!(admin.next().await.contains("AGGREGATED_EVENTS"));
    let _client = Client::connected(&io).await;
    assert!(admin.next().await.contains(r#"2/admin,["server_stats","#));
}
