//! Reading and writing HTTP/1.1 heads on a transport.

use std::io;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::HeaderSource;
use fullduplex_proto::handshake::http1::{HeadError, HeadFinder, HeaderFields};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::base::buffers;
use crate::base::error::{Error, ErrorKind};
use crate::transport::Transport;

/// A header map as a source of fields for the rules of the handshake.
#[derive(Clone, Copy)]
pub(crate) struct HeaderMapSource<'h>(pub(crate) &'h HeaderMap);

impl<'h> HeaderSource<'h> for HeaderMapSource<'h> {
    fn fields(self) -> impl Iterator<Item = (&'h str, &'h [u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
    }
}

/// The most bytes of a [`HeaderName`].
const MAX_NAME_LEN: usize = u16::MAX as usize;

/// Checks for names that the parser accepts and a [`HeaderMap`] does not.
pub(crate) fn check_names(fields: &HeaderFields<'_>) -> Result<(), HeadError> {
    let long = fields.iter().position(|(name, _)| name.len() > MAX_NAME_LEN);
    long.map_or(Ok(()), |i| Err(HeadError::FieldName { line: i + 2 }))
}

/// Converts parsed fields to those of an HTTP library.
pub(crate) fn header_map(fields: &HeaderFields<'_>) -> Result<HeaderMap, HeadError> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (i, (name, value)) in fields.iter().enumerate() {
        let line = i + 2;
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.trim_ascii());
        let name = name.map_err(|_| HeadError::FieldName { line })?;
        map.append(name, value.map_err(|_| HeadError::FieldValue { line })?);
    }
    Ok(map)
}

/// Returns a field name in the usual case of HTTP/1.1, such as `X-Api-Key` or, as RFC 6455 spells
/// it, `Sec-WebSocket-Version`. Case has no meaning (RFC 9110 §5.1), but some peers depend on it.
pub(crate) fn title_case(name: &str) -> String {
    let mut is_first = true;
    let cased = name.chars().map(|c| {
        let cased = if is_first { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        is_first = c == '-';
        cased
    });
    let mut cased: String = cased.collect();
    if cased.starts_with("Sec-Websocket-") {
        cased.replace_range(..13, "Sec-WebSocket");
    }
    cased
}

/// Replaces a later minor version of HTTP/1 in a request line by 1.1, which hyper can read (RFC
/// 9110 §2.5). Returns whether it did.
#[cfg(feature = "hyper")]
pub(crate) fn normalize_minor_version(head: &mut [u8]) -> bool {
    // Empty lines may precede it.
    let begin = head.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or_default();
    let line = head[begin..].split_mut(|&byte| byte == b'\r' || byte == b'\n').next();
    let Some([.., b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9']) = line else {
        return false;
    };
    *minor = b'1';
    true
}

/// Reads a head. What the peer sent after it stays in `received`.
pub(crate) async fn read_head<S: Transport>(
    stream: &mut S,
    mut finder: HeadFinder,
    received: &mut BytesMut,
) -> Result<Bytes, Error> {
    loop {
        match finder.find(received).map_err(Error::of)? {
            // With nothing after it, the memory need not be shared.
            Some(end) if end == received.len() => return Ok(std::mem::take(received).freeze()),
            Some(end) => return Ok(received.split_to(end).freeze()),
            None => {}
        }
        let read = match buffers::read_to(stream, received).await {
            // TLS without `close_notify`.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        };
        match read {
            Ok(0) => {
                let why = if received.is_empty() {
                    "the peer ended the transport before the opening handshake"
                } else {
                    "the peer ended the transport inside the opening handshake"
                };
                return Err(Error::new(ErrorKind::Io, why));
            }
            Ok(_) => {}
            Err(error) => return Err(Error::io("reading the opening handshake", error)),
        }
    }
}

pub(crate) async fn write_all<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
) -> Result<(), Error> {
    let write = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    write.await.map_err(|error| Error::io("writing the opening handshake", error))
}
