//! The opening handshake, step by step.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::http1::{HeadError, HeadFinder, RequestHead, write_response};
use fullduplex_proto::handshake::server::{Carrier, Reason, Refusal};
use fullduplex_proto::{Deflate, Role};
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::ServerConfig;
use crate::error::{Error, ErrorKind};
use crate::halves::Transport;
use crate::http1;
use crate::websocket::WebSocket;

/// A request that was read and not answered yet.
///
/// Dropped unanswered, the transport is dropped.
#[derive(Debug)]
pub struct Handshake<S: Transport> {
    stream: S,
    config: Arc<ServerConfig>,
    /// What the rules read.
    head: Bytes,
    /// The same, for the application.
    request: Request<()>,
    is_websocket: bool,
    /// The subprotocols that the client offers.
    offered: Vec<String>,
    protocol: Option<String>,
    response_headers: Vec<(String, Bytes)>,
    leftover: BytesMut,
}

impl<S: Transport> Handshake<S> {
    /// Reads a request's head within the limits.
    ///
    /// What is no HTTP/1 head, or too large, or too late, is answered with 400, 431 or 408
    /// and gives an error.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the transport is dropped.
    pub async fn read(mut stream: S, config: impl Into<Arc<ServerConfig>>) -> Result<Self, Error> {
        let config = config.into();
        let limits = config.handshake;
        let mut leftover = BytesMut::new();
        let finder = HeadFinder::request(limits.head());
        let read = http1::read_head(&mut stream, finder, &mut leftover);
        let error = match timeout(limits.handshake_timeout, read).await {
            Ok(Ok(head)) => match read_request(&head, &config) {
                Ok(known) => {
                    let Known { request, is_websocket, offered, protocol } = known;
                    let response_headers = Vec::new();
                    return Ok(Self {
                        stream,
                        config,
                        head,
                        request,
                        is_websocket,
                        offered,
                        protocol,
                        response_headers,
                        leftover,
                    });
                }
                Err(error) => error.into(),
            },
            Ok(Err(error)) => error,
            Err(_) => Error::timeout("handshake_timeout", limits.handshake_timeout),
        };
        Err(refuse_head(stream, error).await)
    }

    /// The request.
    pub fn request(&self) -> &Request<()> {
        &self.request
    }

    /// Whether it asks for a WebSocket, well or badly, rather than being ordinary HTTP.
    pub fn is_websocket(&self) -> bool {
        self.is_websocket
    }

    /// The subprotocols that the client offers, its favourite first.
    pub fn protocols(&self) -> &[String] {
        &self.offered
    }

    /// Chooses another subprotocol than the client's favourite among the server's. It must be
    /// one that the client offers.
    pub fn set_protocol(&mut self, protocol: Option<String>) {
        self.protocol = protocol;
    }

    /// Adds a header field to the response that accepts.
    pub fn add_header(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.response_headers.push((name.into(), value.into()));
    }

    /// Opens the WebSocket, or answers what is wrong with the request and gives an error.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the transport is dropped.
    pub async fn accept(mut self) -> Result<WebSocket<S>, Error> {
        let (head, deflate) = match self.acceptance() {
            Ok(acceptance) => acceptance,
            Err(Denied::Peer(refusal)) => return Err(self.refuse(&refusal).await),
            Err(Denied::Misuse(error)) => return Err(error),
        };
        let after = self.config.handshake.handshake_timeout;
        timeout(after, http1::write_all(&mut self.stream, &head))
            .await
            .map_err(|_| Error::timeout("handshake_timeout", after))??;
        let config = &self.config.websocket;
        let (stream, leftover) = (self.stream, self.leftover);
        let websocket =
            WebSocket::from_handshake(stream, Role::Server, config, deflate.as_ref(), leftover);
        Ok(websocket.with_protocol(self.protocol))
    }

    /// Answers with a response of any kind, and ends the transport.
    ///
    /// `Content-Length` and `Connection: close` are added.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the transport is dropped, and the answer may be cut.
    pub async fn respond(self, response: Response<impl Into<Bytes>>) -> Result<(), Error> {
        let head_only = self.request.method() == http::Method::HEAD;
        let after = self.config.handshake.handshake_timeout;
        timeout(after, respond(self.stream, response.map(Into::into), head_only))
            .await
            .map_err(|_| Error::timeout("handshake_timeout", after))?
    }

    /// The head of the answer and what is agreed on about compression, or why there is none.
    fn acceptance(&self) -> Result<(Vec<u8>, Option<Deflate>), Denied> {
        let limits = self.config.handshake.head();
        let head = RequestHead::parse(&self.head, &limits).map_err(refusal_of_head)?;
        let offer = head.as_request().offer().map_err(Denied::Peer)?;
        if !self.config.origin.allows(self.request.headers()) {
            return Err(Denied::Peer(offer.refuse(Reason::OriginRefused)));
        }
        let misuse = |error: Error| Denied::Misuse(error);
        let deflate = self.config.websocket.deflate;
        let (extension, deflate) =
            deflate.and_then(|deflate| deflate.accept(offer.extensions())).unzip();
        let extensions = extension.into_iter().collect();
        let accepted = offer.accept(self.protocol.as_deref(), extensions);
        let accepted = accepted.map_err(|error| misuse(error.into()))?;
        let own = accepted.headers().map(|(name, value)| (name, value.as_bytes()));
        let users = self.response_headers.iter().map(|(name, value)| (name.as_str(), &value[..]));
        let head = write_response(accepted.status(), accepted.phrase(), own.chain(users));
        Ok((head.map_err(|error| misuse(error.into()))?, deflate))
    }

    async fn refuse(self, refusal: &Refusal) -> Error {
        // The refusal is what went wrong, also if its answer can't be written.
        let _ = self.respond(refusal_response(refusal)).await;
        Error::new(ErrorKind::Handshake, refusal.to_string())
    }
}

/// Why a handshake is not accepted.
enum Denied {
    /// For what the peer asked.
    Peer(Refusal),
    /// For what the application wanted to answer.
    Misuse(Error),
}

fn refusal_of_head(error: HeadError) -> Denied {
    Denied::Peer(Refusal::new(error.into(), Carrier::Http1 { minor: 1 }))
}

/// What is known of a request.
struct Known {
    request: Request<()>,
    is_websocket: bool,
    offered: Vec<String>,
    protocol: Option<String>,
}

fn read_request(head: &Bytes, config: &ServerConfig) -> Result<Known, HeadError> {
    let head = RequestHead::parse(head, &config.handshake.head())?;
    let mut request = Request::new(());
    *request.method_mut() = head.method().parse().map_err(|_| HeadError::StartLine)?;
    *request.uri_mut() = head.target().path_and_query().parse().map_err(|_| HeadError::Target)?;
    *request.version_mut() = match head.minor_version() {
        0 => http::Version::HTTP_10,
        _ => http::Version::HTTP_11,
    };
    *request.headers_mut() = http1::header_map(head.fields())?;
    let rules = head.as_request();
    let is_websocket = rules.is_websocket();
    // A request that breaks a rule offers nothing; it is refused when it is to be accepted.
    let offer = if is_websocket { rules.offer().ok() } else { None };
    let offered =
        offer.as_ref().map(|o| o.subprotocols().iter().map(ToString::to_string).collect());
    let protocol = offer.as_ref().and_then(|o| o.client_choice(&config.protocols));
    let protocol = protocol.map(ToOwned::to_owned);
    Ok(Known { request, is_websocket, offered: offered.unwrap_or_default(), protocol })
}

fn refusal_response(refusal: &Refusal) -> Response<Bytes> {
    let mut response = plain(refusal.status(), &refusal.to_string());
    for (name, value) in refusal.headers() {
        if let Ok(name) = http::HeaderName::from_bytes(name.as_bytes()) {
            response.headers_mut().insert(name, http::HeaderValue::from_static(value));
        }
    }
    response
}

fn plain(status: u16, why: &str) -> Response<Bytes> {
    let mut response = Response::new(format!("{why}\n").into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

/// Answers a head that can't be taken, if there is somebody to answer.
async fn refuse_head<S: Transport>(stream: S, error: Error) -> Error {
    let status = match error.kind() {
        ErrorKind::Limit => 431,
        ErrorKind::Timeout => 408,
        ErrorKind::Handshake => 400,
        _ => return error,
    };
    let response = plain(status, &error.to_string());
    let _ = timeout(ANSWER_TIMEOUT, respond(stream, response, false)).await;
    error
}

/// How long a refusal may take to leave.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of what a refused peer goes on sending is read, so that closing over it does not
/// take the answer back.
const DRAIN: u64 = 256 << 10;

async fn respond<S: Transport>(
    mut stream: S,
    response: Response<Bytes>,
    head_only: bool,
) -> Result<(), Error> {
    let (parts, body) = response.into_parts();
    let length = body.len().to_string();
    let mut fields: Vec<(&str, &[u8])> = vec![("Content-Length", length.as_bytes())];
    if !parts.headers.contains_key(http::header::CONNECTION) {
        fields.push(("Connection", b"close"));
    }
    fields.extend(parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    let phrase = parts.status.canonical_reason().unwrap_or_default();
    let mut bytes = write_response(parts.status.as_u16(), phrase, fields)?;
    if !head_only {
        bytes.extend_from_slice(&body);
    }
    http1::write_all(&mut stream, &bytes).await?;
    let drain = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(DRAIN), &mut tokio::io::sink()).await
    };
    // The answer has left; how the peer ends the transport is its own affair.
    let _ = timeout(ANSWER_TIMEOUT, drain).await;
    Ok(())
}
