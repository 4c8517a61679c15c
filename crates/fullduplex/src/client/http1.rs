//! The opening handshake on HTTP/1.1 (RFC 6455 §4.1).

use std::pin::pin;

use bytes::BytesMut;
use fullduplex_proto::handshake::client::ClientHandshake;
use fullduplex_proto::handshake::http1::write_request;
use http::{HeaderMap, Response, Version};

use crate::base::at_step::at_step;
use crate::base::deadline::within;
use crate::base::error::{ConnectStep, Error};
use crate::base::rng::nonce;
use crate::base::span;
use crate::base::uri::WsUri;
use crate::client::attempt::Attempt;
use crate::client::client::Client;
use crate::client::connect::connected::Connected;
use crate::client::connect::heads::{HeadField, RequestHead};
use crate::client::connect::progress::HttpPeer;
#[cfg(feature = "_tls")]
use crate::client::connect::tls::explain::explain_alert;
use crate::client::handshake::{AWAITING_RESPONSE, authority};
use crate::client::request::{ClientRequest, IntoClientRequest, convert};
use crate::client::response;
use crate::client::tap::TappedRequest;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
use crate::transport::http1::{self, HeaderMapSource};
use crate::transport::net_stream::NetStream;

impl Client {
    /// Opens a WebSocket on a new HTTP/1.1 connection.
    pub(super) async fn connect_http1(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let connected = self.connect_for_http1(target).await?;
        self.handshake_on(connected, target, headers).await
    }

    /// Connects to the server of a URL as [`connect`](Self::connect) does on HTTP/1.1, through any
    /// proxy and with TLS for `wss:`, and sends nothing: for a program that passes on what another
    /// client sends.
    ///
    /// [`connect_over`](Self::connect_over) opens a WebSocket on the transport.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fullduplex::Error> {
    /// let client = fullduplex::Client::default();
    /// let stream = client.connect_transport("wss://echo.example/").await?;
    /// println!("connected to {}", stream.peer_addr()?);
    /// let (websocket, _response) = client.connect_over(stream, "wss://echo.example/").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::kind`] says what failed. It takes `connect_timeout` at most.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the socket is closed.
    pub async fn connect_transport(
        &self,
        request: impl IntoClientRequest,
    ) -> Result<NetStream, Error> {
        let ClientRequest { target, .. } = convert(request)?;
        Ok(self.connect_for_http1(&target).await?.stream)
    }

    /// Does on a stream that is connected to the server of a URL what
    /// [`connect_transport`](Self::connect_transport) does then: TLS for `wss:`, and nothing for
    /// `ws:`. Offers these protocols (ALPN), and returns the one that the server chose; `None` if
    /// it chose none, or if there is no TLS.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fullduplex::Error> {
    /// let client = fullduplex::Client::default();
    /// let stream = client.connect_transport("ws://echo.example:443/").await?;
    /// let alpn: &[&[u8]] = &[b"http/1.1"];
    /// let secured = client.connect_transport_over(stream, "wss://echo.example/", alpn).await?;
    /// let (stream, _chosen) = secured;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::kind`] says what failed. It takes `connect_timeout` at most.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the stream is dropped.
    pub async fn connect_transport_over(
        &self,
        stream: impl Into<NetStream>,
        request: impl IntoClientRequest,
        protocols: &[&[u8]],
    ) -> Result<(NetStream, Option<Vec<u8>>), Error> {
        let ClientRequest { target, .. } = convert(request)?;
        // Pinned here, as a move into the limit would copy it.
        let securing = pin!(self.connector.secure(stream.into(), &target, protocols));
        let connected = within("connect_timeout", self.connect_timeout, securing).await??;
        Ok((connected.stream, connected.alpn))
    }

    /// Connects as [`connect_transport`](Self::connect_transport), offers these protocols in its
    /// TLS handshake (ALPN) in place of `http/1.1`, and returns the one that the server chose.
    /// `None` if it chose none, or if there is no TLS. What follows is up to the caller.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fullduplex::Error> {
    /// let client = fullduplex::Client::default();
    /// let url = "wss://echo.example/";
    /// let (_stream, alpn) = client.connect_transport_with_alpn(url, &[b"h2", b"http/1.1"]).await?;
    /// println!("HTTP/2: {}", alpn.as_deref() == Some(b"h2"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`connect_transport`](Self::connect_transport).
    ///
    /// # Cancel safety
    /// As [`connect_transport`](Self::connect_transport).
    pub async fn connect_transport_with_alpn(
        &self,
        request: impl IntoClientRequest,
        protocols: &[&[u8]],
    ) -> Result<(NetStream, Option<Vec<u8>>), Error> {
        let ClientRequest { target, .. } = convert(request)?;
        // Pinned here, as a move into the limit would copy it.
        let connecting = pin!(self.connector.connect(&target, protocols, &self.limits));
        let connected = within("connect_timeout", self.connect_timeout, connecting).await??;
        Ok((connected.stream, connected.alpn))
    }

    async fn connect_for_http1(&self, target: &WsUri) -> Result<Connected, Error> {
        // Pinned here, as a move into the limit would copy it.
        let connecting = pin!(self.connector.connect(target, &[b"http/1.1"], &self.limits));
        within("connect_timeout", self.connect_timeout, connecting).await?
    }

    /// Opens a WebSocket on a connection that is ready for an HTTP/1.1 request.
    pub(super) async fn handshake_on(
        &self,
        connected: Connected,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let result = self.handshake(connected.stream, target, headers).await;
        #[cfg(feature = "_tls")]
        let result = result.map_err(|error| connected.missing_client_cert.explain(error));
        result
    }

    /// Opens a WebSocket on an existing transport, with an HTTP/1.1 handshake.
    ///
    /// `Host` and the path are those of the URL; its scheme is ignored. Redirections are not
    /// followed.
    ///
    /// # Errors
    /// Fails if the handshake is not complete within `handshake_timeout`, or is rejected; the
    /// error then has its [`response`](Error::response).
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the transport is dropped.
    pub async fn connect_over<S: Transport>(
        &self,
        stream: S,
        request: impl IntoClientRequest,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        let ClientRequest { target, headers } = convert(request)?;
        let client = self.with_headers(headers)?;
        let attempt = Attempt::start(&self.state, &target);
        let handshake = client.handshake(stream, &target, &client.headers);
        let result = span::within(attempt.span(), handshake).await;
        attempt.end(result)
    }

    async fn handshake<S: Transport>(
        &self,
        mut stream: S,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        let limit = self.limits.handshake_timeout;
        let handshake = self.new_http1_handshake(target, headers)?;
        let (head, request) = self.request_head(&handshake, target, headers)?;
        let mut leftover = BytesMut::new();
        let reported_as = (HttpPeer::Server, &self.connector.dialer.events);
        let response = {
            let exchange = pin!(async {
                http1::write_all(&mut stream, &head).await?;
                response::read(&mut stream, &self.limits, &mut leftover, reported_as).await
            });
            let exchange = at_step(ConnectStep::Handshake, AWAITING_RESPONSE, exchange);
            within("handshake_timeout", limit, exchange).await?
        };
        #[cfg(feature = "_tls")]
        let response = response.map_err(explain_alert);
        let response = response?;
        self.record_response(target, response.headers());
        match handshake.check(response.status().as_u16(), HeaderMapSource(response.headers())) {
            Ok(negotiated) => {
                let opened = self.open_websocket(stream, negotiated, response, leftover)?;
                Ok(self.with_tap(opened, request))
            }
            Err(error) => {
                let rejection = response::rejection(error, &mut stream, response, leftover).await;
                Err(rejection.with_step(ConnectStep::Handshake))
            }
        }
    }

    fn new_http1_handshake(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<ClientHandshake, Error> {
        let host = authority(target, headers);
        self.with_offers(ClientHandshake::http1(host, nonce()).map_err(Error::of)?, target)
    }

    /// Returns the head of the request, and the request for a tap.
    fn request_head(
        &self,
        handshake: &ClientHandshake,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(Vec<u8>, TappedRequest), Error> {
        let fields = self.header_fields(handshake, target, headers)?;
        let events = &self.connector.dialer.events;
        if events.has_listener() {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| HeadField::of_value(name, value)).collect();
            let (version, method, target) =
                (Version::HTTP_11, handshake.method(), &*target.resource);
            let head = RequestHead { version, method, target, fields: &fields };
            events.request(HttpPeer::Server, &head);
        }
        let method = handshake.method();
        let named = fields.iter().map(|(name, value)| (&**name, value));
        let request = self.tapped_http1_request(method, target, named);
        let fields = fields.iter().map(|(name, value)| (&**name, value.as_bytes()));
        let head = write_request(method, &target.resource, fields).map_err(Error::of)?;
        Ok((head, request))
    }
}
