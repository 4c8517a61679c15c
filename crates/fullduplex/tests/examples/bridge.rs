//! `bridge`, between a client and a server of this process.

use fullduplex::server::{Handshake, ServerConfig};
use fullduplex::{CloseCode, ControlFrame, ControlFrames, Message, WebSocket};
use http::{Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::common::direct;
use crate::common::example::Serving;
use crate::{PATIENCE, end};

struct Bridge {
    process: Serving,
    behind: TcpListener,
}

impl Bridge {
    async fn start() -> Self {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("ws://{}", behind.local_addr().unwrap());
        Self { process: Serving::start_with("bridge", &[&target]), behind }
    }

    /// A request that has come through.
    async fn request(&self) -> Handshake<TcpStream> {
        let (tcp, _) = timeout(PATIENCE, self.behind.accept()).await.unwrap().unwrap();
        let mut config = ServerConfig::default().subprotocols(["chat.v2"]);
        config.websocket.limits.max_message_size = None;
        Handshake::read(tcp, config).await.unwrap()
    }

    /// A client, and the WebSocket behind the bridge.
    async fn open(&self) -> (WebSocket, WebSocket<TcpStream>) {
        let client = direct().max_message_size(None).subprotocols(["chat.v2"]).build().unwrap();
        let url = format!("ws://{}/room?x=1", self.process.address);
        let (client, server) = tokio::join!(client.connect(url), async {
            let request = self.request().await;
            assert_eq!(request.request().uri(), "/room?x=1");
            request.accept().await.unwrap()
        });
        let client = client.unwrap().0;
        assert_eq!(client.subprotocol(), Some("chat.v2"));
        (client, server)
    }
}

/// The next Ping, which comes as this end reads.
async fn ping(frames: &mut ControlFrames) -> ControlFrame {
    timeout(PATIENCE, frames.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn example_bridge_passes_messages_and_pings_both_ways() {
    let bridge = Bridge::start().await;
    let (mut client, mut server) = bridge.open().await;
    let long: String = "long ".repeat(600_000);
    for message in [Message::from("short"), vec![1, 2, 3].into(), "".into(), long.into()] {
        let sent = message.clone();
        let (sent, received) = tokio::join!(client.send(sent), timeout(PATIENCE, server.next()));
        sent.unwrap();
        let received = received.unwrap().unwrap().unwrap();
        assert!(received == message);
        let (sent, received) =
            tokio::join!(server.send(received), timeout(PATIENCE, client.next()));
        sent.unwrap();
        assert!(received.unwrap().unwrap().unwrap() == message);
    }

    let mut at_client = client.control_frames();
    let mut at_server = server.control_frames();
    let (client, mut from_client) = client.split();
    let (server, mut from_server) = server.split();
    tokio::spawn(async move { while from_client.next().await.is_some() {} });
    tokio::spawn(async move { while from_server.next().await.is_some() {} });
    client.ping(b"from the client").await.unwrap().await.unwrap();
    assert_eq!(ping(&mut at_server).await, ControlFrame::Ping("from the client".into()));
    server.ping(b"from the server").await.unwrap();
    let mut seen = Vec::new();
    while !seen.contains(&ControlFrame::Ping("from the server".into())) {
        seen.push(ping(&mut at_client).await);
    }
    server.pong(b"unasked").await.unwrap();
    while !seen.contains(&ControlFrame::Pong("unasked".into())) {
        seen.push(ping(&mut at_client).await);
    }
}

#[tokio::test]
async fn example_bridge_passes_each_end_as_it_is() {
    let bridge = Bridge::start().await;
    for (code, reason) in [(CloseCode::new(4001), "moved"), (CloseCode::NO_STATUS, "")] {
        let (mut client, mut server) = bridge.open().await;
        client.start_close(code, reason).unwrap();
        let (seen, own) = tokio::join!(end_of(&mut server), end(&mut client));
        assert_eq!((seen.code(), seen.reason()), (code, reason));
        assert!(seen.is_clean() && own.is_clean());

        let (mut client, mut server) = bridge.open().await;
        server.start_close(code, reason).unwrap();
        let (own, seen) = tokio::join!(end_of(&mut server), end(&mut client));
        assert_eq!((seen.code(), seen.reason()), (code, reason));
        assert!(seen.is_clean() && own.is_clean());
    }
    let (mut client, mut server) = bridge.open().await;
    client.abort();
    assert_eq!(end_of(&mut server).await.code(), CloseCode::ABNORMAL);
    let (mut client, mut server) = bridge.open().await;
    server.abort();
    assert_eq!(end(&mut client).await.code(), CloseCode::ABNORMAL);
}

#[tokio::test]
async fn example_bridge_passes_rejections() {
    let bridge = Bridge::start().await;
    let client = direct().build().unwrap();
    let url = format!("ws://{}/", bridge.process.address);
    let (rejected, ()) = tokio::join!(client.connect(&url), async {
        let mut response = Response::new("no");
        *response.status_mut() = StatusCode::FORBIDDEN;
        bridge.request().await.respond(response).await.unwrap();
    });
    assert_eq!(rejected.unwrap_err().response().unwrap().status(), StatusCode::FORBIDDEN);
    drop(bridge.behind);
    let failed = client.connect(&url).await.unwrap_err();
    assert_eq!(failed.response().unwrap().status(), StatusCode::BAD_GATEWAY);
}

async fn end_of(websocket: &mut WebSocket<TcpStream>) -> fullduplex::CloseInfo {
    while timeout(PATIENCE, websocket.next()).await.unwrap().is_some() {}
    websocket.close_info().unwrap()
}
