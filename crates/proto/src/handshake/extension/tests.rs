use alloc::string::ToString;
use alloc::vec;

use proptest::prelude::*;

use super::*;

fn parse(values: &[&str]) -> Result<Vec<Extension>, ExtensionError> {
    parse_extensions(values.iter().map(|value| value.as_bytes()))
}

fn canonical(value: &str) -> String {
    join(&parse(&[value]).unwrap())
}

#[test]
fn extensions_of_browsers_are_parsed() {
    // Chromium, then Firefox.
    let chromium = parse(&["permessage-deflate; client_max_window_bits"]).unwrap();
    assert_eq!(chromium[0].name(), "permessage-deflate");
    assert_eq!(chromium[0].params()[0].name(), "client_max_window_bits");
    assert_eq!(chromium[0].params()[0].value(), None);
    assert_eq!(parse(&["permessage-deflate"]).unwrap()[0].params(), []);
}

#[test]
fn extensions_of_the_rfc_are_parsed() {
    assert_eq!(canonical("deflate-stream"), "deflate-stream");
    let mux = parse(&["mux; max-channels=4; flow-control,\t deflate-stream"]).unwrap();
    assert_eq!(join(&mux), "mux; max-channels=4; flow-control, deflate-stream");
    // §9.1: "is exactly equivalent to".
    assert_eq!(parse(&["foo", "bar; baz=2"]), parse(&["foo, bar; baz=2"]));
}

#[test]
fn extensions_allow_whitespace_quotes_and_empty_elements() {
    assert_eq!(canonical(" ,, a ;\tb = c ,"), "a; b=c");
    assert_eq!(canonical(r#"a; b="c"; d=" e""#.replace(' ', "").as_str()), "a; b=c; d=e");
    assert_eq!(canonical(r#"a; b="1\5""#), "a; b=15");
    assert_eq!(parse(&[]).unwrap(), []);
}

#[test]
fn extensions_faults_are_named_and_located() {
    use ExtensionFault::*;

    let table: &[(&[&str], ExtensionFault, usize, usize)] = &[
        (&[""], Empty, 0, 0),
        (&[" , ", ","], Empty, 1, 0),
        (&[";a"], ExpectedToken, 0, 0),
        (&["a;"], ExpectedToken, 0, 2),
        (&["a;;b"], ExpectedToken, 0, 2),
        (&["a; b="], ExpectedToken, 0, 5),
        (&["a; =b"], ExpectedToken, 0, 3),
        (&["a", "b/c"], UnexpectedByte, 1, 1),
        (&["a b"], UnexpectedByte, 0, 2),
        (&["a; b=c d"], UnexpectedByte, 0, 7),
        (&["a=b"], UnexpectedByte, 0, 1),
        (&["a; b=\"c\"d"], UnexpectedByte, 0, 8),
        (&["caf\u{e9}"], UnexpectedByte, 0, 3),
        (&["a; b=\"c"], UnclosedQuote, 0, 7),
        (&["a; b=\"c\\"], UnclosedQuote, 0, 8),
        (&["a; b=\"\""], QuotedValueNotToken, 0, 7),
        (&["a; b=\"c d\""], QuotedValueNotToken, 0, 7),
        (&["a; b=\"c,d\""], QuotedValueNotToken, 0, 7),
        (&["a; b=\"\\\"\""], QuotedValueNotToken, 0, 7),
    ];
    for &(values, fault, field, offset) in table {
        assert_eq!(parse(values), Err(ExtensionError { fault, field, offset }), "{values:?}");
    }
}

#[test]
fn extensions_are_limited_over_all_fields() {
    let full = vec!["a"; MAX_EXTENSIONS];
    assert_eq!(parse(&full).unwrap().len(), MAX_EXTENSIONS);
    let over = parse(&[&full.join(","), "b"]).unwrap_err();
    assert_eq!((over.fault, over.field), (ExtensionFault::TooManyExtensions, 1));

    let full = "a".to_string() + &";b".repeat(MAX_PARAMS);
    assert_eq!(parse(&[&full]).unwrap()[0].params().len(), MAX_PARAMS);
    let over = parse(&[&(full + ";b")]).unwrap_err();
    assert_eq!(over.fault, ExtensionFault::TooManyParams);
}

#[test]
fn extensions_of_a_megabyte_of_nothing_are_cheap() {
    for filler in [",", " ", ", ", "\"", "a;", "\\"] {
        assert!(parse(&[&filler.repeat(1 << 20)]).is_err());
    }
    let quote = "a; b=\"".to_string() + &"\\x".repeat(1 << 20);
    assert_eq!(parse(&[&quote]).unwrap_err().fault, ExtensionFault::UnclosedQuote);
}

#[test]
fn extensions_that_are_built_hold_tokens_only() {
    assert_eq!(Extension::new("a, b").unwrap_err(), NotToken("a, b".into()));
    let extension = Extension::new("a").unwrap();
    assert!(extension.clone().with_param("", None).is_err());
    assert!(extension.with_param("b", Some("\r\n")).is_err());
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let token = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}";
    let param = (token, proptest::option::of(token));
    let extension = (token, proptest::collection::vec(param, 0..=MAX_PARAMS));
    let extension = extension.prop_map(|(name, params)| Extension {
        name,
        params: params.into_iter().map(|(name, value)| Param { name, value }).collect(),
    });
    proptest::collection::vec(extension, 1..=MAX_EXTENSIONS)
}

proptest! {
    #[test]
    fn extensions_are_read_back(extensions in extensions()) {
        prop_assert_eq!(parse(&[&join(&extensions)]), Ok(extensions));
    }

    #[test]
    fn extensions_survive_any_bytes(value in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse_extensions([value.as_slice()].into_iter());
    }

    #[test]
    fn extensions_survive_nearly_valid_text(value in "[ab;,=\"\\\\ \t]{0,40}") {
        if let Ok(extensions) = parse(&[&value]) {
            prop_assert_eq!(parse(&[&join(&extensions)]), Ok(extensions));
        }
    }
}
