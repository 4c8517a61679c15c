//! What is known of a TLS connection once its handshake is over.

use rustls::{HandshakeKind, ServerConnection};

use crate::base::tls_text::{cipher_suite, version};

/// What a handler may want to know of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite by its registered name, such as `TLS_AES_128_GCM_SHA256`;
    /// empty on HTTP/3.
    pub cipher_suite: String,
    /// The name that the client asked for (SNI), in small letters.
    pub server_name: Option<String>,
    /// The protocol that both agreed on (ALPN), such as `h2`.
    pub alpn: Option<Vec<u8>>,
    /// The client's certificate and its chain as DER; none if it showed none. It was checked
    /// against the authorities that were set.
    pub peer_certificates: Vec<Vec<u8>>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

impl TlsInfo {
    /// What is known of a connection whose handshake is over.
    pub fn of(connection: &ServerConnection) -> Self {
        let certificates = connection.peer_certificates().unwrap_or_default();
        Self {
            version: version(connection),
            cipher_suite: cipher_suite(connection),
            server_name: connection.server_name().map(str::to_ascii_lowercase),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: certificates.iter().map(|der| der.to_vec()).collect(),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

#[cfg(feature = "http3")]
impl TlsInfo {
    /// What QUIC tells, which has TLS 1.3 alone (RFC 9001 §4.2) and keeps the cipher suite to
    /// itself.
    pub(crate) fn of_quic(server_name: Option<String>, peer_certificates: Vec<Vec<u8>>) -> Self {
        Self {
            version: "TLSv1.3",
            cipher_suite: String::new(),
            server_name: server_name.map(|name| name.to_ascii_lowercase()),
            alpn: Some(b"h3".to_vec()),
            peer_certificates,
            resumed: false,
        }
    }
}
