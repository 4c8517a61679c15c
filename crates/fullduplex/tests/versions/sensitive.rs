//! What is confidential is kept by no table of header fields: it is sent as often as it is used.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fullduplex::client::Version;
use fullduplex::server::{Handshake, Server, ServerConfig};
use http::HeaderValue;
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

/// RFC 7541 §7.1.3: Authorization and cookies, what the application marks, and subprotocols,
/// as which some clients send a token.
#[tokio::test]
async fn sensitive_fields_are_never_indexed() {
    let long = |letter: &str| letter.repeat(1500);
    let token = long("t");
    let mut config = ServerConfig { http2: true, ..ServerConfig::default() };
    config.protocols = vec![token.clone()];
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let bytes = Bytes::default();
    let address = counting(server.local_addr().unwrap(), bytes.clone()).await;
    tokio::spawn(server.serve_handshakes(|mut handshake: Handshake| async move {
        handshake.add_header("Set-Cookie", "c".repeat(1500));
        let mut websocket = handshake.accept().await.unwrap();
        let _ = websocket.next().await;
    }));
    let mut key = HeaderValue::from_str(&long("k")).unwrap();
    key.set_sensitive(true);
    for (name, value, up, down) in [
        ("x-plain", HeaderValue::from_str(&long("p")).unwrap(), false, true),
        ("x-api-key", key, true, true),
        ("authorization", HeaderValue::from_str(&long("a")).unwrap(), true, true),
        ("sec-websocket-protocol", HeaderValue::from_str(&token).unwrap(), true, true),
    ] {
        let mut client = direct().version(Version::Http2);
        client = match name {
            "sec-websocket-protocol" => client.subprotocol(&token),
            _ => client.header(name, value),
        };
        let client = client.build().unwrap();
        let mut all = Vec::new();
        let mut before = (0, 0);
        for _ in 0..3 {
            before = (bytes.up.load(Ordering::Relaxed), bytes.down.load(Ordering::Relaxed));
            all.push(client.connect(&format!("ws://{address}/")).await.unwrap());
        }
        // Huffman's code makes at least five bits of a letter.
        let most = |now: &AtomicUsize, before| now.load(Ordering::Relaxed) - before > 900;
        let again = (most(&bytes.up, before.0), most(&bytes.down, before.1));
        assert_eq!(again, (up, down), "{name}");
    }
}
