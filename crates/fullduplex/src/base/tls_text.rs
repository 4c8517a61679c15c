//! Names and texts for versions, cipher suites, alerts and certificate errors of rustls.

use rustls::{
    AlertDescription, CertificateError, ConnectionCommon, Error as RustlsError, ProtocolVersion,
};

/// Returns the negotiated version.
pub(crate) fn version<D>(connection: &ConnectionCommon<D>) -> &'static str {
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        // rustls supports no other version.
        _ => "TLSv1.3",
    }
}

/// Returns the negotiated cipher suite by its registered name.
pub(crate) fn cipher_suite<D>(connection: &ConnectionCommon<D>) -> String {
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    // rustls writes `TLS13_`, the registry of RFC 8446 §B.4 doesn't.
    suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

/// Describes an error of TLS, for both roles, if there is no better description.
pub(crate) fn describe(error: &RustlsError) -> String {
    use RustlsError as E;
    let words = match error {
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => {
            "the peer sent a TLS message that was not due"
        }
        E::InvalidMessage(_) => "the peer sent a malformed TLS message",
        E::PeerSentOversizedRecord => "the peer sent a TLS record that is too long",
        E::NoCertificatesPresented => "the peer sent no certificate",
        E::DecryptError => "the data that the peer sent can't be decrypted",
        E::PeerIncompatible(_) => "the two ends have no TLS version or algorithm in common",
        E::PeerMisbehaved(_) => "the peer broke a rule of TLS",
        E::NoApplicationProtocol => "the two ends have no protocol in common (ALPN)",
        E::AlertReceived(alert) => {
            return format!("the peer ended TLS with the alert {}", alert_name(*alert));
        }
        E::InvalidCertificate(CertificateError::BadEncoding) => "a certificate is malformed",
        E::InvalidCertificate(CertificateError::BadSignature) => {
            "a signature, of a certificate or of the handshake, is wrong"
        }
        E::InvalidCertificate(CertificateError::UnhandledCriticalExtension) => {
            "a certificate has a critical extension that is not supported"
        }
        E::InvalidCertificate(CertificateError::UnknownRevocationStatus) => {
            "the revocation status of a certificate is unknown"
        }
        // Texts of a platform's or of an application's own verifier. Those of webpki are names of
        // types, without spaces.
        E::InvalidCertificate(CertificateError::Other(other)) | E::Other(other)
            if other.to_string().contains(' ') =>
        {
            return other.to_string();
        }
        E::InvalidCertificate(_) => "a certificate is not valid",
        E::InconsistentKeys(_) => "the private key does not match the certificate",
        E::FailedToGetRandomBytes => "the system provides no random bytes",
        E::FailedToGetCurrentTime => "the system provides no time",
        E::General(words) => words,
        _ => "TLS failed",
    };
    words.into()
}

/// Returns the name of an alert in RFC 8446 §6, such as `bad_certificate`.
pub(crate) fn alert_name(alert: AlertDescription) -> String {
    let mut name = String::new();
    let letters: Vec<char> = format!("{alert:?}").chars().collect();
    for (i, c) in letters.iter().enumerate() {
        let after_small = i > 0 && !letters[i - 1].is_ascii_uppercase();
        // The last of several capital letters starts the next word, but `UnknownCA` has no next
        // word.
        let begins_word = after_small || letters.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if i > 0 && c.is_ascii_uppercase() && begins_word {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// Describes the problem of a certificate; `whose` is `server` or `client`.
pub(crate) fn certificate_problem(whose: &str, problem: &CertificateError) -> Option<String> {
    use CertificateError as E;
    let what = match problem {
        E::Expired => "has expired".into(),
        E::ExpiredContext { time, not_after } => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            format!("expired {days} days ago")
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "is not valid yet; is the clock right?".into()
        }
        E::UnknownIssuer => format!(
            "is not signed by a trusted authority (unknown issuer, or an intermediate certificate \
             that the {whose} did not send)"
        ),
        E::NotValidForName => "is for another name".into(),
        E::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "is not for any name".into()
        }
        E::NotValidForNameContext { presented, .. } => {
            // rustls shows DNS names as `DnsName("…")`.
            let plain = |name: &String| match name.split_once("(\"") {
                Some((_, name)) => name.trim_end_matches("\")").to_owned(),
                None => name.clone(),
            };
            let names: Vec<_> = presented.iter().map(plain).collect();
            format!("is for another name: {}", names.join(", "))
        }
        E::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "is that of an authority (CA:TRUE), as openssl makes self-signed ones; its own must \
             say CA:FALSE"
                .into()
        }
        E::Revoked => return Some(format!("the {whose}'s certificate was revoked")),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            format!("is not made for a {whose} (extended key usage)")
        }
        _ => return None,
    };
    Some(format!("the {whose}'s certificate {what}"))
}
