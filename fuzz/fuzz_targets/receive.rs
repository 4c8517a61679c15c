//! Any bytes, both roles: the same events however they are cut, progress at every step, and
//! the same answer on the wire.

#![no_main]

use std::time::Duration;

use fullduplex_proto::{Config, Role};
use fullduplex_testkit::Rng;
use fullduplex_testkit::pair::{End, Told};
use libfuzzer_sys::fuzz_target;

fn run<'a>(role: Role, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Told>, usize) {
    let mut end = End::new(role, Config::default());
    for piece in pieces {
        end.receive(piece, Duration::ZERO);
    }
    let sent = end.transmit(usize::MAX);
    // A flood of pings may be answered by the last Pong alone, so only bound it.
    assert!(sent.len() <= 4 * 139 + 140);
    (end.take_told(), sent.len())
}

fuzz_target!(|input: &[u8]| {
    let [first, bytes @ ..] = input else { return };
    let role = if first & 1 == 0 { Role::Client } else { Role::Server };
    let (whole, _) = run(role, std::iter::once(bytes));
    let mut rng = Rng::new(u64::from(*first));
    let mut rest = bytes;
    let pieces = std::iter::from_fn(|| {
        (!rest.is_empty()).then(|| {
            let (piece, tail) = rest.split_at((1 + rng.below(9)).min(rest.len()));
            rest = tail;
            piece
        })
    });
    assert_eq!(run(role, pieces).0, whole);
});
