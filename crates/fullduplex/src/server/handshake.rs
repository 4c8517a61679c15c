//! The opening handshake, step by step.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::Role;
use fullduplex_proto::handshake::http1 as head;
use fullduplex_proto::handshake::server::{self as rules, Offer, Refusal};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::ServerConfig;
use crate::error::{Error, ErrorKind};
use crate::halves::Transport;
use crate::http1::{self, Fields};
use crate::websocket::WebSocket;

/// A request that was read and not answered yet.
///
/// Dropped unanswered, the transport is dropped.
#[derive(Debug)]
pub struct Handshake<S: Transport> {
    stream: S,
    config: Arc<ServerConfig>,
    request: Request<()>,
    offer: Result<Offer, Refusal>,
    is_websocket: bool,
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
        let limits = &config.handshake;
        let mut leftover = BytesMut::new();
        let read = http1::read_head(&mut stream, limits, &mut leftover);
        let head = match timeout(limits.handshake_timeout, read).await {
            Ok(Ok(head)) => head,
            Ok(Err(error)) => return Err(refuse_head(stream, error).await),
            Err(_) => {
                let error = Error::timeout("handshake_timeout", limits.handshake_timeout);
                return Err(refuse_head(stream, error).await);
            }
        };
        match read_request(&head, &config) {
            Ok((request, offer, is_websocket)) => {
                let protocol =
                    offer.as_ref().ok().and_then(|o| o.choose_protocol(&config.protocols));
                let protocol = protocol.map(ToString::to_string);
                let response_headers = Vec::new();
                Ok(Self {
                    stream,
                    config,
                    request,
                    offer,
                    is_websocket,
                    protocol,
                    response_headers,
                    leftover,
                })
            }
            Err(error) => Err(refuse_head(stream, error).await),
        }
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
        self.offer.as_ref().map_or(&[], |offer| &offer.protocols)
    }

    /// Chooses another subprotocol than the client's favourite among the server's.
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
        let offer = match std::mem::replace(&mut self.offer, Err(Refusal::Malformed)) {
            Ok(offer) => offer,
            Err(refusal) => return Err(self.refuse(refusal).await),
        };
        if !self.config.origin.allows(self.request.headers()) {
            return Err(self.refuse(Refusal::Origin).await);
        }
        let acceptance = offer
            .accept(self.protocol.as_deref(), &[])
            .map_err(|error| Error::new(ErrorKind::Misuse, error.to_string()))?;
        let own = acceptance.headers.into_iter().map(|(n, v)| (n.to_string(), Bytes::from(v)));
        let fields: Vec<(String, Bytes)> = own.chain(self.response_headers).collect();
        let head = head::write_response(acceptance.status, &fields)?;
        let after = self.config.handshake.handshake_timeout;
        timeout(after, http1::write_all(&mut self.stream, &head))
            .await
            .map_err(|_| Error::timeout("handshake_timeout", after))??;
        let config = &self.config.websocket;
        let websocket = WebSocket::from_handshake(self.stream, Role::Server, config, self.leftover);
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

    async fn refuse(self, refusal: Refusal) -> Error {
        let response = refusal_response(refusal.status(), refusal.headers(), &refusal.to_string());
        // The refusal is what went wrong, also if its answer can't be written.
        let _ = self.respond(response).await;
        refusal.into()
    }
}

/// The request, what the rules say of it, and whether it asks for a WebSocket at all.
type Read = (Request<()>, Result<Offer, Refusal>, bool);

fn read_request(head: &[u8], config: &ServerConfig) -> Result<Read, Error> {
    let head = head::parse_request(head, config.handshake.max_head_fields)?;
    let malformed = |what| Error::from(head::HeadError::Malformed(what));
    let mut request = Request::new(());
    *request.method_mut() = head.method.parse().map_err(|_| malformed("the method is wrong"))?;
    *request.uri_mut() = head.target.parse().map_err(|_| malformed("the target is wrong"))?;
    *request.version_mut() =
        if head.minor == 0 { http::Version::HTTP_10 } else { http::Version::HTTP_11 };
    *request.headers_mut() = http1::header_map(&head.fields)?;
    let fields = Fields(request.headers());
    let is_websocket = rules::is_websocket(&head.line(), &fields);
    let offer = rules::check(&head.line(), &fields);
    Ok((request, offer, is_websocket))
}

fn refusal_response(status: u16, headers: &[(&str, &str)], why: &str) -> Response<Bytes> {
    let mut response =
        Response::builder().status(status).header("Content-Type", "text/plain; charset=utf-8");
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(format!("{why}\n").into()).unwrap_or_default()
}

/// Answers a head that can't be taken, if there is somebody to answer.
async fn refuse_head<S: Transport>(stream: S, error: Error) -> Error {
    let status = match error.kind() {
        ErrorKind::Limit => 431,
        ErrorKind::Timeout => 408,
        ErrorKind::Handshake => 400,
        _ => return error,
    };
    let response = refusal_response(status, &[], &error.to_string());
    let _ = timeout(ANSWER_TIMEOUT, respond(stream, response, false)).await;
    error
}

/// How long a refusal may take to leave.
const ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
/// How much of what a refused peer goes on sending is read, so that closing over it does not
/// take the answer back.
const DRAIN: u64 = 256 << 10;

async fn respond<S: Transport>(
    mut stream: S,
    response: Response<Bytes>,
    head_only: bool,
) -> Result<(), Error> {
    let (parts, body) = response.into_parts();
    let mut fields: Vec<(&str, Bytes)> = Vec::new();
    for (name, value) in &parts.headers {
        fields.push((name.as_str(), Bytes::copy_from_slice(value.as_bytes())));
    }
    fields.push(("Content-Length", body.len().to_string().into()));
    if !parts.headers.contains_key(http::header::CONNECTION) {
        fields.push(("Connection", Bytes::from_static(b"close")));
    }
    let mut bytes = head::write_response(parts.status.as_u16(), &fields)?;
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
