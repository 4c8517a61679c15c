//! The server's TLS handshake.

use std::io;

use rustls::{AlertDescription, Error as RustlsError, InvalidMessage, PeerIncompatible};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::base::error::{Error, ErrorKind};
use crate::base::tls_text::{alert_name, certificate_problem};
use crate::server::policy::tls_info::TlsInfo;
use crate::server::tls::ServerTls;

impl ServerTls {
    /// Runs the handshake with a client. It has no deadline of its own.
    ///
    /// An error says in words what usually goes wrong: no TLS at all, nothing in common,
    /// a certificate that the client refused or did not show.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the transport is dropped.
    pub async fn accept<S>(&self, stream: S) -> Result<(TlsStream<S>, TlsInfo), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let accepting = TlsAcceptor::from(self.rustls()).accept(stream);
        let stream = accepting.await.map_err(|error| self.explain(error))?;
        let info = TlsInfo::of(stream.get_ref().1);
        Ok((stream, info))
    }

    fn explain(&self, error: io::Error) -> Error {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>());
        let Some(inner) = inner else {
            // No fault of TLS.
            let why = match error.kind() {
                io::ErrorKind::UnexpectedEof => "the client left inside the TLS handshake",
                _ => "the transport failed inside the TLS handshake",
            };
            return Error::new(ErrorKind::Io, why).with_source(error);
        };
        match self.words(inner) {
            Some(why) => Error::new(ErrorKind::Tls, format!("TLS with a client: {why}")),
            None => Error::new(ErrorKind::Tls, "TLS with a client").with_source(error),
        }
    }

    fn words(&self, error: &RustlsError) -> Option<String> {
        Some(match error {
            RustlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
                "what it sent is not TLS; does it speak plain HTTP to this port?".into()
            }
            RustlsError::PeerIncompatible(what) => nothing_in_common(what),
            RustlsError::AlertReceived(alert) => alert_words(*alert),
            RustlsError::NoCertificatesPresented => {
                "it showed no certificate, and one is required".into()
            }
            RustlsError::InvalidCertificate(problem) => certificate_problem("client", problem)?,
            RustlsError::NoApplicationProtocol => {
                let spoken = self.alpn.iter().map(|name| String::from_utf8_lossy(name));
                let spoken = spoken.collect::<Vec<_>>().join(", ");
                format!("it speaks no protocol (ALPN) that we do: {spoken}")
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
        | P::Tls13RequiredForQuic => "version of TLS (we speak 1.2 and 1.3)",
        P::NoCipherSuitesInCommon => "cipher suite",
        P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired => "group for the key exchange",
        P::NoSignatureSchemesInCommon
        | P::NoCertificateRequestSignatureSchemesInCommon
        | P::SignatureAlgorithmsExtensionRequired => "kind of signature",
        _ => return "it can't do what is needed here".into(),
    };
    format!("we have no {what} in common")
}

/// An alert's meaning (RFC 8446 §6).
fn alert_words(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let name = alert_name(alert);
    match alert {
        A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA => format!("it refused our certificate with the alert {name}"),
        _ => format!("it ended the handshake with the alert {name}"),
    }
}
