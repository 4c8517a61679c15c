//! Transports that panic below TLS, which has something to send when it is dropped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fullduplex::client::{BoxFuture, Connect, HttpVersion};
use fullduplex::server::accept;
use fullduplex::{Client, NetStream, Transport};
use fullduplex_testkit::pipe::pipe;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::common::tls::{LOCALHOST, acceptor, trusting};
use super::common::{direct, echo};
use super::in_time;
use super::transports::{At, Panicking};

/// Pipes to servers with TLS of both versions, which panic wherever they are polled, once told to.
struct Panics {
    armed: Arc<AtomicBool>,
    /// Whether they are told to before a request of HTTP/1.1 is answered.
    in_handshake: bool,
}

impl Connect for Panics {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        let (near, far) = pipe(1 << 16);
        let near = Panicking::new(near, At::AnyPoll, self.armed.clone());
        let armed = self.in_handshake.then(|| self.armed.clone());
        tokio::spawn(async move {
            let tls = acceptor(&[b"h2", b"http/1.1"]).accept(far).await.unwrap();
            match armed {
                Some(armed) => arm_before_answer(tls, &armed).await,
                None if tls.get_ref().1.alpn_protocol() == Some(b"h2") => open_on_http2(tls).await,
                None => echo(accept(tls).await.unwrap()).await,
            }
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

async fn arm_before_answer<S: Transport>(mut tls: S, armed: &AtomicBool) {
    while tls.read_u8().await.unwrap() != b'\n' {}
    armed.store(true, Ordering::SeqCst);
    tls.write_all(b"HTTP/1.1 ").await.unwrap();
    let _ = tls.read_to_end(&mut Vec::new()).await;
}

async fn open_on_http2<S: Transport>(tls: S) {
    let mut builder = h2::server::Builder::new();
    let begun = builder.enable_connect_protocol().handshake::<_, bytes::Bytes>(tls).await;
    let (mut connection, mut streams) = (begun.unwrap(), Vec::new());
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        streams.push((request, respond.send_response(Response::new(()), false).unwrap()));
    }
}

fn client(version: HttpVersion, in_handshake: bool) -> (Client, Arc<AtomicBool>) {
    let armed = Arc::<AtomicBool>::default();
    let connector = Panics { armed: armed.clone(), in_handshake };
    let builder = direct().http_version(version).tls(trusting(LOCALHOST)).connector(connector);
    (builder.build().unwrap(), armed)
}

#[tokio::test]
async fn panic_in_a_transport_under_tls_does_not_abort_the_opening_handshake() {
    let (client, _) = client(HttpVersion::Http1, true);
    let connecting =
        tokio::spawn(async move { client.connect("wss://localhost/").await.map(drop) });
    let ended = in_time("the end", connecting).await;
    assert!(ended.unwrap_err().is_panic());
}

#[tokio::test]
async fn panic_in_a_transport_under_tls_does_not_abort_while_another_panic_unwinds() {
    let (client, armed) = client(HttpVersion::Http1, false);
    let (websocket, _) = client.connect("wss://localhost/").await.unwrap();
    armed.store(true, Ordering::SeqCst);
    let ended = tokio::spawn(async move {
        let _websocket = websocket;
        panic!("as asked");
    });
    assert!(in_time("the end", ended).await.unwrap_err().is_panic());
}

/// The connection's task panics, and drops TLS as it unwinds.
#[tokio::test]
async fn panic_in_a_transport_under_tls_ends_the_connection_of_http2_alone() {
    let (client, armed) = client(HttpVersion::Http2, false);
    let (mut websocket, _) = client.connect("wss://localhost/").await.unwrap();
    armed.store(true, Ordering::SeqCst);
    let _ = websocket.send("x").await;
    assert!(in_time("the end", websocket.next()).await.unwrap().is_err());
    armed.store(false, Ordering::SeqCst);
    client.connect("wss://localhost/").await.unwrap();
}
