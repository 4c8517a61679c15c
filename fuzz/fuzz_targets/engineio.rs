//! Payloads and packets of Engine.IO from any bytes: each packet that is understood is written
//! again, and understood as the same.

#![no_main]

use fullduplex_proto::{Message, Utf8Bytes};
use fullduplex_socketio::engine::{Packet, Payload};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let packets = Payload::new(bytes.to_vec());
    assert_eq!(packets.clone().count(), bytes.split(|byte| *byte == 0x1e).count());
    for packet in packets.flatten() {
        again(packet);
    }
    if let Ok(text) = Utf8Bytes::try_from(bytes.to_vec())
        && let Ok(packet) = Packet::decode_text(text.clone())
    {
        let has_data = matches!(packet, Packet::Open(_) | Packet::Ping(_) | Packet::Pong(_));
        // Base64 is written as a binary message.
        let is_base64 = text.starts_with('b');
        if has_data || (matches!(packet, Packet::Message(_)) && !is_base64) {
            assert_eq!(packet.clone().encode(), Message::Text(text));
        }
        again(packet);
    }
});

fn again(packet: Packet) {
    assert_eq!(Packet::decode(packet.clone().encode()), Ok(packet));
}
