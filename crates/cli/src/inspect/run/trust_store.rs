//! A store of certificates that Java trusts (PKCS #12, RFC 7292), without a password: it has no
//! secrets.

use std::iter;

/// Identifiers in DER (RFC 7292 §4, RFC 2985, RFC 5280).
const DATA: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 7, 1];
const CERT_BAG: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 12, 10, 1, 3];
const X509_CERTIFICATE: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 9, 20];
/// Java's mark of a certificate that is trusted, 2.16.840.1.113894.746875.1.1.
const TRUSTED_KEY_USAGE: &[u8] = &[96, 134, 72, 1, 134, 249, 102, 173, 202, 123, 1, 1];
const ANY_EXTENDED_KEY_USAGE: &[u8] = &[85, 29, 37, 0];

/// Tags (X.690 §8).
const INTEGER: u8 = 2;
const OCTET_STRING: u8 = 4;
const IDENTIFIER: u8 = 6;
const BMP_STRING: u8 = 30;
const SEQUENCE: u8 = 48;
const SET: u8 = 49;
const EXPLICIT_0: u8 = 160;

/// Returns a store of these certificates, which are in DER.
pub(super) fn pkcs12(certificates: &[Vec<u8>]) -> Vec<u8> {
    let bags: Vec<u8> = certificates.iter().enumerate().flat_map(|(n, der)| bag(n, der)).collect();
    let safe = content(&value(SEQUENCE, &[&bags]));
    let store = content(&value(SEQUENCE, &[&safe]));
    value(SEQUENCE, &[&value(INTEGER, &[&[3]]), &store])
}

/// Returns a `ContentInfo` of data.
fn content(data: &[u8]) -> Vec<u8> {
    let data = value(EXPLICIT_0, &[&value(OCTET_STRING, &[data])]);
    value(SEQUENCE, &[&value(IDENTIFIER, &[DATA]), &data])
}

/// Returns a `SafeBag` of a certificate with this number.
fn bag(number: usize, der: &[u8]) -> Vec<u8> {
    let certificate = value(EXPLICIT_0, &[&value(OCTET_STRING, &[der])]);
    let certificate = value(SEQUENCE, &[&value(IDENTIFIER, &[X509_CERTIFICATE]), &certificate]);
    let name: Vec<u8> = number.to_string().encode_utf16().flat_map(u16::to_be_bytes).collect();
    let attributes = [
        attribute(FRIENDLY_NAME, &value(BMP_STRING, &[&name])),
        attribute(TRUSTED_KEY_USAGE, &value(IDENTIFIER, &[ANY_EXTENDED_KEY_USAGE])),
    ];
    let attributes = value(SET, &[&attributes.concat()]);
    let identifier = value(IDENTIFIER, &[CERT_BAG]);
    value(SEQUENCE, &[&identifier, &value(EXPLICIT_0, &[&certificate]), &attributes])
}

fn attribute(identifier: &[u8], of: &[u8]) -> Vec<u8> {
    value(SEQUENCE, &[&value(IDENTIFIER, &[identifier]), &value(SET, &[of])])
}

/// Returns a value with its tag and its length (X.690 §8.1).
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let len = content.len().to_be_bytes();
    let digits: Vec<u8> = len.into_iter().skip_while(|digit| *digit == 0).collect();
    let len = match *digits {
        [] => vec![0],
        [len @ ..128] => vec![len],
        #[allow(clippy::cast_possible_truncation, reason = "there are 8 digits at most")]
        _ => iter::once(128 | digits.len() as u8).chain(digits).collect(),
    };
    [vec![tag], len, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_store_has_lengths_of_all_forms() {
        assert_eq!(value(OCTET_STRING, &[&[7; 2]]), [4, 2, 7, 7]);
        assert_eq!(value(OCTET_STRING, &[&[7; 127]])[..3], [4, 127, 7]);
        assert_eq!(value(OCTET_STRING, &[&[7; 128]])[..4], [4, 129, 128, 7]);
        assert_eq!(value(OCTET_STRING, &[&[7; 100], &[7; 200]])[..5], [4, 130, 1, 44, 7]);
        let store = pkcs12(&[vec![1; 300], vec![2; 3]]);
        assert_eq!(store.len(), 4 + usize::from(u16::from_be_bytes([store[2], store[3]])));
        assert!(store.windows(300).any(|window| window == [1; 300]));
    }
}
