//! Certificates as PEM text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Returns the first certificate of PEM text in DER; nothing if there is none.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().skip_while(|line| !line.starts_with("-----BEGIN CERTIFICATE"));
    let text: String = lines.skip(1).take_while(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(text).unwrap_or_default()
}
