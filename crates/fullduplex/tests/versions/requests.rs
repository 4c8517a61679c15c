//! Clients that send one request over any version of HTTP, and read all of its answer.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fullduplex_http3::quinn::crypto::rustls::QuicClientConfig;
use fullduplex_http3::quinn::{ClientConfig, Connection, Endpoint, TransportConfig};
use fullduplex_http3::{ConnectProtocol, LocalSettings, client};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version};
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::common::tls::{LOCALHOST, client as tls_client};

pub(crate) const AUTHORITY: &str = "localhost";

type Fields = Vec<(&'static str, &'static str)>;

/// A request. The fields of a WebSocket handshake are those that its version needs.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) is_websocket: bool,
    pub(crate) fields: Fields,
    pub(crate) content: &'static str,
    pub(crate) trailers: Fields,
}

impl Ask {
    pub(crate) fn get(path: &'static str) -> Self {
        let (fields, trailers) = (Vec::new(), Vec::new());
        Self { method: Method::GET, path, is_websocket: false, fields, content: "", trailers }
    }

    pub(crate) fn websocket(path: &'static str) -> Self {
        Self { is_websocket: true, ..Self::get(path) }
    }

    /// Sends it to a server, in time.
    pub(crate) async fn send(&self, version: Version, server: SocketAddr) -> Answer {
        let asking = async {
            match version {
                Version::HTTP_11 => self.http1(server).await,
                Version::HTTP_2 => self.http2(server).await,
                _ => self.http3(server).await,
            }
        };
        let answer = timeout(Duration::from_secs(20), asking).await;
        answer.unwrap_or_else(|_| panic!("no answer to {self:?} on {version:?}"))
    }

    /// The request for an HTTP library. HTTP/2 and HTTP/3 split cookies (RFC 9113 §8.2.3).
    pub(crate) fn request<P: Clone + Send + Sync + 'static>(
        &self,
        scheme: &str,
        protocol: P,
    ) -> Request<()> {
        let uri = format!("{scheme}://{AUTHORITY}{}", self.path);
        let mut request = Request::builder().method(self.method.clone()).uri(uri);
        if self.is_websocket {
            request = request.method(Method::CONNECT).extension(protocol);
            request = request.header("sec-websocket-version", "13");
        }
        for (name, value) in &self.fields {
            let split = if *name == "cookie" { "; " } else { "\0" };
            for piece in value.split(split) {
                request = request.header(*name, piece);
            }
        }
        request.header("te", "trailers").body(()).unwrap()
    }

    async fn http1(&self, server: SocketAddr) -> Answer {
        let Self { method, path, is_websocket, content, .. } = self;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {AUTHORITY}\r\nTE: trailers\r\n");
        head += if *is_websocket {
            "Connection: Upgrade, TE\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        } else {
            "Connection: close, TE\r\n"
        };
        let lines = |fields: &Fields| -> String {
            let lines = fields.iter().map(|(name, value)| [name, ": ", value, "\r\n"].concat());
            lines.collect::<Vec<_>>().concat()
        };
        head += &lines(&self.fields);
        if !content.is_empty() {
            let (length, trailers) = (content.len(), lines(&self.trailers));
            head += "Transfer-Encoding: chunked\r\n\r\n";
            write!(head, "{length:x}\r\n{content}\r\n0\r\n{trailers}").unwrap();
        }
        head += "\r\n";
        let mut socket = TcpStream::connect(server).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while socket.read_buf(&mut answer).await.unwrap() > 0 {
            let end = answer.windows(4).position(|end| end == b"\r\n\r\n");
            if let Some(end) = end.filter(|_| answer.starts_with(b"HTTP/1.1 101")) {
                // Frames follow.
                answer.truncate(end + 4);
                break;
            }
        }
        Answer::parse(std::str::from_utf8(&answer).unwrap())
    }

    async fn http2(&self, server: SocketAddr) -> Answer {
        let socket = TcpStream::connect(server).await.unwrap();
        let (send, connection) = h2::client::handshake(socket).await.unwrap();
        let task = tokio::spawn(connection);
        let mut send = send.ready().await.unwrap();
        if self.is_websocket {
            crate::common::http2::extended_connect(&send).await;
        }
        let request = self.request("http", h2::ext::Protocol::from_static("websocket"));
        let ends = self.content.is_empty() && !self.is_websocket;
        let (response, mut stream) = send.send_request(request, ends).unwrap();
        if !self.content.is_empty() {
            stream.send_data(self.content.into(), false).unwrap();
            stream.send_trailers(map(&self.trailers)).unwrap();
        }
        let (head, mut body) = response.await.unwrap().into_parts();
        let head = Response::from_parts(head, ());
        if self.is_opened(&head) {
            return Answer::new(&head, &[], None);
        }
        let mut content = Vec::new();
        while let Some(data) = body.data().await {
            content.extend_from_slice(&data.unwrap());
        }
        let trailers = body.trailers().await.unwrap();
        task.abort();
        Answer::new(&head, &content, trailers)
    }

    async fn http3(&self, server: SocketAddr) -> Answer {
        let quinn = quic(server, TransportConfig::default()).await;
        let connection = client::ClientConnection::new(quinn, LocalSettings::default());
        let request = self.request("https", ConnectProtocol::WEBSOCKET);
        let mut opening = connection.send_request(&request).await.unwrap();
        let stream = opening.stream();
        if !self.content.is_empty() {
            stream.write_all(self.content.as_bytes()).await.unwrap();
            stream.queue_trailers(&map(&self.trailers)).unwrap();
        }
        if !self.is_websocket {
            stream.shutdown().await.unwrap();
        }
        let (head, mut stream) = opening.response().await.unwrap();
        if self.is_opened(&head) {
            return Answer::new(&head, &[], None);
        }
        let mut content = Vec::new();
        stream.read_to_end(&mut content).await.unwrap();
        Answer::new(&head, &content, stream.trailers())
    }

    fn is_opened(&self, head: &Response<()>) -> bool {
        self.is_websocket && head.status().is_success()
    }
}

/// A connection of QUIC, for HTTP/3.
pub(crate) async fn quic(server: SocketAddr, transport: TransportConfig) -> Connection {
    let mut tls = tls_client(LOCALHOST, &[&TLS13]).with_no_client_auth();
    tls.alpn_protocols = vec![fullduplex_http3::ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.connect_with(config, server, "localhost").unwrap().await.unwrap()
}

fn map(fields: &Fields) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// What comes back, as far as it is not the version's own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether it says when it was made (RFC 9110 §6.6.1).
    pub(crate) is_dated: bool,
    pub(crate) fields: Vec<String>,
    pub(crate) content: String,
    pub(crate) trailers: Vec<String>,
}

impl Answer {
    fn new(head: &Response<()>, content: &[u8], trailers: Option<HeaderMap>) -> Self {
        let own = ["connection", "date", "sec-websocket-accept", "trailer", "transfer-encoding"];
        let is_own = |name: &HeaderName| own.contains(&name.as_str()) || *name == "upgrade";
        let lines = |fields: &HeaderMap| {
            let fields = fields.iter().filter(|(name, _)| !is_own(name));
            let mut lines: Vec<_> = fields
                .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect();
            lines.sort();
            lines
        };
        // What opens a WebSocket on HTTP/1.1 is 200 elsewhere (RFC 8441 §5).
        let status = if head.status() == 101 { 200 } else { head.status().as_u16() };
        Self {
            status,
            is_dated: head.headers().contains_key("date"),
            fields: lines(head.headers()),
            content: String::from_utf8(content.to_vec()).unwrap(),
            trailers: lines(&trailers.unwrap_or_default()),
        }
    }

    /// Reads an answer of HTTP/1.1 that ends with its connection.
    fn parse(answer: &str) -> Self {
        let (head, content) = answer.split_once("\r\n\r\n").expect(answer);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut response = Response::builder().status(status).body(()).unwrap();
        *response.headers_mut() = lines.map(field).collect();
        if response.headers().contains_key("transfer-encoding") {
            let (mut left, mut whole) = (content, String::new());
            loop {
                let (length, rest) = left.split_once("\r\n").unwrap();
                match usize::from_str_radix(length, 16).unwrap() {
                    0 => {
                        let trailers = rest.split("\r\n").filter(|line| !line.is_empty());
                        let trailers = trailers.map(field).collect();
                        return Self::new(&response, whole.as_bytes(), Some(trailers));
                    }
                    length => {
                        whole += &rest[..length];
                        left = rest[length..].strip_prefix("\r\n").unwrap();
                    }
                }
            }
        }
        Self::new(&response, content.as_bytes(), None)
    }
}

fn field(line: &str) -> (HeaderName, HeaderValue) {
    let (name, value) = line.split_once(": ").expect(line);
    (name.parse().unwrap(), value.parse().unwrap())
}
