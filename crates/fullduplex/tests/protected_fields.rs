//! Header fields of the protocol's own, which the application may not set.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http3", feature = "hyper"))]

mod common;

use std::time::Duration;

use common::tls::{LOCALHOST, localhost, trusting};
use common::{client, direct, say};
use fullduplex::client::HttpVersion;
use fullduplex::server::integrate::UpgradeRequest;
use fullduplex::server::stats::HandshakeOutcome;
use fullduplex::server::{Handshake, Server, ServerConfig};
use fullduplex::{Client, Error, ErrorKind};
use http::{Request, Response, StatusCode};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

const VERSIONS: [HttpVersion; 3] = [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3];

/// What an application adds to the response that accepts, and what the error has to name.
const SPOILING: [(&str, &str, &str); 11] = [
    ("Sec-WebSocket-Accept", "x", "Sec-WebSocket-Accept"),
    ("sec-websocket-protocol", "chat", "set_subprotocol"),
    ("Sec-WebSocket-Extensions", "permessage-deflate", "Config::deflate"),
    ("Sec-WebSocket-Version", "13", "Sec-WebSocket-Version"),
    ("Upgrade", "h2c", "Upgrade"),
    ("Connection", "close", "Connection"),
    ("Content-Length", "5", "Content-Length"),
    ("Transfer-Encoding", "chunked", "Transfer-Encoding"),
    (":status", "404", ":status"),
    ("X-Evil", "a\r\nEvil: 1", "X-Evil"),
    ("X Evil", "1", "X Evil"),
];

/// Does what the path names, and tells what came of it.
async fn answer(mut handshake: Handshake, told: UnboundedSender<Result<(), Error>>) {
    let path = handshake.request().uri().path()[1..].to_owned();
    let outcome = if let Ok(spoilt) = path.parse::<usize>() {
        let (name, value, _) = SPOILING[spoilt];
        handshake.add_header("X-Fine", "1");
        handshake.add_header(name, value);
        handshake.accept().await.map(drop)
    } else {
        let status = if path == "opens" { opening(&handshake) } else { StatusCode::PROCESSING };
        let mut response = Response::new("not a frame");
        *response.status_mut() = status;
        handshake.respond(response).await
    };
    told.send(outcome).unwrap();
}

/// The status that opens a WebSocket.
fn opening(handshake: &Handshake) -> StatusCode {
    match handshake.request().method().as_str() {
        "CONNECT" => StatusCode::OK,
        _ => StatusCode::SWITCHING_PROTOCOLS,
    }
}

async fn serving() -> (u16, UnboundedReceiver<Result<(), Error>>, fullduplex::server::ServerHandle)
{
    let config = ServerConfig::default().http2(true);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.tls(localhost()).http3();
    let (port, handle) = (server.local_addr().unwrap().port(), server.handle());
    let (tell, told) = unbounded_channel();
    tokio::spawn(server.serve_handshakes(move |handshake| answer(handshake, tell.clone())));
    (port, told, handle)
}

fn secure(version: HttpVersion) -> Client {
    direct().http_version(version).tls(trusting(LOCALHOST)).build().unwrap()
}

/// What the client is answered, in bounded time.
async fn status(client: &Client, url: &str) -> StatusCode {
    let refused = timeout(Duration::from_secs(20), client.connect(url)).await.unwrap();
    let error = refused.unwrap_err();
    error.response().unwrap_or_else(|| panic!("no answer: {error}")).status()
}

#[tokio::test]
async fn protected_fields_of_the_response_are_misuse_and_answered_500_on_every_version() {
    let (port, mut told, handle) = serving().await;
    for version in VERSIONS {
        let client = secure(version);
        for (i, (name, _, says)) in SPOILING.iter().enumerate() {
            let url = format!("wss://localhost:{port}/{i}");
            assert_eq!(status(&client, &url).await, 500, "{version:?} {name}");
            let error = told.recv().await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains("Evil: 1"), "{error}");
        }
    }
    let refused =
        handle.stats().handshakes[&HandshakeOutcome::Rejected(StatusCode::INTERNAL_SERVER_ERROR)];
    assert_eq!(refused, (VERSIONS.len() * SPOILING.len()) as u64);
}

/// RFC 9110 §15.2, RFC 8441 §5.
#[tokio::test]
async fn protected_statuses_of_an_open_websocket_do_not_refuse() {
    let (port, mut told, _) = serving().await;
    for version in VERSIONS {
        let client = secure(version);
        for path in ["opens", "interim"] {
            let url = format!("wss://localhost:{port}/{path}");
            assert_eq!(status(&client, &url).await, 500, "{version:?} {path}");
            let error = told.recv().await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
            assert!(error.to_string().contains("accept"), "{error}");
        }
    }
}

#[tokio::test]
async fn protected_fields_are_refused_in_a_server_of_hyper() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let service = service_fn(|mut request: Request<hyper::body::Incoming>| async move {
                let spoilt = request.uri().path()[1..].parse::<usize>();
                let mut upgrade = UpgradeRequest::new(&mut request)?;
                if let Ok(spoilt) = spoilt {
                    let (name, value, _) = SPOILING[spoilt];
                    upgrade.add_header(name, value);
                }
                Ok::<_, fullduplex::server::integrate::Rejection>(
                    match upgrade.accept(ServerConfig::default()) {
                        Ok((response, upgrade)) => {
                            tokio::spawn(async { common::echo(upgrade.await.unwrap()).await });
                            response.map(|()| String::new())
                        }
                        Err(rejection) => {
                            rejection.into_response().map(|_| "see the log".to_owned())
                        }
                    },
                )
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(tcp), service)
                .with_upgrades();
            tokio::spawn(connection);
        }
    });
    let client = client(HttpVersion::Http1);
    for (i, (name, _, _)) in SPOILING.iter().enumerate() {
        assert_eq!(status(&client, &format!("{url}{i}")).await, 500, "{name}");
    }
    let (mut websocket, _) = client.connect(format!("{url}fine")).await.unwrap();
    say(&mut websocket, "hello").await;
}

#[test]
fn protected_fields_of_the_request_name_what_to_use() {
    for (name, says) in [
        ("Sec-WebSocket-Protocol", "ClientBuilder::subprotocol"),
        ("Sec-WebSocket-Extensions", "ClientBuilder::deflate"),
        ("Connection", "the header Connection"),
    ] {
        let error = Client::builder().header(name, "x").build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains(says), "{error}");
    }
    for name in [http::header::HOST, http::header::CONTENT_LENGTH] {
        let value = http::HeaderValue::from_static("5");
        let error = Client::builder().proxy_header(name.clone(), value).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains(name.as_str()), "{error}");
    }
}

/// Behind a gateway that passes the key of an HTTP/1.1 client on.
#[tokio::test]
async fn accept_value_answers_a_key_on_http2() {
    let config = ServerConfig::default().http2(true);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(common::echo));
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut send = common::http2::connect(tcp).await;
    common::http2::extended_connect(&send).await;
    for (key, accept) in [
        (Some("dGhlIHNhbXBsZSBub25jZQ=="), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        (Some("?"), None),
        (None, None),
    ] {
        let mut request = Request::builder().method("CONNECT").uri(format!("http://{address}/"));
        request = request.header("sec-websocket-version", "13");
        if let Some(key) = key {
            request = request.header("sec-websocket-key", key);
        }
        let mut request = request.body(()).unwrap();
        request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
        let (response, _stream) = send.send_request(request, false).unwrap();
        let response = timeout(Duration::from_secs(20), response).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        let answered = response.headers().get("sec-websocket-accept");
        assert_eq!(answered.map(|value| value.to_str().unwrap()), accept);
    }
}
