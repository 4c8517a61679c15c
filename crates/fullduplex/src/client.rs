//! Connecting.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::client::{Opening, is_interim, is_protected};
use fullduplex_proto::handshake::http1::{HeadError, HeadFinder, ResponseHead, write_request};
use fullduplex_proto::handshake::is_token;
use fullduplex_proto::{Config, DeflateConfig, Role};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::{Error, ErrorKind};
use crate::halves::Transport;
use crate::http1::{self, HandshakeLimits, Map};
use crate::uri::Target;
use crate::websocket::WebSocket;

/// How much of the body of a refused handshake is kept.
const MAX_REFUSAL_BODY: usize = 64 << 10;
/// How long its rest is waited for.
const REFUSAL_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens a WebSocket, with the defaults of [`Client`].
///
/// Gives the WebSocket and the server's response. If the server refuses, the error has its
/// [`response`](Error::response).
///
/// # Cancel safety
/// Dropped before it is ready, the socket is closed.
pub async fn connect(uri: &str) -> Result<(WebSocket<TcpStream>, Response<()>), Error> {
    Client::default().connect(uri).await
}

/// A client: settings for connections, to be used as often as wanted.
#[derive(Clone, Debug)]
pub struct Client {
    headers: HeaderMap,
    protocols: Vec<String>,
    config: Config,
    limits: HandshakeLimits,
    connect_timeout: Duration,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            protocols: Vec::new(),
            config: Config::default(),
            limits: HandshakeLimits::default(),
            connect_timeout: Duration::from_secs(30),
        }
    }
}

impl Client {
    /// A client with other settings than the defaults.
    pub fn builder() -> ClientBuilder {
        ClientBuilder { client: Self::default(), error: None }
    }

    /// Opens a WebSocket to a `ws:` URI (RFC 6455 §3, §4.1).
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the socket is closed.
    pub async fn connect(&self, uri: &str) -> Result<(WebSocket<TcpStream>, Response<()>), Error> {
        let target = Target::parse(uri)?;
        if target.secure {
            return Err(Error::new(ErrorKind::Tls, "wss needs TLS, which is not built in yet"));
        }
        let stream = timeout(self.connect_timeout, open_tcp(&target))
            .await
            .map_err(|_| Error::timeout("connect_timeout", self.connect_timeout))??;
        self.handshake(stream, &target).await
    }

    /// Opens a WebSocket on a transport that stands already; the URI gives `Host` and the
    /// path, and its scheme is not looked at.
    pub async fn connect_over<S: Transport>(
        &self,
        stream: S,
        uri: &str,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        self.handshake(stream, &Target::parse(uri)?).await
    }

    async fn handshake<S: Transport>(
        &self,
        mut stream: S,
        target: &Target,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        let after = self.limits.handshake_timeout;
        let opening = self.opening(target)?;
        let mut leftover = BytesMut::new();
        let exchange = async {
            http1::write_all(&mut stream, &self.request_head(&opening, target)?).await?;
            self.read_response(&mut stream, &mut leftover).await
        };
        let response = timeout(after, exchange)
            .await
            .map_err(|_| Error::timeout("handshake_timeout", after))??;
        match opening.check(response.status().as_u16(), Map(response.headers())) {
            Ok(agreement) => {
                let config = &self.config;
                let deflate = match &config.deflate {
                    Some(deflate) => deflate.check(&agreement.extensions)?,
                    None => None,
                };
                let deflate = deflate.as_ref();
                let websocket =
                    WebSocket::from_handshake(stream, Role::Client, config, deflate, leftover);
                Ok((websocket.with_protocol(agreement.subprotocol), response))
            }
            Err(error) => {
                let body = refusal_body(&mut stream, &response, leftover).await;
                Err(Error::from(error).with_response(response.map(|()| body)))
            }
        }
    }

    fn opening(&self, target: &Target) -> Result<Opening, Error> {
        let host = match self.headers.get(HOST) {
            Some(own) => String::from_utf8_lossy(own.as_bytes()).into_owned(),
            None => target.authority.clone(),
        };
        let mut opening = Opening::http1(host, crate::mask::nonce())?;
        for protocol in &self.protocols {
            opening = opening.with_subprotocol(protocol)?;
        }
        for offer in self.config.deflate.iter().flat_map(DeflateConfig::offers) {
            opening = opening.with_extension(offer);
        }
        Ok(opening)
    }

    fn request_head(&self, opening: &Opening, target: &Target) -> Result<Vec<u8>, Error> {
        let own = opening.headers();
        let own = own.iter().map(|(name, value)| (*name, value.as_bytes()));
        let users = self.headers.iter().filter(|(name, _)| *name != HOST);
        let users = users.map(|(name, value)| (name.as_str(), value.as_bytes()));
        Ok(write_request(opening.method(), &target.resource, own.chain(users))?)
    }

    /// Reads the final response, past interim ones such as 103.
    async fn read_response<S: Transport>(
        &self,
        stream: &mut S,
        leftover: &mut BytesMut,
    ) -> Result<Response<()>, Error> {
        let limits = self.limits.head();
        loop {
            let head = http1::read_head(stream, HeadFinder::response(limits), leftover).await?;
            let head = ResponseHead::parse(&head, &limits)?;
            if is_interim(head.status()) {
                continue;
            }
            let mut response = Response::new(());
            *response.status_mut() =
                StatusCode::from_u16(head.status()).map_err(|_| HeadError::StartLine)?;
            *response.headers_mut() = http1::header_map(head.fields())?;
            return Ok(response);
        }
    }
}

async fn open_tcp(target: &Target) -> Result<TcpStream, Error> {
    let mut last = None;
    let addresses = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    let addresses = addresses.map_err(|error| {
        let why = format!("no address for {:?}", target.host);
        Error::new(ErrorKind::Resolve, why).with_source(error)
    })?;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small messages should not wait for the peer's acknowledgement.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = Some((address, error)),
        }
    }
    Err(match last {
        Some((address, error)) => {
            Error::new(ErrorKind::Io, format!("connecting to {address}")).with_source(error)
        }
        None => Error::new(ErrorKind::Resolve, format!("no address for {:?}", target.host)),
    })
}

/// What there is of the body of a refusal, up to a bound in bytes and time.
async fn refusal_body<S: Transport>(
    stream: &mut S,
    response: &Response<()>,
    mut body: BytesMut,
) -> Bytes {
    let length = response.headers().get(http::header::CONTENT_LENGTH);
    let length = length.and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    let most = length.unwrap_or(MAX_REFUSAL_BODY).min(MAX_REFUSAL_BODY);
    let read = async {
        while body.len() < most {
            body.reserve(1024);
            match stream.read_buf(&mut body).await {
                Ok(1..) => {}
                _ => break,
            }
        }
    };
    // What came in time is better than nothing.
    let _ = timeout(REFUSAL_BODY_TIMEOUT, read).await;
    body.truncate(most);
    body.freeze()
}

/// Settings for a [`Client`].
#[derive(Debug)]
pub struct ClientBuilder {
    client: Client,
    error: Option<Error>,
}

impl ClientBuilder {
    /// Adds a header field to the request. Those of the protocol itself, such as
    /// `Sec-WebSocket-Key`, can't be set; `Host` can.
    #[must_use]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(_)) if is_protected(name.as_str()) => {
                self.misuse(format!("the header {name} is the protocol's own"));
            }
            (Ok(name), Ok(value)) => {
                self.client.headers.append(name, value);
            }
            (Err(_), _) => self.misuse("a header's name is not valid (RFC 9110 §5.1)".into()),
            (_, Err(_)) => self.misuse("a header's value is not valid (RFC 9110 §5.5)".into()),
        }
        self
    }

    /// Offers a subprotocol (RFC 6455 §1.9); call it again for those liked less.
    #[must_use]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !is_token(name.as_bytes()) {
            self.misuse(format!("subprotocol {name:?} is not a token (RFC 6455 §4.1)"));
        } else if self.client.protocols.contains(&name) {
            self.misuse(format!("subprotocol {name:?} is offered twice (RFC 6455 §4.1)"));
        } else {
            self.client.protocols.push(name);
        }
        self
    }

    /// Sets what holds once the connection is open: limits, keepalive, buffers.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.client.config = config;
        self
    }

    /// Sets [`Limits::max_message_size`](crate::Limits::max_message_size). Default: 1 MiB.
    #[must_use]
    pub fn max_message_size(mut self, bytes: Option<u64>) -> Self {
        self.client.config.limits.max_message_size = bytes;
        self
    }

    /// Offers compression (RFC 7692); `None` does not. Default: `None`.
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.client.config.deflate = deflate.into();
        self
    }

    /// Sets the bounds on the opening handshake.
    #[must_use]
    pub fn handshake_limits(mut self, limits: HandshakeLimits) -> Self {
        self.client.limits = limits;
        self
    }

    /// Sets how long finding and reaching the server may take. Default: 30 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.client.connect_timeout = timeout;
        self
    }

    /// The client, or what was wrong with the first bad setting.
    pub fn build(self) -> Result<Client, Error> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.client),
        }
    }

    fn misuse(&mut self, why: String) {
        if self.error.is_none() {
            self.error = Some(Error::new(ErrorKind::Misuse, why));
        }
    }
}
