//! Readable messages for TLS errors.

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, Error as RustlsError, InvalidMessage};

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};
use crate::base::tls_text::{alert_name, certificate_problem};
use crate::base::uri::without_zone;

/// Returns the error of a failed TLS handshake, in plainer words than those of rustls.
pub(super) fn explain(host: &str, error: std::io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>());
    let Some(inner) = inner else {
        // Not a TLS error, but one of the transport.
        let ended = error.kind() == std::io::ErrorKind::UnexpectedEof;
        let hint = if ended { " (perhaps this port does not use TLS)" } else { "" };
        let message = format!("the transport failed during the TLS handshake with {host}{hint}");
        return Error::new(ErrorKind::Io, message).with_source(error);
    };
    match inner {
        RustlsError::AlertReceived(alert) => alert_error(&format!("TLS with {host}"), *alert),
        _ => match in_words(inner) {
            Some(message) => Error::new(ErrorKind::Tls, format!("TLS with {host}: {message}")),
            None => Error::new(ErrorKind::Tls, format!("TLS with {host}")).with_source(error),
        },
    }
}

/// Returns a message for an error that has a better one than that of rustls.
pub(crate) fn in_words(error: &RustlsError) -> Option<String> {
    match error {
        RustlsError::InvalidCertificate(problem) => certificate_problem("server", problem),
        RustlsError::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => {
            let message = "the peer does not speak TLS (use a ws: URL for a server without \
                           TLS, an http: URL for a proxy without TLS)";
            Some(message.into())
        }
        _ => None,
    }
}

/// Parses the name to expect in the server's certificate.
pub(crate) fn parse_server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(without_zone(host).to_owned()).map_err(|error| {
        Error::new(ErrorKind::Tls, format!("{host:?} is not a valid name for a certificate"))
            .with_source(error)
    })
}

/// Explains an error of the transport that an alert caused after the handshake.
///
/// With TLS 1.3 the server verifies a client's certificate after the client has finished its part
/// of the handshake and sent the request.
pub(crate) fn explain_alert(error: Error) -> Error {
    match error.transport_error().and_then(alert_of) {
        Some(alert) => alert_error("TLS", alert),
        None => error,
    }
}

/// Returns the alert that an I/O error was caused by.
pub(crate) fn alert_of(error: &std::io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref() {
        Some(RustlsError::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

/// Returns the error of a connection that the server ended with this alert.
pub(crate) fn alert_error(context: &str, alert: AlertDescription) -> Error {
    let failure = AttemptFailure::Alert(alert.into());
    let message = alert_in_words(alert);
    Error::new(ErrorKind::Tls, format!("{context}: {message}")).with_failure(failure)
}

fn alert_in_words(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let meaning = match alert {
        A::CertificateRequired => ": it requires a client certificate (ClientTls::identity)",
        A::UnknownCA | A::BadCertificate | A::CertificateUnknown => {
            ": it does not accept the client's certificate"
        }
        A::AccessDenied => {
            ": it does not accept the client's certificate, or has no certificate for this name yet"
        }
        A::InternalError => ": it had an internal error; perhaps it has no certificate yet",
        A::CertificateExpired => ": the client's certificate has expired",
        A::CertificateRevoked => ": the client's certificate was revoked",
        A::HandshakeFailure => ": no common parameters, or it requires a client certificate",
        A::ProtocolVersion => ": it supports neither TLS 1.2 nor 1.3",
        A::UnrecognisedName => ": it does not serve this host name, or not yet",
        A::NoApplicationProtocol => ": it does not support this HTTP version (ALPN)",
        _ => "",
    };
    format!("the server ended it with the alert {}{meaning}", alert_name(alert))
}
