//! Texts of messages beside `str`: what they convert to, how they compare, hash and read.
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};

use fullduplex_proto::bytes::{Bytes, BytesMut};
use fullduplex_proto::{Message, Utf8Bytes};
use proptest::prelude::*;

/// Texts on both sides of the length from which on a validated view is kept.
fn text() -> impl Strategy<Value = String> {
    (any::<String>(), 0_usize..200).prop_map(|(text, times)| text.repeat(times))
}

proptest! {
    #[test]
    fn text_converts_from_and_to_all_strings(text in text()) {
        let texts = [
            Utf8Bytes::from(&text[..]),
            Utf8Bytes::from(&text),
            Utf8Bytes::from(text.clone()),
            Utf8Bytes::from(Box::<str>::from(&text[..])),
            Utf8Bytes::from(Cow::Borrowed(&text[..])),
            Utf8Bytes::from(Cow::<str>::Owned(text.clone())),
            Utf8Bytes::try_from(Bytes::from(text.clone())).unwrap(),
            Utf8Bytes::try_from(BytesMut::from(text.as_bytes())).unwrap(),
            Utf8Bytes::try_from(text.clone().into_bytes()).unwrap(),
        ];
        for of in texts {
            prop_assert_eq!(&of, &text);
            prop_assert_eq!(of.as_str(), text.as_str());
            let (str, bytes): (&str, &[u8]) = (of.as_ref(), of.as_ref());
            prop_assert_eq!((str, bytes), (&text[..], text.as_bytes()));
            prop_assert_eq!(of.to_string(), text.clone());
            prop_assert_eq!(String::from(of.clone()), text.clone());
            prop_assert_eq!(Box::<str>::from(of.clone()), text.clone().into_boxed_str());
            prop_assert_eq!(Cow::<str>::from(of.clone()), text.clone());
            prop_assert_eq!(Vec::<u8>::from(of.clone()), text.clone().into_bytes());
            prop_assert_eq!(Bytes::from(of), text.clone());
        }
    }

    #[test]
    fn text_compares_and_hashes_as_str(a in text(), b in text()) {
        let (of_a, of_b) = (Utf8Bytes::from(&a), Utf8Bytes::from(&b));
        prop_assert_eq!(of_a == of_b, a == b);
        prop_assert_eq!(of_a.cmp(&of_b), a.cmp(&b));
        prop_assert_eq!(of_a.partial_cmp(&b), a.partial_cmp(&b));
        prop_assert_eq!(a.partial_cmp(&of_b), a.partial_cmp(&b));
        prop_assert_eq!((of_a == b, a == of_b, a[..] == of_b), (a == b, a == b, a == b));
        prop_assert!(of_a == *a.as_str() && of_a == a && of_a == Cow::Borrowed(&a[..]));
        let hasher = RandomState::new();
        prop_assert_eq!(hasher.hash_one(&of_a), hasher.hash_one(&a[..]));
        prop_assert_eq!(hasher.hash_one::<&str>(of_a.borrow()), hasher.hash_one(&of_a));
    }

    #[test]
    fn text_of_bytes_is_what_std_takes_for_utf8(bytes: Vec<u8>, padding in 0_usize..5000) {
        let bytes = [vec![b'x'; padding], bytes].concat();
        let (ours, std) = (Utf8Bytes::try_from(bytes.clone()), std::str::from_utf8(&bytes));
        prop_assert_eq!(ours.as_deref().ok(), std.ok());
        if let Err(error) = ours {
            prop_assert_eq!(Some(error.utf8_error()), std.err());
            prop_assert_eq!(error.into_bytes(), &bytes);
        }
        let message = Message::from(&bytes[..]);
        prop_assert_eq!(message.to_text().ok(), std.ok());
        let text = message.into_text().ok();
        prop_assert_eq!(text.as_deref(), std.ok());
    }

    #[test]
    fn text_keeps_its_value_through_a_message(text in text(), character: char) {
        for message in [
            Message::from(&text[..]),
            Message::from(&text),
            Message::from(text.clone()),
            Message::from(Box::<str>::from(&text[..])),
            Message::from(Cow::Borrowed(&text[..])),
            Message::from(Utf8Bytes::from(&text)),
        ] {
            prop_assert!(message.is_text() && message == text);
            prop_assert_eq!(String::try_from(message.clone()).unwrap(), text.clone());
            prop_assert_eq!(Vec::<u8>::from(message), text.clone().into_bytes());
        }
        prop_assert_eq!(Message::from(character), character.to_string());
        let bytes = text.as_bytes();
        for message in [
            Message::from(bytes),
            Message::from(bytes.to_vec()),
            Message::from(Box::<[u8]>::from(bytes)),
            Message::from(BytesMut::from(bytes)),
            Message::from(Bytes::copy_from_slice(bytes)),
        ] {
            prop_assert!(message.is_binary());
            prop_assert_eq!(Bytes::from(message), bytes);
        }
    }
}

#[test]
fn text_is_found_in_maps_by_str() {
    let (key, long) = (Utf8Bytes::from_static("x"), "y".repeat(10_000));
    let by_hash = HashMap::from([(key.clone(), 1), (Utf8Bytes::from(&long), 2)]);
    assert_eq!((by_hash.get("x"), by_hash.get(&long[..])), (Some(&1), Some(&2)));
    let by_order = BTreeMap::from([(key, 1)]);
    assert_eq!(by_order.get("x"), Some(&1));
}

#[test]
fn text_is_shared_between_threads_while_it_is_viewed() {
    let text = Utf8Bytes::from("é".repeat(10_000));
    std::thread::scope(|scope| {
        for clone in [text.clone(), text.clone()] {
            scope.spawn(move || assert_eq!(clone.chars().count(), 10_000));
            scope.spawn(|| assert_eq!(text.chars().count(), 10_000));
        }
    });
}

#[test]
fn text_dereferences_to_str() {
    let text = Utf8Bytes::from(" 42 ");
    assert_eq!(text.trim().parse(), Ok(42));
    assert_eq!((text.len(), text.is_empty(), &text[1..3]), (4, false, "42"));
}
