//! How names of header fields are written on HTTP/1.1: in one way, whoever writes the answer.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "hyper"))]

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use common::server::Pieces;
use fullduplex::server::limits::ConnectionLimits;
use fullduplex::server::{Body, Handshake, Server, ServerConfig};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tower::service_fn;

const OPENING: &str = "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// As RFC 6455 §1.3 writes them. hyper knows of no capital inside a word.
fn is_in_title_case(name: &str) -> bool {
    name.split('-').all(|word| {
        let (first, rest) = word.split_at(1);
        let is_title = first == first.to_uppercase() && rest == rest.to_lowercase();
        is_title || word == "WebSocket"
    })
}

/// The status of the answer, and the names of its fields.
fn head(answer: &str) -> (u16, Vec<&str>) {
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    (status, lines.map(|line| line.split_once(": ").unwrap().0).collect())
}

/// The head of what comes back on a new connection.
async fn answer_to(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        answer.push(socket.read_u8().await.unwrap().into());
    }
    answer
}

async fn page(_: Request<Body>) -> Result<Response<Pieces>, Infallible> {
    let mut response = Pieces::once("page");
    response.headers_mut().insert("x-of-the-application", "1".parse().unwrap());
    Ok(response)
}

async fn handle(mut handshake: Handshake) {
    if handshake.request().uri().path() == "/no" {
        let mut response = Response::new(Bytes::from("no"));
        *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        response.headers_mut().insert("www-authenticate", "Basic".parse().unwrap());
        handshake.respond(response).await.unwrap();
        return;
    }
    handshake.add_header("x-OF-the-application", "1");
    drop(handshake.accept().await);
}

#[tokio::test]
async fn field_names_are_in_title_case_in_every_answer() {
    let server = Server::bind("127.0.0.1:0").await.unwrap().service(service_fn(page));
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve_handshakes(handle));
    let config = ServerConfig::default();
    let mut full = config.clone();
    full.limits.connections = ConnectionLimits::default().max_connections(0);
    let full = Server::bind("127.0.0.1:0").await.unwrap().config(full);
    let full_address = full.local_addr().unwrap();
    tokio::spawn(full.serve_handshakes(handle));

    let opening = format!("GET / HTTP/1.1\r\n{OPENING}\r\n");
    let last = "Host: a\r\nConnection: close\r\n\r\n";
    let rows = [
        (101, "Sec-WebSocket-Accept", opening.clone()),
        (101, "X-Of-The-Application", opening.clone()),
        (426, "Sec-WebSocket-Version", opening.replace("Version: 13", "Version: 8")),
        (400, "Content-Length", opening.replace("dGhlI", "?")),
        (403, "Content-Type", opening.replace("Upgrade: w", "Origin: http://b\r\nUpgrade: w")),
        (401, "Www-Authenticate", opening.replace("GET /", "GET /no")),
        (400, "Connection", "GET / HTTP/1.1\r\n\r\n".into()),
        (200, "X-Of-The-Application", format!("GET / HTTP/1.1\r\n{last}")),
        (200, "Transfer-Encoding", format!("GET / HTTP/1.1\r\n{last}")),
        (505, "Content-Type", format!("GET / HTTP/2.0\r\n{last}")),
    ];
    let mut answers = Vec::new();
    for (status, name, request) in rows {
        answers.push((status, name, answer_to(address, &request).await));
    }
    answers.push((503, "Retry-After", answer_to(full_address, "").await));
    for (status, name, answer) in &answers {
        let (found, names) = head(answer);
        assert!(found == *status && names.contains(name), "{answer}");
        assert!(names.iter().all(|name| is_in_title_case(name)), "{answer}");
    }
}

/// Also where hyper writes what opens the WebSocket: on a connection that had requests before.
#[tokio::test]
async fn field_names_are_in_title_case_behind_a_request() {
    let server = Server::bind("127.0.0.1:0").await.unwrap().service(service_fn(page));
    let mut socket = TcpStream::connect(server.local_addr().unwrap()).await.unwrap();
    tokio::spawn(server.serve_handshakes(handle));
    let requests = format!("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n{OPENING}\r\n");
    socket.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    while answers.matches("\r\n\r\n").count() < 3 {
        answers.push(socket.read_u8().await.unwrap().into());
    }
    let (page, opening) = answers.split_once("4\r\npage\r\n0\r\n\r\n").unwrap();
    for (status, answer) in [(200, page), (101, opening)] {
        let (found, names) = head(answer);
        assert_eq!(found, status, "{answer}");
        assert!(names.iter().all(|name| is_in_title_case(name)), "{answer}");
    }
}
