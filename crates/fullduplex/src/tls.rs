//! What TLS as a client and TLS as a server share: reading PEM, and words for what is wrong
//! with a certificate.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ConnectionCommon, ProtocolVersion};

use crate::error::{Error, ErrorKind};

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
    fn what_is_wrong_with_a_key_is_told() {
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
