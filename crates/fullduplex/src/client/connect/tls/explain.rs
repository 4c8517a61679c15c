//! What went wrong in TLS, in words.

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, Error as RustlsError, InvalidMessage};

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};
use crate::base::tls_text::{alert_name, certificate_problem};
use crate::base::uri::without_zone;

/// The problem in words, where there are better ones than those of rustls.
pub(super) fn explain(host: &str, error: std::io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>());
    let Some(inner) = inner else {
        // No fault of TLS.
        let ended = error.kind() == std::io::ErrorKind::UnexpectedEof;
        let hint = if ended { " (perhaps there is no TLS at this port)" } else { "" };
        let why = format!("the transport failed inside the TLS handshake with {host}{hint}");
        return Error::new(ErrorKind::Io, why).with_source(error);
    };
    match inner {
        RustlsError::AlertReceived(alert) => alert_error(&format!("TLS with {host}"), *alert),
        _ => match in_words(inner) {
            Some(why) => Error::new(ErrorKind::Tls, format!("TLS with {host}: {why}")),
            None => Error::new(ErrorKind::Tls, format!("TLS with {host}")).with_source(error),
        },
    }
}

pub(crate) fn in_words(error: &RustlsError) -> Option<String> {
    match error {
        RustlsError::InvalidCertificate(problem) => certificate_problem("server", problem),
        RustlsError::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => {
            let why = "what answers there does not speak TLS (a server without it is at a ws: URL, \
                       a proxy without it at an http: URL)";
            Some(why.into())
        }
        _ => None,
    }
}

pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(without_zone(host).to_owned()).map_err(|error| {
        Error::new(ErrorKind::Tls, format!("{host:?} can't stand in a certificate"))
            .with_source(error)
    })
}

/// With TLS 1.3 the server looks at a client's certificate when the client has already gone
/// on, to its request.
pub(crate) fn explain_alert(error: Error) -> Error {
    match error.transport_error().and_then(alert_of) {
        Some(alert) => alert_error("TLS", alert),
        None => error,
    }
}

/// The alert that ended a transport.
pub(crate) fn alert_of(error: &std::io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref() {
        Some(RustlsError::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

/// The error of a handshake that the server ended with this alert.
pub(crate) fn alert_error(doing: &str, alert: AlertDescription) -> Error {
    let failure = AttemptFailure::Alert(alert.into());
    let why = alert_in_words(alert);
    Error::new(ErrorKind::Tls, format!("{doing}: {why}")).with_failure(failure)
}

fn alert_in_words(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let means = match alert {
        A::CertificateRequired => ": it wants a certificate of the client (TlsSettings::identity)",
        A::UnknownCA | A::BadCertificate | A::CertificateUnknown => {
            ": it does not take the client's certificate"
        }
        A::AccessDenied => {
            ": it does not take the client's certificate, or has none of its own for this name yet"
        }
        A::InternalError => ": it failed itself; perhaps it has no certificate yet",
        A::CertificateExpired => ": the client's certificate has expired",
        A::CertificateRevoked => ": the client's certificate was revoked",
        A::HandshakeFailure => ": nothing that both know, or it wants a certificate of the client",
        A::ProtocolVersion => ": it takes other versions of TLS than 1.2 and 1.3",
        A::UnrecognisedName => ": it knows no host of this name, or not yet",
        A::NoApplicationProtocol => ": it does not speak the version of HTTP (ALPN)",
        _ => "",
    };
    format!("the server ended it with the alert {}{means}", alert_name(alert))
}
