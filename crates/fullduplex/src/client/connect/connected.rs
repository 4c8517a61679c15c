//! A transport to a server, before anything is said on it.

#[cfg(feature = "tls")]
use crate::client::connect::tls::client_cert::MissingClientCert;
use crate::transport::net_stream::NetStream;

/// A transport to a server, through what lies before it.
pub(crate) struct Connected {
    pub(crate) stream: NetStream,
    /// What it chose of the protocols that were offered (ALPN).
    #[cfg_attr(not(feature = "http2"), allow(dead_code, reason = "one alone is offered"))]
    pub(crate) protocol: Option<Vec<u8>>,
    #[cfg(feature = "tls")]
    pub(crate) unshown: MissingClientCert,
}

impl From<NetStream> for Connected {
    fn from(stream: NetStream) -> Self {
        Self {
            stream,
            protocol: None,
            #[cfg(feature = "tls")]
            unshown: MissingClientCert::default(),
        }
    }
}
