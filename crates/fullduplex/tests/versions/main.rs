//! One table of requests over HTTP/1.1, HTTP/2 and HTTP/3: what an application sees of them and
//! what it answers is the same.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "http2",
    feature = "http3",
    feature = "tower"
))]

mod cancelled;
mod client_requests;
#[path = "../common/mod.rs"]
mod common;
mod connect_events;
mod limits;
mod masking;
mod negotiated;
mod requests;
mod sensitive;
mod uploads;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use common::tls::localhost;
use fullduplex::server::{Handshake, Server, ServerConfig, WebSocketLayer};
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use requests::{AUTHORITY, Answer, Ask};
use tower::{ServiceBuilder, service_fn};

/// Content of one piece, and perhaps trailers.
struct Content {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        let frame = data.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.data, &self.trailers) {
            (Some(data), None) => SizeHint::with_exact(data.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// What an application sees of a head.
fn seen<B>(request: &Request<B>) -> String {
    let fields = |name| {
        let values = request.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(" | ")
    };
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let host = authority.or(request.headers().get("host").map(|host| host.to_str().unwrap()));
    let path = request.uri().path_and_query().unwrap();
    let (cookie, tags) = (fields("cookie"), fields("x-tag"));
    format!("{} {path} cookie={cookie} x-tag={tags}", host.unwrap())
}

/// `/seen` tells what came; `/answer/204` answers with that status, and with content.
async fn service<B>(request: Request<B>) -> Result<Response<Content>, Infallible>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let mut seen = format!("{} {}", request.method(), seen(&request));
    let (parts, body) = request.into_parts();
    let mut body = pin!(body);
    let mut trailers = HeaderMap::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        match frame.unwrap().into_data() {
            Ok(data) => seen += &[" ", std::str::from_utf8(&data).unwrap()].concat(),
            Err(frame) => trailers = frame.into_trailers().unwrap(),
        }
    }
    write!(seen, " trailers={trailers:?}").unwrap();
    let (head, content) = answer_to(parts.uri.path(), seen).into_parts();
    let trailers = (parts.uri.path() == "/trailers").then(|| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        trailers
    });
    let content = Content { data: Some(content.into()), trailers };
    Ok(Response::from_parts(head, content))
}

fn answer_to(path: &str, seen: String) -> Response<String> {
    let response = Response::builder().header("x-own", "yes").header("set-cookie", "a=b");
    match path.strip_prefix("/answer/") {
        Some(status) => response.status(status).body("content".into()).unwrap(),
        None if path == "/trailers" => response.header("trailer", "x-sum").body(seen).unwrap(),
        None => response.body(seen).unwrap(),
    }
}

/// The same for requests that the handler answers.
async fn handler(mut handshake: Handshake) {
    let seen = seen(handshake.request());
    if handshake.request().uri().path() == "/open" {
        handshake.add_header("X-Seen", seen);
        // Dropped at once.
        handshake.accept().await.unwrap();
        return;
    }
    if handshake.request().uri().path() == "/echo" {
        return common::echo(handshake.accept().await.unwrap()).await;
    }
    let mut response = answer_to(handshake.request().uri().path(), seen);
    if response.status() == 200 && handshake.is_websocket() {
        *response.status_mut() = http::StatusCode::FORBIDDEN;
    }
    // Those that are not final are errors.
    let _ = handshake.respond(response).await;
}

/// A server, and the versions of HTTP that it speaks.
type Serving = Vec<(Version, SocketAddr)>;

/// The ready-made server, in clear text and by QUIC.
async fn ready_made(has_service: bool) -> Serving {
    let mut all = Vec::new();
    for is_secure in [false, true] {
        let config = ServerConfig::default().http2(true);
        let mut server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
        if has_service {
            server = server.service(service_fn(service));
        }
        if is_secure {
            server = server.tls(localhost()).http3();
        }
        let address = server.local_addr().unwrap();
        tokio::spawn(server.serve_handshakes(handler));
        let versions: &[_] =
            if is_secure { &[Version::HTTP_3] } else { &[Version::HTTP_11, Version::HTTP_2] };
        all.extend(versions.iter().map(|version| (*version, address)));
    }
    all
}

/// A server that hyper runs, with our layer in front of its service.
async fn of_hyper() -> Serving {
    let layer = WebSocketLayer::new(|mut websocket, request| async move {
        websocket.send(seen(&request)).await.unwrap();
    });
    let service = ServiceBuilder::new().layer(layer).service(service_fn(service));
    let address = common::hyper::serve(service).await;
    vec![(Version::HTTP_11, address), (Version::HTTP_2, address)]
}

/// Sends a request over each version; the answer, which is one.
async fn all_agree(ask: &Ask, server: &Serving) -> Answer {
    let mut first = None;
    for (version, address) in server {
        let answer = ask.send(*version, *address).await;
        match &first {
            None => first = Some(answer),
            Some(first) => assert_eq!(answer, *first, "{version:?}: {ask:?}"),
        }
    }
    first.unwrap()
}

fn asks() -> [Ask; 3] {
    let fields = vec![("cookie", "theme=dark; session=abc; x=y"), ("x-tag", "2"), ("x-tag", "1")];
    let get = Ask { fields, ..Ask::get("/seen?a=b") };
    let content = "some content";
    let trailers = vec![("x-check", "7")];
    let post = Ask { method: Method::POST, content, trailers, ..get.clone() };
    [get.clone(), Ask { is_websocket: true, ..get }, post]
}

const SEEN: &str = "/seen?a=b cookie=theme=dark; session=abc; x=y x-tag=2 | 1";

#[tokio::test]
async fn requests_are_seen_alike_by_services() {
    for server in [ready_made(true).await, of_hyper().await] {
        let [get, _, post] = asks();
        let answer = all_agree(&get, &server).await;
        assert_eq!(answer.content, format!("GET {AUTHORITY} {SEEN} trailers={{}}"));
        let answer = all_agree(&post, &server).await;
        let rest = "some content trailers={\"x-check\": \"7\"}";
        assert_eq!(answer.content, format!("POST {AUTHORITY} {SEEN} {rest}"));
    }
}

#[tokio::test]
async fn requests_are_seen_alike_by_handlers() {
    let server = ready_made(false).await;
    let [get, websocket, _] = asks();
    for ask in [get, websocket.clone()] {
        let answer = all_agree(&ask, &server).await;
        assert_eq!(answer.content, format!("{AUTHORITY} {SEEN}"));
    }
    let answer = all_agree(&Ask { path: "/open", ..websocket }, &server).await;
    let seen = format!("x-seen: {AUTHORITY} {}", SEEN.replace("/seen?a=b", "/open"));
    assert_eq!((answer.status, answer.fields), (200, vec![seen]));
}

/// RFC 9110 §6.4.1, §8.6, §15.2 to §15.4.
#[tokio::test]
async fn responses_have_the_content_that_their_status_allows() {
    let length = |answer: &Answer| {
        let field = answer.fields.iter().find_map(|field| field.strip_prefix("content-length: "));
        field.map(str::to_owned)
    };
    let rows = [
        ("/answer/200", 200, Some("7"), "content"),
        ("/answer/204", 204, None, ""),
        ("/answer/304", 304, None, ""),
        ("/answer/205", 205, Some("0"), ""),
        ("/answer/404", 404, Some("7"), "content"),
    ];
    for (has_service, is_websocket) in [(true, false), (false, false), (false, true)] {
        let server = ready_made(has_service).await;
        for (path, status, expected, content) in rows {
            // On a stream these would open the WebSocket; see below.
            if is_websocket && (200..300).contains(&status) {
                continue;
            }
            let ask = Ask { is_websocket, ..Ask::get(path) };
            let answer = all_agree(&ask, &server).await;
            let found = (answer.status, length(&answer), &*answer.content);
            assert_eq!(found, (status, expected.map(str::to_owned), content), "{ask:?}");
            assert!(answer.is_dated && answer.fields.contains(&"x-own: yes".into()), "{answer:?}");
            if !is_websocket {
                let head = Ask { method: Method::HEAD, ..ask };
                let answer = all_agree(&head, &server).await;
                let found = (answer.status, length(&answer), &*answer.content);
                assert_eq!(found, (status, expected.map(str::to_owned), ""), "{head:?}");
            }
        }
    }
}

/// What is no final answer, or would open a WebSocket that there is not, is the application's
/// mistake.
#[tokio::test]
async fn responses_that_are_none_are_500() {
    for has_service in [true, false] {
        let server = ready_made(has_service).await;
        for path in ["/answer/100", "/answer/103"] {
            assert_eq!(all_agree(&Ask::get(path), &server).await.status, 500);
            assert_eq!(all_agree(&Ask::websocket(path), &server).await.status, 500);
        }
        // On HTTP/1.1 it is a refusal like any other.
        for (version, address) in &server {
            let answer = Ask::websocket("/answer/204").send(*version, *address).await;
            let expected = if *version == Version::HTTP_11 { 204 } else { 500 };
            assert_eq!(answer.status, expected, "{version:?}");
        }
    }
}

#[tokio::test]
async fn responses_of_services_have_trailers() {
    for server in [ready_made(true).await, of_hyper().await] {
        let answer = all_agree(&Ask::get("/trailers"), &server).await;
        assert_eq!(answer.trailers, ["x-sum: 1"]);
    }
}

/// A frame that came with the request was carried like those behind it.
#[tokio::test]
async fn stats_count_what_came_with_the_handshake() {
    use fullduplex::WebSocketBuilder;
    let (near, _far) = tokio::io::duplex(1024);
    // Masked with zeros.
    let frame = b"\x81\x85\0\0\0\0hello";
    let mut websocket = WebSocketBuilder::server().received(&frame[..]).build(near).unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some("hello"));
    let received = websocket.stats().received;
    assert_eq!((received.payload, received.wire), (5, frame.len() as u64));
}
