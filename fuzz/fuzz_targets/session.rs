//! A client and a server that send, ping and close as the input says, over wires that split and
//! stall: all messages arrive, in order and complete, and neither end reports an error.

#![no_main]

use std::time::Duration;

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{
    CloseCode, CloseFrame, Compression, Config, MessageKind, ReadyState, SendConfig,
};
use fullduplex_testkit::pair::{End, EndEvent, Pair};
use libfuzzer_sys::fuzz_target;

fn messages(events: &[EndEvent]) -> impl Iterator<Item = &Bytes> {
    events.iter().filter_map(|t| match t {
        EndEvent::Message(_, bytes) => Some(bytes),
        EndEvent::Error(error) => panic!("found fault: {error}"),
        _ => None,
    })
}

fuzz_target!(|input: &[u8]| {
    let send = SendConfig::default().fragment_size(3000);
    let mut pair = Pair::new(Config::default().send(send));
    let mut sent: [Vec<Bytes>; 2] = Default::default();
    // The fragments sent so far of an unfinished message.
    let mut begun: [Vec<u8>; 2] = Default::default();
    for (step, op) in input.iter().take(400).enumerate() {
        let now = pair.now;
        let side = usize::from(op & 1);
        let (end, other): (&mut End, &mut End) = match side {
            0 => (&mut pair.client, &mut pair.server),
            _ => (&mut pair.server, &mut pair.client),
        };
        let size = usize::from(op >> 4) * usize::from(op >> 4) * 40;
        match op >> 1 & 7 {
            0 | 1 => {
                let payload = Bytes::from(vec![step.to_le_bytes()[0]; size]);
                if end.session().send(MessageKind::Binary, payload.clone()).is_ok() {
                    sent[side].push(payload);
                }
            }
            5 => {
                let (last, size) = (op >> 4 & 1 == 1, size / 3);
                let payload = vec![step.to_le_bytes()[0]; size];
                if end
                    .session()
                    .send_fragment(MessageKind::Binary, &payload, last, Compression::Auto)
                    .is_ok()
                {
                    begun[side].extend(payload);
                    if last {
                        sent[side].push(std::mem::take(&mut begun[side]).into());
                    }
                }
            }
            2 => drop(end.session().ping(&[1; 125][..size.min(125)])),
            3 => drop(end.session().pong(&[2; 125][..size.min(125)])),
            4 if op >> 4 == 15 => {
                end.session().close(CloseFrame::new(CloseCode::NORMAL, "").ok(), now);
            }
            _ => {
                let bytes = end.transmit(1 + size);
                other.receive(&bytes, now);
            }
        }
        let buffered = end.session().buffered();
        assert!(buffered < (64 << 10) + 15 * 15 * 40 + 1000, "{buffered} bytes held");
        if op >> 4 == 7 {
            pair.now += Duration::from_secs(1);
        }
    }
    pair.settle();
    for (events, sent) in [(&pair.server.events, &sent[0]), (&pair.client.events, &sent[1])] {
        // Bytes in flight when the receiver had the peer's Close were sent before it.
        assert!(messages(events).eq(sent.iter()), "other messages arrived");
    }
    let closed = pair.client.session().state() != ReadyState::Open;
    assert_eq!(closed, pair.server.session().state() != ReadyState::Open);
});
