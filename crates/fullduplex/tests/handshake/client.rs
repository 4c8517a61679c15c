//! The opening handshake of a client.

use fullduplex::{Client, CloseCode, ErrorKind, Message};
use fullduplex_testkit::pipe::{Pipe, pipe};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::common::accept_for;

/// A client on a pipe, whose server is the test.
async fn client_meets(
    answer: impl Fn(&str) -> Vec<u8>,
) -> Result<(fullduplex::WebSocket<Pipe>, Pipe), fullduplex::Error> {
    let (near, mut far) = pipe(1 << 20);
    let serving = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(far.read_u8().await.unwrap());
        }
        let answer = answer(std::str::from_utf8(&head).unwrap());
        far.written().put(&answer);
        far.written().end();
        far
    };
    let client = Client::builder().subprotocols(["a"]).build().unwrap();
    let connecting = client.connect_over(near, "ws://a.example/chat?x=1");
    let (connected, far) = tokio::join!(connecting, serving);
    connected.map(|(websocket, _)| (websocket, far))
}

fn upgrade(head: &str, more: &str) -> String {
    let accept = accept_for(head);
    format!(
        "HTTP/1.1 101 Whatever\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn handshake_of_a_client_keeps_bytes_after_the_response() {
    let (mut websocket, _far) = client_meets(|head| {
        assert!(head.starts_with("GET /chat?x=1 HTTP/1.1\r\nHost: a.example\r\n"), "{head}");
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
        let head = upgrade(head, "Sec-WebSocket-Protocol: a\r\n");
        [interim.as_bytes(), head.as_bytes(), b"\x81\x05Hello"].concat()
    })
    .await
    .unwrap();
    assert_eq!(websocket.subprotocol(), Some("a"));
    assert_eq!(websocket.next().await.unwrap().unwrap(), Message::text("Hello"));
    let error = websocket.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "no Close frame came");
    assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
}

#[tokio::test]
async fn handshake_of_a_client_refuses_wrong_responses() {
    type Answer = fn(&str) -> String;
    let answers: [(Answer, &str); 10] = [
        (|h| upgrade(h, "").replace("101", "200"), "200"),
        (|h| upgrade(h, "").replace("upgrade: WebSocket", "upgrade: h2c"), "Upgrade"),
        (|h| upgrade(h, "").replace("connection: upgrade", "connection: close"), "Connection"),
        (|h| upgrade(h, "").replace("sec-websocket-accept", "x"), "Accept"),
        (|_| upgrade("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", ""), "Accept"),
        (|h| upgrade(h, "Sec-WebSocket-Protocol: z\r\n"), "subprotocol"),
        (|h| upgrade(h, "Sec-WebSocket-Extensions: permessage-deflate\r\n"), "permessage-deflate"),
        (|_| "SSH-2.0-OpenSSH_9.2\r\n".into(), "HTTP"),
        (|_| String::new(), "ended"),
        (|h| upgrade(h, &"X: y\r\n".repeat(1200)), "max_fields = 1000"),
    ];
    for (answer, what) in answers {
        let error = client_meets(|head| answer(head).into_bytes()).await.unwrap_err();
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

#[tokio::test]
async fn handshake_rejection_has_status_headers_and_body() {
    let answer = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\nlater and more";
    let error = client_meets(|_| answer.into()).await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.body(), "later");
    assert!(error.is_retryable());
    let huge = format!("HTTP/1.1 403 No\r\n\r\n{}", "x".repeat(300_000));
    let error = client_meets(|_| huge.clone().into_bytes()).await.unwrap_err();
    assert_eq!(error.response().unwrap().body().len(), 64 << 10);
    assert!(!error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn handshake_with_a_silent_server_times_out() {
    let (near, _far) = pipe(1 << 16);
    let error = Client::default().connect_over(near, "ws://a/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("handshake_timeout"), "{error}");
}

#[test]
fn client_builder_names_what_is_wrong() {
    for (builder, what) in [
        (Client::builder().header("Sec-WebSocket-Key", "x"), "Sec-WebSocket-Key"),
        (Client::builder().header("bad name", "x"), "bad name"),
        (Client::builder().header("x", "bad\nvalue"), "value of the header x"),
        (Client::builder().subprotocols(["a b"]), "token"),
        (Client::builder().subprotocols(["a", "a"]), "twice"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

#[tokio::test]
async fn connect_errors_name_what_is_wrong() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = fullduplex::connect(format!("ws://{free}/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.is_retryable() && error.to_string().contains(&free.to_string()), "{error}");
    let error = fullduplex::connect("ws://does-not-exist.invalid/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Resolve);
}

#[tokio::test]
async fn connect_that_is_dropped_closes_its_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let connecting = tokio::spawn(async move { fullduplex::connect(&url).await.map(drop) });
    let (mut socket, _) = listener.accept().await.unwrap();
    socket.read_u8().await.unwrap();
    connecting.abort();
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.unwrap();
}
