//! Opening a WebSocket on a stream of an HTTP/3 connection.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use fullduplex_http3::client::{ClientConnection, PendingRequest};
use fullduplex_http3::{ConnectProtocol, Error as Http3Error, ErrorCode, LocalSettings};
use fullduplex_proto::handshake::client::ClientHandshake;
use http::{HeaderMap, Response, StatusCode, Version};

use crate::base::at_step::at_step;
use crate::base::deadline::within;
use crate::base::error::{ConnectStep, Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::proxy::ChosenProxy;
use crate::client::handshake::AWAITING_RESPONSE;
use crate::client::http3::pool::Http3Connection;
use crate::client::http3::quic::MAX_IDLE;
use crate::client::http3::quic_tls::late_alert;
use crate::client::multiplexed::pool::PoolKey;
use crate::client::response;
use crate::connection::websocket::WebSocket;
use crate::transport::http1::HeaderMapSource;
use crate::transport::http3_stream::Http3Stream;
use crate::transport::net_stream::NetStream;

/// The time limit of `HttpVersion::Auto` for connecting on HTTP/3, before it tries another version.
const AUTO_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

type ConnectResult = Result<(WebSocket, Response<()>), Error>;

impl Client {
    /// Opens a WebSocket on HTTP/3.
    pub(crate) async fn connect_http3(&self, target: &WsUri, headers: &HeaderMap) -> ConnectResult {
        self.check_http3_allowed(target)?;
        self.try_http3(target, headers, target.port, self.connect_timeout).await
    }

    /// Opens a WebSocket on the HTTP/3 alternative that the server offered. Returns `None` if
    /// another version should be tried.
    pub(crate) async fn try_alternative(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Option<ConnectResult> {
        let port = self.http3.alternatives.port(&PoolKey::new(target), Instant::now())?;
        self.check_http3_allowed(target).ok()?;
        let limit = self.connect_timeout.min(AUTO_CONNECT_TIMEOUT);
        match self.try_http3(target, headers, port, limit).await {
            Err(error) if may_work_on_other_version(&error) => {
                self.avoid_http3(target);
                None
            }
            other => Some(other),
        }
    }

    /// Records that this server's HTTP/3 failed, so that it is not tried for a while.
    pub(crate) fn avoid_http3(&self, target: &WsUri) {
        self.http3.alternatives.mark_broken(PoolKey::new(target), Instant::now());
    }

    /// Checks that the URL and the settings allow a UDP connection.
    fn check_http3_allowed(&self, target: &WsUri) -> Result<(), Error> {
        let misuse = |message: String| Err(Error::new(ErrorKind::Misuse, message));
        #[cfg(unix)]
        let is_unix_socket = target.socket.is_some() || self.connector.dialer.unix_socket.is_some();
        #[cfg(not(unix))]
        let is_unix_socket = target.socket.is_some();
        if is_unix_socket {
            return misuse("HTTP/3 runs over UDP, not on a Unix socket".into());
        }
        if self.connector.dialer.custom_transport.is_some() {
            return misuse("HTTP/3 runs over UDP, not on a connector's transport".into());
        }
        if !target.secure {
            return misuse("HTTP/3 always uses TLS: use wss: in place of ws:".into());
        }
        match self.connector.proxy_for(target)? {
            Some(ChosenProxy { proxy, .. }) => misuse(format!(
                "HTTP/3 runs over UDP, but the proxy {proxy:?} only carries TCP; use another \
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
        limit: Duration,
    ) -> ConnectResult {
        let entry = self.http3.entries.get(&PoolKey::new(target));
        let handshake = self.with_offers(ClientHandshake::extended(), target)?;
        let request =
            self.extended_request(&handshake, target, headers, ConnectProtocol::WEBSOCKET)?;
        // A second attempt, if the pooled connection was full or closing, or if the server did not
        // process the request. A processed request must not be sent again.
        for may_retry in [true, false] {
            let connection = entry.get(Box::pin(self.http3_connection(target, port)));
            let Http3Connection { connection, endpoint } =
                within("connect_timeout", limit, connection).await??;
            let evict = || {
                entry.evict(|pooled| pooled.connection.is_same(&connection));
                self.http3.retire(connection.downgrade(), endpoint.clone());
            };
            self.report_extended_request(&request, Version::HTTP_3);
            let pending = match connection.try_send_request(&request).await {
                Ok(Some(pending)) => pending,
                // The connection is full or closing: retry on a new one.
                Ok(None)
                | Err(Http3Error::GoingAway | Http3Error::Closed(..) | Http3Error::Connection(_))
                    if may_retry =>
                {
                    evict();
                    continue;
                }
                Ok(None) => {
                    let message = "the server does not allow a stream on a new HTTP/3 connection";
                    return Err(Error::new(ErrorKind::Io, message));
                }
                Err(error) => return Err(self.http3_error("sending the request on HTTP/3", error)),
            };
            let local_port = endpoint.local_addr().map_or(0, |address| address.port());
            match self.http3_handshake(&handshake, target, pending, local_port).await {
                // Safe to send again (RFC 9114 §5.2).
                Err(RequestFailure::Unprocessed(_)) if may_retry => evict(),
                Err(RequestFailure::Unprocessed(error) | RequestFailure::Failed(error)) => {
                    if error.response().is_none() {
                        evict();
                    }
                    return Err(error.with_step(ConnectStep::Handshake));
                }
                Ok(opened) => {
                    let tapped = self.tapped_request(&request, Version::HTTP_3);
                    return Ok(self.with_tap(opened, tapped));
                }
            }
        }
        Err(Error::new(ErrorKind::Io, "the HTTP/3 connection is closing"))
    }

    async fn http3_connection(&self, target: &WsUri, port: u16) -> Result<Http3Connection, Error> {
        let (quic, endpoint) = self.connect_quic(target, port).await?;
        let settings = LocalSettings::default()
            .max_field_section_size(self.limits.max_head_bytes as u64)
            // `:status` counts as a field too.
            .max_fields(self.limits.max_fields.saturating_add(1));
        let connection = ClientConnection::new(quic, settings);
        // No extended CONNECT may be sent before this setting (RFC 9220 §3, RFC 8441 §3).
        let peer = async {
            let peer = connection.peer_settings().await;
            peer.map_err(|error| self.http3_error("opening HTTP/3", error))
        };
        let operation = "waiting for the server's HTTP/3 SETTINGS";
        let peer = at_step(ConnectStep::Settings, operation, peer).await;
        let error = match peer {
            Ok(peer) if peer.enable_connect_protocol => None,
            Ok(_) => {
                let message = "no WebSockets on HTTP/3 with this server: it does not set \
                               SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 9220 §3)";
                let error = Error::new(ErrorKind::Handshake, message);
                Some(error.with_step(ConnectStep::Settings))
            }
            Err(error) => Some(error),
        };
        if let Some(error) = error {
            self.http3.retire(connection.downgrade(), endpoint);
            return Err(error);
        }
        // QUIC's own PINGs would keep it open for ever.
        connection.close_when_unused(MAX_IDLE);
        Ok(Http3Connection { connection, endpoint })
    }

    async fn http3_handshake(
        &self,
        handshake: &ClientHandshake,
        target: &WsUri,
        request: PendingRequest,
        local_port: u16,
    ) -> Result<(WebSocket, Response<()>), RequestFailure> {
        let limit = self.limits.handshake_timeout;
        let response = async { Ok(request.response().await) };
        let response = at_step(ConnectStep::Handshake, AWAITING_RESPONSE, response);
        let response = within("handshake_timeout", limit, response).await??;
        let (response, mut stream) = match response {
            Err(error) => {
                let is_unprocessed = error.is_unprocessed();
                let error = self.http3_error("the response on HTTP/3", error);
                let failure = if is_unprocessed {
                    RequestFailure::Unprocessed
                } else {
                    RequestFailure::Failed
                };
                return Err(failure(error));
            }
            Ok(response) => response,
        };
        let events = &self.connector.dialer.events;
        response::report_on_stream(&response, Version::HTTP_3, events);
        self.record_response(target, response.headers());
        match handshake.check(response.status().as_u16(), HeaderMapSource(response.headers())) {
            Ok(negotiated) => {
                let stream = NetStream::addressed(Http3Stream::new(stream, local_port));
                let (websocket, response) =
                    self.open_websocket(stream, negotiated, response, BytesMut::new())?;
                Ok((websocket.multiplexed(), response))
            }
            Err(error) => {
                let error = response::rejection(error, &mut stream, response, BytesMut::new());
                Err(error.await.into())
            }
        }
    }

    fn http3_error(&self, operation: &'static str, error: Http3Error) -> Error {
        if let Http3Error::Connection(ended) = &error
            && let Some(error) = late_alert(ended)
        {
            return error;
        }
        let (kind, exceeded) = match &error {
            Http3Error::Limit { setting: "max_field_section_size", .. } => {
                let max = self.limits.max_head_bytes;
                (ErrorKind::Limit, Some(format!("more than max_head_bytes ({max})")))
            }
            Http3Error::Limit { setting: "max_fields", .. } => {
                let max = self.limits.max_fields;
                (ErrorKind::Limit, Some(format!("more header fields than max_fields ({max})")))
            }
            Http3Error::Limit { .. } => (ErrorKind::Limit, None),
            Http3Error::Protocol(fault) if fault.code == ErrorCode::EXCESSIVE_LOAD => {
                (ErrorKind::Limit, None)
            }
            Http3Error::Protocol(_) => (ErrorKind::Protocol, None),
            Http3Error::Misuse(_) => (ErrorKind::Misuse, None),
            Http3Error::Closed(ErrorCode::VERSION_FALLBACK, _)
            | Http3Error::Reset(ErrorCode::VERSION_FALLBACK) => (ErrorKind::Handshake, None),
            _ => (ErrorKind::Io, None),
        };
        match exceeded {
            Some(limit) => Error::new(kind, operation).with_detail(&limit),
            None => Error::new(kind, operation).with_source(error),
        }
    }
}

/// The failure of a request, by whether it may be sent again.
enum RequestFailure {
    /// The server did not process the request.
    Unprocessed(Error),
    Failed(Error),
}

impl From<Error> for RequestFailure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Returns whether another HTTP version may work.
fn may_work_on_other_version(error: &Error) -> bool {
    match error.response() {
        // Some servers enable the setting without supporting WebSockets.
        Some(response) => response.status() == StatusCode::NOT_IMPLEMENTED,
        None => !matches!(error.kind(), ErrorKind::Misuse | ErrorKind::Resolve),
    }
}
