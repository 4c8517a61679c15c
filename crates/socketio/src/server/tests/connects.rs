use std::sync::{Arc, Mutex};

use serde::Deserialize;
use tokio::sync::mpsc;

use super::*;
use crate::engine::EngineConfig;
use crate::{ConnectError, ConnectRequest, DisconnectReason, Socket};

#[derive(Deserialize)]
struct Auth {
    token: String,
}

#[tokio::test]
async fn connect_is_answered_with_the_id_of_the_socket() {
    let io = SocketIo::default();
    let main = io.of("/").open();
    io.of("admin").open();
    let (mut client, answer) = Client::connect(&io, "").await;
    let id = answer["sid"].as_str().expect("an id");
    assert_eq!(main.all().fetch()[0].id().as_str(), id);
    assert_eq!(answer.get("pid"), None);
    client.send("0/admin,").await;
    assert!(client.next().await.starts_with(r#"0/admin,{"sid":""#));
    assert_eq!(io.namespace::<()>("/admin").expect("it is open").len(), 1);
}

#[test]
fn socket_io_has_the_path_of_its_clients() {
    let path = |engine| build(SocketIo::builder().engine(engine)).engine.config().path.clone();
    assert_eq!(path(EngineConfig::default()).as_deref(), Some("/socket.io/"));
    assert_eq!(path(EngineConfig::default().path("/live/")).as_deref(), Some("/live/"));
    assert_eq!(SocketIo::default().engine.config().path.as_deref(), Some("/socket.io/"));
}

#[tokio::test]
async fn connect_to_an_unknown_namespace_is_refused() {
    let io = SocketIo::default();
    let mut client = Client::open(&io);
    client.send("0/random,").await;
    assert_eq!(client.next().await, r#"4/random,{"message":"Invalid namespace"}"#);
}

#[tokio::test]
async fn connect_is_refused_by_authenticate_with_data() {
    let io = SocketIo::default();
    io.of("/")
        .middleware(async |request: ConnectRequest| match request.namespace() {
            "/" => Ok(()),
            _ => Err(ConnectError::new("another namespace")),
        })
        .authenticate(async |request: ConnectRequest| {
            let Auth { token } = request.auth()?;
            if token == "secret" {
                Ok(token)
            } else {
                Err(ConnectError::new("no").with_data([1, 2]))
            }
        })
        .connected(async |socket: Socket<String>| {
            let user = socket.user().clone();
            socket.emit("user", user).await;
        })
        .open();
    let mut client = Client::open(&io);
    client.send(r#"0{"token":"wrong"}"#).await;
    assert_eq!(client.next().await, r#"4{"message":"no","data":[1,2]}"#);
    client.send("0").await;
    assert_eq!(client.next().await, r#"4{"message":"invalid auth"}"#);
    client.send(r#"0{"token":"secret"}"#).await;
    assert!(client.next().await.starts_with("0{"));
    assert_eq!(client.next().await, r#"2["user","secret"]"#);
}

#[tokio::test]
async fn connect_whose_authenticate_panics_is_refused() {
    let io = SocketIo::default();
    io.of("/")
        .authenticate(async |request: ConnectRequest| -> Result<(), _> {
            assert!(request.auth::<Auth>().is_ok(), "on purpose");
            Ok(())
        })
        .open();
    let mut client = Client::open(&io);
    client.send("0").await;
    assert_eq!(client.next().await, r#"4{"message":"internal error"}"#);
    client.send(r#"0{"token":""}"#).await;
    assert!(client.next().await.starts_with("0{"));
}

#[tokio::test]
async fn packets_before_connect_end_the_connection() {
    let io = SocketIo::default();
    io.of("/").open();
    for packet in [r#"2["a"]"#, "1", "31[]", "4{}", "9", "0[]"] {
        let mut client = Client::open(&io);
        client.send(packet).await;
        client.ended().await;
    }
}

#[tokio::test]
async fn connection_in_no_namespace_ends_in_time() {
    let io = build(SocketIo::builder().connect_timeout(Duration::from_millis(50)));
    io.of("/").open();
    let mut idle = Client::open(&io);
    let mut connected = Client::connected(&io).await;
    idle.ended().await;
    connected.send("1").await;
    connected.ended().await;
}

#[tokio::test]
async fn connect_that_takes_too_long_is_refused() {
    let io = build(SocketIo::builder().connect_timeout(Duration::from_millis(50)));
    io.of("/").authenticate(async |_| std::future::pending::<Result<(), _>>().await).open();
    let mut client = Client::open(&io);
    client.send("0").await;
    assert_eq!(client.next().await, r#"4{"message":"connect timeout"}"#);
}

#[tokio::test]
async fn connect_to_too_many_namespaces_is_refused() {
    let io = build(SocketIo::builder().max_namespaces(2));
    io.of_matching(|name| name.starts_with("/game-")).open();
    let mut client = Client::open(&io);
    for name in ["/game-1", "/game-2"] {
        client.send(&format!("0{name},")).await;
        assert!(client.next().await.starts_with(&format!("0{name},{{")));
    }
    client.send("0/game-3,").await;
    assert_eq!(client.next().await, r#"4/game-3,{"message":"too many namespaces"}"#);
    client.send("1/game-1,").await;
    client.send("0/game-3,").await;
    assert!(client.next().await.starts_with("0/game-3,{"));
}

#[tokio::test]
async fn dynamic_namespace_ends_with_its_last_client() {
    let io = SocketIo::default();
    io.of_matching(|name| name.starts_with("/game-")).open();
    let mut client = Client::open(&io);
    client.send("0/other,").await;
    assert!(client.next().await.starts_with("4/other,"));
    client.send("0/game-1,").await;
    client.next().await;
    assert_eq!(io.namespaces(), ["/game-1".into()]);
    client.close().await;
    in_time(async {
        while !io.namespaces().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn disconnect_reasons_are_those_of_the_official_server() {
    let io = SocketIo::default();
    let (reasons, mut reported) = mpsc::unbounded_channel();
    io.of("/")
        .on("leave", async |socket: Socket, (): ()| socket.disconnect())
        .on("close", async |socket: Socket, (): ()| socket.close_connection())
        .on("panic", async |_: Socket, (): ()| -> () { panic!("on purpose") })
        .disconnected(move |_: Socket, reason| {
            let _ = reasons.send(reason);
            async {}
        })
        .open();
    let cases = [
        ("1", DisconnectReason::ClientNamespaceDisconnect),
        (r#"2["leave"]"#, DisconnectReason::ServerNamespaceDisconnect),
        (r#"2["close"]"#, DisconnectReason::ServerNamespaceDisconnect),
        (r#"2["panic"]"#, DisconnectReason::HandlerPanicked),
        ("2{}", DisconnectReason::ParseError),
    ];
    for (packet, reason) in cases {
        let mut client = Client::connected(&io).await;
        client.send(packet).await;
        assert_eq!(in_time(reported.recv()).await, Some(reason), "after {packet}");
    }
    Client::connected(&io).await.close().await;
    assert_eq!(in_time(reported.recv()).await, Some(DisconnectReason::TransportClose));
}

#[tokio::test]
async fn disconnected_socket_leaves_the_connection_to_the_others() {
    let io = SocketIo::default();
    io.of("/").on("panic", async |_: Socket, (): ()| -> () { panic!("on purpose") }).open();
    io.of("/other").on("echo", async |_: Socket, text: String| text).open();
    let mut client = Client::connected(&io).await;
    client.send("0/other,").await;
    client.next().await;
    client.send(r#"2["panic"]"#).await;
    assert_eq!(client.next().await, "1");
    // It may not have known, and what it sends is ignored.
    client.send(r#"2["late"]"#).await;
    client.send(r#"2/other,1["echo","a"]"#).await;
    assert_eq!(client.next().await, r#"3/other,1["a"]"#);
    client.send("0").await;
    assert!(client.next().await.starts_with("0{"));
}

#[tokio::test]
async fn closed_returns_the_reason_and_the_events_go_on() {
    let io = SocketIo::default();
    let ends = Arc::new(Mutex::new(Vec::new()));
    let all = ends.clone();
    io.of("/")
        .connected(move |socket: Socket| {
            let ends = all.clone();
            async move {
                let reason = socket.closed().await;
                ends.lock().expect("no panic").push(reason);
            }
        })
        .on("echo", async |_: Socket, text: String| text)
        .open();
    let mut client = Client::connected(&io).await;
    client.send(r#"21["echo","a"]"#).await;
    assert_eq!(client.next().await, r#"31["a"]"#);
    client.close().await;
    in_time(async {
        while ends.lock().expect("no panic").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(*ends.lock().expect("no panic"), [DisconnectReason::TransportClose]);
}
