//! Sends the response to a request, on whatever carries it.

use std::borrow::Cow;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::http1::write_response;
use fullduplex_proto::handshake::list_contains;
use futures_core::future::BoxFuture;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, Response};

use crate::base::deadline::within;
use crate::base::error::Error;
use crate::server::handshake::request::AcceptedHandshake;
use crate::server::handshake::response::with_content_length;
use crate::transport::Transport;
use crate::transport::http1;
use crate::transport::lingering_close;

/// How long the response to a rejected request may take to be written.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a rejected client may go on sending on HTTP/1.1.
const REJECTED_UPLOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends the response to a request that a library or a stream carries.
pub(crate) trait Respond<S>: Send {
    /// Sends the response that opens the WebSocket. Returns the transport of the WebSocket, and
    /// the bytes that were received after the request.
    fn accept(
        self: Box<Self>,
        accepted: AcceptedHandshake,
    ) -> BoxFuture<'static, Result<(S, BytesMut), Error>>;

    /// Sends a response that opens no WebSocket. `method` is the request's.
    fn respond(
        self: Box<Self>,
        response: Response<Bytes>,
        method: Method,
    ) -> BoxFuture<'static, Result<(), Error>>;
}

/// Where the response to a request is sent.
pub(crate) enum Responder<S> {
    /// To a transport of HTTP/1.1 from which this crate read the request. `leftover` is what
    /// was read after it.
    Transport { stream: S, leftover: BytesMut },
    /// To a stream of HTTP/2 or HTTP/3, or to hyper.
    Other(Box<dyn Respond<S>>),
}

impl<S, R: Respond<S> + 'static> From<Box<R>> for Responder<S> {
    fn from(responder: Box<R>) -> Self {
        Self::Other(responder)
    }
}

impl<S: Transport> Responder<S> {
    /// Sends the response that opens the WebSocket; see [`Respond::accept`].
    pub(crate) async fn accept(self, accepted: AcceptedHandshake) -> Result<(S, BytesMut), Error> {
        match self {
            Self::Transport { mut stream, leftover } => {
                http1::write_all(&mut stream, &accepted.head()?).await?;
                Ok((stream, leftover))
            }
            Self::Other(responder) => responder.accept(accepted).await,
        }
    }

    /// Sends a response that opens no WebSocket within `handshake_timeout`; see
    /// [`Respond::respond`]. A transport is then closed in stages, which may take longer.
    pub(crate) async fn respond(
        self,
        response: Response<Bytes>,
        method: Method,
        handshake_timeout: Duration,
    ) -> Result<(), Error> {
        match self {
            Self::Transport { mut stream, .. } => {
                let written = write(&mut stream, response, &method);
                within("handshake_timeout", handshake_timeout, written).await??;
                close(stream).await;
                Ok(())
            }
            Self::Other(responder) => {
                let sent = responder.respond(response, method);
                within("handshake_timeout", handshake_timeout, sent).await?
            }
        }
    }
}

/// Returns the value of `Connection`, with `close` among its options (RFC 9112 §9.6).
fn connection_field(headers: &HeaderMap) -> Vec<u8> {
    let own = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    let mut options: Vec<&[u8]> = own.collect();
    if !list_contains(options.iter().copied(), "close") {
        options.push(b"close");
    }
    options.join(&b", "[..])
}

/// Writes a response to a transport of HTTP/1.1, and closes it.
pub(crate) async fn respond<S: Transport>(
    mut stream: S,
    response: Response<Bytes>,
    method: &Method,
) -> Result<(), Error> {
    write(&mut stream, response, method).await?;
    close(stream).await;
    Ok(())
}

/// Closes a transport of HTTP/1.1 after the response was written. Errors of the peer's end do
/// not matter any more.
async fn close<S: Transport>(mut stream: S) {
    let _ = lingering_close::close(&mut stream, REJECTED_UPLOAD_TIMEOUT).await;
}

/// Writes the last response of a transport of HTTP/1.1.
async fn write<S: Transport>(
    stream: &mut S,
    response: Response<Bytes>,
    method: &Method,
) -> Result<(), Error> {
    let (parts, content) = with_content_length(response, method);
    let connection = connection_field(&parts.headers);
    let length = parts.headers.get(CONTENT_LENGTH);
    let length = length.map(|length| ("Content-Length".into(), length.as_bytes()));
    let mut fields: Vec<(Cow<'_, str>, &[u8])> = length.into_iter().collect();
    fields.push(("Connection".into(), &connection));
    let own = parts.headers.iter();
    let own = own.filter(|(name, _)| ![CONNECTION, CONTENT_LENGTH].contains(name));
    fields.extend(
        own.map(|(name, value)| (http1::title_case(name.as_str()).into(), value.as_bytes())),
    );
    let phrase = parts.status.canonical_reason().unwrap_or_default();
    let mut bytes = write_response(parts.status.as_u16(), phrase, fields).map_err(Error::of)?;
    bytes.extend_from_slice(&content);
    http1::write_all(stream, &bytes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_that_ends_the_connection_says_so_once() {
        let field = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONNECTION, HeaderValue::from_static(value));
            }
            String::from_utf8(connection_field(&headers)).unwrap()
        };
        assert_eq!(field(&[]), "close");
        assert_eq!(field(&["Close"]), "Close");
        assert_eq!(field(&["close, Upgrade"]), "close, Upgrade");
        assert_eq!(field(&["Upgrade", "close"]), "Upgrade, close");
        assert_eq!(field(&["x-not-close"]), "x-not-close, close");
    }
}
