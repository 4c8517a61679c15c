//! Any messages of one connection, with either parser: packets or errors, and what is decoded can
//! be encoded and decoded again.
//!
//! Byte 0 selects the parser. Each message begins with its kind and length, a byte each.

#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use fullduplex::Utf8Bytes;
use fullduplex_socketio::{
    Decoder, EncodedPacket, Head, Packet, PacketBody, PacketLimits, Parser, Value, Variadic,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [first, rest @ ..] = input else { return };
    let parser = if first & 1 == 0 { Parser::Default } else { Parser::MessagePack };
    let limits = Arc::new(PacketLimits::default());
    let mut decoder = Decoder::new(parser, limits.clone());
    let mut rest = rest;
    while let [kind, len, tail @ ..] = rest {
        let (message, tail) = tail.split_at(tail.len().min(usize::from(*len)));
        rest = tail;
        let packet = match std::str::from_utf8(message) {
            Ok(text) if kind & 1 == 0 => decoder.text(Utf8Bytes::from(text.to_owned())),
            _ => decoder.binary(Bytes::copy_from_slice(message)),
        };
        match packet {
            Ok(Some(packet)) => again(parser, &limits, packet),
            Ok(None) => {}
            Err(_) => return,
        }
    }
});

fn again(parser: Parser, limits: &Arc<PacketLimits>, packet: Packet) {
    let PacketBody::Event { name, id, args } = packet.body else { return };
    let Ok(args) = args.get::<Variadic<Value>>() else { return };
    let Ok(partial) = parser.encode(&packet.namespace, Head::Event(&name, id), &args) else {
        panic!("what was received can be sent");
    };
    let mut decoder = Decoder::new(parser, limits.clone());
    let packet = match partial.finish(None) {
        EncodedPacket::Text { text, attachments } => {
            let text = text[1..].to_owned();
            let mut packet = decoder.text(Utf8Bytes::from(text));
            for attachment in attachments {
                packet = decoder.binary(attachment);
            }
            packet
        }
        EncodedPacket::Binary(bytes) => decoder.binary(bytes),
        _ => return,
    };
    if let Ok(packet) = packet {
        let Some(Packet { body: PacketBody::Event { name: second, .. }, .. }) = packet else {
            panic!("an event is an event");
        };
        assert_eq!(second, name);
    }
}
