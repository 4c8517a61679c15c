//! A stream of an HTTP/3 connection as a transport that knows its addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use fullduplex_http3::RequestStream;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::transport::addresses::{Addressed, ConnectionEnd};
use crate::transport::delegate::{delegate_read, delegate_write};

/// A stream of HTTP/3 as a transport.
pub(crate) struct Http3Stream {
    stream: RequestStream,
    /// The port of the UDP socket, which QUIC does not know.
    local_port: u16,
}

impl Http3Stream {
    pub(crate) fn new(stream: RequestStream, local_port: u16) -> Self {
        Self { stream, local_port }
    }
}

impl Addressed for Http3Stream {
    fn address(&self, end: ConnectionEnd) -> io::Result<SocketAddr> {
        let quinn = self.stream.quinn();
        // It changes when the client migrates (RFC 9000 §9).
        let peer = quinn.remote_address();
        let unspecified = || match peer {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Ok(match end {
            ConnectionEnd::Peer => peer,
            ConnectionEnd::Local => {
                (quinn.local_ip().unwrap_or_else(unspecified), self.local_port).into()
            }
        })
    }
}

impl AsyncRead for Http3Stream {
    delegate_read!(stream);
}

impl AsyncWrite for Http3Stream {
    delegate_write!(stream, shutdown);
}
