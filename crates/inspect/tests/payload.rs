//! Payloads: their formats, what they say, and that any bytes are decoded.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use fullduplex_inspect::TreeValue;
use fullduplex_inspect::payload::{Content, Decoded, Format, decode};
use fullduplex_inspect::proto::MessageKind;
use proptest::prelude::*;

fn text(payload: &str) -> Option<Decoded> {
    decode(&Content::new(MessageKind::Text, payload.as_bytes()))
}

fn binary(payload: &[u8]) -> Option<Decoded> {
    decode(&Content::new(MessageKind::Binary, payload))
}

/// Returns the decoded values as JSON.
fn values(format: Format, payload: &[u8]) -> String {
    let decoded = format.decode(payload);
    assert_eq!(decoded.problem, None, "{}", payload.escape_ascii());
    decoded.tree.map_or_else(String::new, |tree| tree.to_json().to_string())
}

#[test]
fn payload_of_text_is_found_by_its_shape() {
    use Format as F;
    for (payload, format, summary) in [
        (r#"{"b":1,"a":[true]}"#, F::Json, r#"{"b":1,"a":[true]}"#),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"add","params":[1,2]}"#,
            F::JsonRpc,
            "request 7 add [1,2]",
        ),
        (r#"{"jsonrpc":"2.0","method":"tick"}"#, F::JsonRpc, "notification tick "),
        (r#"{"jsonrpc":"2.0","id":"a","result":3}"#, F::JsonRpc, "response a 3"),
        (
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Method not found"}}"#,
            F::JsonRpc,
            "error 7 -32601 Method not found",
        ),
        (
            r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","id":1,"result":null}]"#,
            F::JsonRpc,
            "batch of 2: notification a ; response 1 null",
        ),
        (r#"{"type":"connection_init"}"#, F::GraphQl, "connection_init"),
        (
            r#"{"id":"1","type":"subscribe","payload":{"query":"subscription {\n  a\n}"}}"#,
            F::GraphQl,
            "subscribe 1 subscription { a }",
        ),
        (
            r#"{"id":"1","type":"next","payload":{"data":{"a":1}}}"#,
            F::GraphQl,
            r#"next 1 {"data":{"a":1}}"#,
        ),
        (r#"["1","2","room:a","phx_join",{"t":1}]"#, F::Phoenix, r#"phx_join 2 room:a {"t":1}"#),
        (r#"[null,"3","phoenix","heartbeat",{}]"#, F::Phoenix, "heartbeat 3 phoenix {}"),
        (
            r#"{"topic":"room:a","event":"phx_reply","payload":{},"ref":"4"}"#,
            F::Phoenix,
            "phx_reply 4 room:a {}",
        ),
        (r#"0{"sid":"x","pingInterval":1}"#, F::SocketIo, r#"open {"sid":"x","pingInterval":1}"#),
        (r#"42["message",{"a":1}]"#, F::SocketIo, r#"event "message" {"a":1}"#),
        (r#"43/chat,12["ok"]"#, F::SocketIo, r#"ack /chat 12 "ok""#),
        (
            r#"451-["file",{"_placeholder":true,"num":0}]"#,
            F::SocketIo,
            r#"binary_event with 1 attachments "file" {"_placeholder":true,"num":0}"#,
        ),
        ("{\"protocol\":\"json\",\"version\":1}\u{1e}", F::SignalR, "handshake json"),
        ("{}\u{1e}{\"type\":6}\u{1e}", F::SignalR, "handshake ok; ping"),
        (
            "{\"type\":1,\"target\":\"Send\",\"arguments\":[\"hi\"]}\u{1e}",
            F::SignalR,
            "invocation Send [\"hi\"]",
        ),
        ("{\"type\":3,\"invocationId\":\"1\",\"result\":2}\u{1e}", F::SignalR, "completion 1 2"),
        ("SEND\ndestination:/queue/a\n\n{\"a\":1}\0", F::Stomp, "SEND /queue/a {\"a\":1}"),
        ("CONNECTED\r\nversion:1.2\r\n\r\n\0", F::Stomp, "CONNECTED 1.2"),
    ] {
        let decoded = text(payload).unwrap_or_else(|| panic!("{payload}"));
        assert_eq!((decoded.format, &*decoded.summary), (format, summary), "{payload}");
        assert_eq!(decoded.problem, None, "{payload}");
        assert!(decoded.tree.is_some(), "{payload}");
    }
    for payload in ["", "hello", "42", "2", "true", "{not json}", "SEND", "4x"] {
        assert_eq!(text(payload), None, "{payload}");
    }
}

#[test]
fn payload_of_bytes_is_found_by_its_shape() {
    use Format as F;
    for (payload, format, summary) in [
        (&b"{\"a\":1}"[..], F::Json, r#"{"a":1}"#),
        (
            b"\x82\xa1a\x01\xa1b\x93\xc0\xc3\xcb\x3f\xf8\0\0\0\0\0\0",
            F::MessagePack,
            "{\"a\":1,\"b\":[null,true,1.5]}",
        ),
        (b"\xa2\x61a\x01\x61b\x82\x20\xf5", F::Cbor, "{\"a\":1,\"b\":[-1,true]}"),
        (b"\xd9\xd9\xf7\x01", F::Cbor, "{\"tag\":55799,\"value\":1}"),
        (b"\x08\x96\x01\x12\x02hi", F::Protobuf, "{1:150,2:\"hi\"}"),
        (b"\x07\x95\x01\x80\xc0\xa1m\x90", F::SignalR, "invocation m []"),
        (b"\x02\x91\x06", F::SignalR, "ping"),
        (b"\x10\x0f\0\x04MQTT\x04\x02\0\x3c\0\x03abc", F::Mqtt, "CONNECT abc"),
    ] {
        let decoded = binary(payload).unwrap_or_else(|| panic!("{}", payload.escape_ascii()));
        assert_eq!((decoded.format, &*decoded.summary), (format, summary));
        assert_eq!(decoded.problem, None, "{decoded:?}");
    }
    for payload in [&b""[..], b"\xff\xfe\x00", b"\x00\x00", b"\x91", b"\x07"] {
        assert_eq!(binary(payload), None, "{}", payload.escape_ascii());
    }
}

#[test]
fn payload_is_what_the_subprotocol_and_the_path_say() {
    let of = |payload, subprotocol, path| {
        let content = Content::new(MessageKind::Text, payload).subprotocol(subprotocol).path(path);
        Format::detect(&content)
    };
    assert_eq!(of(b"2", None, "/socket.io/?EIO=4&transport=websocket"), Some(Format::SocketIo));
    assert_eq!(of(b"2", None, "/socket.io/"), None);
    let reply = br#"["1","2","room:a","new",{}]"#;
    assert_eq!(of(reply, None, "/socket/websocket?vsn=2.0.0"), Some(Format::Phoenix));
    assert_eq!(of(b"{}", Some("graphql-ws"), ""), Some(Format::GraphQl));
    assert_eq!(of(b"\n", Some("v12.stomp"), ""), Some(Format::Stomp));
    assert_eq!(of(b"{}", Some("mqtt"), ""), Some(Format::Mqtt));
    assert_eq!(of(b"{}", Some("x.msgpack"), ""), Some(Format::MessagePack));
    assert_eq!(of(b"{}", Some("chat"), ""), Some(Format::Json));
}

#[test]
fn payload_that_was_cut_is_decoded_up_to_there() {
    let cut = br#"{"type":"price","list":[1,2,"#;
    assert_eq!(decode(&Content::new(MessageKind::Text, cut)), None);
    let decoded = decode(&Content::new(MessageKind::Text, cut).is_cut(true)).unwrap();
    assert_eq!(decoded.format, Format::Json);
    assert_eq!(decoded.problem.unwrap().to_string(), "byte 28: ends before a value");
    let tree = decoded.tree.unwrap();
    assert_eq!(tree.get("list").unwrap().items().len(), 2);
    assert_eq!(tree.get("type").unwrap().span, 8..15);
}

#[test]
fn payload_of_mqtt_is_told_packet_by_packet() {
    for (payload, summary) in [
        (&b"\x20\x02\0\0"[..], "CONNACK code 0"),
        (b"\x30\x06\0\x01ahi!", "PUBLISH qos 0 a hi!"),
        (b"\x33\x07\0\x01a\0\x07hi", "PUBLISH qos 1 retain a packet id 7 hi"),
        (b"\x82\x08\0\x01\0\x03a/b\x01", "SUBSCRIBE packet id 1 [\"a/b\"]"),
        // With the properties of version 5.
        (b"\x82\x09\0\x01\0\0\x03a/b\x01", "SUBSCRIBE packet id 1 [\"a/b\"]"),
        (b"\xc0\0\xd0\0", "PINGREQ; PINGRESP"),
        (b"\xe0\0", "DISCONNECT"),
    ] {
        let decoded = Format::Mqtt.decode(payload);
        assert_eq!((&*decoded.summary, decoded.problem), (summary, None));
    }
    let decoded = Format::Mqtt.decode(b"\x30\x20\0\x01ahi");
    assert_eq!(decoded.problem.unwrap().what, "ends 27 bytes too early");
    assert_eq!(Format::Mqtt.decode(b"\0\0").problem.unwrap().what, "0 is not the type of a packet");
    let connect = b"\x10\x1b\0\x04MQTT\x05\xc2\0\x3c\0\0\x01c\0\x02me\0\x06secret";
    let tree = Format::Mqtt.decode(connect).tree.unwrap();
    assert_eq!(tree.get("user name").unwrap().as_text(), Some("me"));
    assert_eq!(tree.get("password").unwrap().as_text(), Some("secret"));
}

/// Examples of RFC 8949, appendix A, and of the specification of `MessagePack`.
#[test]
fn payload_of_bytes_has_the_values_of_its_specification() {
    for (payload, json) in [
        (&b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff"[..], "18446744073709551615"),
        (b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", "\"-18446744073709551616\""),
        (b"\x39\x03\xe7", "-1000"),
        (b"\xf9\x3e\x00", "1.5"),
        (b"\xf9\xc4\x00", "-4.0"),
        (b"\xf9\x04\x00", "0.00006103515625"),
        (b"\xf9\x00\x01", "5.960464477539063e-8"),
        (b"\xf9\x7c\x00", "\"inf\""),
        (b"\xfa\x47\xc3\x50\x00", "100000.0"),
        (b"\xfb\xc0\x10\x66\x66\x66\x66\x66\x66", "-4.1"),
        (b"\xf6", "null"),
        (b"\xf8\xff", "{\"simple\":255}"),
        (b"\xc1\x1a\x51\x4b\x67\xb0", "{\"tag\":1,\"value\":1363896240}"),
        (b"\x44\x01\x02\x03\x04", "{\"base64\":\"AQIDBA==\"}"),
        (b"\x62\xc3\xbc", "\"ü\""),
        (b"\x5f\x42\x01\x02\x43\x03\x04\x05\xff", "{\"base64\":\"AQIDBAU=\"}"),
        (b"\x7f\x65strea\x64ming\xff", "\"streaming\""),
        (b"\x9f\x01\x82\x02\x03\x9f\x04\x05\xff\xff", "[1,[2,3],[4,5]]"),
        (b"\xbf\x61a\x01\x61b\x9f\x02\x03\xff\xff", "{\"a\":1,\"b\":[2,3]}"),
    ] {
        assert_eq!(values(Format::Cbor, payload), json);
    }
    for (payload, json) in [
        (&b"\xd3\x80\0\0\0\0\0\0\0"[..], "-9223372036854775808"),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
        (b"\xd0\xff\xe0", "[-1,-32]"),
        (b"\xd1\xff\x00", "-256"),
        (b"\xca\x3f\x80\0\0", "1.0"),
        (b"\xd9\x01a", "\"a\""),
        (b"\xc4\x01\xff", "{\"base64\":\"/w==\"}"),
        (b"\xd4\xff\x01", "{\"data\":{\"base64\":\"AQ==\"},\"extension\":-1}"),
        (b"\xdc\0\x01\x01", "[1]"),
        (b"\xde\0\x01\x01\x02", "{\"1\":2}"),
    ] {
        assert_eq!(values(Format::MessagePack, payload), json);
    }
    for (payload, json) in [
        (&b"\x1a\x03\x08\x96\x01"[..], "{\"3\":{\"1\":150}}"),
        (b"\x0d\x01\0\0\0\x11\x02\0\0\0\0\0\0\0", "{\"1\":1,\"2\":2}"),
        (b"\x0b\x10\x01\x0c", "{\"1\":{\"2\":1}}"),
        (b"\x0a\x02\xff\xfe", "{\"1\":{\"base64\":\"//4=\"}}"),
    ] {
        assert_eq!(values(Format::Protobuf, payload), json);
    }
}

#[test]
fn payload_of_any_depth_is_decoded_to_a_bound() {
    let deep = [
        (Format::Json, b"[".repeat(60_000)),
        (Format::MessagePack, b"\x91".repeat(60_000)),
        (Format::Cbor, b"\x81".repeat(60_000)),
        (Format::Cbor, b"\xc1".repeat(60_000)),
        (Format::Cbor, b"\x7f".repeat(60_000)),
        (Format::Protobuf, b"\x0b".repeat(60_000)),
        (Format::Json, [&b"[\""[..], &b"a\",\"".repeat(20_000)].concat()),
        (Format::MessagePack, [&b"\xdd\xff\xff\xff\xff"[..], &b"\xc0".repeat(60_000)].concat()),
        (
            Format::Cbor,
            [&b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"[..], &b"\x01".repeat(60_000)].concat(),
        ),
        (Format::Mqtt, b"\xc0\0".repeat(30_000)),
        (Format::SignalR, b"\x02\x91\x06".repeat(20_000)),
        (Format::Stomp, [&b"SEND\n"[..], &b"a:b\n".repeat(15_000)].concat()),
    ];
    for (format, payload) in deep {
        let decoded = format.decode(&payload);
        assert!(decoded.problem.is_some(), "{format}");
        assert!(decoded.summary.len() <= 160, "{format} {}", decoded.summary.len());
    }
    // Each message within one is tried, to a depth that is bounded.
    let mut nested = vec![0xff; 10];
    while nested.len() < 20_000 {
        let mut outer = vec![0x0a];
        let mut len = nested.len();
        while len > 0x7f {
            outer.push(0x80 | u8::try_from(len & 0x7f).unwrap());
            len >>= 7;
        }
        outer.push(u8::try_from(len).unwrap());
        outer.extend(nested);
        nested = outer;
    }
    assert!(Format::Protobuf.decode(&nested).tree.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn payload_of_any_bytes_is_decoded_within_its_bytes(
        start in proptest::sample::select(vec![
            &b""[..], b"42[", b"{\"jsonrpc\":", b"SEND\n", b"\x82", b"\xa2", b"\x10",
            b"\x82\x10\0\x01", b"[", b"\x05\x95\x01",
        ]),
        rest in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            "[\\[\\]{}\":,0-9a-z\\\\\u{1e}\n ]{0,40}".prop_map(String::into_bytes),
        ],
        is_text in any::<bool>(),
    ) {
        let payload = [start, &rest].concat();
        let kind = if is_text { MessageKind::Text } else { MessageKind::Binary };
        decode(&Content::new(kind, &payload).is_cut(true));
        for format in Format::ALL {
            let decoded = format.decode(&payload);
            prop_assert!(decoded.summary.len() <= 160);
            prop_assert!(!decoded.summary.contains(char::is_control), "{:?}", decoded.summary);
            if let Some(problem) = &decoded.problem {
                prop_assert!(problem.at <= payload.len(), "{format} {problem}");
            }
            let mut trees: Vec<_> = decoded.tree.iter().collect();
            while let Some(tree) = trees.pop() {
                prop_assert!(tree.span.end <= payload.len() && tree.span.start <= tree.span.end);
                match &tree.value {
                    TreeValue::List(items) => trees.extend(items),
                    TreeValue::Map(entries) => {
                        trees.extend(entries.iter().flat_map(|(key, value)| [key, value]));
                    }
                    _ => {}
                }
            }
        }
    }
}
