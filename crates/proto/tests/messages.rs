//! Whole messages: what they are made of, what they give back, and how they compare.
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{Message, MessageKind, PreparedMessage, Utf8Bytes};

#[test]
fn messages_of_text_and_of_bytes_keep_their_kind_and_payload() {
    let text = "caf\u{e9}";
    for message in [
        Message::from(text),
        Message::from(String::from(text)),
        Message::text(text),
        PreparedMessage::from(text).message().clone(),
    ] {
        assert_eq!(message.kind(), MessageKind::Text);
        assert_eq!((message.as_text(), message.as_bytes()), (Some(text), text.as_bytes()));
        assert_eq!((message.len(), message.is_empty()), (5, false));
        assert_eq!(message.into_bytes(), text);
    }
    for message in [
        Message::from(text.as_bytes().to_vec()),
        Message::from(Bytes::from(text)),
        Message::binary(text.as_bytes().to_vec()),
    ] {
        assert_eq!(message.kind(), MessageKind::Binary);
        // Bytes that happen to be UTF-8 are no text (§5.6).
        assert_eq!((message.as_text(), message.as_bytes()), (None, text.as_bytes()));
        assert_ne!(message, Message::text(text));
        assert_eq!(message.into_bytes(), text);
    }
    assert!(Message::text("").is_empty() && Message::binary(Bytes::new()).is_empty());
}

#[test]
fn messages_tell_whether_their_memory_is_shared() {
    for message in [Message::from(vec![7; 100]), Message::from("x".repeat(100))] {
        assert!(message.is_unique());
        let clone = message.clone();
        assert!(!message.is_unique() && !clone.is_unique());
        drop(clone);
        assert!(message.is_unique());
    }
}

#[test]
fn messages_are_not_copied_on_the_way_in_and_out() {
    let bytes = Bytes::from(vec![b'x'; 100]);
    let pointer = bytes.as_ptr();
    let text = Utf8Bytes::try_from(bytes).unwrap();
    assert_eq!(text.as_bytes().as_ptr(), pointer);
    assert_eq!(Message::text(text.clone()).into_bytes().as_ptr(), pointer);
    assert_eq!(text.into_bytes().as_ptr(), pointer);
}

#[test]
fn utf8_bytes_are_text_or_are_returned() {
    // §8.1.
    for bad in [&b"\xff"[..], b"caf\xc3", b"\xed\xa0\x80", b"\xc0\x80"] {
        let bytes = Bytes::from_static(bad);
        assert_eq!(Utf8Bytes::try_from(bytes.clone()), Err(bytes));
    }
    let text = Utf8Bytes::try_from(Bytes::from_static(b"caf\xc3\xa9")).unwrap();
    assert_eq!(text.as_str(), "caf\u{e9}");
    assert_eq!((text.as_bytes(), text.as_ref()), ("caf\u{e9}".as_bytes(), "caf\u{e9}".as_bytes()));
    assert_eq!(Utf8Bytes::from(String::from("caf\u{e9}")), Utf8Bytes::from("caf\u{e9}"));
    assert!(text == *"caf\u{e9}" && text == "caf\u{e9}");
    assert!(text != *"cafe" && text != "cafe");
    assert_eq!(Utf8Bytes::default(), "");
}

/// What stands in a log or a failed assertion is the text itself, not its bytes.
#[test]
fn messages_are_shown_as_their_text() {
    let text = Utf8Bytes::from("a \"b\"");
    assert_eq!((text.to_string(), format!("{text:?}")), ("a \"b\"".into(), r#""a \"b\"""#.into()));
    let shown = format!("{:?}", PreparedMessage::new("all the same"));
    assert!(shown.contains("all the same"), "{shown}");
}
