//! The extractor in a router of axum's, on both versions of HTTP, with clients that are real.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use fullduplex::client::{HttpVersion, Proxies};
use fullduplex::server::policy::OriginPolicy;
use fullduplex::server::{DrainOptions, ServerConfig, ServerHandle, WebSocketLayer};
use fullduplex::{Client, ClientBuilder, DeflateConfig};
use fullduplex_axum::{
    CloseCode, WebSocket, WebSocketUpgrade, WebSocketUpgradeRejection, fullduplex,
};
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BOTH: [HttpVersion; 2] = [HttpVersion::Http1, HttpVersion::Http2];

async fn start(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    address
}

fn client(version: HttpVersion) -> ClientBuilder {
    Client::builder().proxies(Proxies::none()).http_version(version)
}

async fn echo(mut websocket: WebSocket) {
    while let Some(Ok(message)) = websocket.next().await {
        if websocket.send(message).await.is_err() {
            return;
        }
    }
}

async fn echoes(websocket: &mut WebSocket, text: &str) {
    websocket.send(text).await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some(text));
}

/// What comes back for a request on a new connection, until the server ends it.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// RFC 9113 §8.2.3: also for the extractors behind ours.
#[tokio::test]
async fn cookies_are_joined_in_one_field() {
    async fn handler(upgrade: WebSocketUpgrade, headers: HeaderMap) -> Response {
        let cookies = headers.get_all("cookie").iter().map(|all| all.to_str().unwrap().to_owned());
        let cookies: Vec<_> = cookies.collect();
        upgrade.on_upgrade(async move |mut websocket| {
            websocket.send(cookies.join(" | ")).await.unwrap();
        })
    }
    let address = start(Router::new().route("/", any(handler))).await;
    let client = client(HttpVersion::Http2).header("cookie", "a=1").header("cookie", "b=2");
    let client = client.build().unwrap();
    let (mut websocket, _) = client.connect(format!("ws://{address}/")).await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some("a=1; b=2"));
}

#[tokio::test]
async fn extractor_accepts_on_both_versions_of_http() {
    async fn handler(Path(name): Path<String>, upgrade: WebSocketUpgrade) -> Response {
        upgrade.deflate(DeflateConfig::balanced()).on_upgrade(|mut websocket| async move {
            assert!(websocket.deflate().is_some());
            websocket.send(name).await.unwrap();
            echo(websocket).await;
        })
    }
    let address = start(Router::new().route("/socket/{name}", any(handler))).await;
    for version in BOTH {
        let client = client(version).deflate(DeflateConfig::balanced()).build().unwrap();
        let mut all = Vec::new();
        for i in 0..5 {
            let url = format!("ws://{address}/socket/{i}");
            let (mut websocket, response) = client.connect(&url).await.unwrap();
            let status = if version == HttpVersion::Http2 { 200 } else { 101 };
            assert_eq!(response.status(), status);
            let name = websocket.next().await.unwrap().unwrap();
            assert_eq!(name.as_text(), Some(i.to_string().as_str()));
            echoes(&mut websocket, &"long ".repeat(100_000)).await;
            all.push(websocket);
        }
        for mut websocket in all {
            assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        }
    }
}

/// What is shown of a request is fit for a log: no header field, no query.
#[tokio::test]
async fn debug_shows_no_secrets() {
    async fn handler(upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>) -> Response {
        match upgrade {
            Ok(upgrade) => {
                let mut upgrade = upgrade.protocols(["chat"]);
                let before = format!("{upgrade:?} {upgrade:#?}");
                // A token that the application agrees to is one all the same.
                upgrade.set_selected_protocol("secret-token");
                let shown = format!("{before}{upgrade:?}");
                upgrade.on_upgrade(|mut websocket| async move {
                    drop(websocket.send(shown).await);
                })
            }
            Err(rejection) => format!("{rejection:?} {rejection}").into_response(),
        }
    }
    let address = start(Router::new().route("/room", any(handler))).await;
    for version in BOTH {
        let client = client(version)
            .header("authorization", "Bearer secret-bearer")
            .header("cookie", "session=secret-cookie")
            .subprotocols(["chat", "secret-token"]);
        let url = format!("ws://{address}/room?key=secret-key");
        let (mut websocket, _) = client.build().unwrap().connect(&url).await.unwrap();
        let shown = websocket.next().await.unwrap().unwrap();
        let shown = shown.as_text().unwrap();
        assert!(shown.contains("/room") && !shown.contains("secret"), "{shown}");
    }
    let request = "GET /room?key=secret-key HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: secret\r\nCookie: secret-cookie\r\nConnection: close\r\n\r\n";
    let answer = raw(address, request).await;
    assert!(answer.contains("WebSocketUpgradeRejection") && !answer.contains("secret"), "{answer}");
}

#[tokio::test]
async fn subprotocol_is_chosen_of_those_offered() {
    async fn handler(upgrade: WebSocketUpgrade) -> Response {
        let offered: Vec<_> = upgrade.requested_protocols().map(ToOwned::to_owned).collect();
        let upgrade = upgrade.protocols(["v3", "v2", "v1"]);
        let chosen = upgrade.selected_protocol().map(ToOwned::to_owned);
        upgrade.on_upgrade(|mut websocket| async move {
            assert_eq!(websocket.subprotocol(), chosen.as_deref());
            websocket.send(offered.join(" ")).await.unwrap();
            drop(websocket.close(CloseCode::NORMAL, "").await);
        })
    }
    let url = format!("ws://{}/", start(Router::new().route("/", any(handler))).await);
    for version in BOTH {
        let offering = client(version).subprotocols(["v1", "v2"]).build().unwrap();
        let (mut websocket, _) = offering.connect(&url).await.unwrap();
        // The server's favourite, as with axum's own extractor.
        assert_eq!(websocket.subprotocol(), Some("v2"));
        assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some("v1 v2"));
        let (websocket, _) = client(version).build().unwrap().connect(&url).await.unwrap();
        assert_eq!(websocket.subprotocol(), None);
    }
}

#[tokio::test]
async fn limits_of_the_extractor_hold() {
    async fn handler(upgrade: WebSocketUpgrade) -> Response {
        upgrade.config(ServerConfig::default()).max_message_size(1000).on_upgrade(echo)
    }
    let url = format!("ws://{}/", start(Router::new().route("/", any(handler))).await);
    for version in BOTH {
        let (mut websocket, _) = client(version).build().unwrap().connect(&url).await.unwrap();
        echoes(&mut websocket, &"x".repeat(1000)).await;
        websocket.send("x".repeat(1001)).await.unwrap();
        assert!(websocket.next().await.is_none_or(|received| received.is_err()));
        let info = websocket.close_info().unwrap();
        assert_eq!(info.code(), CloseCode::MESSAGE_TOO_BIG, "{info}");
        assert!(info.to_string().contains("max_message_size"), "{info}");
    }
}

#[tokio::test]
async fn rejection_names_the_rule() {
    let address =
        start(Router::new().route("/", any(|u: WebSocketUpgrade| async { u.on_upgrade(echo) })))
            .await;
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade, close\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    for (status, word, request) in [
        (426, "RFC 6455", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned()),
        (400, "Sec-WebSocket-Key", format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}{version}\r\n")),
        (426, "ersion", format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}{key}\r\n")),
        (405, "GET", format!("POST / HTTP/1.1\r\nHost: a\r\n{upgrade}{key}{version}\r\n")),
        (
            403,
            "http://b",
            format!("GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n{upgrade}{key}{version}\r\n"),
        ),
    ] {
        let answer = raw(address, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}\n{answer}");
        let line = answer.split_once("\r\n\r\n").unwrap().1;
        assert!(line.contains(word) && line.ends_with('\n'), "{request}\n{answer}");
    }
}

#[tokio::test]
async fn origin_of_foreign_pages_is_refused_unless_allowed() {
    let router = Router::new()
        .route("/strict", any(|u: WebSocketUpgrade| async { u.on_upgrade(echo) }))
        .route(
            "/lax",
            any(|u: WebSocketUpgrade| async {
                u.origin_policy(OriginPolicy::DangerousAny).on_upgrade(echo)
            }),
        );
    let address = start(router).await;
    for version in BOTH {
        let client = client(version).header("Origin", "http://elsewhere").build().unwrap();
        let error = client.connect(format!("ws://{address}/strict")).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), StatusCode::FORBIDDEN);
        let (mut websocket, _) = client.connect(format!("ws://{address}/lax")).await.unwrap();
        echoes(&mut websocket, "hello").await;
    }
}

#[tokio::test]
async fn extractor_shares_a_route_with_a_page() {
    async fn handler(upgrade: Option<WebSocketUpgrade>) -> Response {
        match upgrade {
            Some(upgrade) => upgrade.on_upgrade(echo),
            None => "a page".into_response(),
        }
    }
    let address = start(Router::new().route("/", any(handler))).await;
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    assert!(raw(address, &format!("{get}\r\n")).await.ends_with("a page"));
    let bad = raw(address, &format!("{get}Upgrade: websocket\r\n\r\n")).await;
    assert!(bad.starts_with("HTTP/1.1 4"), "{bad}");
    for version in BOTH {
        let url = format!("ws://{address}/");
        let (mut websocket, _) = client(version).build().unwrap().connect(&url).await.unwrap();
        echoes(&mut websocket, "hello").await;
    }
}

#[tokio::test]
async fn layer_fits_a_router() {
    let layer = WebSocketLayer::new(|websocket, _| echo(websocket));
    let router = Router::new().route("/page", any(|| async { "a page" })).layer(layer);
    let address = start(router).await;
    for version in BOTH {
        let url = format!("ws://{address}/page");
        let (mut websocket, _) = client(version).build().unwrap().connect(&url).await.unwrap();
        echoes(&mut websocket, "hello").await;
    }
    let get = "GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(raw(address, get).await.ends_with("a page"));
}

#[tokio::test]
async fn drain_closes_every_websocket_of_a_router() {
    let handle = ServerHandle::new();
    let tracked = handle.clone();
    let handler = move |upgrade: WebSocketUpgrade| {
        let handle = tracked.clone();
        async move { upgrade.track(&handle).on_upgrade(echo) }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", any(handler));
    let serving = axum::serve(listener, router).with_graceful_shutdown(handle.drain_started());
    let serving = tokio::spawn(serving.into_future());
    let mut all = Vec::new();
    for version in BOTH {
        let client = client(version).build().unwrap();
        for _ in 0..5 {
            let (mut websocket, _) = client.connect(&url).await.unwrap();
            echoes(&mut websocket, "hello").await;
            all.push(websocket);
        }
    }
    let watching = tokio::spawn(async move {
        for mut websocket in all {
            assert!(websocket.next().await.is_none());
            assert_eq!(websocket.close_info().unwrap().code(), CloseCode::GOING_AWAY);
        }
    });
    let drain = DrainOptions::default().spread(Duration::from_millis(200));
    let report = handle.drain(drain).await;
    assert_eq!((report.notified, report.cut), (10, 0));
    watching.await.unwrap();
    // And so axum's own end comes, also on HTTP/2.
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn failed_upgrade_is_reported() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |upgrade: WebSocketUpgrade| {
        let tell = tell.clone();
        let mut config = ServerConfig::default();
        config.handshake_limits.handshake_timeout = Duration::from_millis(20);
        async move {
            let upgrade = upgrade.config(config);
            let upgrade = upgrade.on_failed_upgrade(move |error| tell.send(error).unwrap());
            let _never_sent = upgrade.on_upgrade(echo);
            std::future::pending::<Response>().await
        }
    };
    let url = format!("ws://{}/", start(Router::new().route("/", any(handler))).await);
    tokio::spawn(async move { client(HttpVersion::Http1).build().unwrap().connect(&url).await });
    let error = told.recv().await.unwrap();
    assert_eq!(error.kind(), fullduplex::ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout"), "{error}");
}
