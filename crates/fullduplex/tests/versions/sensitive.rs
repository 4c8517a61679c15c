//! What is confidential is kept by no table of header fields: it is sent as often as it is used.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fullduplex::client::HttpVersion;
use fullduplex::server::{Handshake, Server, ServerConfig};
use http::{HeaderValue, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::common::direct;

/// How many bytes went each way.
#[derive(Clone, Default)]
struct Bytes {
    up: Arc<AtomicUsize>,
    down: Arc<AtomicUsize>,
}

/// Stands in front of a server, and counts.
async fn counting(server: SocketAddr, bytes: Bytes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = TcpStream::connect(server).await.unwrap().into_split();
            tokio::spawn(pass(from_client, to_server, bytes.up.clone()));
            tokio::spawn(pass(from_server, to_client, bytes.down.clone()));
        }
    });
    address
}

async fn pass<R, W>(mut from: R, mut to: W, count: Arc<AtomicUsize>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        count.fetch_add(length, Ordering::Relaxed);
        if to.write_all(&bytes[..length]).await.is_err() {
            return;
        }
    }
}

/// Whether what was counted since is more than Huffman's code, five bits of a letter at least,
/// makes of a long value.
fn has_value(count: &AtomicUsize, before: usize) -> bool {
    count.load(Ordering::Relaxed) - before > LENGTH / 2
}

const LENGTH: usize = 1500;

fn long(letter: &str) -> HeaderValue {
    HeaderValue::from_str(&letter.repeat(LENGTH)).unwrap()
}

/// RFC 7541 §7.1.3: Authorization and cookies, what the application marks, and subprotocols,
/// as which some clients send a token.
#[tokio::test]
async fn sensitive_fields_of_requests_are_never_indexed() {
    // A server that lets its clients have a table.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bytes = Bytes::default();
    let address = counting(listener.local_addr().unwrap(), bytes.clone()).await;
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(crate::common::http2::keep(tcp));
        }
    });
    let mut key = long("k");
    key.set_sensitive(true);
    let plain = long("p");
    for (name, value, is_sent_again) in [
        ("x-plain", plain, false),
        ("x-api-key", key, true),
        ("authorization", long("a"), true),
        ("cookie", long("c"), true),
        ("sec-websocket-protocol", long("t"), true),
    ] {
        let mut client = direct().http_version(HttpVersion::Http2);
        client = match name {
            "sec-websocket-protocol" => client.subprotocols([value.to_str().unwrap()]),
            _ => client.header(name, value),
        };
        let client = client.build().unwrap();
        let mut before = 0;
        for _ in 0..3 {
            before = bytes.up.load(Ordering::Relaxed);
            // The server keeps it.
            std::mem::forget(client.connect(format!("ws://{address}/")).await.unwrap());
        }
        assert_eq!(has_value(&bytes.up, before), is_sent_again, "{name}");
    }
}

#[tokio::test]
async fn sensitive_fields_of_answers_are_never_indexed() {
    let mut config = ServerConfig::default().http2(true);
    config.subprotocols = vec![long("t").to_str().unwrap().to_owned()];
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let bytes = Bytes::default();
    let address = counting(server.local_addr().unwrap(), bytes.clone()).await;
    tokio::spawn(server.serve_handshakes(|mut handshake: Handshake| async move {
        if handshake.is_websocket() && handshake.subprotocols().is_empty() {
            handshake.add_header(
                handshake.request().uri().path()[1..].to_owned(),
                long("v").as_bytes().to_vec(),
            );
        } else if !handshake.is_websocket() {
            let answer = Response::builder().status(404).header("set-cookie", long("v"));
            return handshake.respond(answer.body("").unwrap()).await.unwrap();
        }
        let mut websocket = handshake.accept().await.unwrap();
        let _ = websocket.next().await;
    }));
    for (path, is_websocket, is_sent_again) in [
        ("x-plain", true, false),
        ("set-cookie", true, true),
        ("protocol", true, true),
        ("ordinary", false, true),
    ] {
        let mut send =
            crate::common::http2::connect(TcpStream::connect(address).await.unwrap()).await;
        crate::common::http2::extended_connect(&send).await;
        let (mut before, mut open) = (0, Vec::new());
        for _ in 0..3 {
            before = bytes.down.load(Ordering::Relaxed);
            let mut request = Request::get(format!("http://a.example/{path}"));
            if is_websocket {
                request = request.method("CONNECT").header("sec-websocket-version", "13");
                request = request.extension(h2::ext::Protocol::from_static("websocket"));
            }
            if path == "protocol" {
                request = request.header("sec-websocket-protocol", long("t"));
            }
            let asked = send.send_request(request.body(()).unwrap(), !is_websocket);
            let (response, stream) = asked.unwrap();
            open.push((response.await.unwrap(), stream));
        }
        assert_eq!(has_value(&bytes.down, before), is_sent_again, "{path}");
    }
}
