//! The opening handshake on HTTP/1.1 (RFC 6455 §4.1).

use bytes::BytesMut;
use fullduplex_proto::handshake::client::ClientHandshake;
use fullduplex_proto::handshake::http1::write_request;
use http::{HeaderMap, Response};

use crate::base::deadline::{doing, within};
use crate::base::error::Error;
use crate::base::rng::nonce;
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::connected::Connected;
#[cfg(feature = "tls")]
use crate::client::connect::tls::explain::explain_alert;
use crate::client::handshake::{AWAITING_ANSWER, authority};
use crate::client::response;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
use crate::transport::http1::{self, HeaderMapSource};

impl Client {
    pub(super) async fn connect_http1(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let reaching = self.reach(target, &[b"http/1.1"]);
        let reached = within("connect_timeout", self.connect_timeout, reaching).await??;
        self.handshake_on(reached, target, headers).await
    }

    pub(super) async fn handshake_on(
        &self,
        reached: Connected,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let opened = self.handshake(reached.stream, target, headers).await;
        #[cfg(feature = "tls")]
        let opened = opened.map_err(|error| reached.unshown.explain(error));
        opened
    }

    /// Opens a WebSocket on a transport that stands already; the URL gives `Host` and the
    /// path, and its scheme is not looked at.
    pub async fn connect_over<S: Transport>(
        &self,
        stream: S,
        uri: &str,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        self.handshake(stream, &WsUri::parse(uri)?, &self.headers).await
    }

    async fn handshake<S: Transport>(
        &self,
        mut stream: S,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        let after = self.limits.handshake_timeout;
        let opening = self.opening(target, headers)?;
        let head = self.request_head(&opening, target, headers)?;
        let mut leftover = BytesMut::new();
        let exchange = async {
            http1::write_all(&mut stream, &head).await?;
            response::read(&mut stream, &self.limits, &mut leftover).await
        };
        let exchange = doing(AWAITING_ANSWER, exchange);
        let response = within("handshake_timeout", after, exchange).await?;
        #[cfg(feature = "tls")]
        let response = response.map_err(explain_alert);
        let response = response?;
        self.learn_from(target, response.headers());
        match opening.check(response.status().as_u16(), HeaderMapSource(response.headers())) {
            Ok(agreement) => self.opened(stream, agreement, response, leftover),
            Err(error) => Err(response::refused(error, &mut stream, response, leftover).await),
        }
    }

    fn opening(&self, target: &WsUri, headers: &HeaderMap) -> Result<ClientHandshake, Error> {
        let host = authority(target, headers);
        self.offers(ClientHandshake::http1(host, nonce())?, target)
    }

    fn request_head(
        &self,
        opening: &ClientHandshake,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<Vec<u8>, Error> {
        let fields = self.fields(opening, target, headers)?;
        let fields = fields.iter().map(|(name, value)| (&**name, value.as_bytes()));
        Ok(write_request(opening.method(), &target.resource, fields)?)
    }
}
