//! What can go wrong on the way to a server, and what else than an open WebSocket it may
//! answer: each a clear error, within bounds of time and memory.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{direct, switching};
use fullduplex::client::{BoxFuture, Connect, CookieJar, Proxy, Resolve, SocketOptions};
use fullduplex::server::{Server, accept};
use fullduplex::{Client, ClientBuilder, CloseCause, Error, ErrorKind, HandshakeLimits, NetStream};
use fullduplex_testkit::peak_rss;
use fullduplex_testkit::pipe::pipe;
use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves one connection after the other in a way of its own.
async fn serving<F>(handle: impl Fn(TcpStream, String) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            tokio::spawn(handle(stream, String::from_utf8(head).unwrap()));
        }
    });
    format!("ws://{address}/")
}

/// Answers every request with these bytes, and ends.
async fn answering(answer: impl Into<Vec<u8>>) -> String {
    let answer: Arc<[u8]> = answer.into().into();
    serving(move |mut stream, _| {
        let answer = answer.clone();
        async move {
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

async fn fails(builder: ClientBuilder, url: &str) -> Error {
    builder.build().unwrap().connect(url).await.unwrap_err()
}

#[tokio::test]
async fn connect_to_a_server_that_never_answers_times_out() {
    let url = serving(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(stream);
    })
    .await;
    let limits = HandshakeLimits {
        handshake_timeout: Duration::from_millis(100),
        ..HandshakeLimits::default()
    };
    let error = fails(direct().handshake_limits(limits), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout"), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn connect_deadline_is_not_moved_by_a_dripping_response() {
    let url = serving(|mut stream, _| async move {
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n".iter().cycle() {
            if stream.write_u8(*byte).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let limits = HandshakeLimits {
        handshake_timeout: Duration::from_millis(200),
        ..HandshakeLimits::default()
    };
    let error = fails(direct().handshake_limits(limits), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

struct Never;

impl Connect for Never {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn connect_by_a_connector_that_never_answers_times_out() {
    let builder = direct().connector(Never).connect_timeout(Duration::from_millis(50));
    let error = fails(builder, "ws://a.example/").await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("connect_timeout"), "{error}");
}

/// An address that takes no more connections and says nothing about it: the queue of its
/// listener is full, so SYNs are dropped. It lasts as long as what else is returned.
#[cfg(target_os = "linux")]
async fn black_hole() -> (SocketAddr, impl Sized) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    let moment = Duration::from_millis(200);
    while let Ok(stream) = tokio::time::timeout(moment, TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
        assert!(queued.len() < 100, "the queue is never full");
    }
    (address, (listener, queued))
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connect_into_a_black_hole_times_out() {
    let (hole, _full) = black_hole().await;
    let url = format!("ws://{hole}/");
    let error = fails(direct().connect_timeout(Duration::from_millis(300)), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("connect_timeout (300ms)"), "{error}");

    let attempt_timeout = Duration::from_millis(300);
    let options = SocketOptions { attempt_timeout, ..SocketOptions::default() };
    let error = fails(direct().socket(options.clone()), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("attempt_timeout (300ms)"), "{error}");
    assert!(error.is_retryable());

    // The next address does not wait for its end.
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let good = server.local_addr().unwrap();
    tokio::spawn(server.serve(|websocket| async move { drop(websocket) }));
    let client = direct().resolver(Fixed(vec![hole, good])).build().unwrap();
    client.connect("ws://many.example/").await.unwrap();
}

struct Fixed(Vec<SocketAddr>);

impl Resolve for Fixed {
    fn resolve<'a>(&'a self, host: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        assert_eq!(host, "many.example");
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

#[tokio::test]
async fn connect_takes_the_address_that_answers() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let good = server.local_addr().unwrap();
    tokio::spawn(server.serve(|websocket| async move { drop(websocket) }));
    // Nobody listens there any more, so it refuses.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = direct().resolver(Fixed(vec![closed, good])).build().unwrap();
    client.connect("ws://many.example/").await.unwrap();

    let error = fails(direct().resolver(Fixed(vec![closed, closed])), "ws://many.example/").await;
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.to_string().matches(&closed.to_string()).count(), 2, "{error}");
    let error = fails(direct().resolver(Fixed(vec![])), "ws://many.example/").await;
    assert_eq!(error.kind(), ErrorKind::Resolve);
    let socket =
        SocketOptions { local_address: Some("::1".parse().unwrap()), ..SocketOptions::default() };
    let builder = direct().resolver(Fixed(vec![good])).socket(socket);
    assert_eq!(fails(builder, "ws://many.example/").await.kind(), ErrorKind::Resolve);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connect_by_a_chosen_interface() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve(common::echo));
    let through = |name: &str| {
        let interface = Some(name.to_owned());
        direct().socket(SocketOptions { interface, ..SocketOptions::default() })
    };
    let (mut websocket, _) = through("lo").build().unwrap().connect(&url).await.unwrap();
    common::say(&mut websocket, "through lo").await;
    let error = fails(through("no-such-one"), &url).await;
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

#[tokio::test]
async fn connect_reports_resets_and_ends_in_each_phase() {
    for answer in [
        &b""[..],
        b"HTTP/1.1",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
    ] {
        let error = fails(direct(), &answering(answer).await).await;
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().contains("opening handshake"), "{error}");
        assert!(error.is_retryable());
    }
    for answer in ["", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso"] {
        let url = serving(move |stream, _| reset_after(stream, answer)).await;
        let error = fails(direct(), &url).await;
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("opening handshake"), "{error}");
        assert!(error.is_retryable());
    }
}

/// Writes, and closes with a reset (RST).
async fn reset_after(mut stream: TcpStream, answer: &'static str) {
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.set_zero_linger().unwrap();
}

/// A server that resets each connection at once, before it was asked anything.
#[tokio::test]
async fn connect_reports_a_reset_after_tcp_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            reset_after(stream, "").await;
        }
    });
    for scheme in ["ws", "wss"] {
        let error = fails(direct(), &format!("{scheme}://{address}/")).await;
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn connect_survives_a_reset_after_the_101() {
    for reset in [true, false] {
        let url = serving(move |stream, head| async move {
            let mut stream = stream;
            stream.write_all(switching(&head, "").as_bytes()).await.unwrap();
            if reset {
                stream.set_zero_linger().unwrap();
            }
        })
        .await;
        let (mut websocket, _) = direct().build().unwrap().connect(&url).await.unwrap();
        let error = websocket.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(websocket.next().await.is_none());
        let cause = if reset { CloseCause::TransportError } else { CloseCause::TransportEnd };
        assert_eq!(websocket.close_info().unwrap().cause, cause);
    }
}

/// What a server may do that is asked for TLS.
#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_handshake_faults_are_reported() {
    for (answer, reset, kind, says) in [
        ("", true, ErrorKind::Io, "inside the TLS handshake"),
        ("", false, ErrorKind::Io, "perhaps there is no TLS at this port"),
        // The beginning of a ServerHello.
        ("\x16\x03\x03\x00\x7a\x02\x00", true, ErrorKind::Io, "inside the TLS handshake"),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", false, ErrorKind::Tls, "does not speak TLS"),
        // An alert: no common version.
        ("\x15\x03\x03\x00\x02\x02\x46", false, ErrorKind::Tls, "protocol_version"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // All of the ClientHello, as an end over unread bytes is a reset.
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.unwrap();
            let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            stream.read_exact(&mut hello).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            if reset {
                stream.set_zero_linger().unwrap();
            }
        });
        let error = fails(direct(), &url).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_handshake_without_an_answer_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let error = fails(direct().connect_timeout(Duration::from_millis(200)), &url).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("connect_timeout"), "{error}");
}

struct Unknown;

impl Resolve for Unknown {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(std::future::ready(Err(io::Error::other("NXDOMAIN"))))
    }
}

#[tokio::test]
async fn connect_reports_a_missing_address_and_a_refused_port() {
    let error = fails(direct().resolver(Unknown), "ws://nowhere.example/").await;
    assert_eq!(error.kind(), ErrorKind::Resolve);
    assert!(error.to_string().contains("nowhere.example"), "{error}");
    assert!(error.to_string().contains("NXDOMAIN"), "{error}");
    assert!(error.is_retryable());
    // By the system, which needs to ask nobody: a label has at most 63 bytes (RFC 1035 §2.3.4).
    let error = fails(direct(), &format!("ws://{}.example/", "x".repeat(64))).await;
    assert_eq!(error.kind(), ErrorKind::Resolve, "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = fails(direct(), &format!("ws://{closed}/")).await;
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains(&closed.to_string()), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn response_that_is_garbage_or_too_long_is_reported() {
    for (answer, kind) in [
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_string(), ErrorKind::Handshake),
        ("\0\0\0\0\r\n\r\n".to_string(), ErrorKind::Handshake),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n".to_string(), ErrorKind::Handshake),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(2000)), ErrorKind::Limit),
        (format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(100_000)), ErrorKind::Limit),
    ] {
        let error = fails(direct(), &answering(answer.clone()).await).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn response_body_without_end_is_cut() {
    let url = serving(|mut stream, _| async move {
        let head = "HTTP/1.1 500 Oh no\r\nRetry-After: 7\r\nContent-Length: 1000000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; 1 << 20];
        while stream.write_all(&piece).await.is_ok() {}
    })
    .await;
    let before = peak_rss();
    let error = fails(direct(), &url).await;
    let response = error.response().unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.body().len(), 64 << 10);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert!(error.is_retryable());
    assert!(peak_rss() - before < 16 << 20);
}

/// A refusal whose body comes for ever, a byte at a time.
struct Dripping;

impl Connect for Dripping {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        let (near, mut far) = pipe(4096);
        tokio::spawn(async move {
            let head = "HTTP/1.1 500 Oh no\r\nContent-Length: 1000000000\r\n\r\n";
            far.write_all(head.as_bytes()).await.unwrap();
            while far.write_u8(b'x').await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

#[tokio::test(start_paused = true)]
async fn response_body_that_drips_is_cut() {
    let begun = tokio::time::Instant::now();
    let error = fails(direct().connector(Dripping), "ws://a.example/").await;
    assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
    let response = error.response().unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.body().starts_with(b"xxx"));
}

#[tokio::test]
async fn response_401_and_407_are_told_apart() {
    let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"here\"\r\n\
                  Content-Length: 0\r\n\r\n";
    let error = fails(direct(), &answering(answer).await).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Handshake, false));
    assert!(error.to_string().contains("Basic realm=\"here\""), "{error}");

    let answer = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                  Proxy-Authenticate: Basic realm=\"way\"\r\nContent-Length: 2\r\n\r\nno";
    let proxy = answering(answer).await.replace("ws:", "http:");
    let proxy = Proxy::parse(&proxy).unwrap();
    let error = fails(Client::builder().proxy(proxy), "ws://a.example/").await;
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(error.to_string().contains("Basic realm=\"way\""), "{error}");
    assert_eq!(&error.response().unwrap().body()[..], b"no");
}

/// A server that wants a certain request and opens a WebSocket.
async fn opening(expected: &'static [&'static str], missing: &'static [&'static str]) -> String {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve_handshakes(move |handshake| async move {
        let request = format!("{:?}", handshake.request());
        for words in expected {
            assert!(request.contains(words), "{words} in {request}");
        }
        for words in missing {
            assert!(!request.contains(words), "{words} not in {request}");
        }
        drop(handshake.accept().await);
    }));
    url
}

async fn redirecting(status: u16, to: String) -> String {
    answering(format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
        .await
}

#[tokio::test]
async fn redirect_is_followed_when_asked_and_without_credentials() {
    let end = opening(&["/there"], &["secret", "authorization", "cookie"]).await;
    for status in [301, 302, 303, 307, 308] {
        let url = redirecting(status, format!("{end}there")).await;
        let error = fails(direct(), &url).await;
        assert!(error.to_string().contains("not followed"), "{error}");
        let url = url.replace("ws://", "ws://me:secret@");
        let mut sensitive = HeaderValue::from_static("secret");
        sensitive.set_sensitive(true);
        let client = direct().max_redirects(3).header("Cookie", "secret=1");
        let client = client.header("Proxy-Authorization", "secret").header("X-Key", sensitive);
        let client = client.bearer_auth("secret").build().unwrap();
        client.connect(&url).await.unwrap();
    }
}

/// Whoever is between a client and a server of TLS must not send it elsewhere.
#[tokio::test]
async fn redirect_by_a_proxy_is_not_followed() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let proxy = serving(move |mut stream, head| {
        seen.lock().unwrap().push(head.lines().next().unwrap().to_owned());
        async move {
            let answer = "HTTP/1.1 302 Found\r\nLocation: wss://evil.example/\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let proxy = Proxy::parse(&proxy.replace("ws:", "http:")).unwrap();
    let builder = Client::builder().proxy(proxy).max_redirects(5);
    let error = fails(builder, "wss://bank.example/").await;
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert_eq!(*asked.lock().unwrap(), ["CONNECT bank.example:443 HTTP/1.1"]);
}

/// A SOCKS5 proxy (RFC 1928) that takes this address alone, where it is the server too. It
/// tells what it was asked for.
async fn socks5(good: [u8; 4]) -> (SocketAddr, Arc<Mutex<Vec<[u8; 4]>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 3];
            stream.read_exact(&mut hello).await.unwrap();
            assert_eq!(hello, [5, 1, 0]);
            stream.write_all(&[5, 0]).await.unwrap();
            let mut request = [0; 10];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request[..4], [5, 1, 0, 1]);
            let ip = [request[4], request[5], request[6], request[7]];
            seen.lock().unwrap().push(ip);
            // 5 is "connection refused".
            let answer = if ip == good { 0 } else { 5 };
            stream.write_all(&[5, answer, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            if ip == good {
                tokio::spawn(async move { accept(stream).await.map(drop) });
            }
        }
    });
    (address, asked)
}

#[tokio::test]
async fn proxy_of_socks5_is_asked_for_each_address_in_turn() {
    let addresses = [[192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 3]];
    let (proxy, asked) = socks5(addresses[1]).await;
    let builder = |addresses: &[[u8; 4]]| {
        let addresses = addresses.iter().map(|ip| (*ip, 80).into()).collect();
        let proxy = Proxy::parse(&format!("socks5://{proxy}")).unwrap();
        Client::builder().proxy(proxy).resolver(Fixed(addresses))
    };
    let client = builder(&addresses).build().unwrap();
    client.connect("ws://many.example/").await.unwrap();
    assert_eq!(*asked.lock().unwrap(), addresses[..2]);

    let error = fails(builder(&[addresses[2], addresses[0]]), "ws://many.example/").await;
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(error.to_string().contains("many.example:80 at 192.0.2.3"), "{error}");
    assert_eq!(asked.lock().unwrap()[2..], [addresses[2], addresses[0]]);
}

#[cfg(unix)]
#[tokio::test]
async fn proxy_is_not_used_for_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("fullduplex-direct-{}", std::process::id()));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move { accept(listener.accept().await.unwrap().0).await.map(drop) });
    let proxy = Proxy::parse("http://user:secret@127.0.0.1:1/").unwrap();
    let client = Client::builder().proxy(proxy).unix_socket(&path).build().unwrap();
    client.connect("ws://a.example/").await.unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn redirect_count_is_bounded() {
    let first = redirecting(302, "/".into()).await;
    let error = fails(direct().max_redirects(3), &first).await;
    assert!(error.to_string().contains("max_redirects (3)"), "{error}");
    for (to, why) in [("ftp://a/", "ws or wss"), ("ws://", "redirection to")] {
        let error = fails(direct().max_redirects(1), &redirecting(302, to.into()).await).await;
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(error.response().unwrap().status(), 302);
    }
    let nowhere = answering("HTTP/1.1 302 Moved\r\n\r\n").await;
    let error = fails(direct().max_redirects(1), &nowhere).await;
    assert!(error.to_string().contains("Location"), "{error}");
}

#[tokio::test]
async fn request_has_credentials_and_origin() {
    // "me@home:p w" and "user:pass" in base64.
    let url = opening(&["Basic bWVAaG9tZTpwIHc="], &[]).await;
    let client = direct().build().unwrap();
    client.connect(&url.replace("ws://", "ws://me%40home:p%20w@")).await.unwrap();
    let url = opening(&["http://origin.example"], &[]).await;
    // Another origin, so it is refused, but was sent.
    let error = fails(direct().origin("http://origin.example"), &url).await;
    assert_eq!(error.response().unwrap().status(), 403);
}

/// Some peers of HTTP/1.1 know them no other way.
#[tokio::test]
async fn request_header_names_are_in_title_case_on_http1() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    let url = serving(move |mut stream, head| {
        let answer = if head.starts_with("CONNECT ") {
            "HTTP/1.1 200 Connected\r\n\r\n".to_owned()
        } else {
            switching(&head, "")
        };
        let is_tunnel = head.starts_with("CONNECT ");
        let seen = seen.clone();
        seen.lock().unwrap().push(head);
        async move {
            stream.write_all(answer.as_bytes()).await.unwrap();
            if is_tunnel {
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8(head[..read].to_vec()).unwrap();
                stream.write_all(switching(&head, "").as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let client = || direct().origin("http://a.example").header("x-API-key", "k");
    client().basic_auth("me", "secret").build().unwrap().connect(&url).await.unwrap();
    let proxy = Proxy::parse(&url.replace("ws:", "http:")).unwrap();
    let name = http::HeaderName::from_static("x-tenant");
    let client = client().proxy(proxy).proxy_header(name, HeaderValue::from_static("t"));
    client.build().unwrap().connect(&url).await.unwrap();
    let heads = heads.lock().unwrap();
    for (i, field) in [
        (0, "Host: 127.0.0.1"),
        (0, "Origin: http://a.example"),
        (0, "X-Api-Key: k"),
        (0, "Authorization: Basic"),
        (0, "Sec-WebSocket-Key: "),
        (1, "Host: 127.0.0.1"),
        (1, "X-Tenant: t"),
    ] {
        assert!(heads[i].contains(&format!("\r\n{field}")), "{field} in {}", heads[i]);
    }
}

/// RFC 9110 §11.7.2.
#[tokio::test]
async fn proxy_authorization_goes_out_once() {
    let url = serving(|mut stream, head| async move {
        let sent: Vec<_> =
            head.lines().filter(|line| line.starts_with("Proxy-Authorization:")).collect();
        let sent = sent.join("|");
        let answer = format!("HTTP/1.1 407 No\r\nContent-Length: {}\r\n\r\n{sent}", sent.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let proxy =
        |user: &str| Proxy::parse(&url.replace("ws://", &format!("http://{user}"))).unwrap();
    let own = |client: ClientBuilder| {
        let value = HeaderValue::from_static("Bearer t");
        client.proxy_header(http::header::PROXY_AUTHORIZATION, value)
    };
    for (client, expected) in [
        (direct().proxy(proxy("")), ""),
        (direct().proxy(proxy("me:secret@")), "Proxy-Authorization: Basic bWU6c2VjcmV0"),
        (own(direct().proxy(proxy(""))), "Proxy-Authorization: Bearer t"),
        (own(direct().proxy(proxy("me:secret@"))), "Proxy-Authorization: Bearer t"),
    ] {
        let error = fails(client, "ws://a.example/").await;
        assert_eq!(error.response().unwrap().body(), expected, "{error}");
    }
}

#[derive(Default)]
struct Jar(Mutex<Vec<String>>);

impl CookieJar for Jar {
    fn cookies(&self, url: &str) -> Option<HeaderValue> {
        assert!(url.starts_with("ws://127.0.0.1:"), "{url}");
        let all = self.0.lock().unwrap().join("; ");
        (!all.is_empty()).then(|| all.parse().unwrap())
    }

    fn store(&self, _: &str, set_cookie: &HeaderValue) {
        self.0.lock().unwrap().push(set_cookie.to_str().unwrap().into());
    }
}

#[tokio::test]
async fn cookies_are_kept_and_sent() {
    let url = serving(|mut stream, head| async move {
        let seen = head.lines().find(|line| line.starts_with("Cookie:")).unwrap_or("none");
        let answer = format!(
            "HTTP/1.1 403 No\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
             Content-Length: {}\r\n\r\n{seen}",
            seen.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let jar: Arc<Jar> = Arc::default();
    let client = direct().cookies(jar).build().unwrap();
    for expected in ["none", "Cookie: a=1; b=2"] {
        let error = client.connect(&url).await.unwrap_err();
        assert_eq!(error.response().unwrap().body(), expected);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn connect_to_unix_sockets() {
    let folder = std::env::temp_dir().join(format!("fullduplex-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut websocket = accept(stream).await.unwrap();
            websocket.send("from a socket").await.unwrap();
        }
    });
    let client = direct().build().unwrap();
    let (mut websocket, _) =
        client.connect(&format!("ws+unix:{}:/chat", path.display())).await.unwrap();
    let message = websocket.next().await.unwrap().unwrap();
    assert_eq!(message.as_text(), Some("from a socket"));
    let client = direct().unix_socket(&path).build().unwrap();
    client.connect("ws://any.example/").await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let error = client.connect("ws://any.example/").await.unwrap_err();
    assert!(error.to_string().contains("socket"), "{error}");
}

/// Gives one end of a pipe, behind which a server is.
struct Piped;

impl Connect for Piped {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        assert_eq!((host, port), ("a.example", 80));
        let (near, far) = pipe(4096);
        tokio::spawn(async move {
            let mut websocket = accept(far).await.unwrap();
            websocket.send("through a pipe").await.unwrap();
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

#[tokio::test]
async fn connect_by_a_custom_connector() {
    let client = direct().connector(Piped).build().unwrap();
    let (mut websocket, _) = client.connect("ws://a.example/").await.unwrap();
    let message = websocket.next().await.unwrap().unwrap();
    assert_eq!(message.as_text(), Some("through a pipe"));
}

#[tokio::test]
async fn debug_shows_no_secrets() {
    let client = direct()
        .bearer_auth("secret")
        .header("X-Key", "secret")
        .proxy(Proxy::parse("http://me:secret@a/").unwrap())
        .build()
        .unwrap();
    assert!(!format!("{client:?}").contains("secret"), "{client:?}");
    let error = client.connect("http://me:secret@a/").await.unwrap_err();
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

/// It is for link-local addresses, where it may be a name. The first interface is loopback's.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn uri_zone_of_ipv6_leads_to_the_interface() {
    for (zone, is_found) in [("lo", true), ("nosuch0", false)] {
        let error = fails(direct(), &format!("ws://[fe80::1%25{zone}]:9/")).await;
        assert_eq!(error.kind() != ErrorKind::Resolve, is_found, "{zone}: {error}");
    }
    // Its addresses, in hexadecimal; without IPv6 there is no such file.
    let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    if !addresses.contains(&format!("{:032x}", 1)) {
        return;
    }
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        stream.write_all(switching(&head, "").as_bytes()).await.unwrap();
        (head, stream)
    });
    let client = direct().resolver(Fixed(Vec::new())).build().unwrap();
    client.connect(&format!("http://[::1%251]:{port}/")).await.unwrap();
    let (head, _stream) = asked.await.unwrap();
    assert!(head.contains(&format!("\r\nHost: [::1]:{port}\r\n")), "{head}");
}
