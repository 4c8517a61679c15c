//! Opening a WebSocket on a stream of an HTTP/3 connection.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use fullduplex_http3::client::{ClientConnection, PendingRequest as Sent};
use fullduplex_http3::{ConnectProtocol, Error as Http3Error, ErrorCode, LocalSettings};
use fullduplex_proto::handshake::client::ClientHandshake;
use http::{HeaderMap, Response, StatusCode};

use crate::base::deadline::{doing, within};
use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::proxy::ChosenProxy;
use crate::client::handshake::AWAITING_ANSWER;
use crate::client::http3::pool::Http3Connection;
use crate::client::http3::quic::MAX_IDLE;
use crate::client::http3::quic_tls::late_alert;
use crate::client::multiplexed::pool::PoolKey;
use crate::client::response;
use crate::connection::websocket::WebSocket;
use crate::transport::http1::HeaderMapSource;
use crate::transport::net_stream::NetStream;

/// How long `Version::Auto` waits for HTTP/3 before it takes another version.
const PATIENCE: Duration = Duration::from_secs(2);

type ConnectResult = Result<(WebSocket, Response<()>), Error>;

impl Client {
    /// Opens a WebSocket on HTTP/3.
    pub(crate) async fn connect_http3(&self, target: &WsUri, headers: &HeaderMap) -> ConnectResult {
        self.allows_http3(target)?;
        self.try_http3(target, headers, target.port, self.connect_timeout).await
    }

    /// Opens a WebSocket on the HTTP/3 that the server has offered; `None` if another version is
    /// to be taken.
    pub(crate) async fn try_alternative(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Option<ConnectResult> {
        let port = self.http3.alternatives.port(&PoolKey::of(target), Instant::now())?;
        self.allows_http3(target).ok()?;
        let most = self.connect_timeout.min(PATIENCE);
        match self.try_http3(target, headers, port, most).await {
            Err(error) if is_its_fault(&error) => {
                self.give_up_http3(target);
                None
            }
            other => Some(other),
        }
    }

    /// For a while, this server's HTTP/3 is not tried.
    pub(crate) fn give_up_http3(&self, target: &WsUri) {
        self.http3.alternatives.give_up(PoolKey::of(target), Instant::now());
    }

    /// Whether UDP goes the way that is set.
    fn allows_http3(&self, target: &WsUri) -> Result<(), Error> {
        let misuse = |why: String| Err(Error::new(ErrorKind::Misuse, why));
        #[cfg(unix)]
        let socket = target.socket.is_some() || self.dialer.unix_socket.is_some();
        #[cfg(not(unix))]
        let socket = target.socket.is_some();
        if socket {
            return misuse("HTTP/3 runs over UDP, not on a Unix socket".into());
        }
        if self.dialer.connector.is_some() {
            return misuse("HTTP/3 runs over UDP, not on a connector's transport".into());
        }
        if !target.secure {
            return misuse("HTTP/3 always has TLS: use wss: in place of ws:".into());
        }
        match self.proxy_of(target)? {
            Some(ChosenProxy { proxy, .. }) => misuse(format!(
                "HTTP/3 runs over UDP, and the proxy {proxy:?} carries TCP alone; use another \
                 version, or no proxy for this host"
            )),
            None => Ok(()),
        }
    }

    async fn try_http3(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
        port: u16,
        most: Duration,
    ) -> ConnectResult {
        let slot = self.http3.slots.of(&PoolKey::of(target));
        let opening = self.offers(ClientHandshake::extended(), target)?;
        let request =
            self.extended_request(&opening, target, headers, ConnectProtocol::WEBSOCKET)?;
        // Once more where the kept connection was full or went away, or where the server has not
        // looked at the request: what was processed is not sent again.
        for again in [true, false] {
            let connection = slot.get(Box::pin(self.http3_connection(target, port)));
            let Http3Connection { connection, endpoint } =
                within("connect_timeout", most, connection).await??;
            let evict = || {
                slot.evict(|pooled| pooled.connection.is_same(&connection));
                self.http3.leave(connection.downgrade(), endpoint.clone());
            };
            let sent = match connection.try_open(&request).await {
                Ok(Some(sent)) => sent,
                // It is full, or was going away: once more, on a new one.
                Ok(None)
                | Err(Http3Error::GoingAway | Http3Error::Closed(..) | Http3Error::Connection(_))
                    if again =>
                {
                    evict();
                    continue;
                }
                Ok(None) => {
                    let why = "the server allows no streams on a new HTTP/3 connection";
                    return Err(Error::new(ErrorKind::Io, why));
                }
                Err(error) => return Err(self.failed("sending the request on HTTP/3", error)),
            };
            match self.http3_handshake(&opening, target, sent).await {
                // RFC 9114 §5.2: safe to be sent again.
                Err(RequestFailure::Unprocessed(_)) if again => evict(),
                Err(RequestFailure::Unprocessed(error) | RequestFailure::Failed(error)) => {
                    if error.response().is_none() {
                        evict();
                    }
                    return Err(error);
                }
                Ok(opened) => return Ok(opened),
            }
        }
        Err(Error::new(ErrorKind::Io, "the HTTP/3 connection is going away"))
    }

    async fn http3_connection(&self, target: &WsUri, port: u16) -> Result<Http3Connection, Error> {
        let (quic, endpoint) = self.reach_quic(target, port).await?;
        let settings = LocalSettings {
            max_field_section_size: self.limits.max_head_bytes as u64,
            // :status is one, too.
            max_fields: self.limits.max_fields.saturating_add(1),
            ..LocalSettings::default()
        };
        let connection = ClientConnection::new(quic, settings);
        // RFC 9220 §3, RFC 8441 §3: not before it is there.
        let theirs = connection.peer_settings();
        let theirs = doing("waiting for the server to begin HTTP/3 with SETTINGS", theirs).await;
        let theirs = theirs.map_err(|error| self.failed("beginning HTTP/3", error));
        let unfit = match theirs {
            Ok(theirs) if theirs.enable_connect_protocol => None,
            Ok(_) => {
                let why = "the server takes no WebSockets on HTTP/3: it does not set \
                           SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 9220 §3)";
                Some(Error::new(ErrorKind::Handshake, why))
            }
            Err(error) => Some(error),
        };
        if let Some(error) = unfit {
            self.http3.leave(connection.downgrade(), endpoint);
            return Err(error);
        }
        // QUIC keeps it alive, and the pool must not do so for ever.
        connection.close_when_unused(MAX_IDLE);
        Ok(Http3Connection { connection, endpoint })
    }

    async fn http3_handshake(
        &self,
        opening: &ClientHandshake,
        target: &WsUri,
        sent: Sent,
    ) -> Result<(WebSocket, Response<()>), RequestFailure> {
        let after = self.limits.handshake_timeout;
        let answer =
            within("handshake_timeout", after, doing(AWAITING_ANSWER, sent.response())).await?;
        let (response, mut stream) = match answer {
            Err(error) => {
                let is_unprocessed = error.is_unprocessed();
                let error = self.failed("the answer on HTTP/3", error);
                let ended = if is_unprocessed {
                    RequestFailure::Unprocessed
                } else {
                    RequestFailure::Failed
                };
                return Err(ended(error));
            }
            Ok(answer) => answer,
        };
        self.learn_from(target, response.headers());
        match opening.check(response.status().as_u16(), HeaderMapSource(response.headers())) {
            Ok(agreement) => {
                let stream = NetStream::new(stream);
                let opened = self.opened(stream, agreement, response, BytesMut::new())?;
                Ok((opened.0.multiplexed(), opened.1))
            }
            Err(error) => {
                let error = response::refused(error, &mut stream, response, BytesMut::new());
                Err(error.await.into())
            }
        }
    }

    fn failed(&self, doing: &'static str, error: Http3Error) -> Error {
        if let Http3Error::Connection(ended) = &error
            && let Some(error) = late_alert(ended)
        {
            return error;
        }
        let (kind, limit) = match &error {
            Http3Error::Limit { setting: "max_field_section_size", .. } => {
                let most = self.limits.max_head_bytes;
                (ErrorKind::Limit, Some(format!("more than max_head_bytes ({most})")))
            }
            Http3Error::Limit { setting: "max_fields", .. } => {
                let most = self.limits.max_fields;
                (ErrorKind::Limit, Some(format!("more header fields than max_fields ({most})")))
            }
            Http3Error::Limit { .. } => (ErrorKind::Limit, None),
            Http3Error::Fault(fault) if fault.code == ErrorCode::EXCESSIVE_LOAD => {
                (ErrorKind::Limit, None)
            }
            Http3Error::Fault(_) => (ErrorKind::Protocol, None),
            Http3Error::Misuse(_) => (ErrorKind::Misuse, None),
            Http3Error::Closed(ErrorCode::VERSION_FALLBACK, _)
            | Http3Error::Reset(ErrorCode::VERSION_FALLBACK) => (ErrorKind::Handshake, None),
            _ => (ErrorKind::Io, None),
        };
        match limit {
            Some(limit) => Error::new(kind, doing).with_words(&limit),
            None => Error::new(kind, doing).with_source(error),
        }
    }
}

/// How a request came to nothing.
enum RequestFailure {
    /// The server did not look at it.
    Unprocessed(Error),
    Failed(Error),
}

impl From<Error> for RequestFailure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Whether another version of HTTP may do better.
fn is_its_fault(error: &Error) -> bool {
    match error.response() {
        // What some say that have the setting and not the feature.
        Some(response) => response.status() == StatusCode::NOT_IMPLEMENTED,
        None => !matches!(error.kind(), ErrorKind::Misuse | ErrorKind::Resolve),
    }
}
