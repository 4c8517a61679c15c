//! Any bytes, both roles: the same events however they are split and by whichever API they are
//! received, progress at every step, and a bounded response on the wire.
//!
//! Byte 0: bit 0 is the role, bit 1 selects low limits, the others how the input is split.

#![no_main]

use std::time::Duration;

use fullduplex_proto::{Config, Limits, ReceiveBuffer, Role};
use fullduplex_testkit::Rng;
use fullduplex_testkit::pair::{End, EndEvent};
use fullduplex_testkit::receive::by_buffer;
use libfuzzer_sys::fuzz_target;

fn by_connection(role: Role, limits: Limits, pieces: &[&[u8]]) -> Vec<EndEvent> {
    let mut end = End::new(role, Config::default().limits(limits));
    for piece in pieces {
        end.receive(piece, Duration::ZERO);
    }
    let sent = end.transmit(usize::MAX);
    // A flood of pings may be answered by the last Pong only, so this is just a bound.
    assert!(sent.len() <= 4 * 139 + 140);
    end.take_events()
}

fuzz_target!(|input: &[u8]| {
    let [first, bytes @ ..] = input else { return };
    let role = if first & 1 == 0 { Role::Client } else { Role::Server };
    let mut limits = Limits::default().max_control_rate(u32::MAX);
    if first & 2 != 0 {
        limits.max_message_size = Some(40);
        limits.max_fragments = 3;
    }
    let mut rng = Rng::new(u64::from(*first));
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((1 + rng.below(9)).min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    let whole = by_connection(role, limits, &[bytes]);
    assert_eq!(by_connection(role, limits, &pieces), whole);
    for make in [ReceiveBuffer::from as fn(_) -> _, ReceiveBuffer::shared] {
        assert_eq!(by_buffer(role, limits, &[bytes], make), whole);
        assert_eq!(by_buffer(role, limits, &pieces, make), whole);
    }
});
