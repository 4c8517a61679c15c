//! The TLS handshake of a server, and its errors in words.

use std::io;

use rustls::{AlertDescription, Error as RustlsError, InvalidMessage, PeerIncompatible};
use tokio_rustls::TlsAcceptor;

use crate::base::error::{Error, ErrorKind};
use crate::base::tls_text::{alert_name, certificate_problem};
use crate::server::policy::tls_info::TlsInfo;
use crate::server::tls::ServerTls;
use crate::transport::net_stream::NetStream;
use crate::transport::tls_stream::ClosingTlsStream;

impl ServerTls {
    /// Runs the TLS handshake with a client, on a socket or another [`NetStream`]. There is no
    /// timeout.
    ///
    /// Returns the stream in TLS, which has the addresses of the one below, and what was
    /// negotiated.
    ///
    /// # Errors
    /// The message explains the usual failures: the client speaks no TLS, shares no version or
    /// cipher suite, rejects the server's certificate, or presents none.
    ///
    /// # Cancel safety
    /// If the future is dropped, the transport is dropped with it.
    pub async fn accept(
        &self,
        stream: impl Into<NetStream>,
    ) -> Result<(NetStream, TlsInfo), Error> {
        let accepting = TlsAcceptor::from(self.rustls()).accept(stream.into());
        let stream = accepting.await.map_err(|error| self.explain(error))?;
        let info = TlsInfo::of(stream.get_ref().1);
        Ok((NetStream::addressed(ClosingTlsStream::new(stream)), info))
    }

    fn explain(&self, error: io::Error) -> Error {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>());
        let Some(inner) = inner else {
            // The transport failed, not TLS.
            let why = match error.kind() {
                io::ErrorKind::UnexpectedEof => "the client disconnected during the TLS handshake",
                _ => "the transport failed during the TLS handshake",
            };
            return Error::new(ErrorKind::Io, why).with_source(error);
        };
        match self.words(inner) {
            Some(why) => Error::new(ErrorKind::Tls, format!("TLS handshake with a client: {why}")),
            None => Error::new(ErrorKind::Tls, "TLS handshake with a client").with_source(error),
        }
    }

    fn words(&self, error: &RustlsError) -> Option<String> {
        Some(match error {
            RustlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
                "it did not send TLS; perhaps it sends plain HTTP to this port".into()
            }
            RustlsError::PeerIncompatible(what) => nothing_in_common(what),
            RustlsError::AlertReceived(alert) => alert_words(*alert),
            RustlsError::NoCertificatesPresented => {
                "it presented no certificate, and one is required".into()
            }
            RustlsError::InvalidCertificate(problem) => certificate_problem("client", problem)?,
            RustlsError::NoApplicationProtocol => {
                let supported = self.alpn.iter().map(|name| String::from_utf8_lossy(name));
                let supported = supported.collect::<Vec<_>>().join(", ");
                format!("it offers none of the protocols of the server (ALPN): {supported}")
            }
            _ => return None,
        })
    }
}

fn nothing_in_common(what: &PeerIncompatible) -> String {
    use PeerIncompatible as P;
    let what = match what {
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::Tls13RequiredForQuic => "TLS version (the server supports 1.2 and 1.3)",
        P::NoCipherSuitesInCommon => "cipher suite",
        P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired => "key exchange group",
        P::NoSignatureSchemesInCommon
        | P::NoCertificateRequestSignatureSchemesInCommon
        | P::SignatureAlgorithmsExtensionRequired => "signature scheme",
        _ => return "it does not support a required feature of TLS".into(),
    };
    format!("client and server have no {what} in common")
}

/// Describes an alert of the client (RFC 8446 §6).
fn alert_words(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let name = alert_name(alert);
    match alert {
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA => format!("it rejected the server's certificate with the alert {name}"),
        _ => format!("it ended the handshake with the alert {name}"),
    }
}
