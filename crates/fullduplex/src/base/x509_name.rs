//! Names in certificates, in the text that people write for them (RFC 4514).

/// Returns the text of a `Name` (RFC 5280 §4.1.2.4) without its outer tag, such as
/// `C=US, O=Let's Encrypt, CN=R11`. What can't be read is left out.
pub(crate) fn x509_name(mut sets: &[u8]) -> String {
    let mut parts = Vec::new();
    while let Some((set, rest)) = element(sets) {
        sets = rest;
        let mut attributes = set;
        while let Some((attribute, rest)) = element(attributes) {
            attributes = rest;
            let Some((kind, value)) = element(attribute) else { continue };
            let Some((value, _)) = element(value) else { continue };
            let (kind, text) = (attribute_name(kind), String::from_utf8_lossy(value));
            parts.push(format!("{kind}={text}"));
        }
    }
    parts.join(", ")
}

/// Returns the short name of an attribute's type, by its object identifier (RFC 4514 §3).
fn attribute_name(identifier: &[u8]) -> &'static str {
    match identifier {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0xd, 1, 9, 1] => "emailAddress",
        _ => "?",
    }
}

/// Returns the content of the first element of DER, and what follows it. The tag is not checked,
/// nor that the length has its shortest form.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Longer ones do not occur in names.
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with this tag.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [&head, content].concat()
    }

    fn part(identifier: &[u8], text: &str) -> Vec<u8> {
        let pair = [der(6, identifier), der(12, text.as_bytes())].concat();
        der(0x31, &der(0x30, &pair))
    }

    #[test]
    fn x509_name_is_written_by_its_parts() {
        let long = "x".repeat(150);
        let name = [part(&[0x55, 4, 6], "US"), part(&[0x55, 4, 3], "R11"), part(&[9], &long)];
        assert_eq!(x509_name(&name.concat()), format!("C=US, CN=R11, ?={long}"));
        assert_eq!(x509_name(&[]), "");
    }

    #[test]
    fn x509_name_that_is_cut_is_left_out() {
        let name = part(&[0x55, 4, 3], "R11");
        for cut in 0..name.len() {
            assert_eq!(x509_name(&name[..cut]), "", "{cut}");
        }
        assert_eq!(x509_name(&[0x31, 0x84, 0, 0, 0, 1, 0]), "");
    }
}
