//! WebSockets on HTTP/3 streams (RFC 9220): how streams, connections and their ends map. The
//! servers are those of `fullduplex-http3`, over UDP on this machine.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http3"))]

mod auto_version;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod failures;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::tls::{Versions, trusting};
use common::{Addresses, direct, say};
use fullduplex::client::{HttpVersion, SocketOptions};
use fullduplex::{
    Client, ClientBuilder, CloseCode, Config, ErrorKind, WebSocket, WebSocketBuilder,
};
use fullduplex_http3::quinn::crypto::rustls::QuicServerConfig;
use fullduplex_http3::quinn::{Endpoint, ServerConfig, TransportConfig};
use fullduplex_http3::server::{AcceptedRequest, ServerConnection};
use fullduplex_http3::{ALPN, ConnectProtocol, LocalSettings, RequestStream, transport_config};
use http::Response;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// A certificate for these names, and its authority, in PEM.
fn certificate(names: &[&str]) -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
    let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    (made.cert.der().clone(), key, made.cert.pem())
}

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn server(identity: &Identity, versions: Versions<'_>) -> rustls::ServerConfig {
    common::tls::server(vec![identity.0.clone()], identity.1.clone_key(), versions)
}

/// A server of HTTP/3, and what there is to know of it.
struct Server {
    address: SocketAddr,
    authority: String,
    identity: Identity,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Server {
    /// On each stream this is done.
    fn start<F>(
        settings: LocalSettings,
        name: &str,
        handle: impl Fn(AcceptedRequest) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_with(transport_config(30, Duration::from_secs(60)), settings, name, handle)
    }

    fn start_with<F>(
        transport: TransportConfig,
        settings: LocalSettings,
        name: &str,
        handle: impl Fn(AcceptedRequest) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (certificate, key, authority) = certificate(&[name]);
        let identity = (certificate, key);
        let mut tls = server(&identity, &[&rustls::version::TLS13]);
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let mut config =
            ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(AtomicUsize::new(0));
        let counters = (connections.clone(), ended.clone());
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let (settings, handle) = (settings.clone(), handle.clone());
                let (connections, ended) = counters.clone();
                tokio::spawn(async move {
                    let Ok(quic) = incoming.await else { return };
                    connections.fetch_add(1, Ordering::Relaxed);
                    let mut connection = ServerConnection::new(quic, settings);
                    while let Some(incoming) = connection.accept().await {
                        if incoming.request.uri().path() == "/go-away" {
                            connection.shutdown();
                        }
                        tokio::spawn(handle(incoming));
                    }
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, authority, identity, connections, ended }
    }

    /// Takes WebSockets.
    fn websockets<F>(handle: impl Fn(AcceptedRequest) -> F + Clone + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let settings = LocalSettings::default().enable_connect_protocol(true);
        Self::start(settings, "localhost", handle)
    }

    fn url(&self, path: &str) -> String {
        format!("wss://localhost:{}{path}", self.address.port())
    }

    fn builder(&self) -> ClientBuilder {
        direct().http_version(HttpVersion::Http3).tls(trusting(self.authority.as_bytes()))
    }

    fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Accepts, as a server of WebSockets.
async fn accept(incoming: AcceptedRequest) -> WebSocket<RequestStream> {
    let AcceptedRequest { request, mut stream, .. } = incoming;
    assert_eq!(request.method(), "CONNECT");
    assert_eq!(request.extensions().get(), Some(&ConnectProtocol::WEBSOCKET));
    assert_eq!(request.uri().scheme_str(), Some("https"));
    assert_eq!(request.headers()["sec-websocket-version"], "13");
    for absent in ["connection", "upgrade", "sec-websocket-key", "host"] {
        assert!(!request.headers().contains_key(absent));
    }
    let mut response = Response::builder();
    if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
        response = response.header("sec-websocket-protocol", protocol);
    }
    stream.send_response(&response.body(()).unwrap()).await.unwrap();
    let mut config = Config::default();
    if request.uri().path() == "/quiet" {
        config.keepalive.interval = None;
    }
    WebSocketBuilder::server().config(config).build(stream).unwrap()
}

async fn echo(incoming: AcceptedRequest) {
    if incoming.request.uri().path() == "/silent" {
        std::future::pending::<()>().await;
    }
    let mut websocket = accept(incoming).await;
    while let Some(Ok(message)) = websocket.next().await {
        if message.as_text() == Some("close") {
            websocket.close(CloseCode::new(4000), "asked").await.unwrap();
            return;
        }
        websocket.send(message).await.unwrap();
    }
}

#[tokio::test]
async fn http3_long_messages_pass_both_ways() {
    let server = Server::websockets(echo);
    let (mut websocket, _) = server.client().connect(&server.url("/")).await.unwrap();
    for len in [0, 1, 125, 1200, 40_000, 1 << 20] {
        let payload: Vec<u8> = (0..len).map(|i: usize| i.to_le_bytes()[0]).collect();
        websocket.send(payload.clone()).await.unwrap();
        let answer = websocket.next().await.unwrap().unwrap();
        assert!(answer.as_bytes() == payload, "{len}");
    }
}

#[tokio::test]
async fn http3_subprotocol_is_negotiated() {
    let server = Server::websockets(echo);
    let client = server.builder().subprotocols(["chat"]).build().unwrap();
    let (mut websocket, _) = client.connect(&server.url("/")).await.unwrap();
    assert_eq!(websocket.subprotocol(), Some("chat"));
    say(&mut websocket, "hello").await;
}

#[tokio::test]
async fn http3_heads_are_limited() {
    let server = Server::websockets(|mut incoming| async move {
        let mut response = Response::new(());
        for i in 0..200 {
            let name = http::HeaderName::from_bytes(format!("x-{i}").as_bytes()).unwrap();
            response.headers_mut().insert(name, "y".parse().unwrap());
        }
        drop(incoming.stream.send_response(&response).await);
        let _ = incoming.stream.read_u8().await;
    });
    let limits = fullduplex::HandshakeLimits::default().max_fields(100);
    let client = server.builder().handshake_limits(limits).build().unwrap();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("max_fields (100)"), "{error}");
}

fn websockets() -> LocalSettings {
    LocalSettings::default().enable_connect_protocol(true)
}

/// A stream that is not read takes as much as its window, and no more.
#[tokio::test]
async fn http3_backpressure_holds_what_is_not_read() {
    let (told, mut total) = mpsc::unbounded_channel();
    let server = Server::websockets(move |AcceptedRequest { mut stream, .. }| {
        let told = told.clone();
        async move {
            stream.send_response(&Response::new(())).await.unwrap();
            // Pongs without payload.
            let pongs = [0x8a, 0].repeat(500);
            while stream.write_all(&pongs).await.is_ok() {
                told.send(pongs.len()).unwrap();
            }
        }
    });
    let (websocket, _) = server.client().connect(&server.url("/")).await.unwrap();
    let mut sent = 0;
    // Until nothing more is taken, in real time as QUIC's is; not before the window can be full.
    let patience = |sent| Duration::from_millis(if sent < 100_000 { 20_000 } else { 200 });
    while let Ok(Some(len)) = tokio::time::timeout(patience(sent), total.recv()).await {
        sent += len;
    }
    assert!((100_000..=300_000).contains(&sent), "{sent} bytes");
    drop(websocket);
}

#[tokio::test]
async fn http3_connect_that_is_dropped_resets_its_stream() {
    let (told, mut wait) = mpsc::unbounded_channel();
    let server = Server::websockets(move |mut incoming| {
        let told = told.clone();
        async move {
            told.send("asked".to_owned()).unwrap();
            let error = incoming.stream.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            told.send(error.to_string()).unwrap();
        }
    });
    let (client, url) = (server.client(), server.url("/"));
    let same = client.clone();
    let connecting = tokio::spawn(async move { same.connect(&url).await.map(drop) });
    assert_eq!(wait.recv().await.unwrap(), "asked");
    connecting.abort();
    assert!(wait.recv().await.unwrap().contains("H3_REQUEST_CANCELLED"));
    drop(client);
}

#[tokio::test]
async fn http3_address_that_is_silent_does_not_delay_the_next() {
    let server = Server::websockets(echo);
    // It takes what comes, and says nothing.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addresses = Addresses(vec![silent.local_addr().unwrap(), server.address]);
    let client = server.builder().resolver(addresses).build().unwrap();
    let (mut websocket, _) = client.connect(&server.url("/")).await.unwrap();
    say(&mut websocket, "hello").await;
    let attempt_timeout = Duration::from_millis(50);
    let options = SocketOptions::default().attempt_timeout(attempt_timeout);
    let silence = Addresses(vec![silent.local_addr().unwrap()]);
    let client = server.builder().resolver(silence).socket_options(options).build().unwrap();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("attempt_timeout"), "{error}");
}

/// RFC 9110 §15.2: any number of interim responses, within reason.
#[tokio::test]
async fn http3_interim_responses_are_skipped_and_bounded() {
    let server = Server::websockets(|mut incoming| async move {
        let count = incoming.request.uri().path()[1..].parse().unwrap();
        for _ in 0..count {
            let hints = Response::builder().status(103).body(()).unwrap();
            // The client may have had enough.
            let _ = incoming.stream.send_response(&hints).await;
        }
        if count <= 20 {
            echo(incoming).await;
        } else {
            std::future::pending::<()>().await;
        }
    });
    let client = server.client();
    let (mut websocket, _) = client.connect(&server.url("/20")).await.unwrap();
    say(&mut websocket, "hello").await;
    for count in [21, 1000] {
        let error = client.connect(&server.url(&format!("/{count}"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        assert!(error.to_string().contains("interim"), "{error}");
    }
}
