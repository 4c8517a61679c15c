//! The TLS of a client, which is set up late.

use std::sync::OnceLock;

use crate::client::connect::tls::handshake::TlsContext;
use crate::client::connect::tls::settings::ClientTls;
#[cfg(feature = "http3")]
use crate::client::http3::quic_tls::QuicTls;

/// TLS, set up when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct LazyTls {
    pub(crate) settings: ClientTls,
    pub(crate) built: OnceLock<TlsContext>,
    /// For proxies, and for other origins: without the client's certificate.
    pub(crate) anonymous: OnceLock<TlsContext>,
    #[cfg(feature = "http3")]
    pub(crate) quic: OnceLock<QuicTls>,
    #[cfg(feature = "http3")]
    pub(crate) anonymous_quic: OnceLock<QuicTls>,
}
