//! Messages of JSON: written, parsed, and what the errors say.
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use std::collections::BTreeMap;

use fullduplex_proto::Message;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command<'a> {
    Say { text: &'a str },
    Leave,
}

#[test]
fn json_is_written_and_parsed() {
    for command in [Command::Say { text: "hé" }, Command::Leave] {
        let message = Message::json(&command).unwrap();
        assert!(message.is_text());
        assert_eq!(message.parse_json::<Command<'_>>().unwrap(), command);
        let binary = Message::from(message.as_bytes());
        assert_eq!(binary.parse_json::<Command<'_>>().unwrap(), command);
    }
    assert_eq!(Message::json("a").unwrap(), "\"a\"");
}

#[test]
fn json_error_names_the_type_and_the_place() {
    let error = Message::from("{\"type\":\"leap\"}").parse_json::<Command<'_>>().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("Command") && text.contains("`leap`"), "{text}");
    let error = Message::from("[1,").parse_json::<Vec<u8>>().unwrap_err().to_string();
    assert!(error.contains("Vec<u8>") && error.ends_with("line 1 column 3"), "{error}");
    let error = Message::json(&BTreeMap::from([(vec![1], 1)])).unwrap_err().to_string();
    assert!(error.starts_with("a value of") && error.contains("BTreeMap"), "{error}");
    assert!(Message::from(b"\"\xff\"").parse_json::<String>().is_err());
}

#[test]
fn json_error_does_not_have_the_payload() {
    for value in ["secret".repeat(10_000), "é".repeat(10_000)] {
        let error = Message::json(&value).unwrap().parse_json::<u32>().unwrap_err();
        let text = error.to_string();
        assert!(text.len() < 300 && text.contains("… at line 1 column "), "{text}");
    }
}
