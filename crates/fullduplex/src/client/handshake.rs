//! The opening handshake, as far as all HTTP versions have it in common.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::client::{ClientHandshake, Negotiated};
use fullduplex_proto::{DeflateConfig, Role};
use http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response};

use crate::base::basic_auth::basic_auth;
use crate::base::compression;
use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
use crate::transport::http1;

/// The operation that a `handshake_timeout` error names.
pub(super) const AWAITING_RESPONSE: &str =
    "waiting for the server's response to the opening handshake";

impl Client {
    /// Adds the offered subprotocols and extensions to a handshake.
    pub(super) fn with_offers(
        &self,
        mut handshake: ClientHandshake,
        target: &WsUri,
    ) -> Result<ClientHandshake, Error> {
        for subprotocol in self.subprotocols_for(target) {
            handshake = handshake.with_subprotocol(subprotocol).map_err(Error::of)?;
        }
        for offer in compression::settings(&self.config).iter().flat_map(DeflateConfig::offers) {
            handshake = handshake.with_extension(offer);
        }
        Ok(handshake)
    }

    /// Returns all header fields of the request, their names in title case. Credentials are marked
    /// sensitive, and values that the application marked stay so.
    pub(super) fn header_fields(
        &self,
        handshake: &ClientHandshake,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<Vec<(Cow<'static, str>, HeaderValue)>, Error> {
        let value = |text: String| {
            let message = "a header's value is not valid (RFC 9110 §5.5)";
            HeaderValue::try_from(text).map_err(|_| Error::new(ErrorKind::Misuse, message))
        };
        let sensitive = |mut value: HeaderValue| {
            value.set_sensitive(true);
            value
        };
        let opening = handshake.headers();
        // With room for `Authorization` and `Cookie`.
        let mut fields = Vec::with_capacity(opening.len() + headers.len() + 2);
        for (name, text) in opening {
            fields.push((Cow::Borrowed(name), value(text)?));
        }
        let application = headers.iter().filter(|(name, _)| *name != HOST);
        fields.extend(application.map(|(name, value)| {
            let is_credential = *name == AUTHORIZATION || *name == COOKIE;
            let value = if is_credential { sensitive(value.clone()) } else { value.clone() };
            (http1::title_case(name.as_str()).into(), value)
        }));
        if let Some((user, password)) = &target.user
            && !headers.contains_key(AUTHORIZATION)
        {
            let credentials = value(basic_auth(user, password))?;
            fields.push(("Authorization".into(), sensitive(credentials)));
        }
        if let Some(jar) = &self.cookies
            && !headers.contains_key(COOKIE)
            && let Some(cookies) = jar.cookies(&target.cookie_url())
        {
            fields.push(("Cookie".into(), sensitive(cookies)));
        }
        Ok(fields)
    }

    /// Stores the cookies and `Alt-Svc` of a response.
    pub(super) fn record_response(&self, target: &WsUri, headers: &HeaderMap) {
        #[cfg(feature = "http3")]
        self.http3.record_alt_svc(target, headers);
        if let Some(jar) = &self.cookies {
            let url = target.cookie_url();
            headers.get_all(SET_COOKIE).iter().for_each(|cookie| jar.store(&url, cookie));
        }
    }

    /// Returns the open WebSocket after a completed handshake.
    pub(super) fn open_websocket<S: Transport>(
        &self,
        stream: S,
        negotiated: Negotiated,
        response: Response<()>,
        leftover: BytesMut,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        let config = &self.config;
        let settings = compression::settings(config);
        let deflate = match settings.map(|deflate| deflate.check(&negotiated.extensions)) {
            Some(Ok(params)) => params,
            Some(Err(error)) => {
                return Err(Error::of(error).with_response(response.map(|()| Bytes::new())));
            }
            None => None,
        };
        let websocket = WebSocket::open(stream, Role::Client, config, deflate.as_ref(), leftover);
        Ok((websocket.with_subprotocol(negotiated.subprotocol), response))
    }
}

/// Returns the authority of the request: a `Host` header that was set, or the URL's host.
pub(super) fn authority(target: &WsUri, headers: &HeaderMap) -> String {
    match headers.get(HOST) {
        Some(host) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
        None => target.authority.clone(),
    }
}
