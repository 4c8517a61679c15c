//! How a request is answered, by what carries it.

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
use crate::server::handshake::response::framed;
use crate::transport::Transport;
use crate::transport::http1;
use crate::transport::staged;

/// Where the answer to a request goes.
pub(crate) trait Respond<S>: Send {
    /// Sends the answer that opens the WebSocket. Gives what it runs on, and the bytes that
    /// were received behind the request.
    fn accept(
        self: Box<Self>,
        accepted: AcceptedHandshake,
    ) -> BoxFuture<'static, Result<(S, BytesMut), Error>>;

    /// Sends any other answer.
    fn respond(
        self: Box<Self>,
        response: Response<Bytes>,
        asked: Method,
    ) -> BoxFuture<'static, Result<(), Error>>;
}

/// What answers a request.
pub(crate) enum Responder<S> {
    /// HTTP/1.1 on a transport that we read the request from ourselves, and what we read behind
    /// it.
    Transport { stream: S, leftover: BytesMut },
    /// Anything else.
    Other(Box<dyn Respond<S>>),
}

impl<S, R: Respond<S> + 'static> From<Box<R>> for Responder<S> {
    fn from(reply: Box<R>) -> Self {
        Self::Other(reply)
    }
}

impl<S: Transport> Responder<S> {
    /// As [`Respond::accept`].
    pub(crate) async fn accept(self, accepted: AcceptedHandshake) -> Result<(S, BytesMut), Error> {
        match self {
            Self::Transport { mut stream, leftover } => {
                http1::write_all(&mut stream, &accepted.head()?).await?;
                Ok((stream, leftover))
            }
            Self::Other(reply) => reply.accept(accepted).await,
        }
    }

    /// As [`Respond::respond`], and the answer leaves within `handshake_timeout`. A transport is
    /// then closed in stages, which may take longer.
    pub(crate) async fn respond(
        self,
        response: Response<Bytes>,
        asked: Method,
        handshake_timeout: Duration,
    ) -> Result<(), Error> {
        match self {
            Self::Transport { mut stream, .. } => {
                let written = write(&mut stream, response, &asked);
                within("handshake_timeout", handshake_timeout, written).await??;
                finish(stream).await;
                Ok(())
            }
            Self::Other(reply) => {
                let responded = reply.respond(response, asked);
                within("handshake_timeout", handshake_timeout, responded).await?
            }
        }
    }
}

/// How long a refusal may take to leave.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a refused client may go on sending on HTTP/1.1.
const REFUSED_UPLOAD: Duration = Duration::from_secs(5);

/// The connection ends, whatever else its options are (RFC 9112 §9.6).
fn closing(headers: &HeaderMap) -> Vec<u8> {
    let own = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes);
    let mut options: Vec<&[u8]> = own.collect();
    if !list_contains(options.iter().copied(), "close") {
        options.push(b"close");
    }
    options.join(&b", "[..])
}

/// Answers on a transport of HTTP/1.1, and ends it.
pub(crate) async fn respond<S: Transport>(
    mut stream: S,
    response: Response<Bytes>,
    asked: &Method,
) -> Result<(), Error> {
    write(&mut stream, response, asked).await?;
    finish(stream).await;
    Ok(())
}

/// Ends a transport of HTTP/1.1 on which the answer has left; how the peer ends it is its own
/// affair.
async fn finish<S: Transport>(mut stream: S) {
    let _ = staged::close(&mut stream, REFUSED_UPLOAD).await;
}

/// Writes an answer on a transport of HTTP/1.1, the last one there.
async fn write<S: Transport>(
    stream: &mut S,
    response: Response<Bytes>,
    asked: &Method,
) -> Result<(), Error> {
    let (parts, content) = framed(response, asked);
    let connection = closing(&parts.headers);
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
    let mut bytes = write_response(parts.status.as_u16(), phrase, fields)?;
    bytes.extend_from_slice(&content);
    http1::write_all(stream, &bytes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_that_ends_the_connection_says_so_once() {
        let told = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONNECTION, HeaderValue::from_static(value));
            }
            String::from_utf8(closing(&headers)).unwrap()
        };
        assert_eq!(told(&[]), "close");
        assert_eq!(told(&["Close"]), "Close");
        assert_eq!(told(&["close, Upgrade"]), "close, Upgrade");
        assert_eq!(told(&["Upgrade", "close"]), "Upgrade, close");
        assert_eq!(told(&["x-not-close"]), "x-not-close, close");
    }
}
