//! WebSockets on HTTP/2 streams (RFC 8441): how streams, connections and their ends map.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(feature = "http2")]

#[path = "../common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::{Addresses, direct, say};
use fullduplex::client::Version;
use fullduplex::{Client, CloseCode, Error, ErrorKind};
use fullduplex_testkit::eventually;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

fn client() -> Client {
    common::client(Version::Http2)
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

/// Echoes on all streams of a connection.
async fn echo_all(tcp: TcpStream) {
    let mut builder = h2::server::Builder::new();
    let handshake = builder.enable_connect_protocol().handshake(tcp);
    let mut connection = handshake.await.unwrap();
    while let Some(Ok(stream)) = connection.accept().await {
        tokio::spawn(echo(stream));
    }
}

#[tokio::test]
async fn http2_connection_is_shared_and_websockets_close_one_by_one() {
    let (url, connections) = serving(true, echo).await;
    let client = client();
    let mut all = Vec::new();
    for i in 0..20 {
        let (mut websocket, response) = client.connect(&url).await.unwrap();
        assert_eq!(response.status(), 200);
        say(&mut websocket, &format!("hello from {i}")).await;
        all.push(websocket);
    }
    for (i, mut websocket) in all.into_iter().enumerate() {
        say(&mut websocket, &format!("goodbye from {i}")).await;
        let info = websocket.close(CloseCode::NORMAL, "enough").await.unwrap();
        assert!(info.is_clean(), "{info}");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    // Opened at the same time, they wait for the one connection.
    let other = self::client();
    let (a, b) = tokio::join!(other.connect(&url), other.connect(&url));
    a.unwrap();
    b.unwrap();
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn http2_connection_that_is_full_is_followed_by_another() {
    let (url, connections) = serving(true, echo).await;
    let client = client();
    let mut all = Vec::new();
    for i in 0..70 {
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        say(&mut websocket, &format!("hello from {i}")).await;
        all.push(websocket);
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

/// Whoever waits behind an attempt that is given up makes one of its own.
#[tokio::test]
async fn http2_attempt_that_is_cancelled_fails_no_other() {
    let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", inner.local_addr().unwrap());
    let (told, accepted) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        // The first one gets no answer.
        let _stuck = inner.accept().await.unwrap();
        told.send(()).unwrap();
        let (tcp, _) = inner.accept().await.unwrap();
        echo_all(tcp).await;
    });
    let client = client();
    let connect = |client: Client, url: String| async move { client.connect(&url).await };
    let first = tokio::spawn(connect(client.clone(), url.clone()));
    accepted.await.unwrap();
    let others: Vec<_> =
        (0..3).map(|_| tokio::spawn(connect(client.clone(), url.clone()))).collect();
    tokio::task::yield_now().await;
    assert!(others.iter().all(|other| !other.is_finished()));
    first.abort();
    for other in others {
        let (mut websocket, _) = other.await.unwrap().unwrap();
        say(&mut websocket, "after all").await;
    }
}

#[tokio::test]
async fn http2_connections_to_many_origins_are_not_kept_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let live = Arc::new(());
    let counted = live.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let counted = counted.clone();
            tokio::spawn(async move {
                echo_all(tcp).await;
                drop(counted);
            });
        }
    });
    let builder = direct().version(Version::Http2);
    let client = builder.resolver(Addresses(vec![address])).build().unwrap();
    let mut kept = None;
    for i in 0..100 {
        let (mut websocket, _) = client.connect(&format!("ws://{i}.example/")).await.unwrap();
        if i == 0 {
            kept = Some(websocket);
        } else {
            websocket.close(CloseCode::NORMAL, "").await.unwrap();
        }
    }
    // The ends arrive in their own time.
    eventually("few connections are kept", || Arc::strong_count(&live) - 2 <= 40).await;
    say(&mut kept.unwrap(), "still here").await;
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

/// A connection that has gone silent is not used again.
#[tokio::test]
async fn http2_connection_that_is_silent_leaves_the_pool() {
    let (url, connections) = serving(true, |stream| async move {
        if stream.0.uri().path() == "/silent" {
            std::future::pending::<()>().await;
        }
        echo(stream).await;
    })
    .await;
    let limits = fullduplex::HandshakeLimits {
        handshake_timeout: Duration::from_millis(50),
        ..fullduplex::HandshakeLimits::default()
    };
    let client = direct().version(Version::Http2);
    let client = client.handshake_limits(limits).build().unwrap();
    let error = client.connect(&format!("{url}silent")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let (mut websocket, _) = client.connect(&url).await.unwrap();
    say(&mut websocket, "on another one").await;
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn http2_server_without_extended_connect_is_named() {
    let (url, _) = serving(false, |_| async {}).await;
    let error = client().connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert!(error.to_string().contains("SETTINGS_ENABLE_CONNECT_PROTOCOL"), "{error}");
}

#[tokio::test]
async fn http2_server_that_speaks_http1_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for answer in ["", "HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).await.unwrap();
            if !answer.is_empty() {
                stream.write_all(answer.as_bytes()).await.unwrap();
                // An end over unread bytes would take the answer back.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        }
    });
    for kind in [ErrorKind::Io, ErrorKind::Handshake] {
        let error = client().connect(&url).await.unwrap_err();
        assert!(error.to_string().contains("does not seem to speak it"), "{error}");
        assert_eq!(error.kind(), kind, "{error}");
    }
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
    let (mut websocket, _) = client.connect(&format!("{url}20")).await.unwrap();
    say(&mut websocket, "hello").await;
    for count in [21, 1000] {
        let error = client.connect(&format!("{url}{count}")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        assert!(error.to_string().contains("interim"), "{error}");
    }
}

#[tokio::test]
async fn http2_rejection_has_its_body() {
    let (url, _) = serving(true, |(_, mut respond)| async move {
        let response = Response::builder().status(403).header("x-why", "not you");
        let mut send = respond.send_response(response.body(()).unwrap(), false).unwrap();
        send.send_data("go away".into(), true).unwrap();
    })
    .await;
    let error = client().connect(&url).await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-why"], "not you");
    assert_eq!(response.body(), "go away");
}

/// Opens and gives the one error that the end of the stream comes to.
async fn end_of(url: &str) -> Error {
    let (mut websocket, _) = client().connect(url).await.unwrap();
    let error = websocket.next().await.unwrap().unwrap_err();
    assert!(websocket.next().await.is_none());
    assert!(!websocket.close_info().unwrap().is_clean());
    error
}

#[tokio::test]
async fn http2_ends_and_resets_are_unclean_closes() {
    let (url, _) = serving(true, |(_, mut respond)| async move {
        accept(&mut respond).send_data(Bytes::new(), true).unwrap();
    })
    .await;
    assert_eq!(end_of(&url).await.kind(), ErrorKind::Io);
    let (url, _) = serving(true, |(_, mut respond)| async move {
        let mut send = accept(&mut respond);
        // A reset overtakes what is queued, the response too.
        tokio::time::sleep(Duration::from_millis(50)).await;
        send.send_reset(Reason::CANCEL);
    })
    .await;
    let error = end_of(&url).await;
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

#[tokio::test]
async fn http2_refused_stream_is_reported() {
    let (url, _) = serving(true, |(_, mut respond)| async move {
        respond.send_reset(Reason::REFUSED_STREAM);
    })
    .await;
    let error = client().connect(&url).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn http2_goaway_spares_open_streams_and_moves_new_ones() {
    let (url, connections) = serving(true, echo).await;
    let client = client();
    let (mut old, _) = client.connect(&format!("{url}go-away")).await.unwrap();
    say(&mut old, "before").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (mut new, _) = client.connect(&url).await.unwrap();
    say(&mut old, "after").await;
    say(&mut new, "new").await;
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

/// A stream that is not read takes as much as its window, and no more.
#[tokio::test]
async fn http2_backpressure_holds_what_is_not_read() {
    let total = Arc::new(AtomicUsize::new(0));
    let counter = total.clone();
    let (url, _) = serving(true, move |(_, mut respond)| {
        let counter = counter.clone();
        async move {
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
    let (websocket, _) = client().connect(&url).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
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

    let config = fullduplex::server::ServerConfig { http2: true, ..Default::default() };
    let server = fullduplex::server::Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(common::echo));
    let mut send = common::http2::connect(TcpStream::connect(address).await.unwrap()).await;
    while !send.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
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

/// RFC 9113 §8.6: there is none on HTTP/2, and nothing follows it.
#[tokio::test]
async fn http2_response_101_is_refused() {
    let (url, _) = serving(true, |(_, mut respond)| async move {
        let response = Response::builder().status(101).body(()).unwrap();
        respond.send_informational(response).unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let connecting = tokio::time::timeout(Duration::from_secs(5), async {
        client().connect(&url).await.unwrap_err()
    });
    let error = connecting.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Handshake, "{error}");
    assert!(error.to_string().contains("101"), "{error}");
}

/// What was waited for is told.
#[tokio::test(start_paused = true)]
async fn http2_settings_that_do_not_come_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    });
    let error = client().connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("SETTINGS"), "{error}");
}
