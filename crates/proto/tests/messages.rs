//! Whole messages: what they are made of, what they give back, and how they compare.
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::collections::HashSet;

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{
    DataChunk, Event, Message, MessageEvent, MessageKind, OwnedEvent, PreparedMessage, Utf8Bytes,
};

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
    let texts = [100, 10_000].map(|len| Message::from("x".repeat(len)));
    for message in [Message::from(vec![7; 100])].into_iter().chain(texts) {
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
        assert_eq!(Utf8Bytes::try_from(bytes.clone()).unwrap_err().into_bytes(), bytes);
    }
    let text = Utf8Bytes::try_from(Bytes::from_static(b"caf\xc3\xa9")).unwrap();
    assert_eq!(text.as_str(), "caf\u{e9}");
    let as_ref: &[u8] = text.as_ref();
    assert_eq!((text.as_bytes(), as_ref), ("caf\u{e9}".as_bytes(), "caf\u{e9}".as_bytes()));
    assert_eq!(Utf8Bytes::from(String::from("caf\u{e9}")), Utf8Bytes::from("caf\u{e9}"));
    assert!(text == *"caf\u{e9}" && text == "caf\u{e9}");
    assert!(text != *"cafe" && text != "cafe");
    assert_eq!(Utf8Bytes::default(), "");
}

#[test]
fn messages_of_bytes_convert_to_text_if_they_are_utf8() {
    let (text, utf8) = (Message::from("caf\u{e9}"), Message::from("caf\u{e9}".as_bytes()));
    for message in [text, utf8] {
        assert_eq!(message.to_text(), Ok("caf\u{e9}"));
        assert_eq!(String::try_from(message.clone()).unwrap(), "caf\u{e9}");
        assert_eq!(message.into_text().unwrap(), "caf\u{e9}");
    }
    let other = Message::from(b"caf\xe9");
    assert_eq!(other.to_text().unwrap_err().valid_up_to(), 3);
    assert!(
        String::try_from(other.clone()).is_err() && Utf8Bytes::try_from(other.clone()).is_err()
    );
    let error = other.into_text().unwrap_err();
    assert_eq!(error.to_string(), "the bytes are not UTF-8 from byte 3 on");
    assert_eq!((error.utf8_error().valid_up_to(), error.as_bytes()), (3, &b"caf\xe9"[..]));
    assert!(format!("{:?}", Message::from(vec![0xff; 1 << 20]).into_text()).len() < 400);
}

#[test]
fn messages_compare_with_texts_by_their_kind() {
    let (text, binary) = (Message::from("a"), Message::from(b"a"));
    let (a, b) = (String::from("a"), String::from("b"));
    assert_eq!((text == "a", text == *"a", text == a), (true, true, true));
    assert_eq!(("a" == text, *"a" == text, a == text), (true, true, true));
    assert_eq!((text == "b", *"b" == text, b == text), (false, false, false));
    assert_eq!((binary == "a", "a" == binary, binary == text), (false, false, false));
    assert_eq!(Message::default(), "");
    assert!((text.is_text(), text.is_binary()) == (true, false));
    assert!((binary.is_text(), binary.is_binary()) == (false, true));
    let all = HashSet::from([text.clone(), binary.clone(), text.clone()]);
    assert!(all.len() == 2 && all.contains(&text) && all.contains(&binary));
}

#[test]
fn messages_in_a_log_are_bounded() {
    for message in [Message::from("x".repeat(1 << 20)), Message::from(vec![0; 1 << 20])] {
        let event = MessageEvent::Message(message.clone());
        for shown in [format!("{message:?}"), format!("{event:?}"), format!("{message:#?}")] {
            assert!(shown.contains("(1048576 bytes)") && shown.len() < 400, "{shown}");
        }
    }
    assert_eq!(format!("{:?}", Message::from("hi")), r#"Text("hi")"#);
    assert_eq!(format!("{:?}", Message::from(b"hi\0")), r#"Binary(b"hi\x00")"#);
    let payload = vec![0; 1 << 16];
    let chunk = DataChunk::new(MessageKind::Binary, &payload, true, false);
    let owned = OwnedEvent::Data {
        kind: chunk.kind,
        payload: Bytes::copy_from_slice(chunk.payload),
        first: chunk.first,
        last: chunk.last,
    };
    for shown in [format!("{:?}", Event::Data(chunk)), format!("{owned:?}")] {
        let end = "(65536 bytes), first: true, last: false";
        assert!(shown.contains(end) && shown.len() < 400, "{shown}");
    }
}

#[test]
fn messages_are_displayed_as_text_or_as_a_length() {
    assert_eq!(Message::from("x".repeat(100)).to_string(), "x".repeat(100));
    assert_eq!(Message::from([0; 100]).to_string(), "<100 bytes>");
    assert_eq!(format!("{:>3}|{:<3}", Utf8Bytes::from("a"), Utf8Bytes::from("b")), "  a|b  ");
}

/// What stands in a log or a failed assertion is the text itself, not its bytes.
#[test]
fn messages_are_shown_as_their_text() {
    let text = Utf8Bytes::from("a \"b\"");
    assert_eq!((text.to_string(), format!("{text:?}")), ("a \"b\"".into(), r#""a \"b\"""#.into()));
    let shown = format!("{:?}", PreparedMessage::new("all the same"));
    assert!(shown.contains("all the same"), "{shown}");
}
