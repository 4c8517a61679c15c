//! WebSockets on HTTP/3 streams (RFC 9220): how streams, connections and their ends map. The
//! servers are those of `fullduplex-http3`, over UDP on this machine.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "http3")]

#[path = "../common/mod.rs"]
mod common;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use common::tls::{Versions, trusting};
use common::{Addresses, direct, say};
use fullduplex::client::{ClientTls, Proxy, RootCertificates, SocketOptions, Version};
use fullduplex::{Client, ClientBuilder, CloseCode, Config, Error, ErrorKind, Role, WebSocket};
use fullduplex_http3::quinn::crypto::rustls::QuicServerConfig;
use fullduplex_http3::quinn::{Endpoint, ServerConfig, TransportConfig};
use fullduplex_http3::server::{AcceptedRequest, ServerConnection};
use fullduplex_http3::{
    ALPN, ConnectProtocol, ErrorCode, LocalSettings, RequestStream, transport_config,
};
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
        let settings = LocalSettings { enable_connect_protocol: true, ..LocalSettings::default() };
        Self::start(settings, "localhost", handle)
    }

    fn url(&self, path: &str) -> String {
        format!("wss://localhost:{}{path}", self.address.port())
    }

    fn builder(&self) -> ClientBuilder {
        direct().version(Version::Http3).tls(trusting(self.authority.as_bytes()))
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
    let AcceptedRequest { request, mut stream } = incoming;
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
    WebSocket::from_handshake(stream, Role::Server, &config, None, BytesMut::new())
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
async fn http3_connection_is_shared_and_websockets_close_one_by_one() {
    let server = Server::websockets(echo);
    let client = server.client();
    let mut all = Vec::new();
    for i in 0..20 {
        let (mut websocket, response) = client.connect(&server.url("/")).await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_3));
        say(&mut websocket, &format!("hello from {i}")).await;
        all.push(websocket);
    }
    for (i, mut websocket) in all.into_iter().enumerate() {
        say(&mut websocket, &format!("goodbye from {i}")).await;
        let info = if i % 2 == 0 {
            websocket.close(CloseCode::NORMAL, "enough").await.unwrap()
        } else {
            websocket.send("close").await.unwrap();
            assert!(websocket.next().await.is_none());
            let info = websocket.close_info().unwrap();
            assert_eq!(info.code(), CloseCode::new(4000));
            info
        };
        assert!(info.is_clean(), "{info}");
    }
    assert_eq!(server.connections(), 1);
    // Opened at the same time, they wait for the one connection.
    let (other, url) = (server.client(), server.url("/"));
    let (a, b) = tokio::join!(other.connect(&url), other.connect(&url));
    a.unwrap();
    b.unwrap();
    assert_eq!(server.connections(), 2);
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
    let client = server.builder().subprotocol("chat").build().unwrap();
    let (mut websocket, _) = client.connect(&server.url("/")).await.unwrap();
    assert_eq!(websocket.subprotocol(), Some("chat"));
    say(&mut websocket, "hello").await;
}

#[tokio::test]
async fn http3_connection_that_is_full_is_followed_by_another() {
    let server = Server::websockets(echo);
    let client = server.client();
    let mut all = Vec::new();
    for i in 0..70 {
        let (mut websocket, _) = client.connect(&server.url("/")).await.unwrap();
        say(&mut websocket, &format!("hello from {i}")).await;
        all.push(websocket);
    }
    assert_eq!(server.connections(), 3);
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
    let limits =
        fullduplex::HandshakeLimits { max_fields: 100, ..fullduplex::HandshakeLimits::default() };
    let client = server.builder().handshake_limits(limits).build().unwrap();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("max_fields (100)"), "{error}");
}

/// A connection that has gone silent is not used again.
#[tokio::test]
async fn http3_connection_that_is_silent_leaves_the_pool() {
    let server = Server::websockets(echo);
    let limits = fullduplex::HandshakeLimits {
        handshake_timeout: Duration::from_millis(50),
        ..fullduplex::HandshakeLimits::default()
    };
    let client = server.builder().handshake_limits(limits).build().unwrap();
    let error = client.connect(&server.url("/silent")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout"), "{error}");
    assert!(error.to_string().contains("waiting for the server's answer"), "{error}");
    let (mut websocket, _) = client.connect(&server.url("/")).await.unwrap();
    say(&mut websocket, "on another one").await;
    assert_eq!(server.connections(), 2);
}

/// A peer that gives a silent connection up after 30 s, as quic-go does by default, and does
/// nothing to keep it alive.
fn impatient() -> TransportConfig {
    let mut transport = transport_config(30, Duration::from_secs(30));
    transport.keep_alive_interval(None);
    transport
}

fn websockets() -> LocalSettings {
    LocalSettings { enable_connect_protocol: true, ..LocalSettings::default() }
}

const TEN_MINUTES: Duration = Duration::from_secs(600);

/// With the defaults, and without a keepalive of the WebSocket's own.
#[tokio::test(start_paused = true)]
async fn http3_keepalive_outlasts_a_short_idle_timeout() {
    let server = Server::start_with(impatient(), websockets(), "localhost", echo);
    let mut config = Config::default();
    for interval in [config.keepalive.interval, None] {
        config.keepalive.interval = interval;
        let client = server.builder().config(config).build().unwrap();
        let (mut websocket, _) = client.connect(&server.url("/quiet")).await.unwrap();
        say(&mut websocket, "before").await;
        let idle = tokio::time::timeout(TEN_MINUTES, websocket.next()).await;
        assert!(idle.is_err(), "{interval:?}: {idle:?}");
        say(&mut websocket, "after").await;
    }
}

/// A connection in the pool that no WebSocket uses is not kept alive for ever.
#[tokio::test(start_paused = true)]
async fn http3_keepalive_ends_with_the_use_of_a_connection() {
    let server = Server::websockets(echo);
    let ended = || server.ended.load(Ordering::Relaxed);
    let client = server.client();
    for round in 0..2 {
        let (mut websocket, _) = client.connect(&server.url("/quiet")).await.unwrap();
        say(&mut websocket, "in use").await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        say(&mut websocket, "still").await;
        assert_eq!(ended(), round);
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
        drop(websocket);
        tokio::time::sleep(Duration::from_secs(45)).await;
        assert_eq!(ended(), round, "closed too early");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(ended(), round + 1, "kept alive without a use");
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn http3_server_without_extended_connect_is_named() {
    let server = Server::start(LocalSettings::default(), "localhost", |_| async {});
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert!(error.to_string().contains("SETTINGS_ENABLE_CONNECT_PROTOCOL"), "{error}");
}

#[tokio::test]
async fn http3_rejection_has_its_body() {
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        let response = Response::builder().status(403).header("x-why", "not you");
        stream.send_response(&response.body(()).unwrap()).await.unwrap();
        stream.write_all(b"go away").await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-why"], "not you");
    assert_eq!(response.body(), "go away");
}

/// The same words as over TCP.
#[tokio::test]
async fn http3_certificate_faults_have_a_text() {
    let server = Server::start(LocalSettings::default(), "other.example", echo);
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    let words = "the server's certificate is for another name";
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.to_string().contains("other.example"), "{error}");
    let client =
        server.builder().tls(ClientTls::new().roots(RootCertificates::WebPki)).build().unwrap();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert!(error.to_string().contains("signed by nobody that is trusted"), "{error}");
    let tls = ClientTls::new().dangerous_accept_any_certificate();
    let client = server.builder().tls(tls).build().unwrap();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake, "{error}");
}

#[tokio::test]
async fn http3_is_refused_where_udp_can_not_be_used() {
    let client = |builder: ClientBuilder| builder.version(Version::Http3).build().unwrap();
    let error = client(direct()).connect("ws://localhost:1/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("wss:"), "{error}");
    let proxy = Proxy::parse("http://127.0.0.1:1").unwrap();
    let error = client(Client::builder().proxy(proxy)).connect("wss://h/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    #[cfg(unix)]
    {
        let error = client(direct().unix_socket("/x")).connect("wss://h/").await.unwrap_err();
        assert!(error.to_string().contains("Unix socket"), "{error}");
    }
}

/// Opens and gives the one error that the end of the stream comes to.
async fn end_of(server: &Server) -> Error {
    let (mut websocket, _) = server.client().connect(&server.url("/")).await.unwrap();
    let error = websocket.next().await.unwrap().unwrap_err();
    assert!(websocket.next().await.is_none());
    assert!(!websocket.close_info().unwrap().is_clean());
    error
}

/// RFC 9220 §3: FIN is FIN, a reset is RST.
#[tokio::test]
async fn http3_ends_and_resets_are_unclean_closes() {
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        stream.send_response(&Response::new(())).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    assert_eq!(end_of(&server).await.kind(), ErrorKind::Io);
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        stream.send_response(&Response::new(())).await.unwrap();
        stream.write_all(&[0x89, 0]).await.unwrap();
        // A reset overtakes what is on the way, the response too: wait for the Pong.
        stream.read_u8().await.unwrap();
        stream.reset(ErrorCode::REQUEST_CANCELLED);
    });
    let error = end_of(&server).await;
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("H3_REQUEST_CANCELLED"), "{error}");
}

#[tokio::test]
async fn http3_rejected_stream_is_reported() {
    let server = Server::websockets(|mut incoming| async move {
        incoming.stream.reset(ErrorCode::REQUEST_REJECTED);
    });
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("H3_REQUEST_REJECTED"), "{error}");
    // It was tried again, once.
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn http3_goaway_spares_open_streams_and_moves_new_ones() {
    let server = Server::websockets(echo);
    let client = server.client();
    let (mut old, _) = client.connect(&server.url("/go-away")).await.unwrap();
    say(&mut old, "before").await;
    // Whether or not the GOAWAY has come by now: what it rejects is opened again.
    let (mut new, _) = client.connect(&server.url("/")).await.unwrap();
    say(&mut old, "after").await;
    say(&mut new, "new").await;
    assert_eq!(server.connections(), 2);
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
    while let Ok(Some(len)) = tokio::time::timeout(Duration::from_millis(200), total.recv()).await {
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
    let options = SocketOptions { attempt_timeout, ..SocketOptions::default() };
    let silence = Addresses(vec![silent.local_addr().unwrap()]);
    let client = server.builder().resolver(silence).socket(options).build().unwrap();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("attempt_timeout"), "{error}");
}

/// The same server on HTTP/1.1, which offers HTTP/3 on this port.
async fn tcp(server: &Server, offered: u16) -> String {
    let tls = self::server(&server.identity, rustls::DEFAULT_VERSIONS);
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let config = Arc::new(fullduplex::server::ServerConfig::default());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(stream) = tls.accept(tcp).await else { continue };
            let handshake = fullduplex::server::Handshake::read(stream, config.clone()).await;
            let mut handshake = handshake.unwrap();
            handshake.add_header("alt-svc", format!("h3=\":{offered}\"; ma=60"));
            tokio::spawn(common::echo(handshake.accept().await.unwrap()));
        }
    });
    url
}

#[tokio::test]
async fn auto_takes_http3_where_offered_and_falls_back() {
    let server = Server::websockets(echo);
    let attempt_timeout = Duration::from_millis(500);
    let options = SocketOptions { attempt_timeout, ..SocketOptions::default() };
    let auto = || server.builder().version(Version::Auto).socket(options.clone()).build().unwrap();
    let versions = async |client: &Client, url: &str| {
        let mut versions = Vec::new();
        for _ in 0..3 {
            let (mut websocket, response) = client.connect(url).await.unwrap();
            say(&mut websocket, "hello").await;
            versions.push(response.version());
        }
        versions
    };
    let url = tcp(&server, server.address.port()).await;
    let (one, three) = (http::Version::HTTP_11, http::Version::HTTP_3);
    assert_eq!(versions(&auto(), &url).await, [one, three, three]);
    assert_eq!(server.connections(), 1);
    // Offered, and not there.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = tcp(&server, silent.local_addr().unwrap().port()).await;
    let client = auto();
    assert_eq!(versions(&client, &url).await, [one, one, one]);
    // It was tried once, by what it can read, and then no more.
    let mut datagram = [0; 2000];
    assert!(silent.try_recv(&mut datagram).unwrap() >= 1200);
    while silent.try_recv(&mut datagram).is_ok() {}
    client.connect(&url).await.unwrap();
    assert_eq!(silent.try_recv(&mut datagram).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

/// As with an intermediary that makes a request of HTTP/1.1 of it, without a key.
#[tokio::test]
async fn auto_falls_back_from_an_http3_that_does_not_carry_websockets() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = Server::websockets(move |mut incoming| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            let response = Response::builder().status(400).body(()).unwrap();
            drop(incoming.stream.send_response(&response).await);
            drop(incoming.stream.shutdown().await);
        }
    });
    let url = tcp(&server, server.address.port()).await;
    let client = server.builder().version(Version::Auto).build().unwrap();
    for _ in 0..4 {
        let (mut websocket, response) = client.connect(&url).await.unwrap();
        say(&mut websocket, "hello").await;
        assert_eq!(response.version(), http::Version::HTTP_11);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 400);
    assert!(error.to_string().contains("can't carry a WebSocket on HTTP/3"), "{error}");
}

/// The stream of a 2xx goes on, so there is no more to wait for.
#[tokio::test]
async fn http3_subprotocol_that_was_not_offered_is_refused() {
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        let response = Response::builder().header("sec-websocket-protocol", "unasked");
        stream.send_response(&response.body(()).unwrap()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = server.client();
    let begun = std::time::Instant::now();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake, "{error}");
    assert!(error.to_string().contains("unasked"), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
}

/// A server learns that a connection on which nothing opened is over, though the client's runtime
/// ends with it.
#[tokio::test]
async fn close_idle_waits_for_connections_that_failed() {
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        // It breaks a rule, so that the connection is not used again.
        let malformed = Response::builder().status(404).header("content-length", "x");
        stream.send_response(&malformed.body(()).unwrap()).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let (client, url) = (server.client(), server.url("/"));
    let connecting = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let error = client.connect(&url).await.unwrap_err();
            assert!(error.response().is_none(), "{error}");
            client.close_idle().await;
        });
    });
    connecting.await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while server.ended.load(Ordering::Relaxed) == 0 {
        assert!(tokio::time::Instant::now() < deadline, "the server was not told");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Neither those of a connection that is in the pool nor those of one that has left it are closed,
/// or waited for.
#[tokio::test]
async fn close_idle_leaves_connections_that_websockets_use() {
    let server = Server::websockets(echo);
    let client = server.client();
    let mut all = Vec::new();
    // 30 fill the first connection.
    for _ in 0..31 {
        all.push(client.connect(&server.url("/")).await.unwrap().0);
    }
    assert_eq!(server.connections(), 2);
    tokio::time::timeout(Duration::from_secs(5), client.close_idle()).await.unwrap();
    for websocket in &mut all {
        say(websocket, "still there").await;
    }
    let (mut another, _) = client.connect(&server.url("/")).await.unwrap();
    say(&mut another, "on the second connection").await;
    assert_eq!(server.connections(), 2);
    // Once they are not used any more, they are closed.
    all.push(another);
    for mut websocket in all {
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
    }
    let closing = async {
        while server.ended.load(Ordering::Relaxed) < 2 {
            client.close_idle().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closing).await.unwrap();
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
