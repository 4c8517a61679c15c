use std::sync::Arc;

use bytes::Bytes;
use fullduplex::Utf8Bytes;
use proptest::prelude::*;
use serde::Serialize;

use super::{Decoder, EncodedPacket, Head, Parser};
use crate::args::Variadic;
use crate::binary::Binary;
use crate::packet::{Packet, PacketBody, PacketError, PacketLimits};
use crate::value::Value;

fn decoder(parser: Parser) -> Decoder {
    Decoder::new(parser, Arc::default())
}

/// Takes the messages of one packet.
fn decode(decoder: &mut Decoder, packet: EncodedPacket) -> Result<Option<Packet>, PacketError> {
    match packet {
        EncodedPacket::Text { text, attachments } => {
            let text = text.strip_prefix('4').expect("the type of the message").to_owned();
            let mut packet = decoder.text(Utf8Bytes::from(text))?;
            for attachment in attachments {
                assert!(packet.is_none(), "the packet is complete before its attachments");
                packet = decoder.binary(attachment)?;
            }
            Ok(packet)
        }
        EncodedPacket::Binary(bytes) => decoder.binary(bytes),
    }
}

fn text(text: &str) -> Result<Option<Packet>, PacketError> {
    decoder(Parser::Default).text(Utf8Bytes::from(text.to_owned()))
}

fn encode<T: Serialize>(namespace: &str, head: Head<'_>, args: &T) -> EncodedPacket {
    Parser::Default.encode(namespace, head, args).expect("a packet").finish(None)
}

fn encoded_text<T: Serialize>(namespace: &str, head: Head<'_>, args: &T) -> String {
    match encode(namespace, head, args) {
        EncodedPacket::Text { text, .. } => text,
        EncodedPacket::Binary(_) => panic!("the default parser writes text"),
    }
}

#[test]
fn encoded_packets_are_those_of_the_protocol() {
    let event = Head::Event("foo", None);
    assert_eq!(encoded_text("/", event, &()), r#"42["foo"]"#);
    assert_eq!(encoded_text("/admin", Head::Event("bar", None), &()), r#"42/admin,["bar"]"#);
    assert_eq!(encoded_text("/", Head::Event("foo", Some(12)), &()), r#"4212["foo"]"#);
    assert_eq!(encoded_text("/admin", Head::Ack(13), &"bar"), r#"43/admin,13["bar"]"#);
    assert_eq!(encoded_text("/", Head::Ack(1), &()), "431[]");
    let null = serde_json::Value::Null;
    assert_eq!(encoded_text("/", Head::Ack(1), &null), "431[null]");
    assert_eq!(encoded_text("/", event, &null), r#"42["foo",null]"#);
    assert_eq!(encoded_text("/", event, &None::<u8>), r#"42["foo",null]"#);
    let nulls = (Value::Null, &null, 1, (), &null);
    assert_eq!(encoded_text("/", event, &nulls), r#"42["foo",null,null,1,null,null]"#);
    assert_eq!(encoded_text("/", Head::Ack(1), &(1, "a")), r#"431[1,"a"]"#);
    assert_eq!(encoded_text("/", event, &(1, Some("a"))), r#"42["foo",1,"a"]"#);
    assert_eq!(encoded_text("/", event, &[1, 2]), r#"42["foo",1,2]"#);
    assert_eq!(encoded_text("/", event, &vec![1, 2]), r#"42["foo",[1,2]]"#);
    let quoted = Head::Event("\"\\\n", None);
    assert_eq!(encoded_text("/", quoted, &()), r#"42["\"\\\u000a"]"#);

    let bytes = Bytes::from_static(&[1, 2, 3, 4]);
    let binary = Binary(bytes.clone());
    assert_eq!(
        encode("/", Head::Event("baz", None), &binary),
        EncodedPacket::Text {
            text: r#"451-["baz",{"_placeholder":true,"num":0}]"#.to_owned(),
            attachments: vec![bytes.clone()],
        }
    );
    assert_eq!(
        encode("/admin", Head::Ack(15), &("bar", &binary, [&binary])),
        EncodedPacket::Text {
            text: concat!(
                r#"462-/admin,15["bar",{"_placeholder":true,"num":0},"#,
                r#"[{"_placeholder":true,"num":1}]]"#
            )
            .to_owned(),
            attachments: vec![bytes.clone(), bytes],
        }
    );
}

#[test]
fn encoded_control_packets_are_those_of_the_protocol() {
    let text = |packet| match packet {
        EncodedPacket::Text { text, .. } => text,
        EncodedPacket::Binary(_) => panic!("the default parser writes text"),
    };
    let sid = Value::Object(vec![("sid".to_owned(), Value::String("a".to_owned()))]);
    assert_eq!(text(Parser::Default.encode_connect("/", None)), "40");
    assert_eq!(text(Parser::Default.encode_connect("/a", Some(&sid))), r#"40/a,{"sid":"a"}"#);
    assert_eq!(text(Parser::Default.encode_disconnect("/a")), "41/a,");
    assert_eq!(text(Parser::Default.encode_connect_error("/", &sid)), r#"44{"sid":"a"}"#);
}

#[test]
fn appended_argument_is_the_last_one() {
    let with = |args: &dyn Fn() -> super::PartialPacket| match args().finish(Some("e.1")) {
        EncodedPacket::Text { text, .. } => text,
        EncodedPacket::Binary(_) => panic!("the default parser writes text"),
    };
    let head = Head::Event("m", None);
    let parser = Parser::Default;
    assert_eq!(with(&|| parser.encode("/", head, &()).expect("a packet")), r#"42["m","e.1"]"#);
    assert_eq!(with(&|| parser.encode("/", head, &7).expect("a packet")), r#"42["m",7,"e.1"]"#);
    let ack = Head::Ack(1);
    assert_eq!(with(&|| parser.encode("/", ack, &()).expect("a packet")), r#"431["e.1"]"#);
}

#[test]
fn decoded_packets_are_those_of_the_protocol() {
    let packet = text(r#"2/admin,12["foo",1]"#).expect("a packet").expect("a whole one");
    assert_eq!(&*packet.namespace, "/admin");
    let PacketBody::Event { name, id, args } = packet.body else { panic!("an event") };
    assert_eq!((name.as_str(), id, args.get::<u8>()), ("foo", Some(12), Ok(1)));

    let packet = text("0/admin").expect("a packet").expect("a whole one");
    assert_eq!(&*packet.namespace, "/admin");
    assert!(matches!(packet.body, PacketBody::Connect { data } if data.is_empty()));

    let packet = text("1/admin,").expect("a packet").expect("a whole one");
    assert!(matches!(packet.body, PacketBody::Disconnect));

    let packet = text("31[]").expect("a packet").expect("a whole one");
    assert!(matches!(packet.body, PacketBody::Ack { id: 1, .. }));
}

#[test]
fn malformed_packets_are_rejected() {
    for malformed in [
        "",
        "7",
        "a",
        "0[]",
        "0\"a\"",
        "0abc",
        "1{}",
        "2",
        "2{}",
        "2[]",
        "2[{}]",
        "2[\"a\"",
        "2[\"a\"]]",
        "2abc[\"message\"]",
        "2[null]",
        "3[]",
        "31",
        "31{}",
        "5[\"a\"]",
        "5-[\"a\"]",
        "51[\"a\"]",
        "501-[\"a\"]",
        "2[\"connect\"]",
        "2[\"disconnecting\"]",
        "2[\"newListener\"]",
        "299999999999999999999[\"a\"]",
        "8",
        "2[\"a\",]",
    ] {
        assert!(
            matches!(text(malformed), Err(PacketError::Malformed(_))),
            "{malformed:?} is not rejected as malformed"
        );
    }
}

#[test]
fn packets_beyond_a_limit_are_rejected() {
    let limits = PacketLimits::default()
        .max_attachments(2)
        .max_depth(3)
        .max_event_name(4)
        .max_namespace_name(4)
        .max_packet_size(60);
    let limits = Arc::new(limits);
    let decoder = || Decoder::new(Parser::Default, limits.clone());
    let text = |text: &str| decoder().text(Utf8Bytes::from(text.to_owned())).map(|p| p.is_some());
    assert_eq!(text(r#"2["four",[[1]]]"#), Ok(true));
    assert_eq!(text(r#"2["four",[[[1]]]]"#), Err(PacketError::TooDeep));
    assert_eq!(text(r#"2["four","[[[[[[\"[[["]"#), Ok(true));
    assert_eq!(text(r#"2["five+"]"#), Err(PacketError::NameTooLong));
    assert_eq!(text("0/abcd,"), Err(PacketError::NameTooLong));
    assert_eq!(text(r#"52-["a"]"#), Ok(false));
    assert_eq!(text(r#"53-["a"]"#), Err(PacketError::TooManyAttachments));
    assert_eq!(text(r#"599999999999999999999-["a"]"#), Err(PacketError::TooManyAttachments));
    assert_eq!(text(&format!("2[\"a\",\"{}\"]", "x".repeat(60))), Err(PacketError::TooLarge));

    let mut decoder = decoder();
    let head = Utf8Bytes::from_static(r#"52-["a",{"_placeholder":true,"num":0}]"#);
    decoder.text(head).expect("a packet");
    decoder.binary(Bytes::from(vec![0; 10])).expect("an attachment that fits");
    let error = decoder.binary(Bytes::from(vec![0; 20])).expect_err("too much");
    assert_eq!(error, PacketError::TooLarge);
}

#[test]
fn attachments_take_the_places_of_their_placeholders() {
    let mut decoder = decoder(Parser::Default);
    let head = r#"52-["a",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]"#;
    assert!(decoder.text(Utf8Bytes::from_static(head)).expect("a packet").is_none());
    assert!(decoder.is_incomplete());
    assert!(decoder.binary(Bytes::from_static(&[0])).expect("a packet").is_none());
    let packet = decoder.binary(Bytes::from_static(&[1])).expect("a packet").expect("a whole one");
    let PacketBody::Event { args, .. } = packet.body else { panic!("an event") };
    let (first, second): (Binary, Vec<Binary>) = args.get().expect("bytes");
    assert_eq!((&*first, second), ([1].as_slice(), vec![vec![0].into()]));
}

#[test]
fn attachments_that_do_not_fit_are_rejected() {
    let mut alone = decoder(Parser::Default);
    assert!(alone.binary(Bytes::new()).is_err());
    for head in [
        r#"51-["a",{"_placeholder":true,"num":1}]"#,
        r#"51-["a",{"_placeholder":true,"num":-1}]"#,
        r#"51-["a",{"_placeholder":true,"num":"0"}]"#,
        r#"51-["a",{"_placeholder":true}]"#,
        r#"51-[{"_placeholder":true,"num":0}]"#,
    ] {
        let mut decoder = decoder(Parser::Default);
        let begun = decoder.text(Utf8Bytes::from_static(head)).map(|packet| packet.is_some());
        if begun.is_ok() {
            assert!(decoder.binary(Bytes::new()).is_err(), "{head} is not rejected");
        }
    }
    let mut interrupted = decoder(Parser::Default);
    interrupted.text(Utf8Bytes::from_static(r#"51-["a"]"#)).expect("a packet");
    assert!(interrupted.text(Utf8Bytes::from_static(r#"2["a"]"#)).is_err());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u64>().prop_map(Value::Unsigned),
        (i64::MIN..0).prop_map(Value::Signed),
        any::<i32>().prop_map(|number| Value::Float(f64::from(number) + 0.5)),
        ".{0,8}".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec(("[a-z]{1,3}", inner), 0..3).prop_map(|mut members| {
                members.sort_by(|(a, _), (b, _)| a.cmp(b));
                members.dedup_by(|(a, _), (b, _)| a == b);
                Value::Object(members)
            }),
        ]
    })
}

fn parsers() -> impl Strategy<Value = Parser> {
    prop_oneof![
        Just(Parser::Default),
        #[cfg(feature = "msgpack")]
        Just(Parser::MessagePack),
    ]
}

proptest! {
    #[test]
    fn packets_survive_being_encoded(
        parser in parsers(),
        namespace in "(/|/[a-z]{1,5})",
        name in "[a-z\"\\\\\u{7f}-\u{fff}]{1,8}",
        id in prop::option::of(any::<u64>()),
        args in prop::collection::vec(value(), 0..3),
        appended in prop::option::of("[a-z.]{0,4}"),
    ) {
        let args = Variadic(args);
        let head = Head::Event(&name, id);
        let partial = parser.encode(&namespace, head, &args).expect("a packet");
        let limits = Arc::new(PacketLimits::default().max_attachments(100));
        let mut decoder = Decoder::new(parser, limits);
        let packet = decode(&mut decoder, partial.finish(appended.as_deref()))
            .expect("a packet")
            .expect("a whole one");
        prop_assert_eq!(&*packet.namespace, namespace.as_str());
        let PacketBody::Event { name: decoded, id: decoded_id, args: decoded_args } = packet.body
        else {
            panic!("an event");
        };
        prop_assert_eq!((decoded, decoded_id), (name, id));
        let mut expected = args.0;
        expected.extend(appended.map(Value::String));
        prop_assert_eq!(decoded_args.get::<Variadic<Value>>(), Ok(Variadic(expected)));
    }

    #[test]
    fn messages_of_any_bytes_are_packets_or_errors(
        parser in parsers(),
        messages in prop::collection::vec(
            prop_oneof![
                "[0-6][0-9]?-?(/a,)?[0-9]{0,2}(\\[\"a\",.{0,8}\\]|.{0,8})".prop_map(Ok),
                prop::collection::vec(any::<u8>(), 0..16).prop_map(Err),
            ],
            0..4,
        ),
    ) {
        let mut decoder = decoder(parser);
        for message in messages {
            let packet = match message {
                Ok(text) => decoder.text(Utf8Bytes::from(text)),
                Err(bytes) => decoder.binary(Bytes::from(bytes)),
            };
            if let Ok(Some(Packet { body: PacketBody::Event { args, .. }, .. })) = packet {
                let _ = args.get::<Variadic<Value>>();
            }
        }
    }
}

#[cfg(feature = "msgpack")]
mod msgpack {
    use super::*;

    /// Decodes one packet that is written in hexadecimal.
    fn hex(hex: &str) -> Result<Option<Packet>, PacketError> {
        let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| {
                let pair = std::str::from_utf8(pair).expect("ASCII");
                u8::from_str_radix(pair, 16).expect("hexadecimal")
            })
            .collect();
        decoder(Parser::MessagePack).binary(bytes.into())
    }

    #[test]
    fn message_pack_of_the_official_client_is_decoded() {
        // { type: 0, data: undefined, nsp: "/" }
        let packet = hex("83 a474797065 00 a464617461 d40000 a36e7370 a12f").expect("a packet");
        let body = packet.expect("a whole one").body;
        assert!(matches!(body, PacketBody::Connect { data } if data.is_empty()));

        // { type: 2, data: ["a", <01 02>], options: { compress: true }, id: 1, nsp: "/" }
        let packet = hex(concat!(
            "85 a474797065 02 a464617461 92 a161 c4020102 ",
            "a76f7074696f6e73 81 a8636f6d7072657373 c3 a26964 01 a36e7370 a12f"
        ));
        let body = packet.expect("a packet").expect("a whole one").body;
        let PacketBody::Event { name, id, args } = body else { panic!("an event") };
        assert_eq!((name.as_str(), id), ("a", Some(1)));
        assert_eq!(args.get::<Binary>(), Ok(vec![1, 2].into()));
    }

    #[test]
    fn message_pack_that_is_malformed_is_rejected() {
        // No namespace; an event without a name; nested too deeply; not a map.
        assert!(hex("81 a474797065 00").is_err());
        assert!(hex("83 a474797065 02 a464617461 90 a36e7370 a12f").is_err());
        let deep = "91".repeat(70) + "00";
        let nested = format!("83 a474797065 02 a464617461 92 a161 {deep} a36e7370 a12f");
        assert_eq!(hex(&nested).map(|packet| packet.is_some()), Err(PacketError::TooDeep));
        assert!(hex("00").is_err());
        assert!(decoder(Parser::MessagePack).text(Utf8Bytes::from_static("0")).is_err());
    }

    #[test]
    fn message_pack_of_many_arguments_has_their_length() {
        for count in [0, 1, 14, 15, 16, 40] {
            let args = Variadic(vec![7_u8; count]);
            let partial =
                Parser::MessagePack.encode("/", Head::Event("m", None), &args).expect("a packet");
            let packet = decode(&mut decoder(Parser::MessagePack), partial.finish(Some("x")));
            let body = packet.expect("a packet").expect("a whole one").body;
            let PacketBody::Event { args, .. } = body else { panic!("an event") };
            let all: Variadic<Value> = args.get().expect("values");
            assert_eq!(all.0.len(), count + 1);
        }
    }
}
