//! WebSockets on HTTP/2 streams (RFC 8441): how streams, connections and their ends map.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2"))]

#[path = "../common/mod.rs"]
mod common;
mod connections;
mod failures;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use common::say;
use fullduplex::client::HttpVersion;
use fullduplex::{Client, ErrorKind};
use fullduplex_testkit::eventually;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};

fn client() -> Client {
    common::client(HttpVersion::Http2)
}

/// What a stream of a server is.
type Stream = (Request<RecvStream>, SendResponse<Bytes>);

/// A server that speaks HTTP/2 from the first byte. It counts its connections.
async fn serving<F>(
    extended: bool,
    handle: impl Fn(Stream) -> F + Clone + Send + 'static,
) -> (String, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            let handle = handle.clone();
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                if extended {
                    builder.enable_connect_protocol();
                }
                builder.max_concurrent_streams(30);
                let mut connection = builder.handshake(tcp).await.unwrap();
                while let Some(Ok(stream)) = connection.accept().await {
                    let goes_away = stream.0.uri().path() == "/go-away";
                    tokio::spawn(handle(stream));
                    if goes_away {
                        connection.graceful_shutdown();
                    }
                }
            });
        }
    });
    (url, connections)
}

/// Accepts, as a server of WebSockets.
fn accept(respond: &mut SendResponse<Bytes>) -> SendStream<Bytes> {
    respond.send_response(Response::new(()), false).unwrap()
}

/// Answers each message of up to 125 bytes, without a look at its kind.
async fn echo((request, mut respond): Stream) {
    assert_eq!(request.method(), "CONNECT");
    let protocol = request.extensions().get::<h2::ext::Protocol>().unwrap();
    assert_eq!(protocol.as_str(), "websocket");
    assert_eq!(request.headers()["sec-websocket-version"], "13");
    for absent in ["connection", "upgrade", "sec-websocket-key", "host"] {
        assert!(!request.headers().contains_key(absent));
    }
    let mut send = accept(&mut respond);
    let mut receive = request.into_body();
    let mut received = Vec::new();
    while let Some(Ok(bytes)) = receive.data().await {
        receive.flow_control().release_capacity(bytes.len()).unwrap();
        received.extend_from_slice(&bytes);
        while received.len() > 1 && received.len() >= 6 + usize::from(received[1] & 0x7f) {
            let len = usize::from(received[1] & 0x7f);
            let frame: Vec<u8> = received.drain(..6 + len).collect();
            let payload = frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(b, k)| b ^ k);
            let answer: Vec<u8> = [frame[0], frame[1] & 0x7f].into_iter().chain(payload).collect();
            let is_close = frame[0] == 0x88;
            send.send_data(answer.into(), is_close).unwrap();
            if is_close {
                return;
            }
        }
    }
}

#[tokio::test]
async fn http2_heads_are_limited() {
    let (url, _) = serving(true, |(_, mut respond)| async move {
        let mut response = Response::new(());
        for i in 0..3000 {
            let name = http::HeaderName::from_bytes(format!("x-{i}").as_bytes()).unwrap();
            response.headers_mut().insert(name, "y".parse().unwrap());
        }
        drop(respond.send_response(response, false));
    })
    .await;
    let error = client().connect(&url).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Io), "{error}");
}

/// RFC 9110 §15.2: any number of interim responses, within reason.
#[tokio::test]
async fn http2_interim_responses_are_skipped_and_bounded() {
    let (url, _) = serving(true, |(request, mut respond)| async move {
        let count = request.uri().path()[1..].parse().unwrap();
        for _ in 0..count {
            let hints = Response::builder().status(103).body(()).unwrap();
            // The client may have had enough.
            let _ = respond.send_informational(hints);
        }
        if count <= 20 {
            echo((request, respond)).await;
        } else {
            std::future::pending::<()>().await;
        }
    })
    .await;
    let client = client();
    let (mut websocket, _) = client.connect(format!("{url}20")).await.unwrap();
    say(&mut websocket, "hello").await;
    for count in [21, 1000] {
        let error = client.connect(format!("{url}{count}")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        assert!(error.to_string().contains("interim"), "{error}");
    }
}

/// A stream that is not read takes as much as its window, and no more.
#[tokio::test]
async fn http2_backpressure_holds_what_is_not_read() {
    let total = Arc::new(AtomicUsize::new(0));
    let counter = total.clone();
    let (url, _) = serving(true, move |(request, mut respond)| {
        let counter = counter.clone();
        async move {
            if request.uri().path() == "/echo" {
                return echo((request, respond)).await;
            }
            let mut send = accept(&mut respond);
            loop {
                send.reserve_capacity(10_000);
                let capacity = std::future::poll_fn(|cx| send.poll_capacity(cx)).await;
                let Some(Ok(len)) = capacity else { return };
                // Pongs without payload.
                let pongs = [0x8a, 0].repeat(len / 2);
                counter.fetch_add(pongs.len(), Ordering::Relaxed);
                send.send_data(pongs.into(), false).unwrap();
            }
        }
    })
    .await;
    let client = client();
    let (websocket, _) = client.connect(&url).await.unwrap();
    eventually("the window fills", || total.load(Ordering::Relaxed) >= 100_000).await;
    // Whatever else the client let the server send would come before what is echoed after it.
    let (mut other, _) = client.connect(format!("{url}echo")).await.unwrap();
    for i in 0..20 {
        say(&mut other, &format!("{i}")).await;
    }
    let total = total.load(Ordering::Relaxed);
    assert!((100_000..=256 << 10).contains(&total), "{total} bytes");
    drop(websocket);
}

#[tokio::test]
async fn http2_connect_that_is_dropped_resets_its_stream() {
    let (told, mut wait) = tokio::sync::mpsc::unbounded_channel();
    let (url, _) = serving(true, move |(_, mut respond)| {
        let told = told.clone();
        async move {
            told.send("asked".to_owned()).unwrap();
            let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap();
            told.send(format!("{reason:?}")).unwrap();
        }
    })
    .await;
    let client = client();
    let connecting = tokio::spawn(async move { client.connect(&url).await.map(drop) });
    assert_eq!(wait.recv().await.unwrap(), "asked");
    connecting.abort();
    assert_eq!(wait.recv().await.unwrap(), "CANCEL");
}

/// RFC 9110 §9.3.6: a client ignores it in a 2xx to CONNECT, and what asks for a tunnel has no
/// content.
#[tokio::test]
async fn http2_tunnels_have_no_content_length() {
    for length in ["0", "5"] {
        let (url, _) = serving(true, move |(mut request, mut respond)| async move {
            let response = Response::builder().header("content-length", length).body(()).unwrap();
            let mut send = respond.send_response(response, false).unwrap();
            while let Some(Ok(data)) = request.body_mut().data().await {
                let mut answer = data.to_vec();
                // Unmasked.
                let mask: Vec<u8> = answer.drain(2..6).collect();
                answer[1] &= 0x7f;
                answer[2..]
                    .iter_mut()
                    .zip(mask.iter().cycle())
                    .for_each(|(byte, mask)| *byte ^= mask);
                send.send_data(answer.into(), false).unwrap();
            }
        })
        .await;
        let client = client();
        for text in ["one", "another"] {
            let (mut websocket, response) = client.connect(&url).await.unwrap();
            assert!(!response.headers().contains_key("content-length"));
            say(&mut websocket, text).await;
        }
    }

    let config = fullduplex::server::ServerConfig::default().http2(true);
    let server = fullduplex::server::Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(common::echo));
    let mut send = common::http2::connect(TcpStream::connect(address).await.unwrap()).await;
    common::http2::extended_connect(&send).await;
    for _ in 0..2 {
        let request = Request::connect("http://a.example/")
            .extension(h2::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("content-length", "0");
        let (response, mut stream) = send.send_request(request.body(()).unwrap(), false).unwrap();
        // Masked with zeros.
        stream.send_data(Bytes::from_static(b"\x81\x82\0\0\0\0hi"), false).unwrap();
        let mut response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.body_mut().data().await.unwrap().unwrap(), b"\x81\x02hi"[..]);
    }
}
