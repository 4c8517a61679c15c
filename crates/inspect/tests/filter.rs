//! Filters: what they match, how they are written, and what is wrong with those that are not
//! valid.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fullduplex_inspect::Conversation;
use fullduplex_inspect::filter::{Filter, FilterError};
use fullduplex_inspect::proto::{DeflateConfig, Role};
use fullduplex_inspect::recording::RecordedOpening;
use fullduplex_inspect::store::{Handling, Row, Store, StoreConfig};
use proptest::prelude::*;

/// Returns a store with a talk of all kinds of rows, whose numbers the tests name.
fn talk() -> Store {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut store = Store::new(StoreConfig::default());
    let socket = store.open(RecordedOpening {
        url: "wss://api.example.com/chat?room=1".into(),
        version: "HTTP/1.1".into(),
        status: 101,
        response: vec![field("Sec-WebSocket-Protocol", "chat.v1")],
        ..RecordedOpening::default()
    });
    let config = DeflateConfig::default();
    let (_, deflate) = config.accept(&config.offers()).unwrap();
    let mut conversation = Conversation::new().with_deflate(deflate.params());
    let json = br#"{"type":"price","bid":1.5,"tags":["a","b"],"is open":true,"none":null}"#;
    let mut price = vec![0x81, u8::try_from(json.len()).unwrap()];
    price.extend(json);
    let ms = Duration::from_millis;
    for (sender, bytes, at) in [
        (Role::Client, &b"\x81\x82\0\0\0\0hi"[..], ms(10)), // 0
        (Role::Server, &price, ms(20)),                     // 1
        (Role::Server, b"\x02\x01a", ms(30)),               // 2
        (Role::Server, b"\x89\x01p", ms(40)),               // 3
        (Role::Server, b"\x80\x01b", ms(50)),               // 4, 2 ends
        (Role::Client, b"\x8a\x81\0\0\0\0p", ms(60)),       // 5
        (Role::Server, b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", ms(70)), // 6
        (Role::Server, b"\x83\x00", ms(80)),                // 7
        (Role::Server, b"\x88\x05\x0f\xa0bye", ms(2_000)),  // 8
    ] {
        conversation.push(sender, bytes, at, |frame| {
            store.push(Row::frame(socket, frame, Handling::Passed));
        });
    }
    store.push(Row::end(socket, ms(2_100), Role::Server, "finished (FIN)")); // 9
    store.push(Row::note(2, ms(2_200), "paused")); // 10
    store
}

fn matched(store: &Store, filter: &str) -> Vec<u64> {
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    let rows = store.rows(..).filter(|row| filter.matches(row, store.socket(row.socket)));
    rows.map(|row| row.sequence).collect()
}

#[test]
fn filter_matches_rows() {
    let store = talk();
    for (filter, rows) in [
        ("", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10][..]),
        ("dir:out", &[0, 5]),
        ("dir:in kind:control", &[3, 8]),
        ("kind:text", &[0, 1, 6]),
        ("kind:binary", &[2, 4]),
        ("kind:continuation", &[4]),
        ("kind:message", &[0, 1, 4, 6]),
        ("kind:frame", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        ("kind:reserved or kind:end or kind:note", &[7, 9, 10]),
        ("KIND:PING OR kind:pong", &[3, 5]),
        ("size>10", &[1]),
        ("size=2", &[0, 4]),
        ("size>=0.07k kind:message", &[1]),
        ("wire>5 size<6", &[6]),
        ("fragments>1", &[4]),
        ("has:fragments", &[4]),
        ("has:rsv1", &[6]),
        ("has:deflate", &[6]),
        ("ratio>1.3", &[6]),
        ("ratio<1", &[]),
        ("has:mask", &[0, 5]),
        ("not has:fin", &[2, 9, 10]),
        ("has:rtt", &[5]),
        ("rtt>10ms", &[5]),
        ("rtt>20ms", &[]),
        ("took>=20ms", &[4]),
        ("time>1s", &[8, 9, 10]),
        ("time>=50ms time<=60ms", &[4, 5]),
        ("code:4000", &[8]),
        ("code!=4000", &[]),
        ("opcode=3", &[7]),
        ("bad", &[7]),
        ("has:ignored", &[8]),
        ("ignored bad", &[]),
        ("dropped or replaced or injected or has:redacted or has:longlength", &[]),
        ("socket:2", &[10]),
        ("socket>1", &[10]),
        ("row<2", &[0, 1]),
        ("host:example kind:ping", &[3]),
        ("host:*.example.org", &[]),
        ("path:/chat* kind:ping", &[3]),
        ("url:room=1 kind:ping", &[3]),
        ("subprotocol:chat.v1 version:http/1.1 kind:ping", &[3]),
        ("~/^h.$/", &[0]),
        ("~/HELLO/i", &[6]),
        ("~/HELLO/", &[]),
        ("~ello", &[6]),
        ("\"ello\" or ~\"FIN\"", &[6, 9]),
        ("~paused", &[10]),
        ("~/by\\w/", &[8]),
        ("json.type=price", &[1]),
        ("json.type=\"price\"", &[1]),
        ("json.type!=price", &[]),
        ("json.type", &[1]),
        ("json.type~/^pr/", &[1]),
        ("json.type~ric", &[1]),
        ("json.bid>1.4 json.bid<=1.5", &[1]),
        ("json.bid=\"1.5\"", &[]),
        ("json.bid~1.5", &[1]),
        ("json.tags[1]=b", &[1]),
        ("json.tags.*=a", &[1]),
        ("json.*.*=c", &[]),
        ("json.\"is open\"=true", &[1]),
        ("json.none=null", &[1]),
        ("tree.type=price format:json", &[1]),
        ("format:mqtt", &[]),
        ("json.none!=null", &[]),
        ("dir:in not (kind:control or kind:message)", &[2, 7, 9]),
        ("!dir:in !dir:out", &[10]),
        ("kind:ping and kind:pong or kind:note", &[10]),
        ("kind:ping (kind:pong or dir:in)", &[3]),
    ] {
        assert_eq!(matched(&store, filter), rows, "{filter}");
    }
    let injected = store.row(0).unwrap().as_frame().unwrap().clone();
    let injected = Row::frame(1, injected, Handling::Injected);
    assert!(Filter::parse("injected not dropped").unwrap().matches(&injected, None));
    assert!(!Filter::parse("host:*").unwrap().matches(&injected, None));
}

fn error(text: &str) -> FilterError {
    Filter::parse(text).expect_err(text)
}

#[test]
fn filter_with_a_fault_says_where_and_what_is_allowed() {
    for (text, column, problem) in [
        ("siez>1", 0, "\"siez\" is not known"),
        ("dir:up", 4, "\"up\" is not a direction"),
        ("ü", 0, "'ü' does not begin a term"),
        ("~ü dir:up", 7, "\"up\" is not a direction"),
        ("kind:txt", 5, "\"txt\" is not a kind"),
        ("has:x", 4, "\"x\" is not what a row can have"),
        ("size", 4, "\"size\" needs a comparison"),
        ("size>", 5, "a value is missing"),
        ("size>1x", 5, "\"1x\" is not a size, such as 500, 1k or 1MiB"),
        ("code:x", 5, "\"x\" is not a number"),
        ("time>5", 5, "\"5\" is not a time, such as 500ms, 2s or 1m"),
        ("ratio<-1", 6, "\"-1\" is not a ratio, such as 0.5"),
        ("ratio<nan", 6, "\"nan\" is not a ratio, such as 0.5"),
        ("host", 4, "\"host\" needs a value"),
        ("dir:in (kind:text", 7, "there is no \")\" for this"),
        ("dir:in )", 7, "there is no \"(\" for this"),
        ("()", 1, "')' does not begin a term"),
        ("bad or", 6, "a term is missing"),
        ("not", 3, "a term is missing"),
        ("~\"a", 1, "the quotation mark is not closed"),
        ("\"\\x\"", 0, "the text in quotation marks is not valid: its escapes are those of JSON"),
        ("~/a", 1, "the regular expression has no end \"/\""),
        ("~/a(/", 1, "the regular expression is not valid: unclosed group"),
        ("~/\\w{1000}{1000}/", 1, "the regular expression is too large"),
        ("~/a/x", 4, "a space is missing"),
        ("format:x", 7, "\"x\" is not a format"),
        ("json.", 4, "a key is missing"),
        ("json[x]", 5, "the number of an item is missing"),
        ("json[1", 6, "a \"]\" is missing"),
        ("json.a=", 7, "a value is missing"),
        ("json", 0, "\"json\" is not known"),
    ] {
        let error = error(text);
        assert_eq!((error.column, &*error.problem), (column, problem), "{text}");
        let before = text[..error.position].chars().count();
        assert_eq!(before, error.column, "{text}");
    }
    let text = error("siez>1").to_string();
    assert!(text.starts_with("character 1: \"siez\" is not known; allowed: dir:, kind:"), "{text}");
    assert_eq!(error("dir:up").allowed, ["in", "out"]);
    assert!(error(&"(".repeat(2_000)).problem.contains("32 times"));
    assert!(error(&"not ".repeat(1_000)).problem.contains("32 times"));
    assert!(error(&"bad ".repeat(101)).problem.contains("100 terms"));
    assert!(error(&"ü".repeat(4_000)).problem.contains("4096 bytes"));
}

/// Texts like filters, that are often valid.
fn filter_like() -> impl Strategy<Value = String> {
    let term = prop_oneof![
        Just("dir:in".to_owned()),
        Just("bad".to_owned()),
        "(kind|has|dir):(text|fin|bad|rtt|note|in|out)",
        "(size|wire|code|socket|row|fragments)(:|=|!=|<|<=|>|>=)[0-9]{1,7}(|k|KiB)",
        "(time|rtt|took)(=|<|>=)[0-9]{1,4}(|\\.[0-9]{1,7})(us|ms|s|m|h)",
        "ratio[<>][0-9]{1,2}(|\\.[0-9]{1,4})",
        "(host|path|url|subprotocol)[:=](a|\\*\\.b|\"[a ü\\*]{0,3}\")",
        "~/[a-z\\.\\\\/|\\[\\]]{0,6}/i?",
        "~?\"[a-zü \\\\n]{0,6}\"",
        "(json|tree)(\\.[a-z]{1,3}|\\.\\*|\\[[0-9]\\]|\\.\"[a ]{1,2}\"){1,3}",
        "json\\.a(=1|=\"1\"|!=x|<=1e3|=null|=true|~/a/|~b)",
        ".{0,5}",
    ];
    let join = prop_oneof![
        6 => Just(" "), 2 => Just(" or "), 1 => Just(" and "), 1 => Just(" not "),
        1 => Just(" ("), 1 => Just(") "), 1 => Just(""),
    ];
    proptest::collection::vec((join, term), 0..8).prop_map(|parts| {
        parts.into_iter().flat_map(|(join, term)| [join.to_owned(), term]).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn filter_is_parsed_as_it_is_written(text in filter_like()) {
        match Filter::parse(&text) {
            Ok(filter) => {
                let written = filter.to_string();
                let again = Filter::parse(&written);
                prop_assert_eq!(again.as_ref(), Ok(&filter), "{} -> {}", text, written);
                prop_assert_eq!(again.unwrap().to_string(), written);
                for row in talk().rows(..) {
                    filter.matches(row, None);
                }
            }
            Err(error) => {
                prop_assert!(error.position <= text.len().max(4096), "{error:?}");
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
