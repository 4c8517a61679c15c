//! What TLS as a client and TLS as a server share: reading PEM, and words for what is wrong
//! with a certificate.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    AlertDescription, CertificateError, ConnectionCommon, Error as RustlsError, ProtocolVersion,
};

use crate::base::error::{Error, ErrorKind};

pub(crate) fn bad(what: &'static str) -> Error {
    Error::new(ErrorKind::Tls, what)
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let why = || format!("reading {}", path.display());
    std::fs::read(path).map_err(|error| Error::new(ErrorKind::Tls, why()).with_source(error))
}

/// All certificates of a PEM text, at least one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| bad("the certificates are not PEM").with_source(error))?;
    if all.is_empty() { Err(bad("there is no certificate in the PEM text")) } else { Ok(all) }
}

/// The first private key of a PEM text: PKCS #8, PKCS #1 or SEC 1, not encrypted.
pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        let has = |words: &[u8]| pem.windows(words.len()).any(|window| window == words);
        // `BEGIN ENCRYPTED PRIVATE KEY` of PKCS #8, or `Proc-Type: 4,ENCRYPTED` of RFC 1421.
        if has(b"ENCRYPTED") {
            bad("the private key is encrypted; decrypt it first, as with `openssl pkey`")
        } else if has(b"PRIVATE KEY") {
            bad("the private key is not PEM").with_source(error)
        } else {
            bad("there is no private key in the PEM text")
        }
    })
}

/// The version that was agreed on.
pub(crate) fn version<D>(connection: &ConnectionCommon<D>) -> &'static str {
    match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        // There is no third one.
        _ => "TLSv1.3",
    }
}

/// The cipher suite that was agreed on, by its registered name.
pub(crate) fn cipher_suite<D>(connection: &ConnectionCommon<D>) -> String {
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    // rustls says `TLS13_`, the registry of RFC 8446 §B.4 doesn't.
    suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

/// What went wrong in TLS, for both roles, where there is nothing better to say.
pub(crate) fn in_words(error: &RustlsError) -> String {
    use RustlsError as E;
    let words = match error {
        E::InappropriateMessage { .. } | E::InappropriateHandshakeMessage { .. } => {
            "the peer sent a TLS message that was not due"
        }
        E::InvalidMessage(_) => "the peer sent a malformed TLS message",
        E::PeerSentOversizedRecord => "the peer sent a TLS record that is too long",
        E::NoCertificatesPresented => "the peer showed no certificate",
        E::DecryptError => "what the peer sent can't be decrypted",
        E::PeerIncompatible(_) => "the two ends have too little in common",
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
            "a certificate has a critical extension that is not known here"
        }
        E::InvalidCertificate(CertificateError::UnknownRevocationStatus) => {
            "whether a certificate is revoked can't be found out"
        }
        // Those of a platform or of an application's own verifier; webpki's are names of types.
        E::InvalidCertificate(CertificateError::Other(other)) | E::Other(other)
            if other.to_string().contains(' ') =>
        {
            return other.to_string();
        }
        E::InvalidCertificate(_) => "a certificate was not found good",
        E::InconsistentKeys(_) => "the private key is not the one of the certificate",
        E::FailedToGetRandomBytes => "the system gives no random bytes",
        E::FailedToGetCurrentTime => "the system gives no time",
        E::General(words) => words,
        _ => "TLS failed",
    };
    words.into()
}

/// The name of an alert in RFC 8446 §6, such as `bad_certificate`.
pub(crate) fn alert_name(alert: AlertDescription) -> String {
    let mut name = String::new();
    let letters: Vec<char> = format!("{alert:?}").chars().collect();
    for (i, c) in letters.iter().enumerate() {
        let after_small = i > 0 && !letters[i - 1].is_ascii_uppercase();
        // The last of several capital letters begins the next word; in `UnknownCA` there is none.
        let begins_word = after_small || letters.get(i + 1).is_some_and(char::is_ascii_lowercase);
        if i > 0 && c.is_ascii_uppercase() && begins_word {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// The problem of a certificate in words; `whose` is `server` or `client`.
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
            "is signed by nobody that is trusted (unknown issuer, or an intermediate certificate \
             that the {whose} did not send)"
        ),
        E::NotValidForName => "is for another name".into(),
        E::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "is for no name at all".into()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_key_faults_are_named() {
        for (pem, why) in [
            ("", "no private key"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no private key"),
            ("-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n", "not PEM"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                "is encrypted",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
                 AAAA\n-----END RSA PRIVATE KEY-----\n",
                "is encrypted",
            ),
        ] {
            let error = private_key(pem.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error} for {pem}");
        }
    }
}
