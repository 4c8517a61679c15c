//! Reading and writing HTTP/1.1 heads on a transport.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::handshake::HeaderSource;
use fullduplex_proto::handshake::http1::{HeadError, HeadFinder, guess_protocol};
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::error::{Error, ErrorKind};
use crate::halves::Transport;

/// Bounds on the opening handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// The most bytes of the peer's head. Default: 16 KiB.
    pub max_head_size: usize,
    /// The most header fields of the peer's head. Default: 100.
    pub max_head_fields: usize,
    /// How long the opening handshake may take, once the transport stands. Default: 10 s.
    pub handshake_timeout: Duration,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            max_head_size: 16 << 10,
            max_head_fields: 100,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// Header fields for the rules of the handshake.
pub(crate) struct Fields<'a>(pub(crate) &'a HeaderMap);

impl HeaderSource for Fields<'_> {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.get_all(name).iter().map(|value| value.as_bytes().trim_ascii())
    }
}

/// Fields as the parser gives them, for an HTTP library.
pub(crate) fn header_map(fields: &[(&str, &[u8])]) -> Result<HeaderMap, Error> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        let value = http::HeaderValue::from_bytes(value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(HeadError::Malformed("a header field is wrong").into());
        };
        map.append(name, value);
    }
    Ok(map)
}

/// Reads a head, and nothing that is not in `received` afterwards: the head, then what the
/// peer sent behind it.
pub(crate) async fn read_head<S: Transport>(
    stream: &mut S,
    limits: &HandshakeLimits,
    received: &mut BytesMut,
) -> Result<Bytes, Error> {
    let mut finder = HeadFinder::new(limits.max_head_size, limits.max_head_fields);
    loop {
        if let Some(end) = finder.find(received)? {
            return Ok(received.split_to(end).freeze());
        }
        check_start(received)?;
        received.reserve(1024);
        match stream.read_buf(received).await {
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

/// Refuses at once what does not begin like HTTP/1.
fn check_start(received: &[u8]) -> Result<(), Error> {
    let starts_well = received.first().is_none_or(|b| b.is_ascii_graphic() || b"\r\n".contains(b));
    match guess_protocol(received) {
        Some(guess) => Err(Error::new(
            ErrorKind::Handshake,
            format!("the peer does not speak HTTP/1.1 but {guess}"),
        )),
        None if !starts_well => {
            Err(Error::new(ErrorKind::Handshake, "the peer does not speak HTTP/1.1"))
        }
        None => Ok(()),
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
