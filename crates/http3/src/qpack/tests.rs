use proptest::prelude::*;

use super::*;

fn field<'a>(name: &'a str, value: &'a str) -> Field<'a> {
    let (name, value) = (name.as_bytes().into(), value.as_bytes().into());
    Field { name, value, is_sensitive: false }
}

fn take(section: &[u8]) -> Result<Vec<Field<'static>>, ReceiveError> {
    decode(section, &LocalSettings::default())
}

fn encoded(fields: &[Field<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(fields, &mut out);
    out
}

/// RFC 9204 Appendix B.1.
#[test]
fn qpack_example_of_the_rfc() {
    let section = b"\x00\x00\x51\x0b/index.html";
    assert_eq!(take(section).unwrap(), [field(":path", "/index.html")]);
}

#[test]
fn qpack_static_entries_take_one_or_two_bytes() {
    for (index, (name, value)) in STATIC.iter().enumerate() {
        let section = encoded(&[field(name, value)]);
        assert_eq!(section.len(), if index < 63 { 3 } else { 4 });
        assert_eq!(take(&section).unwrap(), [field(name, value)]);
        let other = encoded(&[field(name, "some other value")]);
        assert!(other.len() < 20);
        assert_eq!(take(&other).unwrap(), [field(name, "some other value")]);
    }
    assert_eq!(table::find("x-of-mine", b""), None);
}

#[test]
fn sensitive_fields_are_never_indexed_nor_shortened() {
    for (name, value) in [(":path", "/"), ("authorization", "Basic eA=="), ("x-key", "aaaaaaaa")] {
        let mut one = field(name, value);
        one.is_sensitive = true;
        let section = encoded(std::slice::from_ref(&one));
        // The N bit of a literal with a name reference, or without one.
        let never = if name == "x-key" { 0b0011_0000 } else { 0b0111_0000 };
        assert_eq!(section[2] & 0b1111_0000, never);
        assert!(section.ends_with(value.as_bytes()));
        assert_eq!(take(&section).unwrap(), [one]);
    }
}

#[test]
fn qpack_faults_have_their_code() {
    for (section, reason) in [
        (&b""[..], "too early"),
        (b"\x00", "too early"),
        // Required Insert Count 1, and a negative Base.
        (b"\x01\x00", "dynamic table"),
        (b"\x00\x80", "dynamic table"),
        // Indexed, by name, and after the Base.
        (b"\x00\x00\x80", "dynamic table"),
        (b"\x00\x00\x40\x01a", "dynamic table"),
        (b"\x00\x00\x10", "dynamic table"),
        (b"\x00\x00\x00\x01a", "dynamic table"),
        // Index 99.
        (b"\x00\x00\xff\x24", "static table"),
        (b"\x00\x00\x5f\x54\x01a", "static table"),
        (b"\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "too large"),
        (b"\x00\x00\x51\x0b/index", "too early"),
        (b"\x00\x00\x51", "too early"),
        (b"\x00\x00\x23abc", "too early"),
        (b"\x00\x00\x51\x81\xff", "Huffman"),
    ] {
        let Err(ReceiveError::Protocol(violation)) = take(section) else { panic!("{section:?}") };
        assert_eq!(violation.code, ErrorCode::QPACK_DECOMPRESSION_FAILED);
        assert!(violation.is_connection_error);
        assert!(violation.reason.contains(reason), "{section:?}: {violation}");
    }
}

#[test]
fn qpack_limits_are_exact() {
    let fields = [field("abc", "de"), field(":method", "CONNECT")];
    let section = encoded(&fields);
    assert_eq!(section_size(&fields), 37 + 46);
    let with = |max_field_section_size, max_fields| {
        let limits = LocalSettings::default()
            .max_field_section_size(max_field_section_size)
            .max_fields(max_fields);
        decode(&section, &limits)
    };
    assert_eq!(with(83, 2).unwrap(), fields);
    let limit = |setting, max| Err(ReceiveError::Limit { setting, max });
    assert_eq!(with(82, 2), limit("max_field_section_size", 82));
    assert_eq!(with(83, 1), limit("max_fields", 1));
}

proptest! {
    #[test]
    fn qpack_fields_are_read_back(
        all in prop::collection::vec((".{0,40}", ".{0,200}", any::<bool>()), 0..20),
    ) {
        let fields: Vec<_> = all.iter().map(|(name, value, is_sensitive)| {
            Field { is_sensitive: *is_sensitive, ..field(name, value) }
        }).collect();
        let section = encoded(&fields);
        prop_assert_eq!(take(&section).unwrap(), fields);
        // A section that is cut anywhere has fewer fields or is an error; it never panics.
        for cut in 0..section.len() {
            drop(take(&section[..cut]));
        }
    }

    #[test]
    fn qpack_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(fields) = take(&[&[0, 0], &bytes[..]].concat()) {
            prop_assert_eq!(take(&encoded(&fields)).unwrap(), fields);
        }
    }
}
