//! The parameters of a TLS connection after its handshake.

use rustls::{HandshakeKind, ServerConnection};

use crate::base::tls_text::{cipher_suite, version};

/// The parameters of a TLS connection after its handshake.
///
/// ```
/// use fullduplex::server::Handshake;
///
/// /// Whether the client presented a certificate, which was verified.
/// fn is_identified(handshake: &Handshake) -> bool {
///     let tls = handshake.connect_info().and_then(|remote| remote.tls.as_ref());
///     tls.is_some_and(|tls| !tls.peer_certificates.is_empty())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite by its registered name, such as `TLS_AES_128_GCM_SHA256`;
    /// empty on HTTP/3.
    pub cipher_suite: String,
    /// The name that the client requested (SNI), in lower case.
    pub server_name: Option<String>,
    /// The negotiated protocol (ALPN), such as `h2`.
    pub alpn: Option<Vec<u8>>,
    /// The client's certificate and its chain in DER, verified against the configured authorities;
    /// empty if the client presented none.
    pub peer_certificates: Vec<Vec<u8>>,
    /// Whether the connection resumes an earlier session.
    pub resumed: bool,
}

impl TlsInfo {
    /// Returns the parameters of a connection whose handshake is done.
    pub(crate) fn of(connection: &ServerConnection) -> Self {
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
    /// Returns the parameters of a QUIC connection. Its version is TLS 1.3 (RFC 9001 §4.2); quinn
    /// does not expose the cipher suite.
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
