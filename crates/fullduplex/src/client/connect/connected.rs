//! A transport to a server, before the handshake.

#[cfg(feature = "_tls")]
use crate::client::connect::tls::client_cert::MissingClientCert;
use crate::transport::net_stream::NetStream;

/// A transport to a server, through any proxy and TLS.
pub(crate) struct Connected {
    pub(crate) stream: NetStream,
    /// The protocol that the server chose (ALPN).
    pub(crate) alpn: Option<Vec<u8>>,
    #[cfg(feature = "_tls")]
    pub(crate) missing_client_cert: MissingClientCert,
}

impl From<NetStream> for Connected {
    fn from(stream: NetStream) -> Self {
        Self {
            stream,
            alpn: None,
            #[cfg(feature = "_tls")]
            missing_client_cert: MissingClientCert::default(),
        }
    }
}
