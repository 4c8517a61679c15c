//! The tower layer: what the handler gets of the request, authentication, and reports.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "http2", feature = "tower"))]

mod common;

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common::hyper::serve;
use common::{client, direct};
use fullduplex::client::HttpVersion;
use fullduplex::server::{ServerHandle, WebSocketLayer, stats::HandshakeOutcome};
use fullduplex::{Error, WebSocket};
use fullduplex_testkit::eventually;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::util::MapRequestLayer;
use tower::{ServiceBuilder, service_fn};

const BOTH: [HttpVersion; 2] = [HttpVersion::Http1, HttpVersion::Http2];

#[derive(Clone)]
struct User(&'static str);

#[derive(Clone)]
struct RequestId(u32);

async fn page(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("page".to_owned()))
}

/// Sends the user, the request's id and the path, of what the request has of it.
async fn tell(mut websocket: WebSocket, request: Request<()>) -> Result<(), Error> {
    let user = request.extensions().get::<User>().map_or("-", |user| user.0);
    let id = request.extensions().get::<RequestId>().map_or(0, |id| id.0);
    websocket.send(format!("{user} {id} {}", request.uri().path())).await?;
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}

async fn serve_layer(layer: WebSocketLayer) -> SocketAddr {
    let mark = MapRequestLayer::new(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(RequestId(7));
        request
    });
    serve(ServiceBuilder::new().layer(mark).layer(layer).service(service_fn(page))).await
}

async fn first_text(websocket: &mut WebSocket) -> String {
    websocket.next().await.unwrap().unwrap().as_text().unwrap().to_owned()
}

#[tokio::test]
async fn layer_passes_the_extensions_of_the_request_to_the_handler() {
    let address = serve_layer(WebSocketLayer::new(tell)).await;
    for version in BOTH {
        let url = format!("ws://{address}/path");
        let (mut websocket, _) = client(version).connect(&url).await.unwrap();
        assert_eq!(first_text(&mut websocket).await, "- 7 /path");
    }
}

/// Authenticates by the path: each stands for an outcome.
async fn by_path(mut request: Request<()>) -> Result<Request<()>, Response<Bytes>> {
    assert_eq!(request.extensions().get::<RequestId>().unwrap().0, 7);
    let status = match request.uri().path() {
        "/joe" => {
            request.extensions_mut().insert(User("joe"));
            return Ok(request);
        }
        "/panic" => panic!("on purpose"),
        "/slow" => pending().await,
        // It would open a tunnel on HTTP/2.
        "/tunnel" => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    };
    Err(Response::builder().status(status).body(Bytes::from_static(b"no")).unwrap())
}

#[tokio::test]
async fn layer_authenticates_before_it_accepts() {
    let handle = ServerHandle::new();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let reported = reports.clone();
    let layer = WebSocketLayer::new(tell)
        .config(fullduplex::server::ServerConfig::default().handshake_timeout(SHORT))
        .authenticate(by_path)
        .on_rejected(move |client| reported.lock().unwrap().push(client.to_string()))
        .track(&handle);
    let address = serve_layer(layer).await;
    for version in BOTH {
        let connect = async |path: &str| {
            let url = format!("ws://{address}{path}?secret");
            client(version).connect(&url).await
        };
        let (mut websocket, _) = connect("/joe").await.unwrap();
        assert_eq!(first_text(&mut websocket).await, "joe 7 /joe");
        let is_connect = version == HttpVersion::Http2;
        for (path, status, why) in [
            ("/ann", 401, "rejected by the application"),
            ("/panic", 500, "authenticate panicked"),
            ("/slow", 503, "handshake_timeout"),
            ("/tunnel", if is_connect { 500 } else { 200 }, "rejected by the application"),
        ] {
            let error = connect(path).await.unwrap_err();
            assert_eq!(error.response().unwrap().status(), status, "{path} {version:?}");
            let report = reports.lock().unwrap().pop().unwrap();
            assert!(report.contains(path) && report.contains(why), "{report}");
            assert!(report.contains(&status.to_string()), "{report}");
            assert!(report.starts_with("unknown ") && !report.contains("secret"), "{report}");
        }
        // One that breaks a rule is not authenticated.
        let foreign = direct().http_version(version).origin("http://other.example");
        let foreign = foreign.build().unwrap();
        let error = foreign.connect(&format!("ws://{address}/panic")).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), StatusCode::FORBIDDEN);
        let report = reports.lock().unwrap().pop().unwrap();
        assert!(report.contains("http://other.example"), "{report}");
        assert!(reports.lock().unwrap().is_empty());
    }
    let stats = handle.stats();
    assert_eq!(stats.panics, 2);
    assert_eq!(stats.handshakes[&HandshakeOutcome::Rejected(StatusCode::UNAUTHORIZED)], 2);
    assert_eq!(stats.handshakes[&HandshakeOutcome::Rejected(StatusCode::FORBIDDEN)], 2);
}

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn layer_may_choose_subprotocol_and_fields_by_request() {
    let layer = WebSocketLayer::new(tell).subprotocols(["old", "new"]).before_accept(|request| {
        let subprotocol = match request.request().uri().path() {
            "/new" => Some("new".to_owned()),
            "/none" => None,
            _ => return,
        };
        request.set_subprotocol(subprotocol);
        request.add_header(
            "x-id",
            request.request().extensions().get::<RequestId>().unwrap().0.to_string(),
        );
    });
    let address = serve_layer(layer).await;
    for version in BOTH {
        let offering = direct().http_version(version).subprotocols(["old", "new"]);
        let offering = offering.build().unwrap();
        for (path, subprotocol, id) in
            [("/new", Some("new"), Some("7")), ("/none", None, Some("7")), ("/", Some("old"), None)]
        {
            let url = format!("ws://{address}{path}");
            let (websocket, response) = offering.connect(&url).await.unwrap();
            assert_eq!(websocket.subprotocol(), subprotocol, "{path}");
            let field = response.headers().get("x-id").map(|value| value.to_str().unwrap());
            assert_eq!(field, id, "{path}");
        }
    }
}

#[tokio::test]
async fn layer_reports_connections_that_fail_before_they_are_open() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let failed = errors.clone();
    let layer = WebSocketLayer::new(tell)
        .on_failed_upgrade(move |error| failed.lock().unwrap().push(error.to_string()));
    let service = ServiceBuilder::new().layer(layer).service(service_fn(page));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service);
        // Without upgrades, so that none can be had.
        let builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.serve_connection(TokioIo::new(tcp), service).await;
    });
    let _ = client(HttpVersion::Http1).connect(&url).await;
    eventually("the failure is reported", || errors.lock().unwrap().len() == 1).await;
}

#[tokio::test]
async fn layer_has_the_settings_that_are_changed_most() {
    let layer = WebSocketLayer::new(tell).max_message_size(10).idle_timeout(SHORT);
    let address = serve_layer(layer).await;
    for version in BOTH {
        let url = format!("ws://{address}/");
        let (mut websocket, _) = client(version).connect(&url).await.unwrap();
        first_text(&mut websocket).await;
        websocket.send("more than ten bytes").await.unwrap();
        assert!(websocket.next().await.is_none());
        assert_eq!(websocket.close_info().unwrap().code().get(), 1009);
        let (mut websocket, _) = client(version).connect(&url).await.unwrap();
        first_text(&mut websocket).await;
        assert!(websocket.next().await.is_none());
        assert_eq!(websocket.close_info().unwrap().code().get(), 1001);
    }
    let ordinary = common::raw(address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(ordinary.await.ends_with("page"));
}
