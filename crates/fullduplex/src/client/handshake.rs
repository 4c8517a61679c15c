//! What the opening handshake has in common on all versions of HTTP.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::client::{ClientHandshake, Negotiated};
use fullduplex_proto::{DeflateConfig, Role};
use http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response};

use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::proxy::tunnel;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
use crate::transport::http1;

/// What takes the time of `handshake_timeout`.
pub(super) const AWAITING_ANSWER: &str = "waiting for the server's answer to the opening handshake";

impl Client {
    pub(super) fn offers(
        &self,
        mut opening: ClientHandshake,
        target: &WsUri,
    ) -> Result<ClientHandshake, Error> {
        for protocol in self.subprotocols_for(target) {
            opening = opening.with_subprotocol(protocol)?;
        }
        for offer in self.config.deflate.iter().flat_map(DeflateConfig::offers) {
            opening = opening.with_extension(offer);
        }
        Ok(opening)
    }

    /// All header fields of the request, with names as HTTP/1.1 has them. Credentials are marked
    /// sensitive, and so is what the application has marked.
    pub(super) fn fields(
        &self,
        opening: &ClientHandshake,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<Vec<(Cow<'static, str>, HeaderValue)>, Error> {
        let value = |text: String| {
            let why = "a header's value is not valid (RFC 9110 §5.5)";
            HeaderValue::try_from(text).map_err(|_| Error::new(ErrorKind::Misuse, why))
        };
        let secret = |mut value: HeaderValue| {
            value.set_sensitive(true);
            value
        };
        let mut fields = Vec::new();
        for (name, text) in opening.headers() {
            fields.push((Cow::Borrowed(name), value(text)?));
        }
        let users = headers.iter().filter(|(name, _)| *name != HOST);
        fields.extend(users.map(|(name, value)| {
            let is_secret = *name == AUTHORIZATION || *name == COOKIE;
            let value = if is_secret { secret(value.clone()) } else { value.clone() };
            (http1::title_case(name.as_str()).into(), value)
        }));
        if let Some((user, password)) = &target.user
            && !headers.contains_key(AUTHORIZATION)
        {
            fields.push(("Authorization".into(), secret(value(tunnel::basic(user, password))?)));
        }
        if let Some(jar) = &self.cookies
            && !headers.contains_key(COOKIE)
            && let Some(cookies) = jar.cookies(&target.cookie_url())
        {
            fields.push(("Cookie".into(), secret(cookies)));
        }
        Ok(fields)
    }

    /// Takes note of what a server said beside its answer.
    pub(super) fn learn_from(&self, target: &WsUri, headers: &HeaderMap) {
        #[cfg(feature = "http3")]
        self.http3.learn_from(target, headers);
        if let Some(jar) = &self.cookies {
            let url = target.cookie_url();
            headers.get_all(SET_COOKIE).iter().for_each(|cookie| jar.store(&url, cookie));
        }
    }

    /// The WebSocket that both ends agreed on.
    pub(super) fn opened<S: Transport>(
        &self,
        stream: S,
        agreement: Negotiated,
        response: Response<()>,
        leftover: BytesMut,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        let config = &self.config;
        let deflate = match config.deflate.map(|deflate| deflate.check(&agreement.extensions)) {
            Some(Ok(agreed)) => agreed,
            Some(Err(error)) => {
                return Err(Error::from(error).with_response(response.map(|()| Bytes::new())));
            }
            None => None,
        };
        let websocket =
            WebSocket::from_handshake(stream, Role::Client, config, deflate.as_ref(), leftover);
        Ok((websocket.with_subprotocol(agreement.subprotocol), response))
    }
}

/// What the request names as its server: the URL's host, or the header that was set.
pub(super) fn authority(target: &WsUri, headers: &HeaderMap) -> String {
    match headers.get(HOST) {
        Some(own) => String::from_utf8_lossy(own.as_bytes()).into_owned(),
        None => target.authority.clone(),
    }
}
