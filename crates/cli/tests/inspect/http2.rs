//! HTTP/2 by the relay: what one end sends, the other one gets.

use std::future::{Future, poll_fn};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::relay::{DEADLINE, Relay, relay_to};

type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

/// A client and a target of HTTP/2, with a relay between them.
struct Between {
    relay: Relay,
    client: SendRequest<Bytes>,
    /// How the connection of the client ended.
    client_end: JoinHandle<Result<(), h2::Error>>,
    accepted: mpsc::UnboundedReceiver<Accepted>,
    /// Ends the connection of the target: with `NO_ERROR` when its streams have ended, or at once.
    go_away: mpsc::UnboundedSender<Reason>,
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.expect("it takes too long")
}

async fn between(target: &h2::server::Builder, options: &[&str]) -> Between {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let relay = relay_to(&url, options);
    let (accept, accepted) = mpsc::unbounded_channel();
    let (go_away, mut going_away) = mpsc::unbounded_channel();
    let builder = target.clone();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection: Connection<_, Bytes> = builder.handshake(socket).await.unwrap();
        loop {
            tokio::select! {
                next = connection.accept() => match next {
                    Some(Ok(next)) => accept.send(next).unwrap(),
                    _ => return,
                },
                Some(reason) = going_away.recv() => match reason {
                    Reason::NO_ERROR => connection.graceful_shutdown(),
                    // Its socket is closed, and nothing said.
                    Reason::CONNECT_ERROR => return,
                    reason => connection.abrupt_shutdown(reason),
                },
            }
        }
    });
    let socket = TcpStream::connect(&relay.address).await.unwrap();
    let (client, connection) = soon(h2::client::handshake(socket)).await.unwrap();
    let client_end = tokio::spawn(connection);
    let client = soon(client.ready()).await.unwrap();
    Between { relay, client, client_end, accepted, go_away }
}

impl Between {
    fn request(&self) -> http::request::Builder {
        Request::builder().uri(format!("http://{}/x?a=b", self.relay.address))
    }

    /// Opens a WebSocket, and returns what both ends have of its stream.
    async fn open(&mut self) -> [(h2::SendStream<Bytes>, RecvStream); 2] {
        // Those of the target have come.
        let client = self.client.clone();
        soon(async {
            while !client.is_extended_connect_protocol_enabled() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        let request = self.request().method("CONNECT").extension(Protocol::from("websocket"));
        let request = request.header("sec-websocket-version", "13").body(()).unwrap();
        let (response, send) = self.client.send_request(request, false).unwrap();
        let (request, mut respond) = soon(self.accepted.recv()).await.unwrap();
        let accept = Response::builder().header("x-of", "the server").body(()).unwrap();
        let target = respond.send_response(accept, false).unwrap();
        let response = soon(response).await.unwrap();
        assert_eq!(response.headers()["x-of"], "the server");
        [(send, response.into_body()), (target, request.into_body())]
    }
}

fn websockets() -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol();
    builder
}

/// Reads a frame, and returns whether the stream ended with it.
async fn with_end(stream: &mut RecvStream) -> (Bytes, bool) {
    let data = soon(stream.data()).await.unwrap().unwrap();
    stream.flow_control().release_capacity(data.len()).unwrap();
    (data, stream.is_end_stream())
}

/// Reads content to its end, and returns it with the trailers.
async fn content(mut stream: RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = soon(stream.data()).await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, soon(stream.trailers()).await?))
}

fn listed(fields: &HeaderMap) -> Vec<(&str, &[u8])> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn http2_requests_pass_with_their_fields_content_and_trailers() {
    let mut between = between(&websockets(), &["--json"]).await;
    let own = between.request().method("POST").header("zzz", "1").header("cookie", "a=1");
    let own = own.header("cookie", "b=2").header("x-odd", "two  spaces\u{a0}").header("aaa", "");
    let own = own.body(()).unwrap();
    let sent_fields = own.headers().clone();
    let (mut response, mut send) = between.client.send_request(own, false).unwrap();
    let piece = Bytes::from(vec![b'x'; 100_000]);
    send.send_data(piece.clone(), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "42".parse().unwrap());
    send.send_trailers(trailers.clone()).unwrap();

    let (request, mut respond) = soon(between.accepted.recv()).await.unwrap();
    let authority = request.uri().authority().unwrap().as_str();
    assert_ne!(authority, between.relay.address);
    assert!(between.relay.line("relaying to ").contains(authority), "{authority}");
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/x"));
    assert_eq!(listed(request.headers()), listed(&sent_fields));
    let hints = Response::builder().status(103).header("link", "</a>").body(()).unwrap();
    respond.send_informational(hints).unwrap();
    assert_eq!(content(request.into_body()).await.unwrap(), (piece.to_vec(), Some(trailers)));
    let interim = soon(poll_fn(|cx| response.poll_informational(cx))).await.unwrap().unwrap();
    assert_eq!(
        (interim.status().as_u16(), &interim.headers()["link"]),
        (103, &"</a>".parse().unwrap())
    );

    let answer = Response::builder().status(418).header("z", "1").header("server", "target");
    let answer = answer.header("a", "2").body(()).unwrap();
    let answered = answer.headers().clone();
    let mut sending = respond.send_response(answer, false).unwrap();
    sending.send_data(Bytes::from_static(b"teapot"), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    sending.send_trailers(trailers.clone()).unwrap();
    let response = soon(response).await.unwrap();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(listed(response.headers()), listed(&answered));
    assert_eq!(content(response.into_body()).await.unwrap(), (b"teapot".to_vec(), Some(trailers)));

    let requests = between.relay.events("request");
    assert_eq!(requests[0]["start_line"], "POST /x?a=b HTTP/2.0");
    assert_eq!(requests[0]["changed_from"][0][0], ":authority");
    assert_eq!(requests[0]["changed_from"][0][1], between.relay.address.as_str());
    let [stream] = &between.relay.events("stream")[..] else { panic!() };
    assert_eq!((&stream["id"], &stream["of"]), (&1.into(), &1.into()));
    let statuses: Vec<_> = between.relay.events("response");
    let statuses: Vec<_> = statuses.iter().map(|head| head["fields"][0][1].clone()).collect();
    assert_eq!(statuses, ["103", "418"]);
    let trailers = between.relay.events("trailers");
    assert_eq!(trailers[1]["fields"][0][0], "grpc-status");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn http2_websocket_passes_and_is_shown() {
    let mut between = between(&websockets(), &["--json"]).await;
    let [(mut client, from_target), (mut target, from_client)] = between.open().await;
    let frames = b"\x01\x82\0\0\0\0ab\x89\x80\0\0\0\0\x80\x81\0\0\0\0c\x88\x82\0\0\0\0\x0f\xa0";
    client.send_data(Bytes::from_static(frames), true).unwrap();
    // In one frame with the end, as it was sent.
    let mut from_client = from_client;
    assert_eq!(with_end(&mut from_client).await, (Bytes::from_static(frames), true));
    // The other direction goes on.
    target.send_data(Bytes::from_static(b"\x8a\0\xc1\x01!"), false).unwrap();
    target.send_data(Bytes::from_static(b"\x88\x02\x0f\xa0"), true).unwrap();
    let (seen, _) = content(from_target).await.unwrap();
    assert_eq!(seen, b"\x8a\0\xc1\x01!\x88\x02\x0f\xa0");

    let [opened] = &between.relay.events("open")[..] else { panic!() };
    assert!(opened["url"].as_str().unwrap().ends_with("/x?a=b"), "{opened}");
    let number = &opened["connection"];
    let frames = between.relay.events("frame");
    let shown = frames.iter().map(|frame| {
        assert_eq!(frame["connection"], *number);
        format!("{} {}", frame["from"].as_str().unwrap(), frame["opcode"].as_str().unwrap())
    });
    let shown: Vec<_> = shown.collect();
    assert_eq!(shown[..4], ["client text", "client ping", "client continuation", "client close"]);
    assert_eq!(shown[4..], ["server pong", "server text", "server close"]);
    assert_eq!(frames[2]["message"]["text"], "abc");
    assert!(frames[5]["violation"].is_string(), "{}", frames[5]);
    let ends = between.relay.events("end");
    assert!(ends.iter().all(|end| end["how"] == "END_STREAM") && ends.len() == 2, "{ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn http2_resets_keep_their_codes() {
    let mut between = between(&websockets(), &["--json"]).await;
    let code = Reason::from(0xface);
    for is_client in [true, false] {
        let [client, target] = between.open().await;
        let ((mut one, _from), (_to, other)) =
            if is_client { (client, target) } else { (target, client) };
        one.send_data(Bytes::from_static(b"\x89\x00"), false).unwrap();
        one.reserve_capacity(1);
        // So that it leaves before the reset, which would drop it.
        tokio::time::sleep(Duration::from_millis(100)).await;
        one.send_reset(code);
        let error = content(other).await.unwrap_err();
        assert_eq!(error.reason(), Some(code), "{is_client}: {error}");
    }
    between.relay.line("RST_STREAM with 0xface");
    // An ordinary request that the target resets, and one that the client does.
    let (response, _) =
        between.client.send_request(between.request().body(()).unwrap(), true).unwrap();
    let (_, mut respond) = soon(between.accepted.recv()).await.unwrap();
    respond.send_reset(Reason::REFUSED_STREAM);
    assert_eq!(soon(response).await.unwrap_err().reason(), Some(Reason::REFUSED_STREAM));
    let (_response, mut send) =
        between.client.send_request(between.request().body(()).unwrap(), false).unwrap();
    let (request, mut respond) = soon(between.accepted.recv()).await.unwrap();
    send.send_reset(Reason::CANCEL);
    let reset = soon(poll_fn(|cx| respond.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, Reason::CANCEL);
    drop(request);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn http2_goaway_passes() {
    for reason in [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM] {
        let mut between = between(&websockets(), &[]).await;
        let [(mut client, from_target), (mut target, _from_client)] = between.open().await;
        between.go_away.send(reason).unwrap();
        if reason == Reason::NO_ERROR {
            // No more streams, while this one goes on.
            between.relay.line("the target sent GOAWAY with NO_ERROR");
            soon(async {
                while poll_fn(|cx| between.client.poll_ready(cx)).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
            .await;
            target.send_data(Bytes::from_static(b"\x81\x01a"), true).unwrap();
            assert_eq!(content(from_target).await.unwrap().0, b"\x81\x01a");
            client.send_data(Bytes::new(), true).unwrap();
        }
        drop((client, target));
        let end = soon(between.client_end).await.unwrap();
        assert_eq!(end.map_err(|error| error.reason()).err().flatten(), {
            (reason != Reason::NO_ERROR).then_some(reason)
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn http2_end_of_the_target_is_not_a_reset_of_its_streams() {
    let mut between = between(&websockets(), &[]).await;
    let [(_client, mut from_target), (mut target, _from_client)] = between.open().await;
    let ordinary = between.request().body(()).unwrap();
    let (response, _) = between.client.send_request(ordinary, true).unwrap();
    let _unanswered = soon(between.accepted.recv()).await.unwrap();
    target.send_data(Bytes::from_static(b"\x88\0"), false).unwrap();
    assert_eq!(soon(from_target.data()).await.unwrap().unwrap(), &b"\x88\0"[..]);
    between.go_away.send(Reason::CONNECT_ERROR).unwrap();
    let error = soon(from_target.data()).await.unwrap().unwrap_err();
    assert!(!error.is_reset(), "{error}");
    let error = soon(response).await.unwrap_err();
    assert!(!error.is_reset(), "{error}");
    between.relay.line("end: the end of the connection");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn http2_refusal_passes_with_its_content_and_not_earlier() {
    let mut between = between(&websockets(), &[]).await;
    drop(between.open().await);
    let request = between.request().method("CONNECT").extension(Protocol::from("websocket"));
    let begun = Instant::now();
    let (response, mut send) =
        between.client.send_request(request.body(()).unwrap(), false).unwrap();
    // What a client sends before the answer waits.
    send.send_data(Bytes::from_static(b"early"), true).unwrap();
    let (request, mut respond) = soon(between.accepted.recv()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let refusal = Response::builder().status(403).header("x-why", "no").body(()).unwrap();
    let mut sending = respond.send_response(refusal, false).unwrap();
    sending.send_data(Bytes::from_static(b"forbidden"), true).unwrap();
    let response = soon(response).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-why"]),
        (403, &"no".parse().unwrap())
    );
    assert_eq!(content(response.into_body()).await.unwrap(), (b"forbidden".to_vec(), None));
    assert_eq!(content(request.into_body()).await.unwrap().0, b"early");
    between.relay.line("  :status: 403");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn http2_settings_are_those_of_the_target() {
    let mut target = h2::server::Builder::new();
    target.max_concurrent_streams(7);
    let mut between = between(&target, &[]).await;
    between.relay.line("at most 7 streams, and no extended CONNECT");
    let (response, _) =
        between.client.send_request(between.request().body(()).unwrap(), true).unwrap();
    let (_, mut respond) = soon(between.accepted.recv()).await.unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    soon(response).await.unwrap();
    assert!(!between.client.is_extended_connect_protocol_enabled());
    assert_eq!(between.client.current_max_send_streams(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn http2_relay_reads_nothing_that_the_other_end_does_not_take() {
    let mut between = between(&websockets(), &[]).await;
    let [(_client, from_target), (mut target, _from_client)] = between.open().await;
    // A frame without an end, which the client does not read.
    let mut piece = Bytes::from_static(b"\x82\x7f\0\0\0\x10\0\0\0\0");
    let mut sent = 0;
    loop {
        target.reserve_capacity(piece.len());
        let capacity = poll_fn(|cx| target.poll_capacity(cx));
        let Ok(capacity) = timeout(Duration::from_millis(500), capacity).await else { break };
        let part = piece.split_to(capacity.unwrap().unwrap().min(piece.len()));
        sent += part.len();
        assert!(sent < 4 << 20, "it takes all");
        target.send_data(part, false).unwrap();
        if piece.is_empty() {
            piece = Bytes::from(vec![0; 16 << 10]);
        }
    }
    // The windows of both connections, and a piece between them.
    assert!(sent <= (64 << 10) * 2 + (16 << 10), "{sent}");
    // Another stream goes on meanwhile.
    let [(mut client, _), (_, from_client)] = between.open().await;
    client.send_data(Bytes::from_static(b"\x81\x80\0\0\0\0"), true).unwrap();
    assert_eq!(content(from_client).await.unwrap().0, b"\x81\x80\0\0\0\0");
    target.send_reset(Reason::CANCEL);
    let mut stream = from_target;
    let mut seen = 0;
    while let Some(Ok(data)) = soon(stream.data()).await {
        stream.flow_control().release_capacity(data.len()).unwrap();
        seen += data.len();
    }
    assert!(seen <= sent);
}
