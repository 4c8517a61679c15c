//! `HttpVersion::Auto`: HTTP/2 where the server does it, else HTTP/1.1; and what a client learns
//! and keeps of that.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2", feature = "_tls"))]

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use common::tls::{LOCALHOST, acceptor};
use fullduplex::client::{BoxFuture, ClientTls, Connect, HttpVersion};
use fullduplex::server::accept;
use fullduplex::{Client, ClientBuilder, CloseCode, ErrorKind, NetStream, Transport};
use fullduplex_testkit::pipe::pipe;
use h2::Reason;
use http::Response;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{Acceptor, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, crypto};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

/// What a server does with a stream of HTTP/2.
#[derive(Clone, Copy, Debug)]
enum Way {
    Open,
    Answer(u16),
    Reset(Reason),
}

/// What a server was asked for.
#[derive(Default)]
struct Counts {
    http2_connections: AtomicUsize,
    http2_streams: AtomicUsize,
    http1: AtomicUsize,
}

impl Counts {
    /// Connections of HTTP/2, streams on them, and connections of HTTP/1.1.
    fn all(&self) -> [usize; 3] {
        [&self.http2_connections, &self.http2_streams, &self.http1].map(|count| count.load(Relaxed))
    }
}

/// A server that does both versions, and opens WebSockets on HTTP/1.1.
async fn serving(way: Way) -> (String, Arc<Counts>) {
    serving_both(way, &[101]).await
}

/// In place of a status: the connection ends without an answer.
const DROPPED: u16 = 0;

/// A server that does both versions, and answers the requests of HTTP/1.1 with these statuses,
/// the last one from then on.
async fn serving_both(way: Way, statuses: &'static [u16]) -> (String, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let counts: Arc<Counts> = Arc::default();
    let counter = counts.clone();
    tokio::spawn(async move {
        let acceptor = acceptor(&[b"h2", b"http/1.1"]);
        while let Ok((tcp, _)) = listener.accept().await {
            let tls = acceptor.accept(tcp).await.unwrap();
            if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                tokio::spawn(speak_http2(tls, way, counter.clone()));
            } else {
                let before = counter.http1.fetch_add(1, Relaxed);
                let status = statuses[before.min(statuses.len() - 1)];
                tokio::spawn(speak_http1(tls, status));
            }
        }
    });
    (url, counts)
}

async fn speak_http1<S: Transport>(mut tls: S, status: u16) {
    if status == 101 {
        let mut websocket = accept(tls).await.unwrap();
        while let Some(Ok(_)) = websocket.next().await {}
        return;
    }
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await.unwrap());
    }
    if status == DROPPED {
        return;
    }
    let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
    tls.write_all(answer.as_bytes()).await.unwrap();
    tls.shutdown().await.unwrap();
}

async fn speak_http2<S>(tls: S, way: Way, counts: Arc<Counts>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    counts.http2_connections.fetch_add(1, Relaxed);
    let mut connection =
        h2::server::Builder::new().enable_connect_protocol().handshake(tls).await.unwrap();
    let mut streams: Vec<(_, h2::SendStream<bytes::Bytes>)> = Vec::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        counts.http2_streams.fetch_add(1, Relaxed);
        match way {
            Way::Open => {
                let send = respond.send_response(Response::new(()), false).unwrap();
                streams.push((request, send));
            }
            Way::Answer(status) => {
                let response = Response::builder().status(status).body(()).unwrap();
                respond.send_response(response, true).unwrap();
            }
            Way::Reset(reason) => respond.send_reset(reason),
        }
    }
}

fn builder() -> ClientBuilder {
    let tls = ClientTls::new().dangerous_accept_any_certificate();
    common::direct().http_version(HttpVersion::Auto).tls(tls)
}

fn client() -> Client {
    builder().build().unwrap()
}

#[tokio::test]
async fn auto_uses_one_connection_where_http2_carries_websockets() {
    let (url, counts) = serving(Way::Open).await;
    let client = client();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(client.connect(&url).await.unwrap());
    }
    assert_eq!(counts.all(), [1, 3, 0]);
}

/// It has the setting of RFC 8441 §3 and not the feature: it is asked once.
#[tokio::test]
async fn auto_remembers_a_server_without_http2() {
    for way in [
        Way::Answer(501),
        Way::Reset(Reason::HTTP_1_1_REQUIRED),
        Way::Reset(Reason::REFUSED_STREAM),
    ] {
        let (url, counts) = serving(way).await;
        let client = client();
        for _ in 0..3 {
            let (mut websocket, response) = client.connect(&url).await.unwrap();
            assert_eq!(response.status(), 101, "{way:?}");
            assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        }
        assert_eq!(counts.all(), [1, 1, 3], "{way:?}");
    }
}

#[tokio::test]
async fn auto_does_not_fall_back_after_an_ordinary_rejection() {
    let (url, counts) = serving(Way::Answer(403)).await;
    let client = client();
    for _ in 0..2 {
        let error = client.connect(&url).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), 403);
    }
    assert_eq!(counts.all(), [1, 2, 0]);
}

/// As when Envoy makes a request of HTTP/1.1 of an extended CONNECT: without a key.
#[tokio::test]
async fn auto_falls_back_where_an_intermediary_can_not_carry_it() {
    for status in [400, 405, 426, 505] {
        let (url, counts) = serving(Way::Answer(status)).await;
        let client = client();
        for _ in 0..3 {
            let (mut websocket, response) = client.connect(&url).await.unwrap();
            assert_eq!(response.status(), 101, "{status}");
            assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
        }
        assert_eq!(counts.all(), [1, 1, 3], "{status}");
        // Without the choice, there is a hint.
        let error = builder().http_version(HttpVersion::Http2).build().unwrap().connect(&url).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("can't carry a WebSocket on HTTP/2"), "{error}");
    }
}

#[tokio::test]
async fn auto_does_not_repeat_what_the_application_refuses() {
    for status in [401, 403, 404, 429, 500, 503] {
        let (url, counts) = serving(Way::Answer(status)).await;
        let client = client();
        for _ in 0..2 {
            let error = client.connect(&url).await.unwrap_err();
            assert_eq!(error.response().unwrap().status(), status);
        }
        assert_eq!(counts.all(), [1, 2, 0], "{status}");
    }
    // What may have been the way's fault is tried once, and found to be the server's word.
    let (url, counts) = serving_both(Way::Answer(400), &[400]).await;
    let client = client();
    for _ in 0..3 {
        let error = client.connect(&url).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), 400);
    }
    assert_eq!(counts.all(), [1, 3, 1]);
}

/// What HTTP/1.1 says then is the answer, and it is tried again the next time.
#[tokio::test]
async fn auto_keeps_its_way_back_after_another_refusal_on_http1() {
    for status in [401, 403, 422, 503] {
        let statuses: &'static [u16] = Box::leak(Box::new([status, status, 101]));
        let (url, counts) = serving_both(Way::Answer(400), statuses).await;
        let client = client();
        for _ in 0..2 {
            let error = client.connect(&url).await.unwrap_err();
            assert_eq!(error.response().unwrap().status(), status);
        }
        client.connect(&url).await.unwrap();
        assert_eq!(counts.all(), [1, 3, 3], "{status}");
    }
}

/// A failure that passes is not made a final one by what HTTP/2 had answered.
#[tokio::test]
async fn auto_keeps_its_way_back_after_a_connection_that_ended() {
    let (url, counts) = serving_both(Way::Answer(400), &[DROPPED, 101]).await;
    let client = client();
    let error = client.connect(&url).await.unwrap_err();
    assert!(error.response().is_none() && error.is_retryable(), "{error}");
    client.connect(&url).await.unwrap();
    assert_eq!(counts.all(), [1, 2, 2]);
}

/// Pipes to servers that do both versions, one of which refuses streams at first.
struct Overloaded {
    counts: Arc<Counts>,
}

impl Connect for Overloaded {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        let (near, far) = pipe(1 << 16);
        let counts = self.counts.clone();
        tokio::spawn(async move {
            let tls = acceptor(&[b"h2", b"http/1.1"]).accept(far).await.unwrap();
            if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                let is_first = counts.http2_connections.load(Relaxed) == 0;
                let way = if is_first { Way::Reset(Reason::REFUSED_STREAM) } else { Way::Open };
                speak_http2(tls, way, counts).await;
            } else {
                counts.http1.fetch_add(1, Relaxed);
                speak_http1(tls, 101).await;
            }
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

#[tokio::test(start_paused = true)]
async fn auto_asks_again_for_http2_after_a_while() {
    let counts: Arc<Counts> = Arc::default();
    let client = builder().connector(Overloaded { counts: counts.clone() }).build().unwrap();
    for expected in [[1, 1, 1], [1, 1, 2]] {
        drop(client.connect("wss://localhost/").await.unwrap());
        assert_eq!(counts.all(), expected);
    }
    tokio::time::advance(Duration::from_secs(301)).await;
    drop(client.connect("wss://localhost/").await.unwrap());
    assert_eq!(counts.all(), [2, 2, 2]);
}

/// With TLS 1.3 the alert comes when the client is already at HTTP/2, whose library keeps a text of
/// it alone.
#[tokio::test]
async fn retry_depends_on_the_alert_that_ends_http2_too() {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(LOCALHOST).unwrap()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_protocol_versions(rustls::DEFAULT_VERSIONS).unwrap();
    let config = config.with_client_cert_verifier(verifier.build().unwrap());
    let chain = vec![CertificateDer::from_pem_slice(LOCALHOST).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(LOCALHOST).unwrap();
    let mut config = config.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Err((_, mut tcp)) = acceptor.accept(tcp).into_fallible().await {
                // An end over unread bytes is a reset, which may overtake the alert.
                tokio::spawn(async move { tcp.read_to_end(&mut Vec::new()).await });
            }
        }
    });
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Auto] {
        let error =
            builder().http_version(version).build().unwrap().connect(&url).await.unwrap_err();
        let seen = (error.kind(), error.is_retryable());
        assert_eq!(seen, (ErrorKind::Tls, false), "{version:?}: {error}");
        assert!(error.to_string().contains("certificate_required"), "{version:?}: {error}");
    }
}

/// Pipes to servers of HTTP/1.1, which count who offers HTTP/2.
struct Http1Alone {
    offered: Arc<AtomicUsize>,
}

impl Connect for Http1Alone {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        let (near, far) = pipe(1 << 16);
        let offered = self.offered.clone();
        tokio::spawn(async move {
            let hello = LazyConfigAcceptor::new(Acceptor::default(), far).await.unwrap();
            let offers_it = hello.client_hello().alpn().unwrap().any(|name| name == b"h2");
            offered.fetch_add(usize::from(offers_it), Relaxed);
            let tls = hello.into_stream(acceptor(&[b"http/1.1"]).config().clone());
            let mut websocket = accept(tls.await.unwrap()).await.unwrap();
            while let Some(Ok(_)) = websocket.next().await {}
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

/// Those who wait for the one that finds it out don't ask again.
#[tokio::test(start_paused = true)]
async fn auto_probes_once_for_many_at_once() {
    let offered: Arc<AtomicUsize> = Arc::default();
    let client = builder().connector(Http1Alone { offered: offered.clone() }).build().unwrap();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        all.spawn(async move { client.connect("wss://localhost/").await.unwrap() });
    }
    assert_eq!(all.join_all().await.len(), 10);
    assert_eq!(offered.load(Relaxed), 1);
}
