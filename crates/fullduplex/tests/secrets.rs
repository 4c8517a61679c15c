//! What is logged: at TRACE, by all that runs in the server's process, there is no secret of a
//! request and nothing of a message.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "http2",
    feature = "http3",
    feature = "hyper",
    feature = "tracing"
))]

mod common;

use std::convert::Infallible;
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common::server::Pieces;
use common::tls::{LOCALHOST, localhost, trusting};
use common::{direct, say};
use fullduplex::client::{HttpVersion, Proxy, ReconnectEvent};
use fullduplex::server::policy::OriginPolicy;
use fullduplex::server::{Body, DrainOptions, Handshake, Server, ServerConfig};
use fullduplex::{ClientBuilder, CloseCode, ErrorKind};
use http::{Request, Response, StatusCode};
use tower::service_fn;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// All that is logged, by whomever, on all levels.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

static SPANS: AtomicU64 = AtomicU64::new(1);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut log = self.0.lock().unwrap();
        let of = span.metadata();
        write!(log, "\n{} {} span {}", of.level(), of.target(), of.name()).unwrap();
        span.record(&mut Line(&mut log));
        Id::from_u64(SPANS.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut log = self.0.lock().unwrap();
        write!(log, "\n{} {}", event.metadata().level(), event.metadata().target()).unwrap();
        event.record(&mut Line(&mut log));
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

async fn answer(mut handshake: Handshake) {
    match handshake.request().uri().path() {
        "/moved" => {
            let mut response = Response::new("secret-answer");
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            let location = "/accepted?secret-query".parse().unwrap();
            response.headers_mut().insert("location", location);
            return drop(handshake.respond(response).await);
        }
        "/refused" => {
            let mut response = Response::new("secret-answer");
            *response.status_mut() = StatusCode::FORBIDDEN;
            return drop(handshake.respond(response).await);
        }
        "/panics" => panic!("as asked for"),
        // The application agrees to a client's token.
        "/token" => handshake.set_subprotocol(Some("secret-token".into())),
        _ => {}
    }
    handshake.add_header("x-issued", "secret-issued");
    let Ok(mut websocket) = handshake.accept().await else { return };
    while let Some(Ok(message)) = websocket.next().await {
        assert_ne!(message.as_text(), Some("secret-panic"), "as asked for");
        let _ = websocket.send(message).await;
    }
}

fn with_secrets(version: HttpVersion) -> ClientBuilder {
    direct()
        .http_version(version)
        .tls(trusting(LOCALHOST))
        .header("authorization", "Bearer secret-bearer")
        .header("cookie", "session=secret-cookie")
        .subprotocols(["chat", "secret-token"])
}

#[test]
fn log_has_no_secrets() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    // What tells of panics on the standard error is the program's own.
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(all_of_it());
    drop(runtime);
    drop(std::panic::take_hook());

    let log = log.0.lock().unwrap();
    // It was listening to all of them.
    for said in [
        "TRACE h2",
        "DEBUG fullduplex",
        "opened",
        "subprotocol=\"chat\"",
        "rejected",
        "status=403",
        "status=401",
        "the handler or a callback before it panicked",
        "authenticate panicked",
        "the service panicked",
        "reading the request failed",
        "/accepted",
        "closed",
        "fullduplex::client",
        "connecting",
        "redirected",
        "connecting failed",
        "kind=Proxy",
        "reconnecting",
    ] {
        assert!(log.contains(said), "{said} is not in the log:\n{log}");
    }
    let told = log.lines().filter(|line| line.contains("secret")).collect::<Vec<_>>();
    assert!(told.is_empty(), "{told:#?}");
    let of_client = log.lines().filter(|line| line.contains("fullduplex::client"));
    let told = of_client.filter(|line| line.contains("private")).collect::<Vec<_>>();
    assert!(told.is_empty(), "{told:#?}");
    // Nor in the base64 of Basic, nor as bytes of an array.
    for hidden in ["c2VjcmV0", "115, 101, 99, 114, 101, 116", "\\x73\\x65\\x63"] {
        assert!(!log.contains(hidden), "{hidden}");
    }
}

async fn all_of_it() {
    let mut config = ServerConfig::default().http2(true);
    config.subprotocols = vec!["chat".into()];
    config.origin_policy = OriginPolicy::SameHost;
    config.websocket.limits.max_message_size = Some(1000);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.tls(localhost()).http3().service(service_fn(|request: Request<Body>| {
        assert!(!request.uri().path().ends_with("panics"), "as asked for");
        async { Ok::<_, Infallible>(Pieces::once("secret-page")) }
    }));
    let server = server.authenticate(|request| async move {
        let path = request.uri().path().to_owned();
        assert_ne!(path, "/looking-panics", "as asked for");
        if path == "/unknown" {
            let mut response = Response::new(Bytes::from_static(b"secret-answer"));
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            return Err(response);
        }
        Ok(request)
    });
    let port = server.local_addr().unwrap().port();
    let handle = server.handle();
    let serving = tokio::spawn(server.serve_handshakes(answer));

    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3] {
        let url = |path: &str| format!("wss://localhost:{port}/{path}?token=secret-query");
        let client = with_secrets(version).build().unwrap();
        for path in ["accepted", "token"] {
            let (mut websocket, _) = client.connect(&url(path)).await.unwrap();
            for text in ["secret-message".to_owned(), "secret".repeat(100)] {
                say(&mut websocket, &text).await;
            }
            websocket.close(CloseCode::new(4000), "").await.unwrap();
        }
        // A redirection, and a client that reconnects, both with a user in the URL.
        let secret_user = url("moved").replace("//", "//secret-user:secret-password@");
        let following = with_secrets(version).max_redirects(1).build().unwrap();
        let (mut websocket, _) = following.connect(&secret_user).await.unwrap();
        // The server tells the reason of a Close, the client does not.
        websocket.close(CloseCode::new(4000), "private-reason").await.unwrap();
        let secret_user = secret_user.replace("moved", "refused");
        let mut feed = following.reconnecting(secret_user).retry_if(|_| true).start();
        assert!(matches!(feed.next().await, Some(ReconnectEvent::Disconnected { .. })));
        drop(feed);
        for path in ["refused", "unknown", "panics", "looking-panics"] {
            client.connect(&url(path)).await.unwrap_err();
        }
        // Too long, no text, and a panic in between.
        let (mut websocket, _) = client.connect(&url("accepted")).await.unwrap();
        websocket.send("secret".repeat(200)).await.unwrap();
        assert!(websocket.next().await.is_none());
        let (mut websocket, _) = client.connect(&url("accepted")).await.unwrap();
        websocket.send("secret-panic").await.unwrap();
        assert!(websocket.next().await.is_none());
        // Of another page, and with a token that is no token.
        let foreign = with_secrets(version).header("origin", "https://evil.example");
        foreign.build().unwrap().connect(&url("foreign")).await.unwrap_err();
    }
    for proxy in ["http", "socks5", "socks5h"] {
        rejected_by_proxy(proxy).await;
    }
    raw(port).await;
    handle.drain(DrainOptions::default().spread(Duration::ZERO)).await;
    serving.await.unwrap().unwrap();
}

/// A connection through a proxy that accepts no credentials.
async fn rejected_by_proxy(scheme: &str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let is_http = scheme == "http";
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 1024];
        let _ = stream.read(&mut asked).await;
        let answer: &[u8] = if is_http { b"HTTP/1.1 407 secret-reason\r\n\r\n" } else { &[5, 255] };
        let _ = stream.write_all(answer).await;
    });
    let proxy = Proxy::parse(&format!("{scheme}://secret-user:secret-password@{address}"));
    let client = with_secrets(HttpVersion::Http1).proxy(proxy.unwrap()).build().unwrap();
    let error = client.connect("wss://127.0.0.1:9/?secret-query").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Proxy, "{error}");
    serving.await.unwrap();
}

/// Requests that our client does not send.
async fn raw(port: u16) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let tls = common::tls::client(LOCALHOST, rustls::DEFAULT_VERSIONS).with_no_client_auth();
    let tls = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let secrets = "Host: localhost\r\nAuthorization: Basic c2VjcmV0OnNlY3JldA==\r\n\
                   Cookie: secret-cookie\r\nConnection: close\r\n";
    for request in [
        format!("GET /page?secret-query HTTP/1.1\r\n{secrets}\r\n"),
        format!("GET /panics?secret-query HTTP/1.1\r\n{secrets}\r\n"),
        format!("GET /?secret-query HTTP/1.1\r\n{secrets}Sec-WebSocket-Key: secret\r\n\r\n"),
        format!("GET /?secret-query HTTP/1.1\r\n{secrets}secret no field\r\n\r\n"),
        format!("GET /?secret-query HTTP/9.1\r\n{secrets}\r\n"),
        format!("GET /?secret-query HTTP/1.1\r\n{secrets}X: {}\r\n\r\n", "secret".repeat(10_000)),
    ] {
        let tcp = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut stream = tls.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.is_empty(), "{request}");
    }
}
