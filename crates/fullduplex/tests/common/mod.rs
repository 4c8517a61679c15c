//! What the tests of the library share.

#![allow(dead_code, unreachable_pub)] // each test file uses its part

pub mod example;
pub mod http2;
#[cfg(all(feature = "http2", feature = "tower"))]
pub mod hyper;
#[cfg(feature = "tracing")]
pub mod log;
#[cfg(feature = "metrics")]
pub mod recorder;
pub mod server;
#[cfg(feature = "_tls")]
pub mod tls;

use std::io;
use std::net::SocketAddr;

use fullduplex::client::{BoxFuture, HttpVersion, Proxies, Resolve};
use fullduplex::proto::handshake::SecKey;
use fullduplex::{
    Client, ClientBuilder, Config, Message, Role, Transport, WebSocket, WebSocketBuilder,
};
use fullduplex_testkit::pipe::{Pipe, pipe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client and a server, joined in memory.
pub fn pair(capacity: usize) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    pair_with(capacity, Config::default())
}

pub fn pair_with(capacity: usize, config: Config) -> (WebSocket<Pipe>, WebSocket<Pipe>) {
    let (a, b) = pipe(capacity);
    (open(a, Role::Client, config), open(b, Role::Server, config))
}

/// An end whose opening handshake is taken as done.
pub fn open<S: Transport>(stream: S, role: Role, config: Config) -> WebSocket<S> {
    WebSocketBuilder::new(role).config(config).build(stream).unwrap()
}

/// Echoes until the end.
pub async fn echo<S: Transport>(mut websocket: WebSocket<S>) {
    while let Some(Ok(message)) = websocket.next().await {
        if websocket.send(message).await.is_err() {
            return;
        }
    }
}

/// Says something and hears it again, after which the WebSocket is open for the server too.
pub async fn say<S: Transport>(websocket: &mut WebSocket<S>, text: &str) {
    websocket.send(text).await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some(text));
}

pub fn numbered(i: usize, len: usize) -> Message {
    let mut bytes = vec![i.to_le_bytes()[0]; len];
    bytes.extend(i.to_le_bytes());
    Message::from(bytes)
}

/// A client that goes straight, whatever the environment of the test says.
pub fn direct() -> ClientBuilder {
    Client::builder().proxies(Proxies::none())
}

pub fn client(version: HttpVersion) -> Client {
    direct().http_version(version).build().unwrap()
}

/// Where all names lead to.
pub struct Addresses(pub Vec<SocketAddr>);

impl Resolve for Addresses {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

/// What comes back for these bytes on a new connection, until the server ends it.
pub async fn raw(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// What a request for a WebSocket has to be answered with (RFC 6455 §4.2.2).
pub fn accept_for(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    SecKey::parse(key.as_bytes()).unwrap().accept().as_str().to_owned()
}

/// The right answer to it, with more fields.
pub fn switching(head: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{more}\r\n",
        accept_for(head)
    )
}
