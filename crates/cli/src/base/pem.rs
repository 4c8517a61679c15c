//! Certificates as PEM text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Returns the first certificate of a PEM text, in DER; no bytes if the text has none.
pub(crate) fn der(pem: &str) -> Vec<u8> {
    certificates(pem).next().unwrap_or_default()
}

/// Returns all certificates of a PEM text, each in DER.
pub(crate) fn all_der(pem: &str) -> Vec<Vec<u8>> {
    certificates(pem).filter(|der| !der.is_empty()).collect()
}

fn certificates(pem: &str) -> impl Iterator<Item = Vec<u8>> {
    pem.split(BEGIN).skip(1).map(|text| {
        let lines = text.lines().take_while(|line| !line.starts_with("-----"));
        let text: String = lines.map(str::trim).collect();
        STANDARD.decode(text).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_text_has_several_certificates() {
        let one = format!("comment\n{BEGIN}\nAQ\n==\n-----END CERTIFICATE-----\n");
        let text = format!("{one}\r\n{BEGIN}\r\nAgM=\r\n-----END CERTIFICATE-----");
        assert_eq!(all_der(&text), [vec![1], vec![2, 3]]);
        assert_eq!(der(&text), [1]);
        assert_eq!(der("nothing"), [0; 0]);
    }
}
